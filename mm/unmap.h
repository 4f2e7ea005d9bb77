/*
 * Unmapping: the physical side of DASH 3.4. Three operations take a page's translation away from one table, on the set of
 * CPUs in the table's bitmap; which one is taken is ipc/page.c's to say.
 *
 * Owns: each CPU's unmap queue, its pass numbers, and the unmaps that it has gathered; what a record says of one page.
 *
 * Model. An unmap clears the entry. Then the old translation may live on in TLBs until they are told:
 *   synchronous   by TLBI, local or on all CPUs, and a DSB that waits for it. Complete when unmap_flush() returns.
 *   fast          by TLBI on all CPUs, and nobody waits. Complete with the next pass of the CPU that issued it.
 *   slow          by an entry in the queue of each CPU of the set. Complete when each has made a pass.
 * A *pass* of a CPU invalidates what is in its queue, then waits (DSB) for that and for all that the CPU issued before, then
 * publishes the number of the pass (the epoch of design section 5). An unmap that is not complete carries *tickets* in its
 * page's record: for each CPU that it waits for, the number of the pass that will do. So whoever needs to know compares
 * numbers. Passes are made when tables are switched, on the timer's tick, before the CPU sleeps, when its queue is full, and
 * when another CPU rings for it.
 *
 * With tlb=ipi no invalidation is broadcast, as in the paper: other CPUs get an entry in their queue and an interrupt, and
 * synchronous means to wait for their pass. A CPU that waits goes on making its own passes, and so does one that spins for the
 * lock of a page: else two that wait for each other would do so for ever.
 *
 * Gathering: unmap_page() clears the entry and notes it. unmap_flush() does the rest for all that was gathered: one DSB ISHST,
 * the invalidations (a range at a time where the CPU can, the whole ASID above UNMAP_BATCH), one DSB. Until then the page must
 * be in the hands of this CPU alone, or under its lock.
 *
 * Invariants
 *   1. Ordering: entry written, DSB ISHST, then the table's bitmap is read, then TLBI or queue entry, then DSB, then the number.
 *   2. ended <= begun <= ended + 1. What is queued, or issued by the CPU itself, before pass n begins is complete when ended = n.
 *   3. A ticket is never behind: it names a pass that begins after the entry is in the queue (both under the queue's lock).
 *   4. A record's tables and tickets name every unmap of its page that may not be complete; they are forgotten only when all are.
 *   5. A queue entry names the table, not the ASID: the pass takes the number of that moment. An entry fetched under an older
 *      number is on a CPU that has not yet flushed for the roll-over, and is out of reach there: the CPU flushes at its next
 *      switch, and a table that was live kept its number (mm/space.h 3).
 *
 * Interrupts are masked in every call. No call fails.
 */
#ifndef MM_UNMAP_H
#define MM_UNMAP_H

#include <stdbool.h>
#include <stdint.h>
#include "core/cpu.h"
#include "core/layout.h"
#include "core/lock.h"

struct table;

enum unmap_kind {
    UNMAP_SYNCHRONOUS,
    UNMAP_FAST,
    UNMAP_SLOW
};

/* How other CPUs are told: TLBIs that the hardware broadcasts, or interprocessor interrupts (DASH 3.4). */
enum tlb_mode {
    TLB_BROADCAST,
    TLB_IPI
};
extern uint32_t tlb_mode; /* (atomic) may change at any time: both understand what the other left pending */

/*
 * What translations there are of one page. Guarded by the page's lock, or by being the CPU that holds the one message that
 * the page is in.
 */
struct unmap_record {
    uint64_t mapped;           /* tables (by bit) whose entry is valid */
    uint64_t tables;           /* tables whose unmap may not be complete; 0: nothing is pending */
    uint32_t ticket[CPUS_MAX]; /* the pass of that CPU that completes what is pending there */
    uint8_t cpus;              /* CPUs whose tickets count */
    bool
        writers; /* something pending allows to write: a receiver that does not trust waits for it (3C, 3D) */
    bool readers; /* something pending is of a shared page: nobody may write before it is complete (3B) */
    uint8_t reserved[13];
};
_Static_assert(sizeof(struct unmap_record) == 64, "one cache line a page, and found by a shift");

#define UNMAP_QUEUE 128 /* entries in the queue of one CPU; beyond, the whole ASID goes */
#define UNMAP_BATCH 64  /* unmaps gathered at most */

struct unmap_cpu {
    struct spinlock lock;
    uint32_t begun;  /* (lock) passes begun; written by its own CPU */
    uint32_t ended;  /* (atomic) passes complete: the epoch */
    uint32_t wanted; /* (atomic) there is something for a pass to do */
    uint32_t count;  /* (lock) entries queued */
    uint64_t drop;   /* (lock) tables whose whole ASID must go, because the queue was full */
    struct {
        uint32_t page;
        uint32_t table;
    } queue[UNMAP_QUEUE]; /* (lock) */

    struct table *gathered_table; /* own CPU: one table and one kind at a time */
    enum unmap_kind gathered_kind;
    uint32_t gathered;
    uint32_t gathered_pages[UNMAP_BATCH];
    struct unmap_record *gathered_records[UNMAP_BATCH];
};
extern struct unmap_cpu unmap_cpus[CPUS_MAX];

/*
 * Takes the page away from the table, which has it mapped: clears the entry and gathers the rest. Clears the table's bit in
 * record->mapped. `shared`: the page had more than one owner, so the translation was read-only.
 */
void unmap_page(struct table *table, uint32_t page, enum unmap_kind kind, bool shared,
                struct unmap_record *record);

/* Makes the page read-only in the table, which has it writable: 1 -> 2 owners counts as an unmap (DASH 3.4). Likewise. */
void unmap_protect(struct table *table, uint32_t page, enum unmap_kind kind, struct unmap_record *record);

/*
 * Tells the TLBs, or the queues, of all that this CPU has gathered; fills in the tickets. Cost: one DSB ISHST, the TLBIs, one
 * more DSB and an ISB when it is synchronous; for slow ones one lock for each CPU of the set.
 */
void unmap_flush_gathered(void);
static inline void unmap_flush(void)
{
    if (unmap_cpus[cpu_number()].gathered)
        unmap_flush_gathered();
}

/* True when nothing of the record is pending any more; forgets what is complete. Compares numbers, no more. */
bool unmap_through(struct unmap_record *record);

/*
 * Completes all that is pending: synchronous_unmap() as a receiver calls it (DASH 3.4). Compares first; then invalidates once
 * more, on all CPUs, and waits; with tlb=ipi rings each CPU that is not through and waits for its pass. A DSB completes only
 * the TLBIs of the CPU that issued them, so waiting alone would not do.
 */
void unmap_complete(uint32_t page, struct unmap_record *record);

/* The same for many pages at once, by dropping whole ASIDs: when pages are short. */
void unmap_complete_all(struct unmap_record *const *records, unsigned count);

/* This CPU's pass. unmap_poll: when there is something to do; two loads when not. */
void unmap_pass(void);
static inline bool unmap_wanted(unsigned cpu)
{
    return __builtin_expect(__atomic_load_n(&unmap_cpus[cpu].wanted, __ATOMIC_RELAXED), 0);
}
static inline void unmap_poll(void)
{
    if (unmap_wanted(cpu_number()))
        unmap_pass();
}

/* The handler of IPI_UNMAP. */
void unmap_ipi(void *argument);

/* Rings the CPUs of the set whose tickets in the record are not through, this one not. Does not wait. */
void unmap_ring(const struct unmap_record *record);

/*
 * Waits until each CPU has made a pass that began after the call. A pass is made outside of any hand-over of a page, or while
 * the CPU holds or waits for that page's lock: so afterwards no other CPU goes on with what it read before, but for pages whose
 * lock it holds. Called by threads, with interrupts let in. Cost: an interrupt for each CPU.
 */
void unmap_settle(void);

/*
 * Read-only to writable: only this CPU must not go on with its stale read-only entry. On another CPU such an
 * entry costs a fault that finds the entry writable and comes here too.
 */
void unmap_refresh(struct table *table, uint32_t page);

/* Boot: whether the CPUs can invalidate a range at once (FEAT_TLBIRANGE). */
void unmap_init(void);

#endif
