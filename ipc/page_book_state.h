/*
 * What is known of books and of bound pages, for ipc/page_book*.c only. Guarded by the book's lock.
 *
 * Owns: page_bindings, one for each page, as a bound page or as a book; free and ordinary pages have none.
 */
#ifndef IPC_PAGE_BOOK_STATE_H
#define IPC_PAGE_BOOK_STATE_H

#include <stdbool.h>
#include <stdint.h>

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
    uint32_t count;
    uint32_t reserved;
};

union binding {
    struct bound bound;
    struct sums sums;
};
extern union binding *page_bindings;

#define LAST      UINT32_MAX
#define UNTOUCHED (UINT32_MAX - 1)

static inline void bound_touch(struct sums *sums, struct bound *bound, uint32_t number)
{
    bound->touched = sums->touched;
    sums->touched = number;
}

/*
 * The page's state as the space may see it: what others wrote outside the list's piece is not for it (book 4). `alone`: no other
 * space owns the book.
 */
uint64_t bound_state(const struct bound *bound, const struct space *space, uint64_t state, bool alone);

#endif
