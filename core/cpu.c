/* The blocks of all CPUs, and their counters: see cpu.h and counters.h. */
#include "core/cpu.h"

struct cpu cpus[CPUS_MAX];
unsigned cpu_count;

void counter_add(enum counter counter, uint64_t amount)
{
    cpu_self()->counters[counter] += amount;
}

uint64_t counter_sum(enum counter counter)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < CPUS_MAX; i++)
        sum += __atomic_load_n(&cpus[i].counters[counter], __ATOMIC_RELAXED);
    return sum;
}
