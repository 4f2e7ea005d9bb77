/* Calls and replies: see rpc.h. */
#include <stddef.h>
#include "ipc/rpc.h"
#include "core/arch.h"
#include "ipc/message.h"
#include "ipc/request.h"
#include "ipc/rpc_word.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "mm/unmap.h"

void rpc_begin(struct message *request)
{
    struct thread *self = thread_self();
    uint64_t sequence = (rpc_sequence(self->rpc) + 1) & (RPC_SEQUENCES >> 4);

    self->reply = NULL;
    request->special |= MESSAGE_CALL;
    request->caller = self;
    request->reply_sequence = sequence;
    __atomic_store_n(&self->rpc, rpc_word(sequence, RPC_QUEUED, 0), __ATOMIC_RELEASE);
}

struct thread *rpc_caller(uint64_t token)
{
    uint64_t number = token >> RPC_TOKEN_THREAD;

    return number && !request_is(token) ? thread_at((unsigned)number - 1) : NULL;
}

void rpc_cancel(void)
{
    struct thread *self = thread_self();

    __atomic_store_n(&self->rpc, rpc_word(rpc_sequence(self->rpc), RPC_IDLE, 0), __ATOMIC_RELEASE);
}

/* Ends the wait without an answer; false when an answer is on its way or there. */
static bool rpc_give_up(struct thread *self)
{
    uint64_t word = __atomic_load_n(&self->rpc, __ATOMIC_ACQUIRE);

    while (rpc_phase(word) == RPC_QUEUED || rpc_phase(word) == RPC_HELD) {
        if (rpc_change(self, word, rpc_word(rpc_sequence(word), RPC_IDLE, 0)))
            return true;
        word = __atomic_load_n(&self->rpc, __ATOMIC_ACQUIRE);
    }
    return false;
}

int rpc_wait(struct message **reply, uint64_t deadline)
{
    struct thread *self = thread_self();
    enum rpc_phase phase;

    while ((phase = rpc_phase(__atomic_load_n(&self->rpc, __ATOMIC_ACQUIRE))) != RPC_DONE) {
        bool stopping = __atomic_load_n(&self->service->state, __ATOMIC_RELAXED) != SERVICE_RUNNING;
        if (phase == RPC_ANSWERING) {
            unmap_poll(); /* else who answers, waiting for a pass of this CPU (tlb=ipi), would wait for ever */
            arch_relax();
        } else if (stopping || !thread_park(deadline)) {
            if (rpc_give_up(self))
                return stopping ? BATON_EDEAD : BATON_ETIMEOUT;
        }
    }
    *reply = self->reply;
    rpc_cancel();
    return *reply ? 0 : BATON_EDEAD;
}

uint64_t rpc_received(struct message *request, const struct service *service)
{
    struct thread *caller = request->caller;
    uint64_t sequence = request->reply_sequence;

    if (request->special & MESSAGE_REQUEST)
        return request_received(request, service);
    if (!(request->special & MESSAGE_CALL))
        return 0;
    request->special &= ~MESSAGE_CALL;
    if (!rpc_change(caller, rpc_word(sequence, RPC_QUEUED, 0), rpc_word(sequence, RPC_HELD, service->number)))
        return 0;
    return (uint64_t)(caller->number + 1) << RPC_TOKEN_THREAD | sequence;
}

struct thread *rpc_claim(uint64_t token, const struct service *service)
{
    uint64_t number = token >> RPC_TOKEN_THREAD;
    struct thread *caller = number ? thread_at((unsigned)number - 1) : NULL;

    return caller && rpc_claim_of(caller, token, service) ? caller : NULL;
}

void rpc_unclaim(struct thread *caller, const struct service *service)
{
    uint64_t sequence = rpc_sequence(caller->rpc);

    __atomic_store_n(&caller->rpc, rpc_word(sequence, RPC_HELD, service->number), __ATOMIC_RELEASE);
}

void rpc_answer(struct thread *caller, struct message *reply)
{
    rpc_answer_set(caller, reply);
    thread_wake(caller);
}

void rpc_abort(struct message *request)
{
    struct thread *caller = request->caller;
    uint64_t sequence = request->reply_sequence;

    if (request->special & MESSAGE_REQUEST)
        request_abort(request);
    if (!(request->special & MESSAGE_CALL))
        return;
    request->special &= ~MESSAGE_CALL;
    if (rpc_change(caller, rpc_word(sequence, RPC_QUEUED, 0), rpc_word(sequence, RPC_ANSWERING, 0)))
        rpc_answer(caller, NULL);
}

void rpc_abort_service(const struct service *service)
{
    struct thread *caller;

    for (unsigned i = 0; (caller = thread_at(i)); i++) {
        uint64_t word = __atomic_load_n(&caller->rpc, __ATOMIC_ACQUIRE);
        uint64_t sequence = rpc_sequence(word);
        if (word == rpc_word(sequence, RPC_HELD, service->number) &&
            rpc_change(caller, word, rpc_word(sequence, RPC_ANSWERING, service->number)))
            rpc_answer(caller, NULL);
    }
    request_abort_service(service);
}
