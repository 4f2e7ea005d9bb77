/*
 * The policy: how pages change hands, for comparison. Settings `unmap=` and `tlb=` at boot, `policy` on the console while the
 * appliance runs.
 *
 * Owns: the word `policy`, and what was counted under each policy so far. It may change at any time: what one policy left
 * pending every other understands, and what copy and path left mapped is taken away at the change.
 */
#ifndef IPC_POLICY_H
#define IPC_POLICY_H

#include <stdint.h>
#include "core/counters.h"
#include "mm/unmap.h"

enum policy {
    POLICY_COPY,        /* by value: allocate, copy, send; nobody's page changes hands (ipc/copy.h) */
    POLICY_SYNCHRONOUS, /* every unmap is complete before the call returns, on all CPUs of the set */
    POLICY_DASH,        /* as DASH 3.4 chooses: figures 3A to 3D */
    POLICY_PATH,        /* as DASH, and pages keep their translations inside a trust set (ipc/page_set.h) */
    POLICIES
};
extern uint32_t policy; /* (atomic) */

static inline enum policy policy_now(void)
{
    return (enum policy)__atomic_load_n(&policy, __ATOMIC_RELAXED);
}

static inline enum tlb_mode policy_tlb(void)
{
    return (enum tlb_mode)__atomic_load_n(&tlb_mode, __ATOMIC_RELAXED);
}

/* Names, as settings and the console have them; and back: -1 for a word that is none. */
const char *policy_name(enum policy which);
const char *policy_tlb_name(enum tlb_mode mode);
int policy_parse(const char *name);
int policy_tlb_parse(const char *name);

/* Boot, after the services and their sets are made, before any of them runs. */
void policy_begin(enum policy which, enum tlb_mode mode);

/*
 * Changes to another policy and another way to tell TLBs while services run. When it returns, each CPU works under them, and no
 * translation is left that only the old one allowed. One caller at a time, a thread, with interrupts let in. Cost: a look at
 * every page when the old policy was copy or path; two interrupts for each CPU.
 */
void policy_change(enum policy which, enum tlb_mode mode);

/* What happened to the counter while the policy was in force. Exact but for what was under way at a change. */
uint64_t policy_count(enum policy which, enum counter counter);

#endif
