/*
 * The batch of messages that a call moves: what the calls share that send and receive them (ipc/syscall_message.c), and those that
 * ask and answer (ipc/syscall_rpc.c).
 *
 * Owns: a struct batch lies on the stack of its call. Model: batch_fill takes objects from the pool, fills them, and they are the
 * batch's; then either batch_send or a like call gives them away, and batch_gone settles with the sender, or batch_undo gives each
 * back. Errors: enum baton_error. Interrupts masked; only batch_send waits.
 */
#ifndef IPC_SYSCALL_BATCH_H
#define IPC_SYSCALL_BATCH_H

#include <stdbool.h>
#include <stdint.h>
#include "core/abi.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "ipc/page.h"
#include "ipc/policy.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "ipc/transfer.h"
#include "mm/space.h"

struct message;
struct port;

#define BATCH_SEND_FLAGS    (BATON_TRUSTED | BATON_DUPLICATE)
#define BATCH_RECEIVE_FLAGS (BATON_IMMEDIATE_ACCESS | BATON_TRUST_SENDER | BATON_BLOCK_ROOM)

struct batch {
    const uint64_t *
        list; /* addresses of the messages to be sent: below, or in the service's memory, where each is read once */
    uint64_t addresses[BATON_BATCH]; /* of the service's messages, copied */
    struct message *messages[BATON_BATCH];
    unsigned count;
    unsigned
        lent; /* so many of the messages, from the front, are objects that the service was lent, or is: ipc/lend.h */
    bool
        lend; /* messages that are received are to be lent, as far as they are plain; their list is at `from` */
    uint64_t from;
    uint32_t pages;  /* in the messages that are filled, as message_pages() says */
    unsigned buffer; /* bytes of each, where messages are received */
    bool first_plain,
        plain;     /* the first of the addresses, and all of them, lie in data or heap: for plain_receive */
    bool by_value; /* with unmap=copy: the messages have pages of their own, */
    struct message
        *originals[BATON_BATCH]; /* and these the sender's, until it is known who has which: see ipc/copy.h */
};

/* One message. */
static inline void batch_one(struct batch *batch, uint64_t address)
{
    batch->addresses[0] = address;
    batch->list = batch->addresses;
    batch->count = 1;
    batch->lent = 0;
    batch->lend = false;
    batch->pages = 0;
    batch->plain = batch->first_plain = false;
}

static inline uint32_t batch_row(const struct service *service)
{
    return (uint32_t)(service->row - appliance.services);
}

/* The flags of a send, as page_send has them. */
static inline unsigned batch_page_flags(uint64_t flags)
{
    return (flags & BATON_DUPLICATE ? PAGE_SEND_DUPLICATE : 0) |
           (flags & BATON_TRUSTED ? PAGE_SEND_TRUSTED : 0) |
           (policy_now() == POLICY_COPY ? TRANSFER_COPY : 0);
}

/* What a message is received into. */
static inline unsigned batch_buffer_bytes(uint64_t flags)
{
    return sizeof(struct baton_message) + (flags & BATON_BLOCK_ROOM ? BATON_BLOCK_BYTES : 0);
}

/* The call waits no more: what it does from here it does with `count` messages. */
static inline void batch_note_taken(const struct service *service, int count)
{
    ledger_note(cpu_self(), LEDGER_TAKEN, service->space->number, LEDGER_NO_PAGE,
                thread_self()->number | (count > 0 ? (uint64_t)count << 16 : 0));
}

/* The port behind a handle with the right that is needed; else NULL and the error. */
struct port *syscall_port(const struct service *service, uint64_t number, uint32_t right,
                          const struct handle **handle, int *error);

/*
 * Station 6: copies messages in until one is wrong; returns how many, or the first one's error. `to` is the space that will receive
 * them. Their pages are unmapped, or on the way to be: the batch can be sent.
 */
int batch_fill(struct service *service, struct batch *batch, uint32_t source, unsigned flags,
               const struct space *to);

/* The first `count` messages of the batch are gone. What the sender had in them by value is its pool's again. */
void batch_gone(const struct service *service, const struct batch *batch, unsigned count);

/* Message `index` of the batch stays with its sender. */
void batch_undo(struct service *service, const struct batch *batch, unsigned index, bool duplicate,
                const struct space *to);

/* Station 7: into the port; waits for room until `deadline`. Returns how many went, or an error when none
 * did. `pages`: of all of them together. */
int batch_send(struct service *service, struct port *port, struct message *const *messages, unsigned count,
               uint32_t pages, uint64_t timeout);

/*
 * Station 4: messages to the service's memory, from the front; what cannot be received is dropped with its error. They are taken from
 * `port`, by port_take_begin; NULL: from none.
 */
int batch_deliver(struct service *service, struct port *port, struct batch *batch, unsigned count,
                  uint64_t flags);

#endif
