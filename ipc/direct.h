/*
 * The common calls in a straight line: one message, of inline data and plain pages, with nobody watching; and a call and its
 * answer that go from one service's memory to the other's at once, when the other waits on the same CPU (DASH 3.2, rpc).
 *
 * Owns: thread->direct and thread->direct_port. Model: each function here does what its namesake in ipc/syscall_message.h does,
 * for the plain case, and leaves every other case, errors included, to it, having changed nothing. So all rules stand there.
 *
 * Invariants
 *   1. thread->direct is set only while the thread is parked, or about to park, on its own CPU, in a call that has found that
 *      place writable; only that CPU looks at it, with interrupts masked, and clears it when it has written there.
 *   2. A message goes directly to a receiver only when the port is empty: it overtakes none of its own sender.
 *   3. What goes directly has no pages. It is copied once.
 */
#ifndef IPC_DIRECT_H
#define IPC_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

struct message;
struct service;
struct space;

/*
 * One plain message of a batch: see transfer_in and transfer_out. direct_in: false: nothing was done. direct_out: 0, an error
 * after which the message has no pages, or DIRECT_NOT: nothing was done.
 */
bool direct_in(struct service *service, uint64_t address, struct message *message, uint32_t source,
               unsigned how, const struct space *to);
int direct_out(struct service *service, uint64_t address, struct message *message, uint64_t flags);
#define DIRECT_NOT 1

int64_t direct_send(struct service *service, const uint64_t *args);
int64_t direct_receive(struct service *service, const uint64_t *args);
int64_t direct_rpc(struct service *service, const uint64_t *args);
int64_t direct_reply(struct service *service, const uint64_t *args);
int64_t direct_reply_receive(struct service *service, const uint64_t *args);

#endif
