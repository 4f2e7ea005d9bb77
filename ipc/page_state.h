/*
 * The entry of an IPC page, for ipc/page.c and ipc/page_device.c only.
 *
 * The state word: lock, form, owner, filler (the space that knows every byte, also those outside the hull),
 * total, hull. Everything about a page with one owning space is in it, so that a hand-over is one
 * compare-and-swap.
 */
#ifndef IPC_PAGE_STATE_H
#define IPC_PAGE_STATE_H

#include <stdint.h>
#include "core/arch.h"
#include "core/pool.h"
#include "ipc/page.h"

#define STATE_LOCK   (1ull << 0)
#define STATE_SHARED (1ull << 1) /* more than one owning space: they are in the slots */
#define STATE_MAPPED (1ull << 2) /* the one owner has a translation */
#define STATE_CACHED (1ull << 3) /* page 8 */
#define STATE_DEVICE (1ull << 4) /* in a receive ring: the device may write to it */

#define STATE_OWNER(space)     ((uint64_t)(space) << 6)
#define STATE_FILLER(space)    ((uint64_t)(space) << 12)
#define STATE_TOTAL(count)     ((uint64_t)(count) << 18)
#define STATE_HULL(start, end) ((uint64_t)(start) << 34 | (uint64_t)(end) << 47)

static inline uint8_t state_owner(uint64_t state)
{
    return state >> 6 & 63;
}

static inline uint8_t state_filler(uint64_t state)
{
    return state >> 12 & 63;
}

static inline uint32_t state_total(uint64_t state)
{
    return state >> 18 & 0xffff;
}

static inline uint32_t state_hull_start(uint64_t state)
{
    return state >> 34 & 8191;
}

static inline uint32_t state_hull_end(uint64_t state)
{
    return state >> 47 & 8191;
}

#define PAGE_SLOTS     10 /* spaces that can own one page at once */
#define OWNERSHIPS_MAX 0xffffu

struct slot {
    uint8_t space;
    uint8_t mapped; /* a translation may be valid or cached */
    uint16_t count;
};

struct page {
    uint64_t state;   /* (atomic) */
    uint64_t changed; /* (atomic) when the owner changed last: for reports, see page_note_change */
    uint8_t previous; /* (atomic) who gave it up last: likewise */
    uint8_t used;     /* (lock) slots in use */
    uint8_t reserved[6];
    struct slot slots[PAGE_SLOTS]; /* (lock) */
};
_Static_assert(sizeof(struct page) == 64, "one cache line a page");
_Static_assert(SPACES_MAX <= PAGE_NOBODY, "PAGE_NOBODY is no space");

extern struct page *page_table;
extern uint32_t page_table_count;
extern struct pool page_pool;

/* Written by whoever has just changed the owner, with or without the lock: a report may pair those of two changes. */
static inline void page_note_change(struct page *page)
{
    __atomic_store_n(&page->changed, arch_counter_peek(), __ATOMIC_RELAXED);
}

static inline void page_note_giver(struct page *page, unsigned space)
{
    __atomic_store_n(&page->previous, (uint8_t)space, __ATOMIC_RELAXED);
    page_note_change(page);
}

static inline uint32_t page_number(const struct page *page)
{
    return (uint32_t)(page - page_table);
}

/* Takes the lock bit; spreads the word into the slots; returns the word. Interrupts masked. */
uint64_t page_lock(struct page *page);
void page_unlock(struct page *page, uint64_t state);

/* The space's slot, NULL when it owns nothing. Lock held. */
struct slot *page_slot(struct page *page, unsigned space);

/* One ownership less. Lock held; `slot` is no longer valid. */
void page_slot_lose(struct page *page, struct slot *slot);

/* A page just taken from the pool becomes the space's; of the old word the bits in `keep` stay, `set` are
 * added. */
void page_take_over(uint32_t number, unsigned space, uint64_t keep, uint64_t set);

#endif
