/*
 * Moving messages and arguments between a service's memory and the kernel: everything a service says is
 * checked here.
 *
 * Owns: nothing. Model: what a service names is copied once and only the copy is looked at (no check-then-use
 * race). Every address must lie in the service's own data, heap or a stack (for reads also its read-only
 * data). Interrupts masked; does not wait. The service's table is live on this CPU.
 */
#ifndef IPC_TRANSFER_H
#define IPC_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>
#include "ipc/message.h"
#include "ipc/service.h"

struct service;
struct space;

/*
 * Where [address, address + bytes) lies in the linear map, when it is memory that the service may have written; else NULL. It lies
 * there for the service's life, and the service may change it at any time: what is read there is read once.
 */
void *transfer_place_else(const struct service *service, uint64_t address, uint64_t bytes);
static inline void *transfer_place(const struct service *service, uint64_t address, uint64_t bytes)
{
    uint64_t offset = address - service->writable_start,
             size = service->writable_end - service->writable_start;

    if (offset < size && bytes <= size - offset)
        return service->data_linear + offset;
    return transfer_place_else(service, address, bytes);
}

/* Any bytes. 0 or BATON_EFAULT. */
int transfer_read(const struct service *service, void *to, uint64_t from, uint64_t bytes);
int transfer_write(const struct service *service, uint64_t to, const void *from, uint64_t bytes);

/* 8-byte words, aligned. 0, BATON_EINVAL (misaligned) or BATON_EFAULT. */
int transfer_read_words(const struct service *service, uint64_t *to, uint64_t from, uint64_t words);

/* True when [address, address + bytes) is memory that the service may have written. */
bool transfer_writable(const struct service *service, uint64_t address, uint64_t bytes);

/*
 * Station 6 of a frame's way: fills `message` from the struct baton_message at `address`. Each page it names
 * goes from the service to the kernel, as page_send with `flags`, for a receiver in the space `to`. What is to be unmapped is
 * gathered: unmap_flush() before the message goes into a port. After an error the service owns all that it owned. Errors: EFAULT,
 * EINVAL, EOWNER, EOWNERS; ENOMEM for a small block.
 */
#define TRANSFER_COPY (1u << 8) /* a flag beside those of page_send: by value, see ipc/copy.h */
int transfer_in(struct service *service, uint64_t address, struct message *message, unsigned flags,
                const struct space *to);

/* The message could not be sent after all: the service owns its pages again. The object is still the
 * caller's. */
void transfer_undo(struct service *service, struct message *message, bool duplicate);

#define TRANSFER_MAP  1u /* the message's pages are mapped too */
#define TRANSFER_ROOM 2u /* BATON_BLOCK_BYTES behind the struct are for its small blocks */

/*
 * Station 4: writes `message` to `address`, which was checked by transfer_writable, and hands its pages to
 * the service; `trust` as for page_receive. The object is still the caller's, without pages. BATON_EOWNERS:
 * dropped, says so.
 */
int transfer_out(struct service *service, uint64_t address, struct message *message, unsigned how,
                 bool trust);

#endif
