/* The simulated machine: see machine.h. */
#include "test/host/machine.h"
#include "core/arch.h"
#include "core/cpu.h"
#include "core/seed.h"
#include "test/host/machine_tlb.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct machine_counts machine_counts;
void (*machine_where)(void);
void (*machine_step)(void);
void (*machine_interrupt)(void);
void (*machine_scrubbing)(uint64_t frame);
bool machine_ranges = true;
jmp_buf *machine_expected;
char machine_message[512];

static uint8_t memory[MACHINE_MEMORY] __attribute__((aligned(4096)));
static bool hidden[MACHINE_MEMORY / PAGE_SIZE];
static uint32_t interrupts[MACHINE_CPUS]; /* pending, a bit each */
static unsigned current;
static uint64_t random_state;

uint64_t machine_random(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % limit;
}

void machine_fault_choose(const char *name)
{
    if (!name || seed_choose(name))
        return;
    printf("this program makes no fault called %s\n", name);
    exit(2);
}

void machine_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(machine_message, sizeof(machine_message), format, args);
    va_end(args);
    if (machine_expected)
        longjmp(*machine_expected, 1);
    printf("oracle: %s\n", machine_message);
    if (machine_where)
        machine_where();
    fflush(stdout);
    exit(3);
}

/* ---- Memory ---- */

uint8_t *machine_memory(uint64_t phys)
{
    if (phys < MACHINE_PHYS || phys >= MACHINE_PHYS + MACHINE_MEMORY)
        machine_fail("no memory at 0x%lx", (unsigned long)phys);
    return &memory[phys - MACHINE_PHYS];
}

void *machine_phys_to_virt(uint64_t phys)
{
    uint8_t *at = machine_memory(phys);

    if (hidden[(at - memory) / PAGE_SIZE])
        machine_fail("the kernel reaches IPC frame 0x%lx through the linear map", (unsigned long)phys);
    return at;
}

uint64_t machine_virt_to_phys(const void *linear)
{
    return (uint64_t)((const uint8_t *)linear - memory) + MACHINE_PHYS;
}

void machine_hide(uint64_t phys, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += PAGE_SIZE)
        hidden[(phys + at - MACHINE_PHYS) / PAGE_SIZE] = true;
}

/* ---- The operations of core/arch.h ---- */

/* With machine_step, other CPUs may do something here: before and after every operation. */
static void step(void)
{
    if (machine_step)
        machine_step();
    tlb_now++;
}

struct cpu *machine_cpu_get(void)
{
    return &cpus[current];
}

void machine_cpu_set(struct cpu *cpu)
{
    current = (unsigned)(cpu - cpus);
}

void machine_run_on(unsigned cpu)
{
    current = cpu;
}

static void interrupt_take(unsigned cpu)
{
    unsigned interrupted = current;

    if (!machine_interrupt)
        machine_fail("CPU %u is rung, and nothing handles interrupts", cpu);
    current = cpu;
    machine_interrupt();
    current = interrupted;
}

/*
 * One host thread runs all CPUs: what one of them waits for comes only if others can do something meanwhile. Without
 * machine_step all others run service code, where interrupts reach them.
 */
void machine_relax(void)
{
    static uint64_t relaxed; /* when it was called last */
    bool taken = false;

    if (machine_step) {
        step();
        return;
    }
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++)
        if (cpu != current && interrupts[cpu]) {
            interrupt_take(cpu);
            taken = true;
        }
    if (!taken && relaxed == tlb_now)
        machine_fail("CPU %u spins: a lock was left held, or nobody was rung", current);
    relaxed = tlb_now;
}

void machine_interrupt_raise(unsigned cpu, unsigned number)
{
    interrupts[cpu] |= 1u << number;
    step();
}

unsigned machine_interrupt_acknowledge(void)
{
    unsigned number = 0;

    while (number < 32 && !(interrupts[current] >> number & 1))
        number++;
    if (number == 32)
        return MACHINE_NO_INTERRUPT;
    interrupts[current] &= ~(1u << number);
    return number;
}

uint64_t machine_irq_mask(bool masked)
{
    return masked;
}

uint64_t machine_counter_read(void)
{
    step();
    return tlb_now;
}

static void entry_write(uint64_t *entry, uint64_t value)
{
    struct tlb_cpu *cpu = &tlb_cpus[current];
    uint64_t old = *entry;

    machine_counts.stores++;
    if (cpu->stores == TLB_PENDING)
        machine_fail("%d entries written without a barrier", TLB_PENDING);
    cpu->store[cpu->stores++] = (struct tlb_store){entry, old};
    *entry = value;
    tlb_stored(entry, old, value);
}

void machine_pte_store(uint64_t *entry, uint64_t value)
{
    step();
    entry_write(entry, value);
    step();
}

static void invalidations_complete(struct tlb_cpu *cpu, bool broadcast)
{
    unsigned left = 0;

    for (unsigned i = 0; i < cpu->invalidations; i++) {
        struct tlb_invalidation what = cpu->invalidation[i];
        if (what.scope == MACHINE_LOCAL)
            tlb_invalidate(current, &what);
        else if (broadcast)
            for (unsigned other = 0; other < MACHINE_CPUS; other++)
                tlb_invalidate(other, &what);
        else
            cpu->invalidation[left++] = what;
    }
    cpu->invalidations = left;
}

static void barrier_wait(enum machine_barrier barrier)
{
    struct tlb_cpu *cpu = &tlb_cpus[current];

    machine_counts.barriers++;
    if (barrier != MACHINE_DSB_NSH)
        while (cpu->stores) {
            struct tlb_store store = cpu->store[--cpu->stores];
            tlb_value_gone(store.entry, store.old);
        }
    if (barrier != MACHINE_DSB_ISHST)
        invalidations_complete(cpu, barrier == MACHINE_DSB_ISH);
}

void machine_barrier(enum machine_barrier barrier)
{
    step();
    if (barrier != MACHINE_DMB)
        barrier_wait(barrier);
    step();
}

static void invalidation_issue(struct tlb_invalidation what)
{
    struct tlb_cpu *cpu = &tlb_cpus[current];

    if (cpu->invalidations == TLB_PENDING)
        machine_fail("%d invalidations without a barrier", TLB_PENDING);
    if (what.scope == MACHINE_LOCAL)
        machine_counts.tlbi_local++;
    else
        machine_counts.tlbi_broadcast++;
    machine_counts.tlbi_range += what.pages > 1;
    machine_counts.tlbi_asid += what.every_page && !what.every_asid;
    step();
    what.issued = tlb_now;
    cpu->invalidation[cpu->invalidations++] = what;
    step();
}

void machine_tlbi_range(enum machine_scope scope, uint64_t va, uint32_t pages, uint16_t asid)
{
    invalidation_issue((struct tlb_invalidation){.scope = scope, .asid = asid, .va = va, .pages = pages});
}

void machine_tlbi_asid(enum machine_scope scope, uint16_t asid)
{
    invalidation_issue((struct tlb_invalidation){.scope = scope, .asid = asid, .every_page = true});
}

void machine_tlbi_all(enum machine_scope scope)
{
    invalidation_issue((struct tlb_invalidation){.scope = scope, .every_page = true, .every_asid = true});
}

bool machine_range_present(void)
{
    return machine_ranges;
}

/* While CPUs are in the middle of switches, the one that is about to leave a table may still have its old number. */
static void check_asid_alone(uint64_t root, uint16_t asid)
{
    for (unsigned other = 0; other < MACHINE_CPUS; other++)
        if (other != current && tlb_cpus[other].root &&
            (tlb_cpus[other].root == root) != (tlb_cpus[other].asid == asid))
            machine_fail("CPUs %u and %u: ASID %u and table 0x%lx do not belong together", current, other,
                         asid, (unsigned long)root);
}

static void table_make_live(uint64_t root, uint16_t asid)
{
    struct tlb_cpu *cpu = &tlb_cpus[current];

    machine_counts.switches++;
    if (!machine_step)
        check_asid_alone(root, asid);
    if (cpu->root)
        tlb_walked(current, false);
    cpu->root = root;
    cpu->asid = asid;
    tlb_walked(current, true);
}

void machine_table_set(uint64_t root, uint16_t asid)
{
    step();
    table_make_live(root, asid);
    step();
}

/* ---- Looking ---- */

uint64_t machine_live_root(unsigned cpu)
{
    return tlb_cpus[cpu].root;
}

uint16_t machine_live_asid(unsigned cpu)
{
    return tlb_cpus[cpu].root ? tlb_cpus[cpu].asid : 0;
}

void machine_cached(unsigned cpu, uint16_t asid, uint64_t va, struct machine_reach *reach)
{
    const struct tlb_set *set = tlb_set(cpu, asid, va, false);

    reach->count = set ? set->count : 0;
    for (unsigned i = 0; i < reach->count; i++)
        reach->entry[i] = set->values[i].entry;
}

void machine_reachable(unsigned cpu, uint64_t va, struct machine_reach *reach)
{
    reach->count = 0;
    if (tlb_cpus[cpu].root)
        machine_cached(cpu, tlb_cpus[cpu].asid, va, reach);
}

bool machine_between_tables[MACHINE_CPUS];

bool machine_frame_reachable(unsigned cpu, uint64_t frame)
{
    return !machine_between_tables[cpu] && tlb_frame_reachable(cpu, frame);
}

unsigned machine_flushes(unsigned cpu)
{
    return tlb_cpus[cpu].flushes;
}

/* True when a walk may find the entry invalid: it is, or was until a store that nobody need have seen yet. */
static bool may_be_invalid(unsigned cpu, uint64_t va)
{
    const uint64_t *entry = tlb_entry(tlb_cpus[cpu].root, va);

    return !entry || tlb_still_stored(entry, 0) || !ENTRY_VALID(*entry);
}

enum machine_result machine_access(unsigned cpu, uint64_t va, bool write, bool el0, uint64_t *phys)
{
    struct machine_reach reach;

    tlb_now++;
    machine_reachable(cpu, va, &reach);
    unsigned choices = reach.count + may_be_invalid(cpu, va);
    unsigned choice = choices ? (unsigned)machine_random(choices) : 0;
    if (choice >= reach.count)
        return MACHINE_TRANSLATION_FAULT;
    uint64_t entry = reach.entry[choice];
    if ((write && !ENTRY_WRITABLE(entry)) || (el0 && !ENTRY_USER(entry)))
        return MACHINE_PERMISSION_FAULT;
    *phys = ENTRY_FRAME(entry) | (va & PAGE_MASK);
    return MACHINE_DONE;
}

void machine_check_quiet(void)
{
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        const struct tlb_cpu *tlb = &tlb_cpus[cpu];
        if (tlb->stores)
            machine_fail("CPU %u returns with %u entries not published", cpu, tlb->stores);
        for (unsigned i = 0; i < tlb->invalidations; i++)
            if (tlb->invalidation[i].scope == MACHINE_LOCAL)
                machine_fail("CPU %u returns with a local invalidation not waited for", cpu);
    }
}

unsigned machine_invalidations(unsigned cpu)
{
    return tlb_cpus[cpu].invalidations;
}

void machine_reset(uint64_t seed)
{
    memset(memory, 0xa5, sizeof(memory)); /* whoever relies on zeroed memory that is not promised sees this */
    memset(hidden, 0, sizeof(hidden));
    memset(interrupts, 0, sizeof(interrupts));
    tlb_reset();
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (unsigned i = 0; i < MACHINE_CPUS; i++)
        cpus[i].number = i;
    cpu_count = MACHINE_CPUS;
}
