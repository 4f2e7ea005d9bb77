/*
 * core/arch.h of the host build: the same names and contracts, on the simulated machine of
 * test/host/machine.h.
 *
 * Put this folder's `include` before the root on the include path, and every kernel source compiles
 * unchanged. The operations are calls, so that two machines can stand behind them: machine.c (one host
 * thread, four CPUs and the adversarial TLB) and machine_threads.c (each host thread is a CPU; no tables).
 */
#ifndef CORE_ARCH_H
#define CORE_ARCH_H

#include <stdbool.h>
#include <stdint.h>
#include "core/layout.h"

struct cpu;

/* Which shareability domain a barrier waits for, and whether it waits for invalidations too. */
enum machine_barrier {
    MACHINE_DSB_ISHST, /* publishes stores; completes no TLBI */
    MACHINE_DSB_NSH,   /* completes local TLBIs only */
    MACHINE_DSB_ISH,   /* publishes stores, completes all TLBIs of this CPU */
    MACHINE_DMB,       /* orders plain accesses: nothing for the walkers */
};

enum machine_scope {
    MACHINE_LOCAL,
    MACHINE_BROADCAST,
};

void *machine_phys_to_virt(uint64_t phys);
uint64_t machine_virt_to_phys(const void *linear);
struct cpu *machine_cpu_get(void);
void machine_cpu_set(struct cpu *cpu);
void machine_relax(void);
void machine_barrier(enum machine_barrier barrier);
void machine_pte_store(uint64_t *entry, uint64_t value);
void machine_tlbi_range(enum machine_scope scope, uint64_t va, uint32_t pages, uint16_t asid);
void machine_tlbi_asid(enum machine_scope scope, uint16_t asid);
void machine_tlbi_all(enum machine_scope scope);
bool machine_range_present(void);
void machine_table_set(uint64_t root, uint16_t asid);
uint64_t machine_counter_read(void);
uint64_t machine_irq_mask(bool masked);

static inline void *arch_phys_to_virt(uint64_t phys)
{
    return machine_phys_to_virt(phys);
}

static inline uint64_t arch_virt_to_phys(const void *linear)
{
    return machine_virt_to_phys(linear);
}

static inline struct cpu *arch_cpu_get(void)
{
    return machine_cpu_get();
}

static inline void arch_cpu_set(struct cpu *cpu)
{
    machine_cpu_set(cpu);
}

static inline uint64_t arch_irq_save(void)
{
    return machine_irq_mask(true);
}

static inline void arch_irq_restore(uint64_t flags)
{
    machine_irq_mask(flags != 0);
}

static inline void arch_irq_enable(void)
{
    machine_irq_mask(false);
}

static inline void arch_irq_disable(void)
{
    machine_irq_mask(true);
}

static inline void arch_relax(void)
{
    machine_relax();
}

static inline void arch_wait_for_interrupt(void)
{
    machine_relax();
}

static inline void arch_dsb_ishst(void)
{
    machine_barrier(MACHINE_DSB_ISHST);
}

static inline void arch_dsb_ish(void)
{
    machine_barrier(MACHINE_DSB_ISH);
}

static inline void arch_dsb_nsh(void)
{
    machine_barrier(MACHINE_DSB_NSH);
}

static inline void arch_dsb_sy(void)
{
    machine_barrier(MACHINE_DSB_ISH);
}

static inline void arch_isb(void)
{
}

static inline void arch_dmb_ish(void)
{
    machine_barrier(MACHINE_DMB);
}

static inline void arch_dmb_ishst(void)
{
    machine_barrier(MACHINE_DMB);
}

static inline void arch_dmb_ishld(void)
{
    machine_barrier(MACHINE_DMB);
}

static inline void arch_dmb_osh(void)
{
    machine_barrier(MACHINE_DMB);
}

static inline void arch_dmb_oshst(void)
{
    machine_barrier(MACHINE_DMB);
}

static inline void arch_dmb_oshld(void)
{
    machine_barrier(MACHINE_DMB);
}

static inline void arch_word_store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline uint64_t arch_word_load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline bool arch_word_replace(uint64_t *word, uint64_t mask, uint64_t expected, uint64_t next)
{
    uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);

    while ((old & mask) == expected)
        if (__atomic_compare_exchange_n(word, &old, next, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return true;
    return false;
}

static inline bool arch_word_flip(uint64_t *word, uint64_t mask, uint64_t is, uint64_t flip)
{
    uint64_t now = __atomic_load_n(word, __ATOMIC_RELAXED);

    return (now & mask) == is &&
           __atomic_compare_exchange_n(word, &now, now ^ flip, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static inline void arch_pte_store(uint64_t *entry, uint64_t value)
{
    machine_pte_store(entry, value);
}

static inline void arch_tlbi_page_local(uint64_t va, uint16_t asid)
{
    machine_tlbi_range(MACHINE_LOCAL, va, 1, asid);
}

static inline void arch_tlbi_page_broadcast(uint64_t va, uint16_t asid)
{
    machine_tlbi_range(MACHINE_BROADCAST, va, 1, asid);
}

static inline bool arch_tlbi_range_present(void)
{
    return machine_range_present();
}

/* As the instruction, which counts in units of two pages. */
static inline void arch_tlbi_range_local(uint64_t va, unsigned pages, uint16_t asid)
{
    machine_tlbi_range(MACHINE_LOCAL, va, (pages + 1) & ~1u, asid);
}

static inline void arch_tlbi_range_broadcast(uint64_t va, unsigned pages, uint16_t asid)
{
    machine_tlbi_range(MACHINE_BROADCAST, va, (pages + 1) & ~1u, asid);
}

static inline void arch_tlbi_asid_local(uint16_t asid)
{
    machine_tlbi_asid(MACHINE_LOCAL, asid);
}

static inline void arch_tlbi_asid_broadcast(uint16_t asid)
{
    machine_tlbi_asid(MACHINE_BROADCAST, asid);
}

static inline void arch_tlbi_all_local(void)
{
    machine_tlbi_all(MACHINE_LOCAL);
}

static inline void arch_table_set(uint64_t root, uint16_t asid)
{
    machine_table_set(root, asid);
}

static inline unsigned arch_asid_bits(void)
{
    return 8;
}

static inline unsigned arch_zero_block(void)
{
    return 64;
}

static inline void arch_zero_line(void *line)
{
    __builtin_memset((void *)((uintptr_t)line & ~(uintptr_t)63), 0, 64);
}

static inline uint64_t arch_counter_read(void)
{
    return machine_counter_read();
}

static inline uint64_t arch_counter_peek(void)
{
    return machine_counter_read();
}

static inline uint64_t arch_counter_frequency(void)
{
    return 1000000000;
}

static inline void arch_timer_set(uint64_t deadline)
{
    (void)deadline;
}

/*
 * Device registers are plain memory, unless a test has a model of them: then the model answers for those that are its own
 * (true), with the value read or written.
 */
bool machine_device_access(const volatile void *reg, unsigned bytes, bool write, uint32_t *value)
    __attribute__((weak));

#define ARCH_DEVICE_ACCESS(suffix, type)                                                                     \
    static inline type arch_device_read##suffix(const volatile void *reg)                                    \
    {                                                                                                        \
        uint32_t value = 0;                                                                                  \
        if (machine_device_access && machine_device_access(reg, sizeof(type), false, &value))                \
            return (type)value;                                                                              \
        return *(const volatile type *)reg;                                                                  \
    }                                                                                                        \
    static inline void arch_device_write##suffix(volatile void *reg, type value)                             \
    {                                                                                                        \
        uint32_t word = value;                                                                               \
        if (!machine_device_access || !machine_device_access(reg, sizeof(type), true, &word))                \
            *(volatile type *)reg = value;                                                                   \
    }
ARCH_DEVICE_ACCESS(, uint32_t)
ARCH_DEVICE_ACCESS(8, uint8_t)
ARCH_DEVICE_ACCESS(16, uint16_t)

#endif
