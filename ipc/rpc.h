/*
 * Calls and replies: a request carries a token that names the waiting caller; whoever received it may answer
 * once.
 *
 * Owns: thread->rpc, one word per thread: sequence << 16 | phase << 8 | number of the service that may
 * answer.
 *
 *   IDLE -> QUEUED (request sent) -> HELD by a service (received) -> ANSWERING (claimed) -> DONE (reply is there)
 *   QUEUED, HELD -> IDLE (time out, the caller's death)
 *   QUEUED, HELD -> ANSWERING -> DONE without a reply (the port or the service died)
 *   ANSWERING -> HELD (the reply was refused: the token is still good)
 *
 * Invariants
 *   1. Only the service that the word names can claim the answer, once: a token is a thread and its sequence,
 * and the sequence changes with every call. A forged, stale or doubled token is refused (BATON_EOWNER).
 *   2. From ANSWERING to DONE takes a bounded time with interrupts masked; a caller whose time runs out waits
 * for it.
 */
#ifndef IPC_RPC_H
#define IPC_RPC_H

#include <stdbool.h>
#include <stdint.h>

struct message;
struct service;
struct thread;

/* The calling thread asks: marks `request` as its own. Before it is sent. */
void rpc_begin(struct message *request);

/* The thread that waits for the answer with this token, if it is any good; NULL for a token that is none of a call. */
struct thread *rpc_caller(uint64_t token);

/* The request could not be sent: as if it had not begun. */
void rpc_cancel(void);

/*
 * Waits for the reply: 0 and *reply (the caller's to free), BATON_ETIMEOUT, or BATON_EDEAD. Waits up to
 * `deadline`.
 */
int rpc_wait(struct message **reply, uint64_t deadline);

/* `service` has received a special message: the token that it may answer with, 0 when nobody waits (any more). */
uint64_t rpc_received(struct message *request, const struct service *service);

/* Claims the right to answer; NULL when the token is not this service's to use. Then rpc_answer or
 * rpc_unclaim. */
struct thread *rpc_claim(uint64_t token, const struct service *service);
void rpc_unclaim(struct thread *caller, const struct service *service);
void rpc_answer(struct thread *caller, struct message *reply);

/* A special message is dropped unread: its caller gets BATON_EDEAD, its reply port a notice. */
void rpc_abort(struct message *request);

/* `service` has stopped: everyone who waits for its answer gets BATON_EDEAD, or a notice (ipc/request.h). */
void rpc_abort_service(const struct service *service);

#endif
