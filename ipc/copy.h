/*
 * Messages by value, with unmap=copy: what a kernel without page hand-over does, to compare with.
 *
 * A sent message gets pages of its own, from the receiver's pool as far as there are any, so that the receiver still has them
 * mapped; the kernel copies the bytes of each piece, through private windows; the sender's pages return to the sender's pool,
 * still mapped there. What an interface received is copied when a service receives it. So in the steady state nothing is
 * unmapped and nothing is mapped on either side, and each piece costs its bytes. The rules of ownership, scrubbing and limits
 * are those of every policy (ipc/page.h): the receiver sees no byte that the message does not carry.
 *
 * Owns: between copy_send and copy_settle or copy_undo, the message object `original` with the sender's pages (they are the
 * kernel's, as ipc/message.h 3 says).
 *
 * Interrupts are masked in every call. Counted: COUNT_PAYLOAD_BYTES.
 */
#ifndef IPC_COPY_H
#define IPC_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include "ipc/message.h"

struct space;

/*
 * At send: gives the message, as its sender `from` described it, pages for `to` with the same bytes, and keeps the sender's in
 * message->original; with `duplicate` they stay the sender's, and there is no original. After an error the sender owns all that it
 * owned. BATON_EOWNER, BATON_EOWNERS, BATON_ENOMEM.
 */
int copy_send(struct space *from, struct message *message, bool duplicate, const struct space *to);

/*
 * The kernel's page, or book, of a piece is replaced by a copy for `to`, which the kernel owns too. BATON_ENOMEM: nothing has
 * changed. copy_drop frees such copies.
 */
int copy_piece(struct baton_piece *piece, const struct space *to);
void copy_drop(const struct baton_piece *pieces, unsigned count, const struct space *to);

/* The message is gone: the pages of its original go back to the sender's pool. NULL is fine. */
void copy_settle(const struct space *from, struct message *original);

/* The message could not be sent: its copies are freed, and it has its original's pages, the kernel's still, for transfer_undo. */
void copy_undo(struct message *message, struct message *original, const struct space *to);

/*
 * At receive by `to`, of a message that an interface filled: its pages are replaced by copies, and freed. BATON_ENOMEM: nothing
 * has changed.
 */
int copy_receive(struct message *message, const struct space *to);

#endif
