/*
 * Messages with books or small blocks among their pieces, for ipc/transfer.c. They are rare next to frames and cost what they
 * need here, so that those cost nothing.
 *
 * Owns: nothing. A message object with such pieces says so in `special`; while the kernel holds it, `page` of a block's piece
 * is the number of the block (ipc/block.h), and abi.flags counts its pages for the port (ipc/message.h).
 */
#ifndef IPC_TRANSFER_SPECIAL_H
#define IPC_TRANSFER_SPECIAL_H

#include <stdbool.h>
#include <stdint.h>

struct message;
struct service;
struct space;

/* Do the parts of the message add up, as far as can be said without looking at its books? Sets `special`. */
bool special_valid(struct message *message);

/* As transfer_in, for the pieces. BATON_EINVAL also when `to` is a device's, or the books do not have the bytes that the message says. */
int special_in(struct service *service, struct message *message, unsigned flags, const struct space *to);

/* As transfer_undo. */
void special_undo(struct service *service, struct message *message, bool duplicate);

/*
 * As transfer_out, for the pieces. Blocks go to the `room` bytes at `address` in the service's memory, which were checked; those for
 * which there is none, each to a fresh page: BATON_ENOMEM, BATON_ELIMIT.
 */
int special_out(struct service *service, struct message *message, bool map, bool trust, uint64_t address,
                uint32_t room);

#endif
