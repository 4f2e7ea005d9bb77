/*
 * Books: see page_book.h. What binds and unbinds; hand-overs and translations are in page_book_move.c, copies in page_book_copy.c.
 */
#include "ipc/page_book.h"
#include <stddef.h>
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/log.h"
#include "core/string.h"
#include "ipc/page_book_state.h"
#include "ipc/page_set.h"
#include "ipc/page_state.h"
#include "mm/frame.h"
#include "mm/kernel_map.h"
#include "mm/space.h"

union binding *page_bindings;

void books_init(uint32_t count)
{
    page_bindings = frame_alloc_bytes(count * sizeof(union binding), 64, "the table of books");
}

uint32_t book_pages(uint32_t book)
{
    return 1 + page_bindings[book].sums.count;
}

struct page *book_of(const struct page *page)
{
    return page_checked(__atomic_load_n(&page_bindings[page_number(page)].bound.book, __ATOMIC_RELAXED));
}

/* ---- The list, in this CPU's window ---- */

static struct baton_book *list_open(const struct page *page)
{
    return kernel_map_open(page_phys(page_number(page)));
}

/* The sums, for those who read the list. Closes the window. Returns the state: the list's end is the end of the hull (page 7). */
static uint64_t list_close(const struct page *page, struct baton_book *list, uint64_t state)
{
    const struct sums *sums = &page_bindings[page_number(page)].sums;
    uint32_t end =
        (uint32_t)(__builtin_offsetof(struct baton_book, piece) + sums->count * sizeof(list->piece[0]));

    list->bytes = sums->bytes;
    list->count = sums->count;
    kernel_map_close(list);
    if (end <= state_hull_end(state))
        return state;
    return (state & ~STATE_HULL(8191, 8191)) | STATE_HULL(0, end);
}

/* Locks a book that the space owns once, and nobody else does: it may change it. NULL and the error otherwise. */
static struct page *book_lock(struct space *space, uint32_t number, uint64_t *state, int *error)
{
    struct page *page = page_checked(number);

    *error = BATON_EOWNER;
    if (!page || page_plainly_not_owner(page, space->number))
        return NULL;
    *state = page_lock(page);
    if (page_slot(page, space->number))
        *error = !(*state & STATE_BOOK) ? BATON_EINVAL : page_total(page) > 1 ? BATON_EOWNERS : 0;
    if (!*error)
        return page;
    page_unlock_unchanged(page, *state);
    return NULL;
}

/* Nobody may see the list change who has lost the book: an old translation of it is read-only, and this ends it. */
static void readers_complete(struct page *page)
{
    if (page_record(page)->readers)
        unmap_complete(page_number(page), page_record(page));
}

/* ---- Making one ---- */

/* A piece of the list loses bytes at its front or its end. */
static void piece_narrow(struct baton_piece *piece, struct sums *sums, uint32_t front, uint32_t back)
{
    struct bound *bound = &page_bindings[piece->page].bound;

    piece->offset = (uint16_t)(piece->offset + front);
    piece->length = (uint16_t)(piece->length - front - back);
    bound->offset = piece->offset;
    bound->length = piece->length;
    sums->bytes -= front + back;
}

/* Pages that were not used after all. */
static void pages_return(const uint32_t *pages, unsigned count)
{
    for (unsigned done = 0; done < count; done += BATON_BATCH)
        page_pool_give(pages + done, count - done < BATON_BATCH ? count - done : BATON_BATCH);
}

/* For the ledger: a book's pages are got one by one too. */
static void get_note(struct space *space, const uint32_t *pages, unsigned count)
{
    if (ledger_noting(cpu_self()))
        for (unsigned i = 0; i < count; i++)
            ledger_note(cpu_self(), LEDGER_GET, space->number, pages[i], 0);
}

static int book_make(struct space *space, unsigned count, uint32_t bytes)
{
    uint32_t pages[BATON_BOOK_PIECES + 1];
    unsigned got = page_pool_take(pages, count + 1);

    if (got < count + 1) {
        pages_return(pages, got);
        return BATON_ENOMEM;
    }
    struct page *page = &page_table[pages[count]];
    struct baton_book *list = list_open(page);
    struct sums *sums = &page_bindings[pages[count]].sums;
    *sums = (struct sums){.bytes = (uint32_t)(count * PAGE_SIZE), .touched = LAST, .count = (uint16_t)count};
    bounds_take(pages, count, pages[count], list->piece);
    if (bytes & PAGE_MASK)
        piece_narrow(&list->piece[count - 1], sums, 0, sums->bytes - bytes);
    uint64_t state = list_close(page, list, STATE_FILLER(PAGE_NOBODY) | STATE_BOOK);
    page_take_over(pages[count], space->number, STATE_CACHED, state);
    get_note(space, pages, count + 1);
    return (int)pages[count];
}

int book_get(struct space *space, uint32_t bytes)
{
    if (bytes > BATON_BOOK_PIECES * PAGE_SIZE)
        return BATON_EINVAL;
    unsigned count = (unsigned)((bytes + PAGE_MASK) >> PAGE_SHIFT);
    if (!page_account(space, (int)count + 1))
        return BATON_ELIMIT;
    int book = book_make(space, count, bytes);
    if (book < 0)
        page_account(space, -(int)count - 1);
    return book;
}

/* ---- Binding ---- */

/* Locks the page, and the book, which the caller may change: the lower number first. Both or none. */
static struct page *both_lock(struct space *space, struct page *page, uint64_t *page_state, uint32_t book,
                              uint64_t *book_state, int *error)
{
    bool page_first = page_number(page) < book;

    if (page_first) {
        *page_state = page_lock(page);
        /* A bound page's lock is taken under its book's; so do not wait for a book with one of those in hand */
        if (!page_slot(page, space->number)) {
            page_unlock_unchanged(page, *page_state);
            *error = BATON_EOWNER;
            return NULL;
        }
    }
    struct page *book_page = book_lock(space, book, book_state, error);
    if (book_page && !page_first)
        *page_state = page_lock(page);
    if (!book_page && page_first)
        page_unlock_unchanged(page, *page_state);
    return book_page;
}

/* Whether the page may be bound. Both locks held. */
static int bindable(struct space *space, const struct page *page, uint64_t state, const struct sums *sums)
{
    if (!page_slot((struct page *)page, space->number))
        return BATON_EOWNER;
    if (state & STATE_BOOK)
        return BATON_EINVAL;
    if (page_total(page) > 1)
        return BATON_EOWNERS;
    return sums->count == BATON_BOOK_PIECES ? BATON_ELIMIT : 0;
}

/* The page becomes the book's last one. Both locks held; lets go of both. */
static void page_bind(struct page *page, uint64_t page_state, struct page *book, uint64_t book_state,
                      const struct baton_piece *piece)
{
    struct unmap_record *record = page_record(page);
    struct sums *sums = &page_bindings[page_number(book)].sums;
    struct bound *bound = &page_bindings[piece->page].bound;

    page->slots[0].space = PAGE_BOUND;
    __atomic_store_n(&bound->book, page_number(book), __ATOMIC_RELAXED);
    bound->offset = piece->offset;
    bound->length = piece->length;
    bound->touched = UNTOUCHED;
    if (record->mapped || record->tables)
        bound_touch(sums, bound, piece->page, record->mapped, record->tables);
    page_unlock(page, page_state);
    readers_complete(book);
    struct baton_book *list = list_open(book);
    list->piece[sums->count++] = *piece;
    sums->bytes += piece->length;
    page_unlock(book, list_close(book, list, book_state));
}

static int bind_one(struct space *space, uint32_t book, const struct baton_piece *piece)
{
    struct page *page = page_checked(piece->page);
    uint64_t page_state = 0, book_state; /* 0: at -Os GCC does not see that both_lock sets it first */
    int error;

    if (!piece->length || piece->offset & ~BATON_PIECE_OFFSET_MASK ||
        piece->offset + piece->length > (int)PAGE_SIZE || piece->page == book)
        return BATON_EINVAL;
    if (!page || page_plainly_not_owner(page, space->number))
        return BATON_EOWNER;
    struct page *book_page = both_lock(space, page, &page_state, book, &book_state, &error);
    if (!book_page)
        return error;
    error = bindable(space, page, page_state, &page_bindings[book].sums);
    if (!error) {
        page_bind(page, page_state, book_page, book_state, piece);
        return 0;
    }
    page_unlock_unchanged(page, page_state);
    page_unlock_unchanged(book_page, book_state);
    return error;
}

int book_bind(struct space *space, uint32_t book, const struct baton_piece *pieces, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int result = bind_one(space, book, &pieces[i]);
        if (result)
            return i ? (int)i : result;
    }
    return (int)count;
}

/* ---- Unbinding. The book is locked, and the space its only owner. ---- */

static void bound_untouch(struct sums *sums, struct bound *bound, uint32_t number)
{
    uint32_t *link = &sums->touched;

    if (bound->touched == UNTOUCHED)
        return;
    while (*link != number)
        link = &page_bindings[*link].bound.touched;
    *link = bound->touched;
    bound->touched = UNTOUCHED;
}

int book_unbind(struct space *space, uint32_t number, struct baton_piece *pieces, unsigned count)
{
    uint64_t state;
    int error;
    struct page *book = book_lock(space, number, &state, &error);

    if (!book)
        return error;
    struct sums *sums = &page_bindings[number].sums;
    if (count > sums->count)
        count = sums->count;
    readers_complete(book);
    struct baton_book *list = list_open(book);
    memcpy(pieces, &list->piece[sums->count - count], count * sizeof(*pieces));
    sums->count = (uint16_t)(sums->count - count);
    for (unsigned i = count; i-- > 0;) {
        struct page *page = &page_table[pieces[i].page];
        struct bound *bound = &page_bindings[pieces[i].page].bound;
        uint64_t page_state = page_lock(page);
        sums->bytes -= pieces[i].length;
        bound_untouch(sums, bound, pieces[i].page);
        page_state = bound_state(bound, space, page_state, true);
        page->slots[0].space = space->number;
        page_note_change(page, arch_counter_peek());
        page_unlock(page, page_state);
    }
    page_unlock(book, list_close(book, list, state));
    return (int)count;
}

/* A bound page becomes free as it is, for the pool of `keeper`. False: not this one, and nothing has changed. */
static bool bound_keep(struct page *page, unsigned space, const struct space *keeper)
{
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_ACQUIRE); /* and the record that goes with it */

    if (state & (STATE_LOCK | STATE_PENDING) || !(state & STATE_MAPPED) || !page_set_keeps(keeper, page) ||
        !__atomic_compare_exchange_n(&page->state, &state, state & ~STATE_OWNED, true, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return false;
    page_note_giver(page, space);
    ledger_note(cpu_self(), LEDGER_RELEASE, space, page_number(page), 0);
    return true;
}

/* A bound page becomes free, but for its unmaps, which may still be gathered. */
static void bound_free(struct page *page, unsigned space)
{
    uint64_t state = page_lock(page);

    page_unmap(page, page_record(page)->mapped, false, LOSE_RELEASE);
    page->used = 0;
    page_note_giver(page, space);
    ledger_note(cpu_self(), LEDGER_RELEASE, space, page_number(page), 0);
    page_unlock_gathered(page, state);
}

void bounds_free(const uint32_t *pages, unsigned count, unsigned space, const struct space *keeper)
{
    uint32_t freed[BATON_BATCH], keep[BATON_BATCH];
    unsigned free = 0, kept = 0;

    for (unsigned i = 0; i < count; i++)
        if (keeper && bound_keep(&page_table[pages[i]], space, keeper))
            keep[kept++] = pages[i];
        else
            bound_free(&page_table[freed[free++] = pages[i]], space);
    unmap_flush();
    page_pool_give(freed, free);
    if (kept)
        page_set_give(keeper, keep, kept);
}

/* Pieces [from, from + count) of the list are given up, at most BATON_BATCH. The window is open: nothing here needs it. */
static void pieces_free(struct space *space, const struct baton_book *list, uint32_t from, unsigned count,
                        struct sums *sums)
{
    uint32_t freed[BATON_BATCH];

    for (unsigned i = 0; i < count; i++) {
        freed[i] = list->piece[from + i].page;
        sums->bytes -= list->piece[from + i].length;
        bound_untouch(sums, &page_bindings[freed[i]].bound, freed[i]);
    }
    bounds_free(freed, count, space->number, NULL);
    page_account(space, -(int)count);
}

/* How many pieces from `from` on, in steps of 1 or -1, have no more than `bytes` together; what is left of `bytes` after them. */
static unsigned pieces_within(const struct baton_book *list, uint32_t from, int step, uint32_t count,
                              uint32_t *bytes)
{
    unsigned whole = 0;

    while (whole < count && *bytes >= list->piece[from].length) {
        *bytes -= list->piece[from].length;
        from += (uint32_t)step;
        whole++;
    }
    return whole;
}

static void front_trim(struct space *space, struct baton_book *list, struct sums *sums, uint32_t bytes)
{
    unsigned whole = pieces_within(list, 0, 1, sums->count, &bytes);

    for (unsigned done = 0; done < whole; done += BATON_BATCH)
        pieces_free(space, list, done, whole - done < BATON_BATCH ? whole - done : BATON_BATCH, sums);
    sums->count = (uint16_t)(sums->count - whole);
    memmove(list->piece, list->piece + whole, sums->count * sizeof(list->piece[0]));
    if (bytes)
        piece_narrow(&list->piece[0], sums, bytes, 0);
}

static void back_trim(struct space *space, struct baton_book *list, struct sums *sums, uint32_t bytes)
{
    unsigned whole = pieces_within(list, sums->count - 1, -1, sums->count, &bytes);

    for (unsigned part; whole; whole -= part) {
        part = whole < BATON_BATCH ? whole : BATON_BATCH;
        pieces_free(space, list, sums->count - part, part, sums);
        sums->count = (uint16_t)(sums->count - part);
    }
    if (bytes)
        piece_narrow(&list->piece[sums->count - 1], sums, 0, bytes);
}

int book_trim(struct space *space, uint32_t number, uint32_t front, uint32_t back)
{
    uint64_t state;
    int error;
    struct page *book = book_lock(space, number, &state, &error);

    if (!book)
        return error;
    struct sums *sums = &page_bindings[number].sums;
    if (front > sums->bytes || back > sums->bytes - front) {
        page_unlock(book, state);
        return BATON_EINVAL;
    }
    readers_complete(book);
    struct baton_book *list = list_open(book);
    front_trim(space, list, sums, front);
    back_trim(space, list, sums, back);
    page_unlock(book, list_close(book, list, state));
    return 0;
}

/* ---- The end of a book ---- */

static void pages_free_touched(const struct baton_piece *list, unsigned count, unsigned space,
                               const struct space *keeper)
{
    uint32_t freed[BATON_BATCH];

    for (unsigned i = 0; i < count; i++)
        freed[i] = list[i].page;
    bounds_free(freed, count, space, keeper);
}

void book_dissolve(struct page *book, unsigned space, const struct space *keeper)
{
    const struct sums *sums = &page_bindings[page_number(book)].sums;
    struct baton_book *list = list_open(book);

    for (uint32_t done = 0; done < sums->count; done += BATON_BATCH) {
        unsigned part = sums->count - done < BATON_BATCH ? sums->count - done : BATON_BATCH;
        if (sums->touched == LAST)
            bounds_free_untouched(list->piece + done, part, space);
        else
            pages_free_touched(list->piece + done, part, space, keeper);
    }
    kernel_map_close(list);
}
