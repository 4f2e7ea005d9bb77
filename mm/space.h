/*
 * Spaces: protection domains, their tables and their ASIDs.
 *
 * Owns: all spaces and user tables; the ASID allocator. Space 0 is the kernel's. Every service has a space of
 * its own for ownership; isolated ones have a table of their own (an ASID each), trusted ones share one
 * EL1-only table, so that the ownership rule holds between them by faults and unmaps too, though EL1 code
 * could get around it.
 *
 * ASIDs are allocated with generations: table->asid holds generation << 16 | ASID. When the numbers run out a
 * new generation begins: every CPU's live ASID is kept for its table, all others are free again, and every
 * CPU drops its whole TLB before it next switches tables.
 *
 * Invariants
 *   1. table->cpus holds every CPU on which the table was live at any time since that CPU last dropped the
 * table's ASID. It and the ASID are set, and a DSB is through, before TTBR0 is written.
 *   2. Two tables of the current generation never have the same ASID; ASID 0 is never given out.
 *   3. A table's entries are invalidated under the ASID that it has, or had, on each CPU in table->cpus:
 * after a roll-over the old number needs no TLBI, since every CPU flushes before it uses a number of the new
 * generation.
 */
#ifndef MM_SPACE_H
#define MM_SPACE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/layout.h"
#include "mm/pagetable.h"

struct table {
    struct pagetable pages;
    uint64_t asid; /* (atomic) generation << 16 | number; 0 before the first switch */
    uint32_t cpus; /* (atomic) invariant 1 */
    bool user;     /* EL0 may use it; false: the trusted services' table */
    uint8_t number;
};

struct space {
    uint8_t number; /* 1 .. SPACES_MAX - 1; 0 is the kernel */
    const char *name;
    struct table *table; /* NULL for the kernel and for drivers, which touch no user address */
    uint32_t pages;      /* (atomic) IPC pages it owns, as accounted */
    uint32_t page_limit;
    uint64_t
        trusts; /* (atomic) tables whose translation of a page may stay while this space owns it (ipc/page.h 9) */
};

/* Boot. `ipc_pages` is the size of the IPC region. `asid_bits` 0: as many as the CPU has; tests give fewer.
 */
void space_init(uint32_t ipc_pages, unsigned asid_bits);

/* Makes a space; NULL when there are no more. isolated: a table of its own; else the trusted services' table.
 */
struct space *space_create(const char *name, bool isolated, uint32_t page_limit);

/* The space by number; the kernel's for 0; NULL beyond. */
struct space *space_at(unsigned number);

/* Maps memory of the general region into a space. Boot only. Flags as pagetable.h; the placement decides EL0
 * or EL1. */
void space_map(struct space *space, uint64_t va, uint64_t pa, uint64_t size, unsigned flags);

/* Maps memory read-only at the same address in every table, those that are made later too. Boot only, once. */
void space_map_shared(uint64_t va, uint64_t pa, uint64_t size);

/*
 * Makes the table live on this CPU; nothing when it is already. Interrupts masked.
 * Cost: one TTBR0 write, one DSB the first time on this CPU.
 */
void table_switch(struct table *table);

/*
 * This CPU drops what it may have cached of the table, which is not live here afterwards, and leaves its bitmap: unmaps no
 * longer reach it. Nothing when it is not in the bitmap. Interrupts masked; the caller uses no user address until the next
 * table_switch. Cost: at most one TTBR0 write, one TLBI by ASID, one DSB.
 */
void table_forget(struct table *table);

/* Tables by number, and as one bit of a set. 0 is the trusted services'. */
struct table *table_at(unsigned number);
static inline uint64_t table_bit(const struct table *table)
{
    return UINT64_C(1) << table->number;
}

/* The ASID under which entries of the table may be cached now; 0 when it has never been live in this
 * generation. */
uint16_t table_asid(const struct table *table);

#endif
