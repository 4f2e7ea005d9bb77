/*
 * The simulated machine behind test/host/include/core/arch.h: four CPUs in one host thread, physical memory,
 * and an adversarial TLB.
 *
 * Owns: the memory, and for every CPU and ASID the set of translations that it MAY hold. The adversary is not
 * played with dice: the machine keeps every translation that some machine allowed by the architecture could
 * hold at this moment, so a stale one is found whenever it is possible, not only when a walker was lucky.
 *
 * The rules (Arm ARM D8.13, D8.14, K14)
 *   1. A valid entry of a table that is live on a CPU may be fetched there at any moment, and stays until
 * invalidated.
 *   2. A stored entry may be seen by walkers at once; the old one may be fetched until a DSB ISHST or ISH of
 * the CPU that stored.
 *   3. A TLBI may take effect when it is issued, so what is fetched afterwards (rule 2 included) survives it;
 * it is certain only at the DSB of the CPU that issued it: NSH or ISH for a local one, ISH for a broadcast.
 * A TLBI by range or by ASID is one TLBI of many pages; a CPU that never issued one has nothing to wait for, so nobody's DSB
 * completes what another CPU issued.
 *   4. A live table stops being walked when another one is set; what was fetched stays under its ASID.
 *
 * What breaks the architecture's rules by itself (break-before-make, two frames under one address, a global
 * entry in a user table, one ASID live for two tables, IPC memory reached through the linear map) is reported
 * at once by machine_fail().
 */
#ifndef TEST_HOST_MACHINE_H
#define TEST_HOST_MACHINE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_CPUS   4
#define MACHINE_PHYS   UINT64_C(0x40000000)
#define MACHINE_MEMORY (UINT64_C(16) << 20)

/* A new machine: memory filled with a pattern, no table live, the random numbers of accesses from `seed`. */
void machine_reset(uint64_t seed);

/* The fault that the kernel's code makes from now on (core/seed.h), by its name; NULL for none. Ends the program where there is no such
   fault, as in a build without BATON_SEEDED. */
void machine_fault_choose(const char *name);

/* Gives all memory to mm/frame.h as RAM. */
void machine_add_ram(void);

/* From now on kernel code runs on this CPU. */
void machine_run_on(unsigned cpu);

/* Called before each operation of the machine, if set: there other CPUs may run, and come back (interleaved.c). */
extern void (*machine_step)(void);

/* False: this machine has no TLBI of address ranges (FEAT_TLBIRANGE). True after the start of the program. */
extern bool machine_ranges;

/*
 * Interrupts. A CPU that runs service code takes its own at once when another one spins; in kernel code they are masked,
 * so with machine_step the test says when they are taken: machine_interrupt() on that CPU. What that does (irq_dispatch)
 * is set by platform.c, which also stands for the controller.
 */
#define MACHINE_NO_INTERRUPT 1023u
extern void (*machine_interrupt)(void);
void machine_interrupt_raise(unsigned cpu, unsigned number);
/* The lowest number that is pending on the running CPU, pending no longer; or MACHINE_NO_INTERRUPT. */
unsigned machine_interrupt_acknowledge(void);
/* Puts core/irq.h on top of these. */
void machine_interrupts_connect(void);

/* These frames are in no linear map: reaching them by arch_phys_to_virt() is a failure. */
void machine_hide(uint64_t phys, uint64_t size);

/* Memory as a device or the tests see it. */
uint8_t *machine_memory(uint64_t phys);

/* ---- What a CPU could reach ---- */

#define MACHINE_VALUES 8
struct machine_reach {
    unsigned count;
    uint64_t entry[MACHINE_VALUES]; /* as in the table */
};
/* Every translation of `va` that the CPU may use now, with the table that is live there: cached or to be
 * fetched. */
void machine_reachable(unsigned cpu, uint64_t va, struct machine_reach *reach);
/* The same for entries of `asid`, live or not. */
void machine_cached(unsigned cpu, uint16_t asid, uint64_t va, struct machine_reach *reach);
/*
 * CPUs within table_switch, set by the test: no service code runs there, under the old table or the new one, so what they
 * could reach is not looked at. (The old table's number may be another's already: the CPU flushes before it goes on.)
 */
extern bool machine_between_tables[MACHINE_CPUS];
/* True when service code on the CPU may use a translation to this frame now. */
bool machine_frame_reachable(unsigned cpu, uint64_t frame);
/* Asked before a frame is scrubbed, if set. */
extern void (*machine_scrubbing)(uint64_t frame);
uint16_t machine_live_asid(unsigned cpu);
/* Physical address of the live table, 0 before the first. */
uint64_t machine_live_root(unsigned cpu);

/* One access of service code on `cpu`, by any translation that it may use: where it lands, or the fault. */
enum machine_result {
    MACHINE_DONE,
    MACHINE_TRANSLATION_FAULT,
    MACHINE_PERMISSION_FAULT,
};
enum machine_result machine_access(unsigned cpu, uint64_t va, bool write, bool el0, uint64_t *phys);

/*
 * Fails when an entry is not yet published or a local invalidation not yet waited for: at the end of kernel operations.
 * (Whoever issued a broadcast one may go on, as fast_asynchronous_unmap() does.)
 */
void machine_check_quiet(void);
/* Invalidations of the CPU that it has not waited for. */
unsigned machine_invalidations(unsigned cpu);
/* How often the CPU has dropped its whole TLB. */
unsigned machine_flushes(unsigned cpu);

#define ENTRY_FRAME(entry)    ((entry)&UINT64_C(0x0000fffffffff000))
#define ENTRY_WRITABLE(entry) (((entry) & (UINT64_C(1) << 7)) == 0)
#define ENTRY_USER(entry)     (((entry) & (UINT64_C(1) << 6)) != 0)
#define ENTRY_PRIVATE(entry)  (((entry) & (UINT64_C(1) << 11)) != 0)

/* ---- Failing ---- */

/* Prints "oracle: " and the reason, and ends the program with status 3; or jumps, when a test expects it. */
__attribute__((noreturn, format(printf, 1, 2))) void machine_fail(const char *format, ...);
/* What the tests print about where they are (seed, operation), before the program ends. */
extern void (*machine_where)(void);

/* True when `statement` ends in machine_fail() or in panic(); the message lies in machine_message. */
extern jmp_buf *machine_expected;
extern char machine_message[512];
#define machine_fails(statement)                                                                             \
    ({                                                                                                       \
        jmp_buf here_;                                                                                       \
        volatile bool failed_ = true;                                                                        \
        machine_expected = &here_;                                                                           \
        if (setjmp(here_) == 0) {                                                                            \
            statement;                                                                                       \
            failed_ = false;                                                                                 \
        }                                                                                                    \
        machine_expected = NULL;                                                                             \
        failed_;                                                                                             \
    })

/* Counts of what kernel code asked of the machine, since machine_reset. */
struct machine_counts {
    uint64_t barriers, tlbi_local, tlbi_broadcast, tlbi_range, tlbi_asid, switches, stores, scrubs;
};
extern struct machine_counts machine_counts;

/* A random number below `limit`. */
uint64_t machine_random(uint64_t limit);

#endif
