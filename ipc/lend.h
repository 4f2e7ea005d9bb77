/*
 * Messages that a trusted service sees where the kernel has them, instead of a copy: BATON_LEND (apps/baton.h). A trusted service
 * reaches all of the kernel's memory anyway, so nothing is protected by copying; who owns a page is as for any other service.
 *
 * Owns: thread->lent, the objects that a thread was lent by its last receive and has not sent. The object is the kernel's, its pages
 * are the service's while it is lent.
 *
 * Invariant 1. An object is lent to one thread at most, and then in no pool, ring or port (message 1). It goes back into a pool at
 * that thread's next receive of this kind, or with its service.
 *
 * Only plain messages are lent, and sent without a copy (ipc/plain_batch.h tells what that is, and what its caller has made sure of).
 * Interrupts masked; the calling thread's own; no call waits.
 */
#ifndef IPC_LEND_H
#define IPC_LEND_H

#include <stdint.h>

struct message;
struct service;
struct thread;

/*
 * Of messages that a port gave, those at the front that are plain become the thread's; returns how many, and writes into `list` where
 * they lie. Adds their pages to *pages. Cost: about 30 instructions each.
 */
unsigned lend_receive(struct thread *thread, uint64_t *list, struct message *const *messages, unsigned count,
                      uint32_t *pages);

/*
 * Of the messages that `list` names, those at the front that were lent to the thread, in the order of its list, are taken from it:
 * returns how many, to be sent. What the service has written into them is checked as for any other sender. Adds to *pages.
 */
unsigned lend_send(struct thread *thread, const uint64_t *list, struct message **messages, unsigned count,
                   uint32_t source, uint32_t *pages);

/* One of them could not be sent after all: it is lent again, with its page. */
void lend_again(struct thread *thread, struct message *message);

/* What a thread has not sent goes back to the pool. Its pages are the service's still. */
void lend_end(struct thread *thread);

/* The struct that was lent to the thread that runs here and begins at that address; NULL: none. */
void *lend_place(uint64_t address);

#endif
