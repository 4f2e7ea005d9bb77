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

#include <stdint.h>

struct service;

int64_t direct_send(struct service *service, const uint64_t *args);
int64_t direct_receive(struct service *service, const uint64_t *args);
int64_t direct_rpc(struct service *service, const uint64_t *args);
int64_t direct_reply(struct service *service, const uint64_t *args);

#endif
