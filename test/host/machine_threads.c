/*
 * The other machine behind core/arch.h: every host thread is a CPU, memory is plain, and there are no tables. For code
 * that is to run on real threads under the thread sanitizer.
 *
 * The sanitizer does not see fences, but it does see exclusive updates: each barrier is one of a variable that all
 * threads share, which orders at least as much as the sanitizer must know. (What a barrier must order at most is checked
 * by the models, in test/model.)
 */
#include "test/host/machine_threads.h"
#include "core/arch.h"
#include "core/cpu.h"

#include <sched.h>
#include <stdlib.h>

struct cpu cpus[CPUS_MAX];
unsigned cpu_count = CPUS_MAX;

static _Thread_local unsigned own_cpu;
static unsigned everybody;
static _Alignas(4096) uint8_t memory[1 << 20];

void machine_thread_is(unsigned cpu)
{
    own_cpu = cpu;
    cpus[cpu].number = cpu;
}

uint64_t machine_threads_memory(uint64_t *size)
{
    *size = sizeof(memory);
    return PAGE_SIZE;
}

void *machine_phys_to_virt(uint64_t phys)
{
    return memory + (phys - PAGE_SIZE);
}

uint64_t machine_virt_to_phys(const void *linear)
{
    return (uint64_t)((const uint8_t *)linear - memory) + PAGE_SIZE;
}

struct cpu *machine_cpu_get(void)
{
    return &cpus[own_cpu];
}

void machine_relax(void)
{
    sched_yield();
}

void machine_barrier(enum machine_barrier barrier)
{
    (void)barrier;
    __atomic_fetch_add(&everybody, 1, __ATOMIC_SEQ_CST);
}

uint64_t machine_irq_mask(bool masked)
{
    return masked;
}
