/* The queues of one CPU: see sched.h, and thread.h for the model. */
#include <stddef.h>
#include "ipc/sched.h"
#include "ipc/idle.h"
#include "core/arch.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/irq.h"
#include "core/log.h"
#include "core/timer.h"
#include "ipc/life.h"
#include "ipc/page_limbo.h"
#include "ipc/service.h"
#include "mm/space.h"
#include "mm/unmap.h"

#define SLICE_NS 2000000
#define BOOSTS_MAX                                                                                           \
    8 /* threads put in front in a row: two that wake each other must not starve a third (thread 4) */

static bool instructions_counted; /* the CPU has a performance monitor */
static uint64_t slice_ticks;

/* ---- Run queue ---- */

void sched_push_front(struct thread *thread)
{
    struct cpu *cpu = cpu_self();

    if (cpu->boosts == BOOSTS_MAX) {
        sched_push_back(thread);
        return;
    }
    cpu->boosts++;
    thread->boosted = true;
    thread->run_next = cpu->run_first;
    cpu->run_first = thread;
    if (!cpu->run_last)
        cpu->run_last = thread;
}

void sched_push_back(struct thread *thread)
{
    struct cpu *cpu = cpu_self();

    thread->boosted = false;
    thread->run_next = NULL;
    if (cpu->run_last)
        cpu->run_last->run_next = thread;
    else
        cpu->run_first = thread;
    cpu->run_last = thread;
}

/* Takes the one behind `before`, or the first, out of the line. */
static struct thread *run_unlink(struct cpu *cpu, struct thread *before)
{
    struct thread **link = before ? &before->run_next : &cpu->run_first, *thread = *link;

    *link = thread->run_next;
    if (cpu->run_last == thread)
        cpu->run_last = before;
    return thread;
}

/* Who stands before the first whose share of this CPU is not spent; NULL also when all are. */
static struct thread *run_before(struct cpu *cpu)
{
    struct thread *before = NULL;
    uint64_t now = timer_now();

    for (struct thread *thread = cpu->run_first; thread; before = thread, thread = thread->run_next)
        if (!thread->limited || !share_spent(thread, now))
            return before;
    return NULL;
}

static struct thread *run_pop(struct cpu *cpu)
{
    if (!cpu->run_first)
        return cpu->idle;
    struct thread *thread = run_unlink(cpu, cpu->run_first->limited ? run_before(cpu) : NULL);
    if (!thread->boosted)
        cpu->boosts = 0;
    return thread;
}

void sched_push_remote(struct thread *thread)
{
    struct cpu *cpu = &cpus[thread->cpu];
    struct thread *first = __atomic_load_n(&cpu->inbox, __ATOMIC_RELAXED);

    do {
        thread->inbox_next = first;
    } while (
        !__atomic_compare_exchange_n(&cpu->inbox, &first, thread, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    arch_dmb_ish(); /* else we may read `must_ring` before our thread is seen: it sleeps on, and nobody rings
                       (thread 3) */
    if (__atomic_load_n(&cpu->must_ring, __ATOMIC_RELAXED))
        irq_send(thread->cpu, IPI_WAKE);
}

/* Moves what others left here to the run queue, in the order in which it came. */
static void inbox_empty(struct cpu *cpu)
{
    struct thread *oldest = NULL;

    if (!__atomic_load_n(&cpu->inbox, __ATOMIC_RELAXED))
        return;
    for (struct thread *t = __atomic_exchange_n(&cpu->inbox, NULL, __ATOMIC_ACQUIRE), *next; t; t = next) {
        next = t->inbox_next;
        t->inbox_next = oldest;
        oldest = t;
    }
    for (struct thread *next; oldest; oldest = next) {
        next = oldest->inbox_next;
        sched_push_back(oldest);
    }
}

bool sched_others_ready(void)
{
    struct cpu *cpu = cpu_self();

    return cpu->run_first || __atomic_load_n(&cpu->inbox, __ATOMIC_RELAXED);
}

/* ---- Timer ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/*
 * The timer fires at `deadline` or before. When it is armed for an earlier moment it is left alone: that tick finds nothing due
 * and arms it anew. So a CPU that sleeps and wakes for every frame sets its timer once in a slice, and not twice a frame, which
 * is slow where the timer is emulated.
 */
static void timer_need(struct cpu *cpu, uint64_t deadline)
{
    if (deadline >= cpu->timer_at)
        return;
    cpu->timer_at = deadline;
    arch_timer_set(deadline);
}

static uint64_t first_deadline(const struct cpu *cpu)
{
    return cpu->timers ? cpu->timers->deadline : UINT64_MAX;
}

void sched_timer_add(struct thread *thread, uint64_t deadline)
{
    struct cpu *cpu = cpu_self();
    struct thread **link = &cpu->timers;

    while (*link && (*link)->deadline <= deadline)
        link = &(*link)->timer_next;
    thread->deadline = deadline;
    thread->timer_next = *link;
    thread->on_timer = true;
    *link = thread;
    timer_need(cpu, deadline);
}

void sched_timer_remove(struct thread *thread)
{
    if (!thread->on_timer)
        return;
    struct thread **link = &cpu_self()->timers;
    while (*link != thread)
        link = &(*link)->timer_next;
    *link = thread->timer_next;
    thread->on_timer = false;
}

/* Whether any other thread is to run at once. Model-checked: test/model/preempt.pml. */
static void give_way(struct cpu *cpu, bool gives_way)
{
    cpu->gives_way = gives_way;
    __atomic_store_n(&cpu->must_ring, gives_way, __ATOMIC_RELAXED);
    if (!gives_way)
        return;
    arch_dmb_ish(); /* else we may look before others can see that they must ring */
    /* Who came before they could did not: it would wait until the period ends. So we ring for it, and look again as for any other */
    if (__atomic_load_n(&cpu->inbox, __ATOMIC_RELAXED))
        irq_send(cpu->number, IPI_WAKE);
}

/* The current thread has run up to `now`, or begins to, and its service has a share of this CPU. */
static void share_turn(struct cpu *cpu, uint64_t now, bool begins)
{
    uint64_t look = share_count(cpu->current, now, begins);
    bool spent = share_spent(cpu->current, now);

    if (spent != cpu->gives_way)
        give_way(cpu, spent);
    if (spent || look < cpu->slice_end)
        cpu->slice_end = look;
    timer_need(cpu, cpu->slice_end);
}

/*
 * The end of a slice. A thread that was switched in meanwhile has not had all of it, and gets another one: when it came is not
 * known, as that would cost each switch a look at the time.
 */
static void slice_renew(struct cpu *cpu, uint64_t now)
{
    cpu->slice_end = now + slice_ticks;
    cpu->reschedule = !cpu->switched && sched_others_ready();
    cpu->switched = false;
}

/* The timer's interrupt: deadlines that have passed, and the end of the slice. An idle CPU arms it itself, when it sleeps again. */
static void timer_tick(void *argument)
{
    struct cpu *cpu = cpu_self();
    uint64_t now = timer_now();

    (void)argument;
    cpu->timer_at = UINT64_MAX;
    unmap_poll();
    page_limbo_tick();
    life_tick(now);
    while (cpu->timers && cpu->timers->deadline <= now) {
        struct thread *thread = cpu->timers;
        sched_timer_remove(thread);
        thread_timeout(thread);
    }
    if (now >= cpu->slice_end)
        slice_renew(cpu, now);
    if (cpu->current->limited)
        share_turn(cpu, now, false);
    timer_need(cpu, cpu->current == cpu->idle ? UINT64_MAX : sooner(first_deadline(cpu), cpu->slice_end));
    if (cpu->timer_at == UINT64_MAX)
        arch_timer_set(
            UINT64_MAX); /* else the interrupt of the deadline that has passed comes again at once */
}

/* ---- Floating point ---- */

void sched_fp_forget(struct thread *thread)
{
    if (cpu_self()->fp_owner == thread)
        cpu_self()->fp_owner = NULL;
}

/* The current thread's registers to its memory: it goes where they are not. */
static void fp_hand_in(struct cpu *cpu)
{
    if (cpu->fp_owner != cpu->current)
        return;
    arch_fp_open(true);
    arch_isb(); /* else the save below may still be trapped */
    fp_save(cpu->current->fp);
    cpu->fp_owner = NULL;
    cpu->fp_open = true; /* until the next thread of a service is switched in */
}

void thread_fp_enable(void)
{
    struct cpu *cpu = cpu_self();

    arch_fp_open(true);
    arch_isb(); /* else the save below may still be trapped */
    if (cpu->fp_owner)
        fp_save(cpu->fp_owner->fp);
    fp_load(cpu->current->fp);
    cpu->fp_owner = cpu->current;
    cpu->fp_open = true;
}

static void fp_switch(struct cpu *cpu, const struct thread *next)
{
    bool open = cpu->fp_owner == next;

    if (open == cpu->fp_open)
        return;
    arch_fp_open(open); /* in force by the exception return to the service: no ISB */
    cpu->fp_open = open;
}

/* ---- Switching ---- */

static void instructions_count(struct cpu *cpu, struct thread *from)
{
    if (!instructions_counted)
        return;
    uint64_t now = arch_instructions_read();
    if (from->service)
        from->service->counts[cpu->number].instructions += (uint32_t)(now - cpu->started);
    cpu->started = now;
}

/* Makes `next` the current thread in everything but the registers. */
static void current_set(struct cpu *cpu, struct thread *next)
{
    struct thread *from = cpu->current;

    instructions_count(cpu, from);
    if (from->limited) {
        share_count(from, timer_now(), false);
        give_way(cpu, false);
    }
    if (from == cpu->idle || from->limited) {
        cpu->slice_end = (from == cpu->idle ? idle_end() : timer_now()) + slice_ticks;
        timer_need(cpu, cpu->slice_end);
    }
    cpu->current = next;
    cpu->switched = true;
    if (next->limited)
        share_turn(cpu, timer_now(), true);
    ledger_note(cpu, LEDGER_RUN, next->in_service ? next->space->number : 0, LEDGER_NO_PAGE, next->number);
    if (!next->in_service)
        return; /* kernel threads touch no user address: the table of the thread before stays live */
    table_switch(next->space->table);
    fp_switch(cpu, next);
    arch_sysreg_write(tpidr_el0, next->tls);
}

/* The CPU from which `next` moves, or on which it ended and was started again, may still be on its stack. */
static void wait_until_left(const struct thread *next)
{
    while (__builtin_expect(__atomic_load_n(&next->leaving, __ATOMIC_ACQUIRE), 0)) {
        unmap_poll(); /* else a CPU that waits for a pass of this one (tlb=ipi) would wait longer than it must */
        arch_relax();
    }
}

void sched_switch(void)
{
    struct cpu *cpu = cpu_self();
    struct thread *from = cpu->current;

    inbox_empty(cpu);
    struct thread *next = run_pop(cpu);
    if (next == from)
        return;
    if (from->in_service)
        from->tls = arch_sysreg_read(tpidr_el0);
    wait_until_left(next);
    current_set(cpu, next);
    context_switch(&from->context, &next->context);
}

/* Between two threads of services whose time nobody measures out. */
static bool plain_switch(const struct cpu *cpu, const struct thread *from, const struct thread *next)
{
    return !cpu->run_first && !__atomic_load_n(&cpu->inbox, __ATOMIC_RELAXED) && !from->limited &&
           !next->limited && from->in_service && next->in_service &&
           !__atomic_load_n(&next->leaving, __ATOMIC_RELAXED);
}

bool sched_hand_over(struct thread *next)
{
    struct cpu *cpu = cpu_self();
    struct thread *from = cpu->current;
    uint32_t parked = THREAD_PARKED, running = THREAD_RUN;

    /* ACQ_REL: as in thread_wake and thread_park, which this is in one */
    if (!plain_switch(cpu, from, next) ||
        !__atomic_compare_exchange_n(&next->state, &parked, THREAD_RUN, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return false;
    from->timed_out = false;
    if (!__atomic_compare_exchange_n(&from->state, &running, THREAD_PARKED, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED)) {
        __atomic_exchange_n(&from->state, THREAD_RUN,
                            __ATOMIC_ACQ_REL); /* a wake came first: it is used up */
        sched_push_front(next);
        return true;
    }
    from->tls = arch_sysreg_read(tpidr_el0);
    /* As current_set, of which nothing else applies to such two */
    instructions_count(cpu, from);
    cpu->current = next;
    cpu->switched = true;
    ledger_note(cpu, LEDGER_RUN, next->space->number, LEDGER_NO_PAGE, next->number);
    table_switch(next->space->table);
    fp_switch(cpu, next);
    arch_sysreg_write(tpidr_el0, next->tls);
    context_switch(&from->context, &next->context);
    return true;
}

void sched_leave(void)
{
    struct cpu *cpu = cpu_self();
    struct thread *self = cpu->current;

    inbox_empty(cpu);
    struct thread *next = run_pop(cpu); /* may be the caller itself, started again */
    if (next != self)
        wait_until_left(
            next); /* it moves here: who moves waits for nobody, so we cannot wait for each other */
    current_set(cpu, next);
    context_leave(&self->leaving, &next->context);
}

void sched_table_forget(const struct thread *thread)
{
    struct table *table = thread->space ? thread->space->table : NULL;
    const struct thread *other;

    for (unsigned i = 0; table && (other = thread_at(i)); i++)
        if (other != thread && other->space && other->space->table == table && other->cpu == cpu_number() &&
            __atomic_load_n(&other->state, __ATOMIC_RELAXED) != THREAD_DEAD)
            return;
    if (table)
        table_forget(table);
}

void sched_move(unsigned to)
{
    struct cpu *cpu = cpu_self();
    struct thread *self = cpu->current;

    fp_hand_in(cpu);
    self->tls = arch_sysreg_read(tpidr_el0);
    sched_table_forget(self);
    current_set(cpu, cpu->idle);
    /* Release: else who finds it here by a port (ipc/direct.c) may see that it waits where it waited before */
    __atomic_store_n(&self->cpu, to, __ATOMIC_RELEASE);
    __atomic_store_n(&self->leaving, 1, __ATOMIC_RELAXED); /* seen with the thread: pushing it is a release */
    sched_push_remote(self);
    /* Not to the next in line: it may come from the CPU to which we go, and that one may wait for us already */
    context_move(&self->context, &self->leaving, &cpu->idle->context);
}

void sched_yield(void)
{
    struct cpu *cpu = cpu_self();

    inbox_empty(
        cpu); /* before the caller's own place, or who came from elsewhere would wait for one turn more */
    if (!cpu->run_first)
        return;
    sched_push_back(cpu->current);
    sched_switch();
}

void sched_yield_to_driver(void)
{
    const struct thread *next = cpu_self()->run_first;

    if (next && !next->in_service)
        sched_yield();
}

/*
 * A CPU sleeps without a tick, until a thread's deadline passes. But when pages wait for other CPUs, or messages for a service that
 * has a watchdog, it looks again.
 */
static void idle_timer_arm(struct cpu *cpu)
{
    uint64_t deadline = sooner(first_deadline(cpu), life_deadline());

    if (page_limbo_reap())
        deadline = sooner(deadline, timer_now() + slice_ticks);
    timer_need(cpu, deadline);
}

/* What runs when nothing can (thread 3). */
static void idle_loop(void *argument)
{
    struct cpu *cpu = cpu_self();

    (void)argument;
    for (;;) {
        arch_irq_disable();
        unmap_poll();
        idle_timer_arm(cpu);
        idle_poll();
        __atomic_store_n(&cpu->must_ring, 1, __ATOMIC_RELAXED);
        arch_dmb_ish(); /* else we may look before others can see that we sleep: they would not ring */
        if (!sched_others_ready())
            arch_wait_for_interrupt();
        __atomic_store_n(&cpu->must_ring, 0, __ATOMIC_RELAXED);
        arch_irq_enable(); /* what woke us is handled here */
        arch_isb();        /* else the masking below may come before it is taken */
        arch_irq_disable();
        if (sched_others_ready())
            sched_switch();
    }
}

void thread_cpu_init(unsigned cpu)
{
    cpus[cpu].idle = thread_create_kernel(NULL, "idle", cpu, idle_loop, NULL);
}

void thread_cpu_run(void)
{
    struct cpu *cpu = cpu_self();

    arch_irq_disable();
    slice_ticks = timer_ticks(SLICE_NS);
    cpu->timer_at = UINT64_MAX;
    instructions_counted = arch_instructions_counted();
    arch_fp_open(false);
    irq_register(IRQ_TIMER, timer_tick, NULL, cpu->number);
    irq_register(IPI_UNMAP, unmap_ipi, NULL, cpu->number);
    cpu->current = cpu->idle;
    context_leave(&cpu->idle->leaving, &cpu->idle->context);
}
