/* Time: see timer.h. */
#include "core/timer.h"

#include "core/arch.h"
#include "core/log.h"

#define NS_PER_S UINT64_C(1000000000)

/* Fixed point, 32 bits behind the point. */
static uint64_t ticks_per_ns, ns_per_tick;
static uint64_t boot_time;

void timer_init(void)
{
    uint64_t frequency = arch_counter_frequency();

    if (!frequency)
        panic("boot: the firmware left no timer frequency in CNTFRQ_EL0");
    ticks_per_ns = ((frequency << 32) + NS_PER_S - 1) / NS_PER_S;
    ns_per_tick = (NS_PER_S << 32) / frequency;
    boot_time = timer_now();
}

uint64_t timer_now(void)
{
    return arch_counter_read();
}

uint64_t timer_ns(uint64_t ticks)
{
    return (uint64_t)((__uint128_t)ticks * ns_per_tick >> 32);
}

uint64_t timer_uptime_ns(void)
{
    return timer_ns(timer_now() - boot_time);
}

uint64_t timer_ticks(uint64_t ns)
{
    __uint128_t ticks = ((__uint128_t)ns * ticks_per_ns + UINT32_MAX) >> 32;

    return ns == UINT64_MAX || ticks > UINT64_MAX ? UINT64_MAX : (uint64_t)ticks;
}

uint64_t timer_deadline(uint64_t ns)
{
    uint64_t ticks = timer_ticks(ns), now = timer_now();

    return ticks > UINT64_MAX - now ? UINT64_MAX : now + ticks;
}
