/*
 * The TLBs of the simulated machine, for machine.c only: what each CPU may hold, by the rules of machine.h.
 *
 * Owns: for each CPU the live table, the entries that it stored and nobody need have seen yet, the invalidations
 * that it issued and did not wait for, and for each ASID and address the set of translations that it may hold.
 */
#ifndef TEST_HOST_MACHINE_TLB_H
#define TEST_HOST_MACHINE_TLB_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arch.h"
#include "test/host/machine.h"

#define TLB_ASIDS          256
#define TLB_ENTRIES        512u /* of one piece of 2 MiB */
#define TLB_REGIONS        64   /* 2 MiB pieces of address space in use, over all tables */
#define TLB_PENDING        4096
#define ENTRY_VALID(entry) ((entry)&1)
#define ENTRY_SOFT_BITS    UINT64_C(0x80) /* what may change without break-before-make: AP[2], read-only */

/* One translation that a TLB may hold; `last` is when it could last be fetched. */
struct tlb_value {
    uint64_t entry, last;
};

struct tlb_set {
    unsigned count;
    struct tlb_value values[MACHINE_VALUES];
};

struct tlb_store {
    uint64_t *entry;
    uint64_t old;
};

struct tlb_invalidation {
    enum machine_scope scope;
    bool every_asid, every_page;
    uint16_t asid;
    uint32_t pages;
    uint64_t va, issued;
};

struct tlb_cpu {
    uint64_t root;
    uint16_t asid;
    unsigned stores, invalidations, flushes;
    struct tlb_store store[TLB_PENDING];
    struct tlb_invalidation invalidation[TLB_PENDING];
    struct tlb_set *sets[TLB_ASIDS][TLB_REGIONS]; /* TLB_ENTRIES of them each */
};
extern struct tlb_cpu tlb_cpus[MACHINE_CPUS];

extern uint64_t tlb_now; /* counts the operations of the machine */

void tlb_reset(void);

/* The table of the CPU begins (or ends) to be walked. */
void tlb_walked(unsigned cpu, bool live);

/* The set of what the CPU may hold of an address; NULL when there is none and none is to be made. */
struct tlb_set *tlb_set(unsigned cpu, uint16_t asid, uint64_t va, bool make);

/* `value` has been stored over `old`. */
void tlb_stored(const uint64_t *entry, uint64_t old, uint64_t value);

/* True when a walk may still find the value: it is in memory, or was until a store that nobody need have seen. */
bool tlb_still_stored(const uint64_t *entry, uint64_t value);

/* `value` of the entry can be fetched no longer, unless it is stored again or still in a store buffer. */
void tlb_value_gone(const uint64_t *entry, uint64_t value);

/* The last-level entry of an address in a table that has been live; NULL when there is none. */
const uint64_t *tlb_entry(uint64_t root, uint64_t va);

/* The CPU forgets what the invalidation names, except what it fetched after that was issued. */
void tlb_invalidate(unsigned cpu, const struct tlb_invalidation *what);

/* True when the CPU may use a translation to this frame with its live table. */
bool tlb_frame_reachable(unsigned cpu, uint64_t frame);

#endif
