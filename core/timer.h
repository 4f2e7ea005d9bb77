/*
 * Time: the generic timer's virtual counter. Times are counter ticks; nanoseconds only at the edges.
 *
 * Owns: the conversion factors. Deadlines belong to the scheduler (ipc/thread.h), which arms the timer.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include <stdint.h>

/* Boot: reads the counter's frequency; panics when the firmware left none. Uptime counts from here. */
void timer_init(void);

/* The counter now, in ticks since some moment before the boot. */
uint64_t timer_now(void);

/* Ticks since boot, as nanoseconds. */
uint64_t timer_uptime_ns(void);

/* A value of the counter as nanoseconds: what services read as the time. */
uint64_t timer_ns(uint64_t ticks);

/* Nanoseconds to ticks, rounded up; BATON_FOREVER and what does not fit give UINT64_MAX. */
uint64_t timer_ticks(uint64_t ns);

/* The absolute deadline `ns` from now, saturating at UINT64_MAX, which is never. */
uint64_t timer_deadline(uint64_t ns);

#endif
