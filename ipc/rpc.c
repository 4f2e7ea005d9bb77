/* Calls and replies: see rpc.h. */
#include <stddef.h>
#include "ipc/rpc.h"
#include "core/arch.h"
#include "ipc/message.h"
#include "ipc/request.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "mm/unmap.h"

enum phase {
    IDLE,
    QUEUED,
    HELD,
    ANSWERING,
    DONE
};

#define TOKEN_THREAD_SHIFT 48 /* token: thread + 1 in 63:48, sequence in 47:0 */
#define SEQUENCE_MASK      0xffffffffffffull

static uint64_t word_make(uint64_t sequence, enum phase phase, unsigned service)
{
    return sequence << 16 | (uint64_t)phase << 8 | service;
}

static enum phase word_phase(uint64_t word)
{
    return word >> 8 & 0xff;
}

static uint64_t word_sequence(uint64_t word)
{
    return word >> 16;
}

static bool word_change(struct thread *thread, uint64_t from, uint64_t to)
{
    return __atomic_compare_exchange_n(&thread->rpc, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

void rpc_begin(struct message *request)
{
    struct thread *self = thread_self();
    uint64_t sequence = (word_sequence(self->rpc) + 1) & (SEQUENCE_MASK >> 4);

    self->reply = NULL;
    request->special |= MESSAGE_CALL;
    request->caller = self;
    request->reply_sequence = sequence;
    __atomic_store_n(&self->rpc, word_make(sequence, QUEUED, 0), __ATOMIC_RELEASE);
}

uint64_t rpc_begin_held(const struct service *service)
{
    struct thread *self = thread_self();
    uint64_t sequence = (word_sequence(self->rpc) + 1) & (SEQUENCE_MASK >> 4);

    self->reply = NULL;
    __atomic_store_n(&self->rpc, word_make(sequence, HELD, service->number), __ATOMIC_RELEASE);
    return (uint64_t)(self->number + 1) << TOKEN_THREAD_SHIFT | sequence;
}

struct thread *rpc_caller(uint64_t token)
{
    uint64_t number = token >> TOKEN_THREAD_SHIFT;

    return number && !request_is(token) ? thread_at((unsigned)number - 1) : NULL;
}

void rpc_cancel(void)
{
    struct thread *self = thread_self();

    __atomic_store_n(&self->rpc, word_make(word_sequence(self->rpc), IDLE, 0), __ATOMIC_RELEASE);
}

/* Ends the wait without an answer; false when an answer is on its way or there. */
static bool rpc_give_up(struct thread *self)
{
    uint64_t word = __atomic_load_n(&self->rpc, __ATOMIC_ACQUIRE);

    while (word_phase(word) == QUEUED || word_phase(word) == HELD) {
        if (word_change(self, word, word_make(word_sequence(word), IDLE, 0)))
            return true;
        word = __atomic_load_n(&self->rpc, __ATOMIC_ACQUIRE);
    }
    return false;
}

int rpc_wait(struct message **reply, uint64_t deadline)
{
    struct thread *self = thread_self();
    enum phase phase;

    while ((phase = word_phase(__atomic_load_n(&self->rpc, __ATOMIC_ACQUIRE))) != DONE) {
        bool stopping = __atomic_load_n(&self->service->state, __ATOMIC_RELAXED) != SERVICE_RUNNING;
        if (phase == ANSWERING) {
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
    if (!word_change(caller, word_make(sequence, QUEUED, 0), word_make(sequence, HELD, service->number)))
        return 0;
    return (uint64_t)(caller->number + 1) << TOKEN_THREAD_SHIFT | sequence;
}

struct thread *rpc_claim(uint64_t token, const struct service *service)
{
    uint64_t number = token >> TOKEN_THREAD_SHIFT, sequence = token & SEQUENCE_MASK;
    struct thread *caller = number ? thread_at((unsigned)number - 1) : NULL;

    if (!caller || !word_change(caller, word_make(sequence, HELD, service->number),
                                word_make(sequence, ANSWERING, service->number)))
        return NULL;
    return caller;
}

void rpc_unclaim(struct thread *caller, const struct service *service)
{
    uint64_t sequence = word_sequence(caller->rpc);

    __atomic_store_n(&caller->rpc, word_make(sequence, HELD, service->number), __ATOMIC_RELEASE);
}

void rpc_answer(struct thread *caller, struct message *reply)
{
    caller->reply = reply;
    __atomic_store_n(&caller->rpc, word_make(word_sequence(caller->rpc), DONE, 0), __ATOMIC_RELEASE);
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
    if (word_change(caller, word_make(sequence, QUEUED, 0), word_make(sequence, ANSWERING, 0)))
        rpc_answer(caller, NULL);
}

void rpc_abort_service(const struct service *service)
{
    struct thread *caller;

    for (unsigned i = 0; (caller = thread_at(i)); i++) {
        uint64_t word = __atomic_load_n(&caller->rpc, __ATOMIC_ACQUIRE);
        uint64_t sequence = word_sequence(word);
        if (word == word_make(sequence, HELD, service->number) &&
            word_change(caller, word, word_make(sequence, ANSWERING, service->number)))
            rpc_answer(caller, NULL);
    }
    request_abort_service(service);
}
