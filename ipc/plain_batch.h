/*
 * Stations 4 and 6 for the frames of a batch, in one loop each: messages of inline data and at most one page, with nobody watching.
 *
 * Owns: nothing. Model: each call takes messages from the front while they are plain, and stops at the first that is not, of which it
 * has changed nothing; the caller does that one by ipc/direct.h or ipc/transfer.h, whose rules these are, and comes back for the rest.
 * What is the same for all of a batch is looked at once: the caller has made sure that the ledger is off, that nothing goes as a
 * duplicate or by value. Interrupts masked; does not wait.
 */
#ifndef IPC_PLAIN_BATCH_H
#define IPC_PLAIN_BATCH_H

#include <stdint.h>

struct message;
struct service;

/*
 * As transfer_in: fills `messages` from the structs that `addresses` name. Returns how many are filled; adds their pages to *pages. `addresses` may be the
 * service's own memory: each is read once. What `source` says is written into each. Cost: about 55 instructions for a frame of 60
 * bytes, 85 for one with a page.
 */
unsigned plain_send(struct service *service, const uint64_t *addresses, struct message *const *messages,
                    unsigned count, uint32_t source, uint32_t *pages);

/*
 * As transfer_out: returns how many are written, adding their pages to *pages, which are still the caller's, without pages. `addresses`: each was checked by
 * plain_writable(). Cost: about 40 and 60 instructions.
 */
unsigned plain_receive(struct service *service, const uint64_t *addresses, struct message *const *messages,
                       unsigned count, uint32_t *pages);

/*
 * Copies addresses of what messages are to be received into, `bytes` each, while they are aligned and lie in the service's data or
 * heap; returns how many. `from` may be the service's own memory. Not those in a stack.
 */
unsigned plain_writable(const struct service *service, uint64_t *addresses, const uint64_t *from,
                        unsigned count, unsigned bytes);

#endif
