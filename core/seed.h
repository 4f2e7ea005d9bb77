/*
 * Seeded faults: mistakes that the test build makes on purpose, one at a time, to see that a test catches
 * each. BATON_SEEDED is a compile definition of the test build only, which chooses its fault when it starts (test/seed.c); without
 * it every seed() is a constant, and nothing of this is left.
 */
#ifndef CORE_SEED_H
#define CORE_SEED_H

#include <stdbool.h>

/* Bits of an ASID: 0 for as many as the CPU has. A test build has few, so that a new generation begins all the time. */
#ifndef BATON_ASID_BITS
#define BATON_ASID_BITS 0
#endif

enum seed {
    SEED_NONE,
    SEED_DROPPED_TLBI,      /* the entry is cleared, the TLB is not told */
    SEED_LOCAL_TLBI,        /* a local invalidation where other CPUs may hold the entry */
    SEED_BITMAP_BIT,        /* a CPU is missing in the table's bitmap */
    SEED_DOUBLE_RELEASE,    /* a release by a space that owns nothing is accepted */
    SEED_EARLY_RECYCLE,     /* a page is handed out before its translations are gone */
    SEED_SCRUB_SKIPPED,     /* old bytes are not zeroed */
    SEED_WRONG_ASID,        /* the invalidation names another ASID */
    SEED_MISSING_DSB,       /* no barrier between the entry's store and the invalidation */
    SEED_DOWNGRADE_SKIPPED, /* a second owner, and the first one's right to write stays */
    SEED_WRITE_EARLY,       /* the right to write comes back before the other readers are unmapped */
    SEED_PENDING_LOST,      /* a page forwarded before its unmaps are complete forgets them */
    SEED_ROLLOVER_NO_FLUSH, /* a new generation of ASIDs, and no CPU drops its TLB */
    SEED_EPOCH_EARLY,       /* a pass is published before its barrier */
};

#ifdef BATON_SEEDED
/* The fault of this run; nobody writes it once the other CPUs run. */
extern enum seed seed_chosen;
#define seed(which) (seed_chosen == (which))

/* Before anything else runs: chooses a fault by its name, "dropped-tlbi" for SEED_DROPPED_TLBI; false when there is none of that name. */
bool seed_choose(const char *name);

/* Boot: the fault that the setting seed= names, if it is given; an unknown one ends the boot. */
void seed_boot(void);
#else
#define seed(which) false

static inline bool seed_choose(const char *name)
{
    (void)name;
    return false;
}

static inline void seed_boot(void)
{
}
#endif

#endif
