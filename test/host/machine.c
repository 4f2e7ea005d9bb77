/* The simulated machine: see machine.h. */
#include "test/host/machine.h"
#include "core/arch.h"
#include "core/cpu.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES      512u
#define FRAMES       (MACHINE_MEMORY / PAGE_SIZE)
#define REGIONS_MAX  64 /* 2 MiB pieces of address space in use, over all tables */
#define ASIDS        256
#define ROOTS_MAX    64
#define PENDING_MAX  4096
#define VALID(entry) ((entry)&1)
#define NOW_AND_ON   UINT64_MAX
#define SOFT_BITS    UINT64_C(0x80) /* what may change without break-before-make: AP[2], read-only */

struct machine_counts machine_counts;
void (*machine_where)(void);
void (*machine_step)(void);
jmp_buf *machine_expected;
char machine_message[512];

/* One translation that a TLB may hold; `last` is when it could last be fetched. */
struct value {
    uint64_t entry, last;
};

struct set {
    unsigned count;
    struct value values[MACHINE_VALUES];
};

/* What a frame is used for, when it holds the last-level entries of a table. */
struct leaf {
    uint64_t root; /* 0: no such frame */
    uint64_t va;   /* of its first entry */
};

struct store {
    uint64_t *entry;
    uint64_t old;
};

struct invalidation {
    enum machine_scope scope;
    bool every_asid, every_page;
    uint16_t asid;
    uint64_t va, issued;
};

static struct simulated_cpu {
    uint64_t root;
    uint16_t asid;
    unsigned stores, invalidations;
    struct store store[PENDING_MAX];
    struct invalidation invalidation[PENDING_MAX];
    struct set *sets[ASIDS][REGIONS_MAX]; /* 512 of them each */
} simulated[MACHINE_CPUS];

static uint8_t memory[MACHINE_MEMORY] __attribute__((aligned(4096)));
static bool hidden[FRAMES];
static struct leaf leaves[FRAMES];
static uint64_t roots[ROOTS_MAX], regions[REGIONS_MAX], leaf_frames[ROOTS_MAX * REGIONS_MAX];
static unsigned root_count, region_count, leaf_count, current;
static uint64_t now, random_state;

uint64_t machine_random(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % limit;
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

/* ---- Which frame holds the entries of which table ---- */

static unsigned region_of(uint64_t va)
{
    for (unsigned i = 0; i < region_count; i++)
        if (regions[i] == va >> 21)
            return i;
    if (region_count == REGIONS_MAX)
        machine_fail("more than %d pieces of 2 MiB are mapped", REGIONS_MAX);
    regions[region_count] = va >> 21;
    return region_count++;
}

static void leaf_note(uint64_t phys, uint64_t root, uint64_t va)
{
    struct leaf *leaf = &leaves[(phys - MACHINE_PHYS) / PAGE_SIZE];

    if (leaf->root && (leaf->root != root || leaf->va != va))
        machine_fail("frame 0x%lx holds entries of two tables", (unsigned long)phys);
    if (!leaf->root)
        leaf_frames[leaf_count++] = (phys - MACHINE_PHYS) / PAGE_SIZE;
    *leaf = (struct leaf){root, va};
}

/* Finds the last-level frames of a table: its upper levels do not change any more once it has been live. */
static void table_learn(uint64_t root)
{
    const uint64_t *top = (const uint64_t *)machine_memory(root);

    for (uint64_t i = 0; i < ENTRIES; i++) {
        if (!VALID(top[i]))
            continue;
        const uint64_t *middle = (const uint64_t *)machine_memory(ENTRY_FRAME(top[i]));
        for (uint64_t j = 0; j < ENTRIES; j++) {
            if (!VALID(middle[j]))
                continue;
            if (!(middle[j] & 2))
                machine_fail("a block in a user table");
            leaf_note(ENTRY_FRAME(middle[j]), root, i << 30 | j << 21);
        }
    }
}

static void table_known(uint64_t root)
{
    for (unsigned i = 0; i < root_count; i++)
        if (roots[i] == root)
            return;
    if (root_count == ROOTS_MAX)
        machine_fail("more than %d tables", ROOTS_MAX);
    roots[root_count++] = root;
    table_learn(root);
}

static const struct leaf *leaf_of(const uint64_t *entry)
{
    return &leaves[(uint64_t)((const uint8_t *)entry - memory) / PAGE_SIZE];
}

static uint64_t entry_va(const uint64_t *entry)
{
    return leaf_of(entry)->va + ((uint64_t)entry & PAGE_MASK) / 8 * PAGE_SIZE;
}

/* ---- What a TLB may hold ---- */

static struct set *set_of(unsigned cpu, uint16_t asid, uint64_t va, bool make)
{
    if (asid >= ASIDS)
        machine_fail("ASID %u is beyond what this machine simulates", asid);
    struct set **sets = &simulated[cpu].sets[asid][region_of(va)];
    if (!*sets && make)
        *sets = calloc(ENTRIES, sizeof(**sets));
    return *sets ? &(*sets)[va >> PAGE_SHIFT & (ENTRIES - 1)] : NULL;
}

static void set_drop(struct set *set, unsigned i)
{
    set->values[i] = set->values[--set->count];
}

/* `entry` may be fetched on the CPU, with its live table, from now on. */
static void fetchable(unsigned cpu, uint64_t va, uint64_t entry)
{
    struct set *set = set_of(cpu, simulated[cpu].asid, va, true);

    if (!ENTRY_PRIVATE(entry))
        machine_fail("0x%lx: an entry of a user table is global", (unsigned long)va);
    for (unsigned i = 0; i < set->count; i++) {
        if (set->values[i].entry == entry) {
            set->values[i].last = NOW_AND_ON;
            return;
        }
        if ((set->values[i].entry ^ entry) & ~SOFT_BITS)
            machine_fail(
                "CPU %u ASID %u address 0x%lx: entry 0x%lx becomes valid while 0x%lx may still be cached "
                "(incorrect mapping)",
                cpu, simulated[cpu].asid, (unsigned long)va, (unsigned long)entry,
                (unsigned long)set->values[i].entry);
    }
    if (set->count == MACHINE_VALUES)
        machine_fail("too many values of one entry");
    set->values[set->count++] = (struct value){entry, NOW_AND_ON};
}

static bool still_stored(const uint64_t *entry, uint64_t value)
{
    if (*entry == value)
        return true;
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++)
        for (unsigned i = 0; i < simulated[cpu].stores; i++)
            if (simulated[cpu].store[i].entry == entry && simulated[cpu].store[i].old == value)
                return true;
    return false;
}

/* `value` of the entry can be fetched no longer, unless it is stored again or still in a store buffer. */
static void value_gone(const uint64_t *entry, uint64_t value)
{
    const struct leaf *leaf = leaf_of(entry);

    if (!leaf->root || !VALID(value) || still_stored(entry, value))
        return;
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        if (simulated[cpu].root != leaf->root)
            continue;
        struct set *set = set_of(cpu, simulated[cpu].asid, entry_va(entry), false);
        for (unsigned i = 0; set && i < set->count; i++)
            if (set->values[i].entry == value && set->values[i].last == NOW_AND_ON)
                set->values[i].last = now;
    }
}

static void entries_of_leaf(unsigned cpu, uint64_t frame, bool live)
{
    const uint64_t *entries = (const uint64_t *)&memory[frame * PAGE_SIZE];
    struct set **sets = &simulated[cpu].sets[simulated[cpu].asid][region_of(leaves[frame].va)];

    for (unsigned i = 0; i < ENTRIES; i++) {
        if (live && VALID(entries[i]))
            fetchable(cpu, leaves[frame].va + i * PAGE_SIZE, entries[i]);
        for (unsigned k = 0; !live && *sets && k < (*sets)[i].count; k++)
            if ((*sets)[i].values[k].last == NOW_AND_ON)
                (*sets)[i].values[k].last = now;
    }
}

/* The live table of the CPU begins (or ends) to be walked. */
static void table_walked(unsigned cpu, bool live)
{
    for (unsigned i = 0; i < leaf_count; i++)
        if (leaves[leaf_frames[i]].root == simulated[cpu].root)
            entries_of_leaf(cpu, leaf_frames[i], live);
    for (unsigned other = 0; live && other < MACHINE_CPUS; other++)
        for (unsigned i = 0; i < simulated[other].stores; i++) {
            const struct store *store = &simulated[other].store[i];
            if (leaf_of(store->entry)->root == simulated[cpu].root && VALID(store->old))
                fetchable(cpu, entry_va(store->entry), store->old);
        }
}

/* ---- The operations of core/arch.h ---- */

/* With machine_step, other CPUs may do something here: before and after every operation. */
static void step(void)
{
    if (machine_step)
        machine_step();
    now++;
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

/* One host thread runs all CPUs: what one of them waits for comes only if others can do something meanwhile. */
void machine_relax(void)
{
    if (!machine_step)
        machine_fail("CPU %u spins: a lock was left held", current);
    step();
}

uint64_t machine_irq_mask(bool masked)
{
    return masked;
}

uint64_t machine_counter_read(void)
{
    step();
    return now;
}

static void entry_write(uint64_t *entry, uint64_t value)
{
    struct simulated_cpu *cpu = &simulated[current];
    const struct leaf *leaf = leaf_of(entry);
    uint64_t old = *entry;

    machine_counts.stores++;
    if (cpu->stores == PENDING_MAX)
        machine_fail("%d entries written without a barrier", PENDING_MAX);
    cpu->store[cpu->stores++] = (struct store){entry, old};
    *entry = value;
    if (!leaf->root)
        return;
    if (VALID(old) && VALID(value) && (old ^ value) & ~SOFT_BITS)
        machine_fail("0x%lx: entry 0x%lx becomes 0x%lx without break-before-make",
                     (unsigned long)entry_va(entry), (unsigned long)old, (unsigned long)value);
    for (unsigned other = 0; VALID(value) && other < MACHINE_CPUS; other++)
        if (simulated[other].root == leaf->root)
            fetchable(other, entry_va(entry), value);
}

void machine_pte_store(uint64_t *entry, uint64_t value)
{
    step();
    entry_write(entry, value);
    step();
}

static bool concerns(const struct invalidation *what, unsigned asid, uint64_t va)
{
    return (what->every_asid || what->asid == asid) &&
           (what->every_page || what->va >> PAGE_SHIFT == va >> PAGE_SHIFT);
}

static void set_invalidate(struct set *set, uint64_t issued)
{
    for (unsigned i = set->count; i-- > 0;)
        if (set->values[i].last < issued)
            set_drop(set, i);
}

static void region_invalidate(unsigned cpu, unsigned asid, unsigned region, const struct invalidation *what)
{
    struct set *sets = simulated[cpu].sets[asid][region];

    for (uint64_t i = 0; sets && i < ENTRIES; i++)
        if (sets[i].count && concerns(what, asid, regions[region] << 21 | i << PAGE_SHIFT))
            set_invalidate(&sets[i], what->issued);
}

static void invalidate(unsigned cpu, const struct invalidation *what)
{
    if (!what->every_page && !what->every_asid) {
        struct set *set = set_of(cpu, what->asid, what->va, false);
        if (set)
            set_invalidate(set, what->issued);
        return;
    }
    for (unsigned asid = 0; asid < ASIDS; asid++)
        for (unsigned region = 0; region < region_count; region++)
            region_invalidate(cpu, asid, region, what);
}

static void invalidations_complete(struct simulated_cpu *cpu, bool broadcast)
{
    unsigned left = 0;

    for (unsigned i = 0; i < cpu->invalidations; i++) {
        struct invalidation what = cpu->invalidation[i];
        if (what.scope == MACHINE_LOCAL)
            invalidate(current, &what);
        else if (broadcast)
            for (unsigned other = 0; other < MACHINE_CPUS; other++)
                invalidate(other, &what);
        else
            cpu->invalidation[left++] = what;
    }
    cpu->invalidations = left;
}

static void barrier_wait(enum machine_barrier barrier)
{
    struct simulated_cpu *cpu = &simulated[current];

    machine_counts.barriers++;
    if (barrier != MACHINE_DSB_NSH)
        while (cpu->stores) {
            struct store store = cpu->store[--cpu->stores];
            value_gone(store.entry, store.old);
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

static void invalidation_issue(struct invalidation what)
{
    struct simulated_cpu *cpu = &simulated[current];

    if (cpu->invalidations == PENDING_MAX)
        machine_fail("%d invalidations without a barrier", PENDING_MAX);
    if (what.scope == MACHINE_LOCAL)
        machine_counts.tlbi_local++;
    else
        machine_counts.tlbi_broadcast++;
    step();
    what.issued = now;
    cpu->invalidation[cpu->invalidations++] = what;
    step();
}

void machine_tlbi_page(enum machine_scope scope, uint64_t va, uint16_t asid)
{
    invalidation_issue((struct invalidation){.scope = scope, .asid = asid, .va = va});
}

void machine_tlbi_asid(enum machine_scope scope, uint16_t asid)
{
    invalidation_issue((struct invalidation){.scope = scope, .asid = asid, .every_page = true});
}

void machine_tlbi_all(enum machine_scope scope)
{
    invalidation_issue((struct invalidation){.scope = scope, .every_page = true, .every_asid = true});
}

/* While CPUs are in the middle of switches, the one that is about to leave a table may still have its old number. */
static void check_asid_alone(uint64_t root, uint16_t asid)
{
    for (unsigned other = 0; other < MACHINE_CPUS; other++)
        if (other != current && simulated[other].root &&
            (simulated[other].root == root) != (simulated[other].asid == asid))
            machine_fail("CPUs %u and %u: ASID %u and table 0x%lx do not belong together", current, other,
                         asid, (unsigned long)root);
}

static void table_make_live(uint64_t root, uint16_t asid)
{
    struct simulated_cpu *cpu = &simulated[current];

    machine_counts.switches++;
    if (!machine_step)
        check_asid_alone(root, asid);
    table_known(root);
    if (cpu->root)
        table_walked(current, false);
    cpu->root = root;
    cpu->asid = asid;
    table_walked(current, true);
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
    return simulated[cpu].root;
}

uint16_t machine_live_asid(unsigned cpu)
{
    return simulated[cpu].root ? simulated[cpu].asid : 0;
}

void machine_cached(unsigned cpu, uint16_t asid, uint64_t va, struct machine_reach *reach)
{
    const struct set *set = set_of(cpu, asid, va, false);

    reach->count = set ? set->count : 0;
    for (unsigned i = 0; i < reach->count; i++)
        reach->entry[i] = set->values[i].entry;
}

void machine_reachable(unsigned cpu, uint64_t va, struct machine_reach *reach)
{
    reach->count = 0;
    if (simulated[cpu].root)
        machine_cached(cpu, simulated[cpu].asid, va, reach);
}

bool machine_between_tables[MACHINE_CPUS];

bool machine_frame_reachable(uint64_t frame)
{
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++)
        for (unsigned region = 0; simulated[cpu].root && region < region_count; region++) {
            const struct set *sets = simulated[cpu].sets[simulated[cpu].asid][region];
            for (unsigned i = 0; sets && !machine_between_tables[cpu] && i < ENTRIES; i++)
                for (unsigned k = 0; k < sets[i].count; k++)
                    if (ENTRY_FRAME(sets[i].values[k].entry) == frame)
                        return true;
        }
    return false;
}

/* True when a walk may find the entry invalid: it is, or was until a store that nobody need have seen yet. */
static bool may_be_invalid(unsigned cpu, uint64_t va)
{
    for (unsigned i = 0; i < leaf_count; i++) {
        uint64_t frame = leaf_frames[i];
        if (leaves[frame].root != simulated[cpu].root || leaves[frame].va != (va & ~UINT64_C(0x1fffff)))
            continue;
        const uint64_t *entry =
            (const uint64_t *)&memory[frame * PAGE_SIZE] + (va >> PAGE_SHIFT & (ENTRIES - 1));
        return still_stored(entry, 0) || !VALID(*entry);
    }
    return true;
}

enum machine_result machine_access(unsigned cpu, uint64_t va, bool write, bool el0, uint64_t *phys)
{
    struct machine_reach reach;

    now++;
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
        if (simulated[cpu].stores)
            machine_fail("CPU %u returns with %u entries not published", cpu, simulated[cpu].stores);
        if (simulated[cpu].invalidations)
            machine_fail("CPU %u returns with %u invalidations not waited for", cpu,
                         simulated[cpu].invalidations);
    }
}

static void simulated_reset(struct simulated_cpu *cpu)
{
    for (unsigned asid = 0; asid < ASIDS; asid++)
        for (unsigned region = 0; region < REGIONS_MAX; region++)
            free(cpu->sets[asid][region]);
    memset(cpu, 0, sizeof(*cpu));
}

void machine_reset(uint64_t seed)
{
    memset(memory, 0xa5, sizeof(memory)); /* whoever relies on zeroed memory that is not promised sees this */
    memset(leaves, 0, sizeof(leaves));
    memset(hidden, 0, sizeof(hidden));
    root_count = region_count = leaf_count = 0;
    for (unsigned i = 0; i < MACHINE_CPUS; i++)
        simulated_reset(&simulated[i]);
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (unsigned i = 0; i < MACHINE_CPUS; i++)
        cpus[i].number = i;
    cpu_count = MACHINE_CPUS;
}
