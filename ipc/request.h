/*
 * Requests whose answers come by a port: an rpc that does not block. For ipc/rpc.c, which tells a caller that waits from
 * one that does not, and for the system calls.
 *
 * Owns: a table of the requests that nobody has answered yet, as many as all ports have places: a port may have that
 * many of them as it has places, so that no service can take the others' away.
 *
 *   FREE -> QUEUED (sent) -> HELD by a service (received) -> ENDING (claimed) -> FREE
 *   QUEUED, HELD -> ENDING (cancelled; one of the two services, or the port between them, has died)
 *   ENDING -> HELD (the answer was refused: the token is still good)
 *
 * Invariants
 *   1. Only the service that the word names can claim the answer, once: a token is an entry and its sequence, and the
 *      sequence changes with every request. A forged, stale or doubled token is refused (BATON_EOWNER).
 *   2. Whoever moves the word to ENDING gives the entry back, in a bounded time with interrupts masked.
 *   3. An entry whose reply port belongs to a service that has stopped is free before that service starts again: its new
 *      life gets no answers to the questions of its old one.
 *   4. A request ends by one answer, or one notice of death, or without a word if the reply port has no place for the
 *      notice, is closed, or the request was cancelled.
 */
#ifndef IPC_REQUEST_H
#define IPC_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

struct message;
struct port;
struct request;
struct service;
struct space;

/* Boot: makes the table. */
void requests_init(unsigned count);

/* Requests that are not answered, when nothing moves. */
unsigned requests_open(void);

/* Makes `message` a request to the service with row `asked`. BATON_ELIMIT: the reply port has as many as it has places. */
int request_begin(struct message *message, struct port *reply_port, uint32_t asked);

/* The message could not be sent: as if it had not begun. */
void request_unsent(struct message *message);

/* As rpc_received: the token; 0 when the request was cancelled. */
uint64_t request_received(struct message *message, const struct service *service);

static inline bool request_is(uint64_t token)
{
    return token >> 63;
}

/* Claims the right to answer; NULL when the token is not this service's to use. Then request_answer. */
struct request *request_claim(uint64_t token, const struct service *service);
void request_unclaim(struct request *request, const struct service *service);

/* Whose the claimed request is: the answer is sent to that space. */
struct space *request_asker(const struct request *request);

/*
 * Puts the answer of the service with row `row` into the reply port. After an error it is still the replier's:
 * BATON_EFULL, and the token is still good; BATON_EDEAD, and it is not.
 */
int request_answer(struct request *request, struct message *answer, const struct service *service,
                   uint32_t row);

/* The request is dropped unread: a notice goes to the reply port. */
void request_abort(struct message *message);

/* `service` has stopped: notices for all that it holds; what it asked itself is forgotten. */
void request_abort_service(const struct service *service);

/* Forgets the requests with that reply port and tag; returns how many those were. */
int request_cancel(const struct port *reply_port, uint64_t tag);

#endif
