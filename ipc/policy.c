/* The policy: see policy.h. */
#include "ipc/policy.h"
#include <stdbool.h>
#include "core/arch.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/string.h"
#include "ipc/page_set.h"

uint32_t policy = POLICY_DASH;

static const char *const names[POLICIES] = {
    [POLICY_COPY] = "copy",
    [POLICY_SYNCHRONOUS] = "synchronous",
    [POLICY_DASH] = "dash",
    [POLICY_PATH] = "path",
};
static const char *const tlb_names[] = {
    [TLB_BROADCAST] = "broadcast",
    [TLB_IPI] = "ipi",
};
#define TLB_MODES (sizeof tlb_names / sizeof tlb_names[0])

/* (console) What was counted under each policy before its present time in force, and the counters when that began. */
static uint64_t before[POLICIES][COUNTERS], begun[COUNTERS];

const char *policy_name(enum policy which)
{
    return names[which];
}

const char *policy_tlb_name(enum tlb_mode mode)
{
    return tlb_names[mode];
}

int policy_parse(const char *name)
{
    for (int i = 0; i < POLICIES; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

int policy_tlb_parse(const char *name)
{
    for (int i = 0; i < (int)TLB_MODES; i++)
        if (!strcmp(tlb_names[i], name))
            return i;
    return -1;
}

uint64_t policy_count(enum policy which, enum counter counter)
{
    return before[which][counter] + (which == policy_now() ? counter_sum(counter) - begun[counter] : 0);
}

/* What is counted from now on belongs to the next policy. */
static void counters_settle(enum policy last)
{
    for (unsigned i = 0; i < COUNTERS; i++) {
        uint64_t now = counter_sum(i);
        before[last][i] += now - begun[i];
        begun[i] = now;
    }
}

static void words_set(enum policy which, enum tlb_mode mode)
{
    uint64_t flags = arch_irq_save();

    __atomic_store_n(&policy, which, __ATOMIC_RELAXED);
    __atomic_store_n(&tlb_mode, mode, __ATOMIC_RELAXED);
    ledger_note(cpu_self(), LEDGER_POLICY, 0, LEDGER_NO_PAGE, which | (uint64_t)mode << 8);
    arch_irq_restore(flags);
}

void policy_begin(enum policy which, enum tlb_mode mode)
{
    words_set(which, mode);
    page_sets_open(which);
}

void policy_change(enum policy which, enum tlb_mode mode)
{
    enum policy last = policy_now();
    /* What happens while CPUs change over one by one is counted under the policy of the two that may do all that the other
       does: so nothing is ever copied under any policy but copy, nor queued under synchronous. */
    bool counts_to_next = which == POLICY_COPY || last == POLICY_SYNCHRONOUS;

    if (which == last && mode == policy_tlb())
        return;
    if (which != last)
        page_sets_close();
    if (counts_to_next)
        counters_settle(last);
    words_set(which, mode);
    unmap_settle(); /* else a CPU could still choose by the old policy when the change is said to be made */
    if (!counts_to_next)
        counters_settle(last);
    if (which != last)
        page_sets_open(which);
}
