/*
 * Zeroing memory, whole cache blocks at a time (DC ZVA) where the CPU lets us: 64 bytes by one instruction on a Cortex-A72.
 *
 * Owns: nothing. Normal memory only: on device memory DC ZVA faults (Arm ARM C5.3.8). memset is for the small and the odd.
 */
#ifndef CORE_ZERO_H
#define CORE_ZERO_H

#include <stdint.h>
#include "core/arch.h"
#include "core/string.h"

/* Any start, any size. Cost: two instructions a block, and plain stores for what is beside whole blocks. */
static inline void zero_bytes(void *start, uint64_t size)
{
    unsigned block = arch_zero_block();
    char *at = start, *end = at + size;

    if (block && size >= 2 * block) {
        char *first = at + (-(uint64_t)at & (block - 1));
        memset(at, 0, (uint64_t)(first - at));
        for (at = first; (uint64_t)(end - at) >= block; at += block)
            arch_zero_line(at);
    }
    memset(at, 0, (uint64_t)(end - at));
}

#endif
