/*
 * What is known of books and of bound pages, for ipc/page_book*.c only. Guarded by the book's lock.
 *
 * Owns: page_bindings, one for each page, as a bound page or as a book; free and ordinary pages have none.
 *
 * `tables` and `pending` of a book say for all its pages together what their records say one by one, and may say too much, never
 * too little. So a hand-over that they show to be without an unmap does not walk the list of touched pages: inside a trust set
 * a book of any size changes hands in one step.
 */
#ifndef IPC_PAGE_BOOK_STATE_H
#define IPC_PAGE_BOOK_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/layout.h"
#include "ipc/page_state.h"

struct space;

struct bound {
    uint32_t book;    /* (atomic) read without the lock by a fault, which then looks again */
    uint32_t touched; /* the next one of the book's touched pages; LAST; UNTOUCHED */
    uint16_t offset;  /* as the list says */
    uint16_t length;
    uint32_t reserved;
};

struct sums {
    uint32_t bytes;
    uint32_t touched; /* first of the touched pages; LAST when there is none */
    uint16_t count;
    bool pending; /* of some touched page an unmap may not be complete */
    uint8_t reserved;
    uint32_t tables; /* tables (by bit) that may have some of the touched pages mapped */
};
_Static_assert(SPACES_MAX <= 32, "a table is a bit of sums.tables");

union binding {
    struct bound bound;
    struct sums sums;
};
extern union binding *page_bindings;

#define LAST      UINT32_MAX
#define UNTOUCHED (UINT32_MAX - 1)

/* The page is one of the book's touched ones from now on: some of `tables` may have it, or an unmap of it may be pending. */
static inline void bound_touch(struct sums *sums, struct bound *bound, uint32_t number, uint64_t tables,
                               bool pending)
{
    bound->touched = sums->touched;
    sums->touched = number;
    sums->tables |= (uint32_t)tables;
    sums->pending |= pending;
}

/* The page's state as everybody may see it who may see the book: what was written outside the list's piece is for nobody (book 4). */
static inline uint64_t bound_narrowed(const struct bound *bound, uint64_t state)
{
    uint32_t start = state_hull_start(state), end = state_hull_end(state);

    if (start < bound->offset)
        start = bound->offset;
    if (end > (uint32_t)bound->offset + bound->length)
        end = (uint32_t)bound->offset + bound->length;
    state &= ~STATE_HULL(8191, 8191);
    return start < end ? state | STATE_HULL(start, end) : state;
}

/* The same as this space may see it, which may have written more itself. `alone`: no other space owns the book. */
uint64_t bound_state(const struct bound *bound, const struct space *space, uint64_t state, bool alone);

/*
 * Bound pages that nobody owns any more become free, at most BATON_BATCH of them: for the pool of `keeper`, as far as only its
 * set has them mapped (NULL: none), else unmapped. `space`: who gave them up.
 */
void bounds_free(const uint32_t *pages, unsigned count, unsigned space, const struct space *keeper);

/* Pages from the pool are bound from the start, whole: those of `list`, a new one, of `book`. */
void bounds_take(const uint32_t *pages, unsigned count, uint32_t book, struct baton_piece *list);

/* Nobody has mapped them while they were bound, and nothing of them is pending: they go to the pool as they are. */
void bounds_free_untouched(const struct baton_piece *list, unsigned count, unsigned space);

#endif
