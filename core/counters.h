/*
 * Counters of the whole machine: one array per CPU, written by that CPU alone without a barrier, summed when read.
 *
 * Owns: cpu->counters[].
 *
 * Invariants
 *   1. A counter only grows.
 *   2. A sum read while others count is made of values that each summand had in the meantime; at a quiet point it
 *      is exact.
 */
#ifndef CORE_COUNTERS_H
#define CORE_COUNTERS_H

#include <stdint.h>

enum counter {
    COUNT_PAGES_MOVED,        /* hand-overs of one page between spaces, space 0 included */
    COUNT_PAGES_MAPPED,       /* translations of IPC pages made, in any space */
    COUNT_PAGES_NEVER_MAPPED, /* trips from device to device on which no translation was made */
    COUNT_PAGES_SCRUBBED,     /* pages of which bytes were zeroed before somebody else could read them */
    COUNT_PAYLOAD_BYTES,      /* page content moved by a CPU in the kernel */
    COUNT_BLOCK_BYTES,        /* small blocks copied in and out by a CPU in the kernel */
    COUNT_INLINE_BYTES,       /* inline data moved by a CPU in the kernel */
    COUNT_TLB_LOCAL,          /* unmaps by a TLBI on this CPU alone */
    COUNT_TLB_BROADCAST,      /* unmaps by a TLBI on all CPUs */
    COUNT_TLB_REISSUED,       /* TLBIs issued again by a receiver */
    COUNT_TLB_QUEUED,         /* unmaps left in a queue */
    COUNT_TLB_SKIPPED,        /* unmaps that needed no invalidation: no translation was ever made */
    COUNT_TLB_KEPT,           /* hand-overs inside a trust set that left the translations as they are */
    COUNT_TLB_IPI,            /* interrupts sent to make another CPU invalidate */
    COUNT_TLB_EPOCH,          /* unmaps that a receiver found complete by comparing numbers */
    COUNT_TLB_FAST,           /* unmaps by a TLBI that nobody waited for at once (figure 3C) */
    COUNT_TLB_ASID,           /* invalidations of all that an ASID has, in place of many single ones */
    COUNT_TLB_RANGE,          /* invalidations of a range of pages by one instruction */
    COUNT_TLB_PASSES,         /* times that a CPU completed what was queued for it */
    COUNT_TLB_ROLLOVERS,      /* times that the ASIDs ran out and a new generation began */
    COUNT_TLB_BARRIERS,       /* DSBs that waited for an invalidation or published an entry */
    COUNT_LAZY_MAPS,          /* faults that mapped a page on its first access */
    COUNT_VIOLATIONS,         /* accesses refused and reported */
    COUNT_SWITCHES,           /* changes of TTBR0 */
    COUNTERS
};

/* Adds to the calling CPU's counter. Interrupts must be masked, or the thread might move on between load and store. */
void counter_add(enum counter counter, uint64_t amount);

/* Sum over all CPUs. */
uint64_t counter_sum(enum counter counter);

#endif
