/*
 * The only inline assembly of the kernel: system registers, barriers, TLB and cache operations, exclusive accesses.
 *
 * Owns: nothing. Each operation that orders or invalidates says what goes wrong without it; the caller says
 * why it stands where it stands. The host build of mm/ and ipc/ replaces this file by
 * test/host/include/core/arch.h, where the same names drive a simulated, adversarial TLB.
 *
 * References: Arm ARM (DDI 0487) D8 (translation), B2.3 (ordering), K14 (barrier examples).
 */
#ifndef CORE_ARCH_H
#define CORE_ARCH_H

#include <stdbool.h>
#include <stdint.h>
#include "core/layout.h"

#define arch_sysreg_read(name)                                                                               \
    ({                                                                                                       \
        uint64_t value_;                                                                                     \
        __asm__ volatile("mrs %0, " #name : "=r"(value_)::"memory");                                         \
        value_;                                                                                              \
    })
#define arch_sysreg_write(name, value)                                                                       \
    __asm__ volatile("msr " #name ", %0" ::"r"((uint64_t)(value)) : "memory")

/* ---- Linear map ---- */

static inline void *arch_phys_to_virt(uint64_t phys)
{
    return (void *)(phys + LINEAR_BASE);
}

static inline uint64_t arch_virt_to_phys(const void *linear)
{
    return (uint64_t)linear - LINEAR_BASE;
}

/* ---- CPU ---- */

struct cpu;

/* The per-CPU block, kept in TPIDR_EL1. Not volatile: a thread in the kernel with interrupts masked stays put. */
static inline struct cpu *arch_cpu_get(void)
{
    struct cpu *cpu;
    __asm__ volatile("mrs %0, tpidr_el1" : "=r"(cpu));
    return cpu;
}

static inline void arch_cpu_set(struct cpu *cpu)
{
    arch_sysreg_write(tpidr_el1, cpu);
}

static inline uint64_t arch_irq_save(void)
{
    uint64_t flags = arch_sysreg_read(daif);
    __asm__ volatile("msr daifset, #2" ::: "memory");
    return flags;
}

static inline void arch_irq_restore(uint64_t flags)
{
    arch_sysreg_write(daif, flags);
}

/* An interrupt is pending, though masked (ISR_EL1.I). */
static inline bool arch_irq_pending(void)
{
    return arch_sysreg_read(isr_el1) & 0x80;
}

static inline void arch_irq_enable(void)
{
    __asm__ volatile("msr daifclr, #2" ::: "memory");
}

static inline void arch_irq_disable(void)
{
    __asm__ volatile("msr daifset, #2" ::: "memory");
}

/* For a panic's report: x19 to x28 as they are (the others hold nothing of the caller's), into x[19..28]. */
static inline void arch_registers_save(uint64_t *x)
{
    __asm__ volatile("stp x19, x20, [%0, #152]\n\t"
                     "stp x21, x22, [%0, #168]\n\t"
                     "stp x23, x24, [%0, #184]\n\t"
                     "stp x25, x26, [%0, #200]\n\t"
                     "stp x27, x28, [%0, #216]" ::"r"(x)
                     : "memory");
}

/* In the single-threaded modes of QEMU a spin without it keeps the other CPUs from running at all. */
static inline void arch_relax(void)
{
    __asm__ volatile("yield" ::: "memory");
}

/* Waits for an interrupt, also while they are masked: the caller unmasks afterwards, so none is missed between. */
static inline void arch_wait_for_interrupt(void)
{
    __asm__ volatile("dsb sy\n\twfi" ::
                         : "memory"); /* DSB: what was written must not wait in a buffer while we sleep */
}

/* Wakes the CPUs that wait for an event (WFE): those that the firmware holds in a spin table. */
static inline void arch_send_event(void)
{
    __asm__ volatile("sev" ::: "memory");
}

/* Lets EL0 and EL1 use floating point and SIMD, or traps their use (CPACR_EL1.FPEN). */
static inline void arch_fp_open(bool open)
{
    arch_sysreg_write(cpacr_el1, open ? 3ul << 20 : 0);
}

#define ARCH_INST_RETIRED 8 /* number of the event */

static inline bool arch_monitor_present(void)
{
    uint64_t version = arch_sysreg_read(id_aa64dfr0_el1) >> 8 & 0xf;
    return version && version != 0xf;
}

/*
 * True when the CPU has a performance monitor that counts instructions; the boot has set its counter 0 to that. QEMU's has so under
 * icount only, and to read it costs a lock there that the devices want.
 */
static inline bool arch_instructions_counted(void)
{
    return arch_monitor_present() && arch_sysreg_read(pmceid0_el0) >> ARCH_INST_RETIRED & 1;
}

/* Instructions retired on this CPU, 32 bits, wrapping. Exact under icount. */
static inline uint32_t arch_instructions_read(void)
{
    return (uint32_t)arch_sysreg_read(pmevcntr0_el0);
}

/* ---- Barriers ---- */

/* Without it the table walker of this or another CPU may not see an entry just written. */
static inline void arch_dsb_ishst(void)
{
    __asm__ volatile("dsb ishst" ::: "memory");
}

/* Without it a broadcast TLBI of this CPU may still be under way on another one. */
static inline void arch_dsb_ish(void)
{
    __asm__ volatile("dsb ish" ::: "memory");
}

/* Without it a local TLBI of this CPU may still be under way. */
static inline void arch_dsb_nsh(void)
{
    __asm__ volatile("dsb nsh" ::: "memory");
}

/* Full system: devices see what was written before. */
static inline void arch_dsb_sy(void)
{
    __asm__ volatile("dsb sy" ::: "memory");
}

/* Without it this CPU may run on with what it fetched under the old translation or system register. */
static inline void arch_isb(void)
{
    __asm__ volatile("isb" ::: "memory");
}

/* Orders loads and stores between CPUs: a store before it is seen before a load after it is done (Dekker). */
static inline void arch_dmb_ish(void)
{
    __asm__ volatile("dmb ish" ::: "memory");
}

/* Orders stores between CPUs: many plain stores are published by the one that follows. */
static inline void arch_dmb_ishst(void)
{
    __asm__ volatile("dmb ishst" ::: "memory");
}

/* Orders earlier loads (of a device's index) before later loads (of what it indexes). */
static inline void arch_dmb_ishld(void)
{
    __asm__ volatile("dmb ishld" ::: "memory");
}

/* The same towards devices that share memory with us: outer shareable. */
static inline void arch_dmb_osh(void)
{
    __asm__ volatile("dmb osh" ::: "memory");
}

static inline void arch_dmb_oshst(void)
{
    __asm__ volatile("dmb oshst" ::: "memory");
}

static inline void arch_dmb_oshld(void)
{
    __asm__ volatile("dmb oshld" ::: "memory");
}

/* ---- Words that others read or write at the same time ---- */

/* A relaxed atomic store and load. As a volatile access each is one instruction with an offset; GCC makes two of an atomic one. */
static inline void arch_word_store(uint64_t *word, uint64_t value)
{
    *(volatile uint64_t *)word = value;
}

static inline uint64_t arch_word_load(const uint64_t *word)
{
    return *(const volatile uint64_t *)word;
}

/* ---- Exclusive accesses ---- */

/* See below: the whole word is compared. */
static inline bool arch_word_replace_whole(uint64_t *word, uint64_t expected, uint64_t next)
{
    __asm__ goto("1: ldaxr x16, [%0]\n\t"
                 "cmp x16, %1\n\t"
                 "b.ne %l[other]\n\t"
                 "stlxr w17, %2, [%0]\n\t"
                 "cbnz w17, 1b"
                 :
                 : "r"(word), "r"(expected), "r"(next)
                 : "x16", "x17", "cc", "memory"
                 : other);
    return true;
other:
    return false;
}

/*
 * When the bits of `mask` in the word are `expected`, the whole word becomes `next`; else nothing is done, and false. Acquire
 * and release. In one loop, where a load, a test and the compiler's compare-and-swap would read and compare twice. Cost: 6
 * instructions.
 */
static inline bool arch_word_replace(uint64_t *word, uint64_t mask, uint64_t expected, uint64_t next)
{
    if (__builtin_constant_p(mask) && mask == UINT64_MAX)
        return arch_word_replace_whole(word, expected, next);
    __asm__ goto("1: ldaxr x16, [%0]\n\t"
                 "and x17, x16, %1\n\t"
                 "cmp x17, %2\n\t"
                 "b.ne %l[other]\n\t"
                 "stlxr w17, %3, [%0]\n\t"
                 "cbnz w17, 1b"
                 :
                 : "r"(word), "rL"(mask), "r"(expected), "r"(next)
                 : "x16", "x17", "cc", "memory"
                 : other);
    return true;
other:
    return false;
}

/*
 * One attempt to change a word that other CPUs change too: when its bits in `mask` are `is`, those in `flip` are turned over, with
 * acquire and release. False: they are not, or another CPU was quicker, or the CPU lost the word for no reason; nothing has
 * changed, and the caller looks at the word itself. Seven instructions, where the compiler's compare-and-swap and the looks
 * before it are eleven. Masks and values that are immediates take no register.
 */
static inline bool arch_word_flip(uint64_t *word, uint64_t mask, uint64_t is, uint64_t flip)
{
    __asm__ goto("ldaxr x16, [%0]\n\t"
                 "and x17, x16, %1\n\t"
                 "cmp x17, %2\n\t"
                 "b.ne %l[no]\n\t"
                 "eor x16, x16, %3\n\t"
                 "stlxr w17, x16, [%0]\n\t"
                 "cbnz w17, %l[no]" ::"r"(word),
                 "rL"(mask), "rI"(is), "r"(flip)
                 : "x16", "x17", "cc", "memory"
                 : no);
    return true;
no:
    return false;
}

/* ---- Translation ---- */

/* The one store that makes a table entry; 64 bits at once, so that a walker sees the old one or the new one. */
static inline void arch_pte_store(uint64_t *entry, uint64_t value)
{
    *(volatile uint64_t *)entry = value;
}

/* Operand of TLBI by address: ASID in 63:48, VA[55:12] in 43:0. */
static inline uint64_t arch_tlbi_operand(uint64_t va, uint16_t asid)
{
    return (uint64_t)asid << 48 | ((va >> PAGE_SHIFT) & 0xfffffffffffull);
}

static inline void arch_tlbi_page_local(uint64_t va, uint16_t asid)
{
    __asm__ volatile("tlbi vae1, %0" ::"r"(arch_tlbi_operand(va, asid)) : "memory");
}

static inline void arch_tlbi_page_broadcast(uint64_t va, uint16_t asid)
{
    __asm__ volatile("tlbi vae1is, %0" ::"r"(arch_tlbi_operand(va, asid)) : "memory");
}

static inline void arch_tlbi_asid_broadcast(uint16_t asid)
{
    __asm__ volatile("tlbi aside1is, %0" ::"r"((uint64_t)asid << 48) : "memory");
}

static inline void arch_tlbi_asid_local(uint16_t asid)
{
    __asm__ volatile("tlbi aside1, %0" ::"r"((uint64_t)asid << 48) : "memory");
}

/* FEAT_TLBIRANGE (ID_AA64ISAR0_EL1.TLB): absent on a Cortex-A72. */
static inline bool arch_tlbi_range_present(void)
{
    return (arch_sysreg_read(id_aa64isar0_el1) >> 56 & 0xf) == 2;
}

/*
 * Operand of TLBI by range: ASID in 63:48, granule of 4 KiB in 47:46, SCALE 0 in 45:44, NUM in 43:39: (NUM + 1) * 2 pages;
 * VA[48:12] in 36:0 (Arm ARM C5.5). An odd number of pages is rounded up: one page too many costs a walk, no more.
 */
static inline uint64_t arch_tlbi_range_operand(uint64_t va, unsigned pages, uint16_t asid)
{
    return (uint64_t)asid << 48 | 1ull << 46 | (uint64_t)((pages + 1) / 2 - 1) << 39 |
           ((va >> PAGE_SHIFT) & 0x1fffffffffull);
}

/* 2 to 64 pages, by the encoding of RVAE1 and RVAE1IS, which the assembler of a Cortex-A72 does not know by name. */
static inline void arch_tlbi_range_local(uint64_t va, unsigned pages, uint16_t asid)
{
    __asm__ volatile("sys #0, c8, c6, #1, %0" ::"r"(arch_tlbi_range_operand(va, pages, asid)) : "memory");
}

static inline void arch_tlbi_range_broadcast(uint64_t va, unsigned pages, uint16_t asid)
{
    __asm__ volatile("sys #0, c8, c2, #1, %0" ::"r"(arch_tlbi_range_operand(va, pages, asid)) : "memory");
}

static inline void arch_tlbi_all_local(void)
{
    __asm__ volatile("tlbi vmalle1" ::: "memory");
}

/* Makes `root` with `asid` the live user table of this CPU. The ISB keeps later accesses from using the old one. */
static inline void arch_table_set(uint64_t root, uint16_t asid)
{
    arch_sysreg_write(ttbr0_el1, (uint64_t)asid << 48 | root);
    arch_isb();
}

/* 16 on a Cortex-A72, 8 on the smallest implementations (ID_AA64MMFR0_EL1.ASIDBits). */
static inline unsigned arch_asid_bits(void)
{
    return (arch_sysreg_read(id_aa64mmfr0_el1) >> 4 & 0xf) == 2 ? 16 : 8;
}

/* ---- Cache ---- */

/* Bytes that one DC ZVA zeroes, 0 when it is prohibited (DCZID_EL0). */
static inline unsigned arch_zero_block(void)
{
    uint64_t id = arch_sysreg_read(dczid_el0);
    return id & 0x10 ? 0 : 4u << (id & 0xf);
}

static inline void arch_zero_line(void *line)
{
    __asm__ volatile("dc zva, %0" ::"r"(line) : "memory");
}

/* Writes a line back to memory: who reads with its MMU off (a CPU that starts) would see what was there before. */
static inline void arch_cache_clean(const void *line)
{
    __asm__ volatile("dc cvac, %0" ::"r"(line) : "memory");
}

/* ---- Time ---- */

static inline uint64_t arch_counter_read(void)
{
    arch_isb(); /* without it the counter may be read earlier than the code before it runs */
    return arch_sysreg_read(cntvct_el0);
}

/* As above, but may be read somewhat early: for a record of when, not for measuring. One instruction. */
static inline uint64_t arch_counter_peek(void)
{
    return arch_sysreg_read(cntvct_el0);
}

static inline uint64_t arch_counter_frequency(void)
{
    return arch_sysreg_read(cntfrq_el0);
}

/* Fires the virtual timer's interrupt (PPI 27) when the counter reaches `deadline`; UINT64_MAX turns it off. */
static inline void arch_timer_set(uint64_t deadline)
{
    if (deadline == UINT64_MAX) {
        arch_sysreg_write(cntv_ctl_el0, 0);
        return;
    }
    arch_sysreg_write(cntv_cval_el0, deadline);
    arch_sysreg_write(cntv_ctl_el0, 1);
}

/* ---- Firmware ---- */

/* PSCI call (SMC calling convention): HVC under a hypervisor's EL2, SMC where EL3 or a virtual EL3 answers. */
static inline int64_t arch_firmware_call(bool smc, uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a1;
    register uint64_t x2 __asm__("x2") = a2;
    register uint64_t x3 __asm__("x3") = a3;

    if (smc)
        __asm__ volatile("smc #0"
                         : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory", "x4", "x5", "x6", "x7", "x8",
                           "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17");
    else
        __asm__ volatile("hvc #0"
                         : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory", "x4", "x5", "x6", "x7", "x8",
                           "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17");
    return (int64_t)x0;
}

/* ---- Device registers ---- */

static inline uint32_t arch_device_read(const volatile void *reg)
{
    uint32_t value;
    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(reg) : "memory");
    return value;
}

static inline void arch_device_write(volatile void *reg, uint32_t value)
{
    __asm__ volatile("str %w0, [%1]" ::"rZ"(value), "r"(reg) : "memory");
}

/* Registers of 8 and 16 bits, which some devices want to be accessed by their own width. */
static inline uint8_t arch_device_read8(const volatile void *reg)
{
    uint32_t value;
    __asm__ volatile("ldrb %w0, [%1]" : "=r"(value) : "r"(reg) : "memory");
    return (uint8_t)value;
}

static inline void arch_device_write8(volatile void *reg, uint8_t value)
{
    __asm__ volatile("strb %w0, [%1]" ::"rZ"((uint32_t)value), "r"(reg) : "memory");
}

static inline uint16_t arch_device_read16(const volatile void *reg)
{
    uint32_t value;
    __asm__ volatile("ldrh %w0, [%1]" : "=r"(value) : "r"(reg) : "memory");
    return (uint16_t)value;
}

static inline void arch_device_write16(volatile void *reg, uint16_t value)
{
    __asm__ volatile("strh %w0, [%1]" ::"rZ"((uint32_t)value), "r"(reg) : "memory");
}

#endif
