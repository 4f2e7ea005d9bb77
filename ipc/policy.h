/*
 * The policy: how pages change hands, for comparison. Settings `unmap=` and `tlb=` at boot, `policy` on the console while the
 * appliance runs.
 *
 * Owns: the word `policy`. It may change at any time: what one policy left pending, or mapped, every other understands.
 */
#ifndef IPC_POLICY_H
#define IPC_POLICY_H

#include <stdint.h>

enum policy {
    POLICY_COPY,        /* by value: allocate, copy, send; nobody's page changes hands */
    POLICY_SYNCHRONOUS, /* every unmap is complete before the call returns, on all CPUs of the set */
    POLICY_DASH,        /* as DASH 3.4 chooses: figures 3A to 3D */
    POLICY_PATH         /* as DASH, and pages keep their translations inside a trust set */
};
extern uint32_t policy; /* (atomic) */

static inline enum policy policy_now(void)
{
    return (enum policy)__atomic_load_n(&policy, __ATOMIC_RELAXED);
}

#endif
