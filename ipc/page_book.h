/*
 * Books: IPC pages that list other pages (struct baton_book in core/abi.h), so that a message of any size changes hands in
 * one step.
 *
 * Owns: for each page, the book to which it is bound, and what of it belongs there; for each book, its sums.
 *
 * Model. A bound page has the owner PAGE_BOUND in its state word: no space owns it, but whoever owns its book. So a hand-over
 * of the book is one of one page, and nobody walks the list, except over the pages that somebody may have mapped: those are
 * chained as *touched*. The list itself is written by the kernel alone, through a window, and mapped read-only in every
 * table; it is as good as the kernel's own memory, and serves as such.
 *
 * Invariants
 *   1. A bound page has one ownership, its book's; it is bound to one book, which lists it once, and is no book itself.
 *   2. Who owns the book may read its bound pages; who is its only owner, once, may write to them, and may change what the
 *      book lists. Nobody else can do anything to a bound page.
 *   3. A bound page that is mapped in some table, or has unmaps pending, is touched. Page 2, 3 and 4 (ipc/page.h) hold for
 *      touched pages with the book's owners in place of the page's.
 *   4. Of a bound page an owner of the book is shown what the list says, and what that space wrote itself; the rest reads as
 *      zero (page 7). That is done when it is mapped: the hand-over of the book does not look at it. When a member of a trust set dies,
 *      or the set ends, what several of it had mapped is from then on for nobody but as far as the list says.
 *   5. A book is made of a page fresh from the pool, so no old translation of anybody can write to its list.
 *   6. An ownership of a book counts as 1 + its pages in the accounts of its owner and of a port.
 *
 * Locking: the book's lock guards its list, its sums, and all that its bound pages have; their own locks are taken under it, by
 * whoever changes their state. To bind a page the two locks are taken in the order of the pages' numbers.
 *
 * Errors: enum baton_error. Interrupts are masked in every call. None waits, but for the unmaps that page.h tells of. A call that
 * walks the list holds the lock for up to BATON_BOOK_PIECES pages.
 */
#ifndef IPC_PAGE_BOOK_H
#define IPC_PAGE_BOOK_H

#include <stdbool.h>
#include <stdint.h>
#include "ipc/page.h"

struct page;

/* Boot: the table, for a region of `count` pages. */
void books_init(uint32_t count);

/* ---- Calls for services, as apps/baton.h tells ---- */

/* A book of fresh pages for `bytes` bytes; returns its number. BATON_EINVAL, BATON_ENOMEM, BATON_ELIMIT. */
int book_get(struct space *space, uint32_t bytes);

/* Binds pages at the end of the list; returns how many, from the front, or the first one's error. */
int book_bind(struct space *space, uint32_t book, const struct baton_piece *pieces, unsigned count);

/* Takes pages off the end of the list: the space owns them itself then. Returns how many, `pieces` in the list's order. */
int book_unbind(struct space *space, uint32_t book, struct baton_piece *pieces, unsigned count);

/* Takes bytes off both ends; pages that have none left are released. */
int book_trim(struct space *space, uint32_t book, uint32_t front, uint32_t back);

/* ---- Hand-overs, as page_send and page_receive ---- */

/*
 * BATON_EINVAL also when `piece` does not name a book with its number of descriptors, or `to` is a device's. `bytes` and `pages`:
 * what is handed over. Cost: one lock; one more for each touched page.
 */
int book_send(struct space *space, const struct baton_piece *piece, unsigned flags, const struct space *to,
              uint32_t *bytes, uint32_t *pages);
int book_receive(struct space *space, struct baton_piece *piece, bool trust);

/*
 * With unmap=copy: a book of the kernel's own with the same bytes as another one of its, for `to`: in pages from the pool of that
 * space, where they are still mapped, as far as there are any (ipc/page_set.h), but for the list. Returns its number, or
 * BATON_ENOMEM: nothing has changed.
 */
int book_copy(uint32_t book, const struct space *to);

/* Pages of a book, itself included. The caller owns it, so that it cannot change. */
uint32_t book_pages(uint32_t book);

/* ---- For ipc/page*.c: what the ordinary calls do when they meet a book or a bound page. ---- */

/* One more ownership; the page's lock is held, and `slot` is there. */
int book_duplicate(struct space *space, struct page *page);

/*
 * The space is about to give `count` ownerships of the book up, which is locked: while others remain, unmaps what must be. Returns
 * the book's new state. Then, when that was the last ownership of all and the lock is let go, book_dissolve() unmaps and frees its
 * pages; those that only the set of `keeper` has mapped go to its pool as they are (NULL: none).
 */
uint64_t book_lose(struct space *space, struct page *page, uint64_t state, unsigned count);
void book_dissolve(struct page *page, unsigned space, const struct space *keeper);

/* An access to a bound page. */
enum page_fault_result book_fault(struct space *space, struct page *page, bool write);

/* Maps all its pages, for the space that owns it; not yet published. The book's lock is held. */
void book_map(struct space *space, struct page *page);

/* The book that a bound page belongs to; it may have changed when this returns. */
struct page *book_of(const struct page *page);

#endif
