/*
 * A service's share of a CPU (struct baton_service, cpu_share): how much of each CPU it gets while others want it.
 *
 * Owns: service->shares[]. Model: time is cut into periods of 10 ms. A service with a share of P percent may run P percent of
 * a period on each CPU in its turn, like anybody. Then its share is spent: until the period ends it runs only when nobody
 * else of that CPU wants to, and gives way as soon as somebody does, also in the middle of a slice.
 *
 * Only when others want the CPU, and not always: the limit is there to protect neighbours, and time that no neighbour wants
 * protects nobody. A service whose speed must not depend on its neighbours' idleness needs a CPU of its own, not a share.
 * Time in the kernel on the service's behalf counts as its own, so system calls without end are spent like spinning; so do
 * the interrupts that meet it while it runs.
 *
 * Cost: for threads of services without a share one load and branch at a switch; for others two readings of the counter and
 * one setting of the timer.
 *
 * Interrupts are masked in every call; every call is for the calling CPU.
 */
#ifndef IPC_SHARE_H
#define IPC_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct thread;

struct share {
    uint64_t used;        /* ticks of the counter in this period */
    uint64_t since;       /* up to when `used` has been counted, while a thread of the service runs here */
    uint64_t period_end;  /* counter value */
    uint32_t times_spent; /* periods in which it was spent, ever */
    bool spent;           /* in this period */
};

/* The share of the thread's service here is spent. `now` as timer_now(). */
bool share_spent(const struct thread *thread, uint64_t now);

/* The thread, which runs, has run up to `now`, or begins to: counts, and returns when to look again, as a counter value. */
uint64_t share_count(const struct thread *thread, uint64_t now, bool begins);

#endif
