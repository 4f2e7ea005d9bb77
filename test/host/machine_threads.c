/*
 * The other machine behind core/arch.h: every host thread is a CPU, memory is plain, tables are written but nobody
 * walks them. For code that is to run on real threads under the thread sanitizer.
 *
 * The sanitizer does not see fences, but it does see exclusive updates: each barrier is one of a variable that all
 * threads share, which orders at least as much as the sanitizer must know. (What a barrier must order at most is
 * checked by the models, in test/model.)
 */
#include "test/host/machine_threads.h"
#include "core/arch.h"
#include "core/cpu.h"
#include "core/log.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local unsigned own_cpu;
static unsigned everybody;
static _Alignas(4096) uint8_t memory[4 << 20];

void machine_thread_is(unsigned cpu)
{
    uint32_t count = __atomic_load_n(&cpu_count, __ATOMIC_RELAXED);

    own_cpu = cpu;
    cpus[cpu].number = cpu;
    while (count <= cpu && !__atomic_compare_exchange_n(&cpu_count, &count, cpu + 1, false, __ATOMIC_RELAXED,
                                                        __ATOMIC_RELAXED))
        ;
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

static unsigned relaxed[CPUS_MAX]; /* (atomic) */

void machine_relax(void)
{
    __atomic_fetch_add(&relaxed[own_cpu], 1, __ATOMIC_RELAXED);
    sched_yield();
}

unsigned machine_threads_relaxed(unsigned cpu)
{
    return __atomic_load_n(&relaxed[cpu], __ATOMIC_RELAXED);
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

uint64_t machine_counter_read(void)
{
    return __atomic_add_fetch(&everybody, 1, __ATOMIC_RELAXED);
}

void machine_pte_store(uint64_t *entry, uint64_t value)
{
    __atomic_store_n(entry, value, __ATOMIC_RELAXED);
    sched_yield(); /* in the middle of an operation, with locks in hand: so others come to wait for them */
}

void machine_tlbi_range(enum machine_scope scope, uint64_t va, uint32_t pages, uint16_t asid)
{
    (void)scope;
    (void)va;
    (void)pages;
    (void)asid;
}

bool machine_range_present(void)
{
    return true;
}

void machine_tlbi_asid(enum machine_scope scope, uint16_t asid)
{
    (void)scope;
    (void)asid;
}

void machine_tlbi_all(enum machine_scope scope)
{
    (void)scope;
}

void machine_table_set(uint64_t root, uint16_t asid)
{
    (void)root;
    (void)asid;
}

void panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    exit(3);
}

void log_print(const char *format, ...)
{
    (void)format;
}
