/*
 * IPC pages on their way between devices, for a driver that handles frames by the batch: page.h has the same calls for all others.
 *
 * Owns: the pool of pages that are kept for receive rings (page_device.c). What a device has sent, and only devices had in their
 * hands, goes there as it is, and from there to the next ring: it was never mapped, so nothing of it is pending, and its word needs
 * one change instead of three. Such a page is the kernel's (space 0) by its word, and counts as free (`ready`); when pages run
 * short they go to the common pool.
 *
 * Invariants
 *   1. The word of a page in that pool is STATE_POSTED, and of nobody's concern: who finds it locked waits.
 *   2. What is written here to a word is written by one exclusive access that has checked the whole word, the lock bit included: a
 *      plain store could be undone by whoever has just locked the page to look at it, and unlocks it with the word that it found.
 *
 * Errors: none. Interrupts masked. No call waits, but for who looks at a page under its lock.
 */
#ifndef IPC_PAGE_DEVICE_H
#define IPC_PAGE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arch.h"
#include "ipc/page_state.h"

/*
 * Pages for a receive ring, where they lie: end[-1], end[-2] and so on, *there of them, which are `count` (at most POOL_BATCH) as
 * far as there are any. page_posted() for each that is used, then page_device_taken() with how many these were. Cost: a few
 * instructions when this CPU keeps enough.
 */
const uint32_t *page_device_peek(unsigned count, unsigned *there);
void page_device_taken(const uint32_t *end, unsigned count);

/* A plain store of a byte of its own: who reads it meanwhile describes the page as it was, or as it is. */
static inline void page_ready(struct page *page, bool ready)
{
    page->ready = ready;
}

/* The page goes into a ring. `table` is page_table, which a loop keeps by itself. */
static inline void page_posted(struct page *table, uint64_t number)
{
    page_ready(&table[number], false);
}

/* As page_filled(). Cost: 8 instructions. */
static inline void page_filled_by_device(struct page *table, uint64_t number, uint64_t length)
{
    if (__builtin_expect(
            !arch_word_replace(&table[number].state, UINT64_MAX, STATE_POSTED, STATE_FILLED(0, length)), 0))
        page_filled((uint32_t)number, (uint32_t)length);
}

#endif
