/*
 * Seeded faults: mistakes that the test build makes on purpose, one at a time, to see that a test catches
 * each. BATON_SEED is a compile definition of the test build only; without it every seed() is the constant 0.
 */
#ifndef CORE_SEED_H
#define CORE_SEED_H

#ifndef BATON_SEED
#define BATON_SEED 0
#endif

enum seed {
    SEED_NONE,
    SEED_DROPPED_TLBI,   /* the entry is cleared, the TLB is not told */
    SEED_LOCAL_TLBI,     /* a local invalidation where other CPUs may hold the entry */
    SEED_BITMAP_BIT,     /* a CPU is missing in the table's bitmap */
    SEED_DOUBLE_RELEASE, /* a release by a space that owns nothing is accepted */
    SEED_EARLY_RECYCLE,  /* a page is handed out before its translations are gone */
    SEED_SCRUB_SKIPPED,  /* old bytes are not zeroed */
};

#define seed(which) (BATON_SEED == (which))

#endif
