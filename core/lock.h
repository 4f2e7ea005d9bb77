/*
 * Spinlocks, and the few atomic operations that the kernel uses. Built on the compiler's C11 atomics, which
 * become exclusive loads and stores on a Cortex-A72 (no LSE, and -mno-outline-atomics keeps libgcc out).
 *
 * Invariants
 *   1. A spinlock is taken with interrupts masked and held for a bounded time; no one waits or faults under it.
 *   2. Locks are taken in the order in which their headers rank them: port, page, limbo, unmap queue, asid, log.
 */
#ifndef CORE_LOCK_H
#define CORE_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arch.h"

struct spinlock {
    uint32_t held;
};

static inline void spin_lock(struct spinlock *lock)
{
    while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED))
            arch_relax();
}

static inline bool spin_try(struct spinlock *lock)
{
    return !__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE);
}

static inline void spin_unlock(struct spinlock *lock)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

#endif
