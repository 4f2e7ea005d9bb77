/* Books that change hands, and translations of bound pages: see page_book.h. */
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/log.h"
#include "core/seed.h"
#include "ipc/page_book.h"
#include "ipc/page_book_state.h"
#include "ipc/page_state.h"
#include "mm/kernel_map.h"
#include "mm/space.h"

/* ---- Touched pages. The book is locked. ---- */

/* Takes the pages away from those of `tables` that have them, but where only `keep` has (page 9). */
static void touched_unmap(struct sums *sums, uint64_t tables, uint64_t keep, bool shared, unsigned how)
{
    if (!(sums->tables & tables) || !(sums->tables & ~keep))
        return; /* the common case inside a trust set: nobody walks the list */
    sums->pending = true;
    for (uint32_t number = sums->touched; number != LAST; number = page_bindings[number].bound.touched) {
        struct page *page = &page_table[number];
        uint64_t state = page_lock(page), mapped = page_record(page)->mapped;

        if (mapped & ~keep)
            page_unmap(page, mapped & tables, shared, how);
        page_unlock_gathered(page, state);
    }
}

static void touched_downgrade(struct sums *sums, unsigned how)
{
    sums->pending = true;
    for (uint32_t number = sums->touched; number != LAST; number = page_bindings[number].bound.touched) {
        struct page *page = &page_table[number];
        uint64_t state = page_lock(page);

        page_downgrade(page, how);
        page_unlock_gathered(page, state);
    }
}

static void complete_all(struct unmap_record *const *records, unsigned count)
{
    unmap_complete_all(records, count);
    for (unsigned i = 0; ledger_noting(cpu_self()) && i < count; i++)
        ledger_note(cpu_self(), LEDGER_COMPLETE, 0, (uint32_t)(records[i] - page_records), 1);
}

/* As receive_locked() does for one page: completes what others may still write by. */
static void touched_complete(const struct sums *sums)
{
    struct unmap_record *records[BATON_BATCH];
    unsigned count = 0;

    for (uint32_t number = sums->touched; number != LAST; number = page_bindings[number].bound.touched) {
        struct unmap_record *record = &page_records[number];
        if (!record->writers || unmap_through(record))
            continue;
        records[count++] = record;
        if (count == BATON_BATCH) {
            complete_all(records, count);
            count = 0;
        }
    }
    if (count > BATON_PIECES) {
        complete_all(records, count);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        unmap_complete((uint32_t)(records[i] - page_records), records[i]);
}

/* What is mapped nowhere any more, with nothing pending, is not touched. Afterwards the sums say no more than is so. */
static void touched_settle(struct sums *sums)
{
    sums->tables = 0;
    sums->pending = false;
    for (uint32_t *link = &sums->touched; *link != LAST;) {
        struct bound *bound = &page_bindings[*link].bound;
        struct page *page = &page_table[*link];
        uint64_t state = page_lock(page);
        struct unmap_record *record = page_record(page);

        if (record->mapped || (record->tables && !unmap_through(record))) {
            link = &bound->touched;
            sums->tables |= (uint32_t)record->mapped;
            sums->pending |= record->tables != 0;
        } else {
            *link = bound->touched;
            bound->touched = UNTOUCHED;
        }
        page_unlock(page, state);
    }
}

/* For the ledger: what happened to each page of the book. Costs nothing while it is off. */
static void note_all(enum ledger_event event, const struct space *space, const struct page *book,
                     uint64_t detail)
{
    if (!ledger_noting(cpu_self()))
        return;
    struct baton_book *list = kernel_map_open(page_phys(page_number(book)));
    for (uint32_t i = 0; i < page_bindings[page_number(book)].sums.count; i++)
        ledger_note(cpu_self(), event, space->number, list->piece[i].page, detail);
    kernel_map_close(list);
}

/* ---- Hand-overs ---- */

static uint64_t common_set(const struct space *from, const struct space *to)
{
    uint64_t set = __atomic_load_n(&from->trusts, __ATOMIC_RELAXED);

    return set && __atomic_load_n(&to->trusts, __ATOMIC_RELAXED) == set ? set : 0;
}

/* An ownership of the space becomes the kernel's. The book is locked. */
static int book_hand_over(struct space *space, struct page *page, struct slot *slot, uint64_t keep,
                          unsigned how)
{
    struct sums *sums = &page_bindings[page_number(page)].sums;
    bool shared = page_total(page) > 1, last = slot->count == 1;
    uint64_t tables = !shared ? ~0ull : last ? table_bit(space->table) : 0;

    touched_unmap(sums, tables, shared ? 0 : keep, shared, how);
    if (!shared && page_record(page)->mapped & ~keep)
        page_unmap(page, page_record(page)->mapped, true, how);
    page_slot_lose(page, slot, true,
                   shared ? how : how | LOSE_KEEP); /* the list: to everybody read-only, always */
    return page_slot_gain(page, 0);
}

/* Whether it is a book of the space, and the piece says so. Lock held. */
static int sendable(struct space *space, struct page *page, uint64_t state, const struct baton_piece *piece)
{
    if (!page_slot(page, space->number))
        return BATON_EOWNER;
    uint32_t count = page_bindings[piece->page].sums.count;
    return state & STATE_BOOK && count && piece->length == count ? 0 : BATON_EINVAL;
}

int book_send(struct space *space, const struct baton_piece *piece, unsigned flags, const struct space *to,
              uint32_t *bytes, uint32_t *pages)
{
    struct page *page = page_checked(piece->page);
    unsigned how = flags & PAGE_SEND_TRUSTED ? LOSE_TRUSTED : 0;
    bool duplicate = flags & PAGE_SEND_DUPLICATE;

    if (!page || page_plainly_not_owner(page, space->number))
        return BATON_EOWNER;
    if (!to || !to->table)
        return BATON_EINVAL;
    uint64_t state = page_lock(page);
    struct sums *sums = &page_bindings[piece->page].sums;
    bool alone = !duplicate && page_total(page) == 1;
    int result = sendable(space, page, state, piece);
    if (result) { /* another thread may have given it up since we looked: then its record is another CPU's */
        page_unlock_unchanged(page, state);
        return result;
    }
    if (duplicate && page_total(page) == 1)
        touched_downgrade(sums, how);
    result = duplicate
                 ? page_slot_gain(page, 0)
                 : book_hand_over(space, page, page_slot(page, space->number), common_set(space, to), how);
    if (!result) {
        *bytes = sums->bytes;
        *pages = 1 + sums->count;
        cpu_self()->counters[COUNT_PAGES_MOVED] += *pages;
        cpu_self()->counters[COUNT_TLB_SKIPPED] += sums->touched == LAST ? *pages : 0;
        ledger_note(cpu_self(), LEDGER_SEND, space->number, piece->page, flags);
        note_all(LEDGER_SEND, space, page, flags);
    }
    if (alone && !result)
        page_unlock_gathered(page, state);
    else
        page_unlock(page, state);
    return result;
}

int book_receive(struct space *space, struct baton_piece *piece, bool trust)
{
    struct page *page = &page_table[piece->page];
    uint64_t state = page_lock(page);
    struct slot *kernel = page_slot(page, 0);
    struct sums *sums = &page_bindings[piece->page].sums;

    invariant(kernel && state & STATE_BOOK, "message 3");
    page_slot_lose(page, kernel, true,
                   0); /* before the gain: a full entry can still change hands one for one */
    int result = page_slot_gain(page, space->number);
    if (result) {
        page_slot_gain(page, 0);
        page_unlock(page, state);
        return result;
    }
    uint64_t allowed = page_tables_allowed(page, space);
    page_unmap(page, page_record(page)->mapped & ~allowed, true, 0);
    if (sums->pending || sums->tables & ~allowed) {
        touched_unmap(sums, ~allowed, 0, false, 0);
        unmap_flush();
        if (!trust)
            touched_complete(sums);
        touched_settle(sums);
    }
    piece->offset = BATON_PIECE_BOOK | (page_total(page) > 1 ? BATON_PIECE_READ_ONLY : 0);
    cpu_self()->counters[COUNT_PAGES_MOVED] += 1 + sums->count;
    ledger_note(cpu_self(), LEDGER_RECEIVE, space->number, piece->page, trust);
    note_all(LEDGER_RECEIVE, space, page, trust);
    page_unlock(page, state);
    return 0;
}

int book_duplicate(struct space *space, struct page *page)
{
    struct sums *sums = &page_bindings[page_number(page)].sums;

    if (!page_account(space, (int)sums->count))
        return BATON_ELIMIT;
    if (page_total(page) == 1)
        touched_downgrade(sums, 0);
    int result = page_slot_gain(page, space->number);
    if (result)
        page_account(space, -(int)sums->count);
    else
        note_all(LEDGER_DUPLICATE, space, page, page_total(page));
    return result;
}

uint64_t book_lose(struct space *space, struct page *page, uint64_t state, unsigned count)
{
    struct sums *sums = &page_bindings[page_number(page)].sums;
    const struct slot *slot = page_slot(page, space->number);
    bool last_of_all = page_total(page) == count, shared = page_total(page) > 1;

    if (!last_of_all && slot->count == count && space->table)
        touched_unmap(sums, table_bit(space->table), 0, shared, LOSE_RELEASE);
    if (!last_of_all)
        note_all(LEDGER_RELEASE, space, page, page_total(page) - count);
    return last_of_all ? state & ~STATE_BOOK : state;
}

/* ---- Translations ---- */

uint64_t bound_state(const struct bound *bound, const struct space *space, uint64_t state, bool alone)
{
    return alone && page_filler_known(state, space) ? state : bound_narrowed(bound, state);
}

/* Gives the space's table the page as far as the book's owners may have it. Both locks held. */
static uint64_t bound_map(struct space *space, struct page *page, const struct page *book, uint64_t state)
{
    struct bound *bound = &page_bindings[page_number(page)].bound;
    bool alone = book->used == 1;

    struct sums *sums = &page_bindings[page_number(book)].sums;

    if (bound->touched == UNTOUCHED)
        bound_touch(sums, bound, page_number(page), 0, false);
    /* Else its next hand-over would leave it mapped here */
    sums->tables |= (uint32_t)table_bit(space->table);
    return page_owner_map(space, page, bound_state(bound, space, state, alone), page_total(book) == 1, alone);
}

enum page_fault_result book_fault(struct space *space, struct page *page, bool write)
{
    struct page *book = book_of(page);
    enum page_fault_result result = PAGE_FAULT_MAPPED;

    if (!book)
        return PAGE_FAULT_MAPPED; /* bound no more: the access is repeated, and meets what there is now */
    uint64_t book_state = page_lock(book);
    /* Only of this book's pages may we wait for the lock: who has that of a page of its own may wait for ours, to bind it */
    bool bound =
        book_state & STATE_BOOK &&
        page_is_bound(__atomic_load_n(&page->state, __ATOMIC_ACQUIRE)) && /* and the binding with it */
        book_of(page) == book;
    bool owned = bound && page_slot(book, space->number);
    if (owned && write && page_total(book) > 1) {
        result = PAGE_FAULT_READ_ONLY;
    } else if (owned) {
        uint64_t state = page_lock(page);
        state = bound_map(space, page, book, state);
        pagetable_ipc_publish();
        page_unlock(page, state);
    } else if (bound) {
        result = PAGE_FAULT_NOT_OWNER;
    }
    page_unlock_unchanged(book,
                          book_state); /* also of a page that is no book of ours, or none at all by now */
    return result;
}

void book_map(struct space *space, struct page *book)
{
    uint32_t pages[BATON_BOOK_PIECES], count = page_bindings[page_number(book)].sums.count;
    struct baton_book *list = kernel_map_open(page_phys(page_number(book)));

    for (uint32_t i = 0; i < count; i++)
        pages[i] = list->piece[i].page;
    kernel_map_close(list); /* mapping may need the window for a scrub */
    for (uint32_t i = 0; i < count; i++) {
        struct page *page = &page_table[pages[i]];
        uint64_t state = page_lock(page);
        if (!pagetable_ipc_entry(&space->table->pages, pages[i]))
            state = bound_map(space, page, book, state);
        page_unlock(page, state);
    }
}
