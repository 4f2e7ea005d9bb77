/* What the simulated CPUs' TLBs may hold: see machine_tlb.h. */
#include "test/host/machine_tlb.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES     (MACHINE_MEMORY / PAGE_SIZE)
#define ROOTS_MAX  64
#define NOW_AND_ON UINT64_MAX

/* What a frame is used for, when it holds the last-level entries of a table. */
struct leaf {
    uint64_t root; /* 0: no such frame */
    uint64_t va;   /* of its first entry */
};

struct tlb_cpu tlb_cpus[MACHINE_CPUS];
uint64_t tlb_now;

static struct leaf leaves[FRAMES];
static uint64_t roots[ROOTS_MAX], regions[TLB_REGIONS], leaf_frames[ROOTS_MAX * TLB_REGIONS];
static unsigned root_count, region_count, leaf_count;

/* ---- Which frame holds the entries of which table ---- */

static unsigned region_of(uint64_t va)
{
    for (unsigned i = 0; i < region_count; i++)
        if (regions[i] == va >> 21)
            return i;
    if (region_count == TLB_REGIONS)
        machine_fail("more than %d pieces of 2 MiB are mapped", TLB_REGIONS);
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

    for (uint64_t i = 0; i < TLB_ENTRIES; i++) {
        if (!ENTRY_VALID(top[i]))
            continue;
        const uint64_t *middle = (const uint64_t *)machine_memory(ENTRY_FRAME(top[i]));
        for (uint64_t j = 0; j < TLB_ENTRIES; j++) {
            if (!ENTRY_VALID(middle[j]))
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
    return &leaves[(machine_virt_to_phys(entry) - MACHINE_PHYS) / PAGE_SIZE];
}

static uint64_t entry_va(const uint64_t *entry)
{
    return leaf_of(entry)->va + ((uint64_t)entry & PAGE_MASK) / 8 * PAGE_SIZE;
}

static const uint64_t *entries_in(uint64_t frame)
{
    return (const uint64_t *)machine_memory(MACHINE_PHYS + frame * PAGE_SIZE);
}

const uint64_t *tlb_entry(uint64_t root, uint64_t va)
{
    for (unsigned i = 0; i < leaf_count; i++) {
        const struct leaf *leaf = &leaves[leaf_frames[i]];
        if (leaf->root == root && leaf->va == (va & ~UINT64_C(0x1fffff)))
            return &entries_in(leaf_frames[i])[va >> PAGE_SHIFT & (TLB_ENTRIES - 1)];
    }
    return NULL;
}

/* ---- What a TLB may hold ---- */

struct tlb_set *tlb_set(unsigned cpu, uint16_t asid, uint64_t va, bool make)
{
    if (asid >= TLB_ASIDS)
        machine_fail("ASID %u is beyond what this machine simulates", asid);
    struct tlb_set **sets = &tlb_cpus[cpu].sets[asid][region_of(va)];
    if (!*sets && make)
        *sets = calloc(TLB_ENTRIES, sizeof(**sets));
    return *sets ? &(*sets)[va >> PAGE_SHIFT & (TLB_ENTRIES - 1)] : NULL;
}

static void set_drop(struct tlb_set *set, unsigned i)
{
    set->values[i] = set->values[--set->count];
}

/* `entry` may be fetched on the CPU, with its live table, from now on. */
static void fetchable(unsigned cpu, uint64_t va, uint64_t entry)
{
    struct tlb_set *set = tlb_set(cpu, tlb_cpus[cpu].asid, va, true);

    if (!ENTRY_PRIVATE(entry))
        machine_fail("0x%lx: an entry of a user table is global", (unsigned long)va);
    for (unsigned i = 0; i < set->count; i++) {
        if (set->values[i].entry == entry) {
            set->values[i].last = NOW_AND_ON;
            return;
        }
        if ((set->values[i].entry ^ entry) & ~ENTRY_SOFT_BITS)
            machine_fail(
                "CPU %u ASID %u address 0x%lx: entry 0x%lx becomes valid while 0x%lx may still be cached "
                "(incorrect mapping)",
                cpu, tlb_cpus[cpu].asid, (unsigned long)va, (unsigned long)entry,
                (unsigned long)set->values[i].entry);
    }
    if (set->count == MACHINE_VALUES)
        machine_fail("too many values of one entry");
    set->values[set->count++] = (struct tlb_value){entry, NOW_AND_ON};
}

bool tlb_still_stored(const uint64_t *entry, uint64_t value)
{
    if (*entry == value)
        return true;
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++)
        for (unsigned i = 0; i < tlb_cpus[cpu].stores; i++)
            if (tlb_cpus[cpu].store[i].entry == entry && tlb_cpus[cpu].store[i].old == value)
                return true;
    return false;
}

void tlb_value_gone(const uint64_t *entry, uint64_t value)
{
    const struct leaf *leaf = leaf_of(entry);

    if (!leaf->root || !ENTRY_VALID(value) || tlb_still_stored(entry, value))
        return;
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        if (tlb_cpus[cpu].root != leaf->root)
            continue;
        struct tlb_set *set = tlb_set(cpu, tlb_cpus[cpu].asid, entry_va(entry), false);
        for (unsigned i = 0; set && i < set->count; i++)
            if (set->values[i].entry == value && set->values[i].last == NOW_AND_ON)
                set->values[i].last = tlb_now;
    }
}

static void entries_of_leaf(unsigned cpu, uint64_t frame, bool live)
{
    const uint64_t *entries = entries_in(frame);
    struct tlb_set **sets = &tlb_cpus[cpu].sets[tlb_cpus[cpu].asid][region_of(leaves[frame].va)];

    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        if (live && ENTRY_VALID(entries[i]))
            fetchable(cpu, leaves[frame].va + i * PAGE_SIZE, entries[i]);
        for (unsigned k = 0; !live && *sets && k < (*sets)[i].count; k++)
            if ((*sets)[i].values[k].last == NOW_AND_ON)
                (*sets)[i].values[k].last = tlb_now;
    }
}

void tlb_walked(unsigned cpu, bool live)
{
    table_known(tlb_cpus[cpu].root);
    for (unsigned i = 0; i < leaf_count; i++)
        if (leaves[leaf_frames[i]].root == tlb_cpus[cpu].root)
            entries_of_leaf(cpu, leaf_frames[i], live);
    for (unsigned other = 0; live && other < MACHINE_CPUS; other++)
        for (unsigned i = 0; i < tlb_cpus[other].stores; i++) {
            const struct tlb_store *store = &tlb_cpus[other].store[i];
            if (leaf_of(store->entry)->root == tlb_cpus[cpu].root && ENTRY_VALID(store->old))
                fetchable(cpu, entry_va(store->entry), store->old);
        }
}

void tlb_stored(const uint64_t *entry, uint64_t old, uint64_t value)
{
    const struct leaf *leaf = leaf_of(entry);

    if (!leaf->root)
        return;
    if (ENTRY_VALID(old) && ENTRY_VALID(value) && (old ^ value) & ~ENTRY_SOFT_BITS)
        machine_fail("0x%lx: entry 0x%lx becomes 0x%lx without break-before-make",
                     (unsigned long)entry_va(entry), (unsigned long)old, (unsigned long)value);
    for (unsigned other = 0; ENTRY_VALID(value) && other < MACHINE_CPUS; other++)
        if (tlb_cpus[other].root == leaf->root)
            fetchable(other, entry_va(entry), value);
}

/* ---- Invalidating ---- */

static void set_invalidate(struct tlb_set *set, uint64_t issued)
{
    for (unsigned i = set->count; i-- > 0;)
        if (set->values[i].last < issued)
            set_drop(set, i);
}

static void region_invalidate(struct tlb_set *sets, uint64_t issued)
{
    for (unsigned i = 0; sets && i < TLB_ENTRIES; i++)
        if (sets[i].count)
            set_invalidate(&sets[i], issued);
}

void tlb_invalidate(unsigned cpu, const struct tlb_invalidation *what)
{
    for (unsigned i = 0; !what->every_page && i < what->pages; i++) {
        struct tlb_set *set = tlb_set(cpu, what->asid, what->va + i * PAGE_SIZE, false);
        if (set)
            set_invalidate(set, what->issued);
    }
    for (unsigned asid = 0; what->every_page && asid < TLB_ASIDS; asid++)
        for (unsigned region = 0; (what->every_asid || asid == what->asid) && region < region_count; region++)
            region_invalidate(tlb_cpus[cpu].sets[asid][region], what->issued);
    tlb_cpus[cpu].flushes += what->every_asid;
}

/* ---- Looking ---- */

bool tlb_frame_reachable(unsigned cpu, uint64_t frame)
{
    for (unsigned region = 0; tlb_cpus[cpu].root && region < region_count; region++) {
        const struct tlb_set *sets = tlb_cpus[cpu].sets[tlb_cpus[cpu].asid][region];
        for (unsigned i = 0; sets && i < TLB_ENTRIES; i++)
            for (unsigned k = 0; k < sets[i].count; k++)
                if (ENTRY_FRAME(sets[i].values[k].entry) == frame)
                    return true;
    }
    return false;
}

void tlb_reset(void)
{
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++)
        for (unsigned asid = 0; asid < TLB_ASIDS; asid++)
            for (unsigned region = 0; region < TLB_REGIONS; region++)
                free(tlb_cpus[cpu].sets[asid][region]);
    memset(tlb_cpus, 0, sizeof(tlb_cpus));
    memset(leaves, 0, sizeof(leaves));
    root_count = region_count = leaf_count = 0;
}
