/* Threads, parking and waking: see thread.h. The queues of a CPU are in sched.c. */
#include <stddef.h>
#include "ipc/thread.h"
#include "core/cpu.h"
#include "core/irq.h"
#include "core/log.h"
#include "core/timer.h"
#include "ipc/sched.h"
#include "ipc/service.h"
#include "mm/frame.h"
#include "mm/kernel_map.h"
#include "mm/space.h"

static struct thread threads[THREADS_MAX];
static unsigned thread_count;

static struct thread *thread_create(const char *name, unsigned cpu)
{
    if (thread_count == THREADS_MAX)
        return NULL;
    struct thread *thread = &threads[thread_count];
    thread->number = thread_count;
    thread->name = name;
    thread->cpu = cpu;
    thread->stack_top = kernel_map_stack(thread_count);
    __atomic_store_n(&thread_count, thread_count + 1, __ATOMIC_RELEASE);
    return thread;
}

struct thread *thread_at(unsigned number)
{
    return number < __atomic_load_n(&thread_count, __ATOMIC_ACQUIRE) ? &threads[number] : NULL;
}

struct thread *thread_create_kernel(struct service *service, const char *name, unsigned cpu,
                                    void (*entry)(void *), void *argument)
{
    struct thread *thread = thread_create(name, cpu);

    invariant(thread, "thread: no more than THREADS_MAX");
    thread->service = service;
    thread->space = service ? service->space : NULL;
    thread->context.x19_x30[0] = (uint64_t)entry;
    thread->context.x19_x30[1] = (uint64_t)argument;
    thread->context.x19_x30[11] = (uint64_t)thread_entry;
    thread->context.sp = thread->stack_top;
    thread->state = THREAD_PARKED;
    return thread;
}

struct thread *thread_create_service(struct service *service, const char *name)
{
    struct thread *thread = thread_create(name, 0);

    if (!thread)
        return NULL;
    thread->service = service;
    thread->space = service->space;
    thread->in_service = true;
    thread->limited = service->row->cpu_share && service->row->cpu_share < 100;
    thread->fp = frame_alloc_bytes(sizeof(*thread->fp), 16, "floating-point registers");
    thread->state = THREAD_DEAD;
    return thread;
}

void thread_reset(struct thread *thread, unsigned cpu, const struct trapframe *frame, uint64_t tls)
{
    struct trapframe *top = (struct trapframe *)thread->stack_top - 1;

    invariant(__atomic_load_n(&thread->state, __ATOMIC_RELAXED) == THREAD_DEAD, "thread 1");
    *top = *frame;
    *thread->fp = (struct fp_state){.fpcr = 0};
    thread->cpu = cpu;
    thread->tls = tls;
    thread->move_to = 0;
    thread->on_timer = false;
    thread->context.x19_x30[10] = 0; /* x29: where a backtrace ends */
    thread->context.x19_x30[11] = (uint64_t)trap_return;
    thread->context.sp = (uint64_t)top;
    __atomic_store_n(&thread->state, THREAD_PARKED, __ATOMIC_RELEASE);
}

/* True for the one who may make a parked thread run. */
static bool thread_unpark(struct thread *thread)
{
    uint32_t state = __atomic_load_n(&thread->state, __ATOMIC_RELAXED), next;

    do {
        if (state == THREAD_DEAD)
            return false;
        /* NOTIFIED is exchanged for itself: a mere look could miss that the thread is just taking the notification
           back, and the thread could miss what we wrote before we came here */
        next = state == THREAD_PARKED ? THREAD_RUN : THREAD_NOTIFIED;
    } while (
        !__atomic_compare_exchange_n(&thread->state, &state, next, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return state == THREAD_PARKED;
}

void thread_wake(struct thread *thread)
{
    if (!thread_unpark(thread))
        return;
    if (thread->cpu == cpu_number())
        sched_push_front(thread);
    else
        sched_push_remote(thread);
}

void thread_timeout(struct thread *thread)
{
    thread->timed_out = true;
    if (__atomic_load_n(&thread->state, __ATOMIC_RELAXED) == THREAD_PARKED && thread_unpark(thread))
        sched_push_back(thread);
}

bool thread_park(uint64_t deadline)
{
    struct thread *self = thread_self();
    uint32_t running = THREAD_RUN;

    self->timed_out = false;
    if (deadline != UINT64_MAX) {
        if (timer_now() >= deadline)
            return __atomic_exchange_n(&self->state, THREAD_RUN, __ATOMIC_ACQ_REL) == THREAD_NOTIFIED;
        sched_timer_add(self, deadline);
    }
    /* Fails when a wake came first: then it is used up by returning at once. */
    if (__atomic_compare_exchange_n(&self->state, &running, THREAD_PARKED, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED))
        sched_switch();
    else /* an exchange, so that the caller's next look comes after what the waker wrote */
        __atomic_exchange_n(&self->state, THREAD_RUN, __ATOMIC_ACQ_REL);
    sched_timer_remove(self);
    return !self->timed_out;
}

void thread_yield(void)
{
    sched_yield();
}

bool thread_others_ready(void)
{
    return sched_others_ready();
}

void thread_exit(void)
{
    struct thread *self = thread_self();

    arch_irq_disable();
    sched_timer_remove(self);
    sched_fp_forget(self);
    /* Dead, but on its stack until sched_leave: on another CPU it may not be started again before */
    __atomic_store_n(&self->leaving, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&self->state, THREAD_DEAD, __ATOMIC_RELEASE);
    sched_table_forget(self);
    if (self->in_service && __atomic_sub_fetch(&self->service->threads_alive, 1, __ATOMIC_ACQ_REL) == 0)
        service_finish(self->service);
    sched_leave();
}

void thread_preempt(struct trapframe *frame)
{
    struct cpu *cpu = cpu_self();

    if ((cpu->reschedule || (cpu->gives_way && sched_others_ready())) && cpu->current != cpu->idle) {
        cpu->reschedule = false;
        thread_yield();
    }
    if (frame_of_service(frame))
        thread_return();
}

/* ---- Moving ---- */

void thread_move(struct thread *thread, unsigned cpu)
{
    __atomic_store_n(&thread->move_to, cpu + 1, __ATOMIC_RELAXED);
    if (thread != thread_self() && thread->cpu != cpu_number())
        irq_send(thread->cpu, IPI_WAKE); /* it may be in service code, and stay there for long */
}

void thread_return(void)
{
    struct thread *self = thread_self();

    service_check_stopping();
    while (__builtin_expect(__atomic_load_n(&self->move_to, __ATOMIC_RELAXED), 0)) {
        unsigned cpu = __atomic_exchange_n(&self->move_to, 0, __ATOMIC_RELAXED) - 1;
        if (cpu == self->cpu)
            continue;
        sched_move(cpu);
        service_check_stopping(); /* who stopped the service meanwhile may have rung the old CPU */
    }
}
