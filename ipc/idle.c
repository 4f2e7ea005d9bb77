/* Polling before sleep: see idle.h. */
#include "ipc/idle.h"
#include <stddef.h>
#include "core/arch.h"
#include "core/timer.h"
#include "ipc/sched.h"
#include "ipc/thread.h"
#include "mm/unmap.h"

/*
 * Looks that are taken at the other devices when a frame has come: a microsecond for others to come with it. Under QEMU it is the
 * time in which the device's thread finishes with the frame and gives up a lock, which the guest's next exception needs: without,
 * one frame at a time takes 85 us and not 62.
 */
#define GATHER 20
#define LOOKS  1000 /* between two moments at which other CPUs of an emulator may take their turn */

static struct idle {
    struct poller *first; /* (a) */
    uint64_t end;         /* (own CPU) when the grace of this pause is over; 0: none has begun */
    bool near;            /* (own CPU) the last pause ended within the grace */
    bool polls;           /* (own CPU) this one is polled through, and has been up to now */
} __attribute__((aligned(64))) idles[CPUS_MAX];

static uint64_t grace_alone, grace_many; /* ticks; as the only CPU, and as one of several */

void idle_init(uint32_t alone, uint32_t many)
{
    grace_alone = timer_ticks((uint64_t)alone * 1000);
    grace_many = timer_ticks((uint64_t)many * 1000);
}

void idle_poller_add(struct poller *poller, unsigned cpu)
{
    poller->next = idles[cpu].first;
    /* Release: that CPU may be idle already, and must not find a poller that is not written yet */
    __atomic_store_n(&idles[cpu].first, poller, __ATOMIC_RELEASE);
}

static bool parked(const struct poller *poller)
{
    return __atomic_load_n(&poller->thread->state, __ATOMIC_RELAXED) == THREAD_PARKED;
}

/* What is pending is handled here. */
static void interrupts_take(void)
{
    arch_irq_enable();
    arch_isb(); /* else the masking below may come before what is pending is taken */
    arch_irq_disable();
}

/* Looks at all devices of parked threads, and wakes those who have work: then *came is set. True: somebody can run. */
static bool look(struct poller *first, bool *came)
{
    if (arch_irq_pending())
        interrupts_take();
    unmap_poll();
    for (struct poller *poller = first; poller; poller = poller->next)
        if (parked(poller) && poller->look(poller->argument)) {
            thread_wake(poller->thread);
            *came = true;
        }
    return sched_others_ready();
}

/*
 * Interrupts are let in when there is one, and not at each look: that, and arch_relax(), make an emulator leave the guest's code
 * and take the lock that the device wants for its next frame. An emulator that runs CPUs in turn needs arch_relax() now and then.
 */
static bool look_often(struct poller *first)
{
    bool came = false;

    for (unsigned i = 0; i < LOOKS; i++)
        if (look(first, &came)) {
            for (unsigned k = 0; came && k < GATHER; k++)
                look(first, &came);
            return true;
        }
    arch_relax();
    return false;
}

/* Until `end`. True: somebody can run before that. */
static bool look_on(struct poller *first, uint64_t end)
{
    bool found;

    for (struct poller *poller = first; poller; poller = poller->next)
        if (parked(poller))
            poller->quiet(poller->argument);
    while (!(found = look_often(first)) && timer_now() < end)
        ;
    for (struct poller *poller = first; poller; poller = poller->next)
        if (parked(poller) && poller->listen(poller->argument))
            thread_wake(poller->thread);
    return found;
}

void idle_poll(void)
{
    struct cpu *cpu = cpu_self();
    struct idle *idle = &idles[cpu->number];
    struct poller *first = __atomic_load_n(&idle->first, __ATOMIC_ACQUIRE);

    uint64_t grace = cpu_count > 1 ? grace_many : grace_alone;

    if (!first || !grace || sched_others_ready())
        return;
    if (!idle->end) {
        idle->end = timer_now() + grace;
        idle->polls = idle->near && cpu->moved && idle_few();
        cpu->moved = 0;
    }
    if (idle->polls)
        idle->polls = look_on(first, idle->end);
}

uint64_t idle_end(void)
{
    struct idle *idle = &idles[cpu_number()];
    uint64_t end = idle->end, now = end;

    if (!idle->polls) {
        now = timer_now();
        idle->near = now < end;
    }
    idle->end = 0;
    idle->polls = false;
    return now;
}
