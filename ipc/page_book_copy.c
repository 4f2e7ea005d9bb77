/*
 * Books by value, with unmap=copy: see page_book.h and copy.h. As with single pages, the copy's pages come from the receiver's
 * pool, where they are mapped, and the original's go back to the sender's; so in the steady state only the list is mapped and
 * unmapped, one page in 512.
 */
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/string.h"
#include "ipc/page_book.h"
#include "ipc/page_book_state.h"
#include "ipc/page_set.h"
#include "ipc/page_state.h"
#include "mm/kernel_map.h"
#include "mm/space.h"

/* The bytes of a piece that may be shown, [start, end) of its page; the rest reads as zero. */
struct shown {
    uint32_t start, end;
};

static struct shown piece_shown(const struct baton_piece *piece)
{
    uint64_t state = __atomic_load_n(&page_table[piece->page].state, __ATOMIC_RELAXED);

    state = bound_narrowed(&page_bindings[piece->page].bound, state);
    return (struct shown){state_hull_start(state), state_hull_end(state)};
}

/*
 * Pages for the copy, in `pages`: one for each piece and a last one for the list. The first `*pooled` are from the pool of `to`, and
 * the kernel's: as many as there are pages that somebody has written to, at most. The others are fresh. False: there are not as many.
 */
static bool pages_get(const struct space *to, const struct baton_piece *pieces, uint32_t count,
                      uint32_t *pages, unsigned *pooled)
{
    unsigned filled = 0;

    for (uint32_t i = 0; i < count; i++)
        filled += state_hull_end(__atomic_load_n(&page_table[pieces[i].page].state, __ATOMIC_RELAXED)) > 0;
    *pooled = page_set_take(to, 0, pages, filled);
    ledger_note_pages(cpu_self(), LEDGER_GET, 0, pages, *pooled);
    unsigned got = *pooled + page_pool_take(pages + *pooled, count + 1 - *pooled);
    if (got > count) {
        ledger_note_pages(cpu_self(), LEDGER_GET, 0, pages + *pooled, got - *pooled);
        return true;
    }
    for (unsigned done = 0, part; done < got; done += part) {
        unsigned left = (done < *pooled ? *pooled : got) - done;
        part = left < BATON_BATCH ? left : BATON_BATCH;
        if (done < *pooled)
            bounds_free(pages + done, part, 0, to);
        else
            page_pool_give(pages + done, part);
    }
    return false;
}

/* The page is bound from here on, to the book that its binding names: that must be written first, and is found with it (book 2). */
static void page_to_bound(uint32_t number, bool pooled, struct shown shown)
{
    struct page *page = &page_table[number];

    if (pooled) {
        uint64_t state = page_lock(page);
        page_unlock_unchanged(page, state | STATE_OWNER(PAGE_BOUND)); /* it was the kernel's, which is 0 */
    } else {
        page_take_over(number, PAGE_BOUND, STATE_CACHED,
                       STATE_FILLER(PAGE_NOBODY) | STATE_HULL(shown.start, shown.end) |
                           (shown.start < shown.end ? STATE_CACHED : 0));
    }
}

/*
 * One piece's bytes go to `target`. Of a page from a pool its space sees all, so there the rest of the message is zeroed at once;
 * a fresh one remembers what is to be seen of it (page 7).
 */
static void piece_fill(const struct baton_piece *piece, struct shown shown, uint32_t target, bool pooled)
{
    struct cpu *cpu = cpu_self();

    page_to_bound(target, pooled, shown);
    if (pooled && shown.end - shown.start < piece->length) {
        kernel_map_scrub(page_phys(target), shown.start, shown.end);
        cpu->counters[COUNT_PAGES_SCRUBBED]++;
    }
    if (shown.start >= shown.end)
        return;
    kernel_map_copy(page_phys(target), page_phys(piece->page), shown.start, shown.end - shown.start);
    cpu->counters[COUNT_PAYLOAD_BYTES] += shown.end - shown.start;
    ledger_note(cpu, LEDGER_COPY, 0, target, (uint64_t)piece->page << 32 | (shown.end - shown.start));
}

/* The binding of the copy's page. What is from a pool is mapped, so it is touched (book 3). */
static void binding_write(const struct baton_piece *piece, uint32_t target, bool pooled, uint32_t book,
                          struct sums *sums)
{
    struct bound *bound = &page_bindings[target].bound;

    *bound =
        (struct bound){.book = book, .touched = UNTOUCHED, .offset = piece->offset, .length = piece->length};
    if (pooled)
        bound_touch(sums, bound, target, page_record(&page_table[target])->mapped, false);
}

/* The fresh page becomes the list of a book of the kernel's. */
static void list_write(uint32_t book, const struct baton_piece *pieces, const struct sums *sums)
{
    struct baton_book *list = kernel_map_open(page_phys(book));
    uint32_t bytes = sums->count * (uint32_t)sizeof(pieces[0]);

    list->bytes = sums->bytes;
    list->count = sums->count;
    memcpy(list->piece, pieces, bytes);
    kernel_map_close(list);
    bytes += (uint32_t) __builtin_offsetof(struct baton_book, piece);
    page_take_over(book, 0, STATE_CACHED, STATE_FILLER(PAGE_NOBODY) | STATE_BOOK | STATE_HULL(0, bytes));
}

int book_copy(uint32_t number, const struct space *to)
{
    const struct sums *from = &page_bindings[number].sums;
    struct baton_piece pieces[BATON_BOOK_PIECES];
    uint32_t pages[BATON_BOOK_PIECES + 1];
    unsigned pooled, count = from->count;

    struct baton_book *list = kernel_map_open(page_phys(number));
    memcpy(pieces, list->piece, count * sizeof(pieces[0]));
    kernel_map_close(list);
    if (!pages_get(to, pieces, count, pages, &pooled))
        return BATON_ENOMEM;
    struct sums sums = {.bytes = from->bytes, .touched = LAST, .count = (uint16_t)count};
    unsigned next_pooled = 0, next_fresh = pooled;
    for (unsigned i = 0; i < count; i++) {
        struct shown shown = piece_shown(&pieces[i]);
        /* Where nothing is to be shown, a page of the pool is taken only when there is no other */
        bool use_pooled = next_pooled < pooled && (shown.start < shown.end || next_fresh == count);
        uint32_t target = pages[use_pooled ? next_pooled++ : next_fresh++];
        binding_write(&pieces[i], target, use_pooled, pages[count], &sums);
        piece_fill(&pieces[i], shown, target, use_pooled);
        pieces[i].page = target;
    }
    page_bindings[pages[count]].sums = sums;
    list_write(pages[count], pieces, &sums);
    return (int)pages[count];
}
