/*
 * Message objects: what the kernel keeps of a message while nobody's memory but the kernel's holds it.
 *
 * Owns: a fixed pool of objects, made at boot in the linear map, so that a device can write into one (the
 * inline data of a received frame lands there by DMA). An object has one holder at a time: the pool, a
 * driver, a device ring or a port. Pages named by its pieces are owned by the kernel (space 0) while the
 * object holds them.
 *
 * Invariants
 *   1. Objects are conserved: each is in exactly one of pool, driver, ring, port.
 *   2. abi.pieces and abi.piece[] of an object were validated when it was filled; nothing outside the kernel
 * writes it.
 *   3. For each piece of an object the kernel holds one ownership of that page (DASH 3.3: ownership in
 * transit).
 *   4. What is in the pool is nothing special: `special` is 0 there, so that nobody has to clear it.
 *
 * Locking: none. Free objects lie in one magazine per CPU (own CPU, interrupts masked) and a stock that CPUs share without a
 * lock (core/pool.h). Their numbers in the pool are offsets in bytes (message_at), so that a driver that takes many (pool_peek,
 * pool_room) needs one instruction for each.
 */
#ifndef IPC_MESSAGE_H
#define IPC_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include "core/abi.h"
#include "core/arch.h"
#include "core/pool.h"

struct thread;

/* What a message is besides an ordinary one: one look at `special` tells that it is nothing of all this. */
#define MESSAGE_CALL    (1u << 0) /* rpc: `caller` waits for the reply */
#define MESSAGE_REQUEST (1u << 1) /* the answer goes to a reply port: ipc/request.h */
#define MESSAGE_CHARGED                                                                                      \
    (1u << 2) /* in a port: counted among those that its sender may have there, ipc/service.h */
#define MESSAGE_BOOKS  (1u << 3) /* it has books: their pages are counted by message_pages() */
#define MESSAGE_BLOCKS (1u << 4) /* it has small blocks: ipc/block.h */

/* Its pieces are not all plain pages. */
#define MESSAGE_PIECES (MESSAGE_BOOKS | MESSAGE_BLOCKS)

struct message {
    uint32_t special;        /* MESSAGE_...; 0 when it comes from the pool */
    uint32_t request;        /* which entry of the requests */
    struct thread *caller;   /* rpc: who waits for the reply */
    uint64_t reply_sequence; /* which of the caller's calls, or of the entry's requests, this is */
    struct message
        *original; /* with TRANSFER_COPY: the sender's own pages (ipc/copy.h); not looked at otherwise */
    struct baton_message abi; /* what crosses the boundary */
};

/* Makes the pool: `count` objects. Boot only; panics when memory is short. */
void message_pool_init(unsigned count);

/* Objects in the pool, when nothing moves; and all there are. */
unsigned message_pool_free(void);
unsigned message_pool_total(void);

/*
 * Takes up to `count` objects; returns how many it got. Their header is not cleared. Interrupts masked. Does
 * not wait.
 */
unsigned message_alloc(struct message **messages, unsigned count);

/* Gives objects back, without looking at their pieces: the caller has moved or released the pages. Interrupts
 * masked. */
void message_free(struct message *const *messages, unsigned count);

extern struct message *message_objects;
extern struct pool message_pool;

/* An object by its number in the pool, and back; `objects` is message_objects, which a loop keeps by itself. */
static inline struct message *message_at(struct message *objects, uint64_t number)
{
    return (struct message *)(void *)((char *)objects + number);
}

static inline uint32_t message_number(const struct message *objects, const struct message *message)
{
    return (uint32_t)((const char *)message - (const char *)objects);
}

/* One object, or NULL; and back, likewise without a look at its pieces. */
static inline struct message *message_take(void)
{
    uint32_t number;

    if (!pool_take_one(&message_pool, &number))
        return NULL;
    return message_at(message_objects, number);
}

static inline void message_give(struct message *message)
{
    message->special = 0;
    pool_give_one(&message_pool, message_number(message_objects, message));
}

/* Releases the kernel's ownership of every page of the object, then frees it. A waiting rpc caller gets BATON_EDEAD, a
 * reply port a notice. */
void message_drop(struct message *message);

/*
 * IPC pages in it, at least as many as there are: its pieces, and the pages of its books, which the object has in abi.flags by
 * 256. One load for both.
 */
static inline uint32_t message_pages(const struct message *message)
{
    uint16_t pages;

    __builtin_memcpy(&pages, &message->abi.pieces, sizeof(pages));
    return pages;
}
_Static_assert(__builtin_offsetof(struct baton_message, flags) ==
                   __builtin_offsetof(struct baton_message, pieces) + 1,
               "message_pages");

/* Where the device writes or reads the inline data: physical address of abi.data[0]. */
static inline uint64_t message_inline_phys(const struct message *message)
{
    return arch_virt_to_phys(message->abi.data);
}

#endif
