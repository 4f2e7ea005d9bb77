/* The seeded faults of core/seed.h by their names. Only in builds with BATON_SEEDED: programs of test/host, and kernels. */
#include "core/seed.h"
#include "core/string.h"

enum seed seed_chosen;

static const char *const names[] = {
    [SEED_DROPPED_TLBI] = "dropped-tlbi",
    [SEED_LOCAL_TLBI] = "local-tlbi",
    [SEED_BITMAP_BIT] = "bitmap-bit",
    [SEED_DOUBLE_RELEASE] = "double-release",
    [SEED_EARLY_RECYCLE] = "early-recycle",
    [SEED_SCRUB_SKIPPED] = "scrub-skipped",
    [SEED_WRONG_ASID] = "wrong-asid",
    [SEED_MISSING_DSB] = "missing-dsb",
    [SEED_DOWNGRADE_SKIPPED] = "downgrade-skipped",
    [SEED_WRITE_EARLY] = "write-early",
    [SEED_PENDING_LOST] = "pending-lost",
    [SEED_ROLLOVER_NO_FLUSH] = "rollover-no-flush",
    [SEED_EPOCH_EARLY] = "epoch-early",
};

bool seed_choose(const char *name)
{
    for (unsigned i = SEED_NONE + 1; i < sizeof(names) / sizeof(*names); i++) {
        if (names[i] && !strcmp(names[i], name)) {
            seed_chosen = (enum seed)i;
            return true;
        }
    }
    return false;
}
