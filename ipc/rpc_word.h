/*
 * The word of a caller, and the token that names it: for ipc/rpc.c, where the rules stand (rpc.h), and ipc/direct.c, which goes
 * the plain way by itself.
 */
#ifndef IPC_RPC_WORD_H
#define IPC_RPC_WORD_H

#include <stdbool.h>
#include <stdint.h>
#include "ipc/service.h"
#include "ipc/thread.h"

enum rpc_phase {
    RPC_IDLE,
    RPC_QUEUED,
    RPC_HELD,
    RPC_ANSWERING,
    RPC_DONE
};

#define RPC_TOKEN_THREAD 48 /* token: thread + 1 in 63:48, sequence in 47:0 */
#define RPC_SEQUENCES    0xffffffffffffull

static inline uint64_t rpc_word(uint64_t sequence, enum rpc_phase phase, unsigned service)
{
    return sequence << 16 | (uint64_t)phase << 8 | service;
}

static inline enum rpc_phase rpc_phase(uint64_t word)
{
    return word >> 8 & 0xff;
}

static inline uint64_t rpc_sequence(uint64_t word)
{
    return word >> 16;
}

static inline bool rpc_change(struct thread *thread, uint64_t from, uint64_t to)
{
    return __atomic_compare_exchange_n(&thread->rpc, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* rpc_begin for a question that goes to `service` at once: returns the token. */
static inline uint64_t rpc_begin_held(struct thread *self, const struct service *service)
{
    uint64_t sequence = (rpc_sequence(self->rpc) + 1) & (RPC_SEQUENCES >> 4);

    self->reply = NULL;
    __atomic_store_n(&self->rpc, rpc_word(sequence, RPC_HELD, service->number), __ATOMIC_RELEASE);
    return (uint64_t)(self->number + 1) << RPC_TOKEN_THREAD | sequence;
}

/* rpc_claim, when it is known which thread the token names. */
static inline bool rpc_claim_of(struct thread *caller, uint64_t token, const struct service *service)
{
    uint64_t sequence = token & RPC_SEQUENCES;

    return rpc_change(caller, rpc_word(sequence, RPC_HELD, service->number),
                      rpc_word(sequence, RPC_ANSWERING, service->number));
}

/* rpc_answer, but for the wake. */
static inline void rpc_answer_set(struct thread *caller, struct message *reply)
{
    caller->reply = reply;
    __atomic_store_n(&caller->rpc, rpc_word(rpc_sequence(caller->rpc), RPC_DONE, 0), __ATOMIC_RELEASE);
}

/* What the caller of rpc_wait finds in place of a reply that lies where it wants it already. */
#define RPC_DIRECT ((struct message *)1)

#endif
