/*
 * Ownership of IPC pages: see page.h for the model and the invariants.
 *
 * This file holds the state word, its lock, and the calls get, duplicate and release. Hand-overs are
 * in page_move.c, translations in page_map.c, free pages in page_limbo.c, devices' and observers' calls in page_device.c.
 */
#include "ipc/page.h"
#include "ipc/page_book.h"
#include "ipc/page_state.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/log.h"
#include "core/seed.h"
#include "ipc/page_set.h"
#include "core/string.h"
#include "ipc/policy.h"
#include "mm/frame.h"
#include "mm/kernel_map.h"
#include "mm/space.h"

struct page *page_table;
struct unmap_record *page_records;
uint32_t page_table_count;
uint64_t page_region_phys;
struct pool page_pool;

void page_region_init(uint64_t phys, uint32_t count)
{
    page_table =
        frame_alloc_bytes(count * sizeof(struct page), sizeof(struct page), "the table of IPC pages");
    page_records = frame_alloc_bytes(count * sizeof(struct unmap_record), 64, "the records of IPC pages");
    page_table_count = count;
    page_region_phys = phys;
    for (uint32_t i = 0; i < count; i++) {
        page_table[i].handed = page_handed(0, PAGE_NOBODY);
        page_table[i].state = STATE_FILLER(PAGE_NOBODY);
    }
    books_init(count);
    page_device_init(count);
    pool_init(&page_pool, frame_alloc_bytes(pool_bytes(count), 8, "the pool of IPC pages"), count, 1);
}

uint32_t page_region_count(void)
{
    return page_table_count;
}

/* ---- The locked form: every owner in a slot ---- */

/* One turn of waiting for a page's lock. */
static void page_lock_wait(void)
{
    unmap_poll(); /* else the holder, waiting for a pass of this CPU (tlb=ipi), would wait for ever */
    arch_relax();
}

uint64_t page_lock(struct page *page)
{
    uint64_t state;

    do {
        while ((state = __atomic_load_n(&page->state, __ATOMIC_RELAXED)) & STATE_LOCK)
            page_lock_wait();
    } while (!__atomic_compare_exchange_n(&page->state, &state, state | STATE_LOCK, true, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    if (!(state & STATE_SHARED)) {
        page->used = state_total(state) ? 1 : 0;
        page->slots[0] = (struct slot){.space = state_owner(state), .count = (uint16_t)state_total(state)};
    }
    return state;
}

void page_unlock_gathered(struct page *page, uint64_t state)
{
    const struct unmap_record *record = page_record(page);

    state &= ~(STATE_OWNED | STATE_MAPPED | STATE_PENDING);
    state |= STATE_TOTAL(page_total(page));
    if (page->used > 1)
        state |= STATE_SHARED;
    else if (page->used == 1)
        state |= STATE_OWNER(page->slots[0].space);
    state |= (record->mapped ? STATE_MAPPED : 0) | (record->tables ? STATE_PENDING : 0);
    __atomic_store_n(&page->state, state, __ATOMIC_RELEASE);
}

void page_unlock(struct page *page, uint64_t state)
{
    unmap_flush();
    page_unlock_gathered(page, state);
}

struct slot *page_slot(struct page *page, unsigned space)
{
    for (unsigned i = 0; i < page->used; i++)
        if (page->slots[i].space == space)
            return &page->slots[i];
    return NULL;
}

uint32_t page_total(const struct page *page)
{
    uint32_t total = 0;

    for (unsigned i = 0; i < page->used; i++)
        total += page->slots[i].count;
    return total;
}

int page_slot_gain(struct page *page, unsigned space)
{
    struct slot *slot = page_slot(page, space);

    if (page_total(page) == OWNERSHIPS_MAX)
        return BATON_ELIMIT;
    if (!slot) {
        if (page->used == PAGE_SLOTS)
            return BATON_EOWNERS;
        slot = &page->slots[page->used++];
        *slot = (struct slot){.space = (uint8_t)space};
    }
    slot->count++;
    return 0;
}

void page_slot_lose(struct page *page, struct slot *slot, bool shared, unsigned how)
{
    if (--slot->count)
        return;
    const struct space *space = space_at(slot->space);
    if (space->table && !(how & LOSE_KEEP))
        page_unmap(page, page_record(page)->mapped & table_bit(space->table), shared, how);
    page_note_giver(page, slot->space);
    *slot = page->slots[--page->used];
}

/* ---- Unmapping ---- */

void page_unmap(struct page *page, uint64_t tables, bool shared, unsigned how)
{
    for (unsigned number = 0; tables >> number; number++)
        if (tables >> number & 1) {
            struct table *table = table_at(number);
            unmap_page(table, page_number(page), page_unmap_choose(table, shared, how), shared,
                       page_record(page));
        }
}

void page_downgrade(struct page *page, unsigned how)
{
    uint64_t mapped = page_record(page)->mapped;

    if (page_total(page) != 1 || seed(SEED_DOWNGRADE_SKIPPED))
        return;
    for (unsigned number = 0; mapped >> number; number++) {
        struct table *table = table_at(number);
        if (mapped >> number & 1 &&
            pagetable_entry_writable(pagetable_ipc_entry(&table->pages, page_number(page))))
            unmap_protect(table, page_number(page), page_unmap_choose(table, false, how), page_record(page));
    }
}

/* ---- Calls for services ---- */

bool page_account(struct space *space, int delta)
{
    /* Counted first: threads of the space on several CPUs do not pass the limit together */
    uint32_t pages = __atomic_add_fetch(&space->pages, (uint32_t)delta, __ATOMIC_RELAXED);

    if (delta <= 0 || pages <= space->page_limit)
        return true;
    __atomic_fetch_sub(&space->pages, (uint32_t)delta, __ATOMIC_RELAXED);
    return false;
}

/* Free to owned by `space` alone; waits for whoever is just looking at the page under its lock. */
void page_take_over(uint32_t number, unsigned space, uint64_t keep, uint64_t set)
{
    struct page *page = &page_table[number];
    uint64_t state, next;

    do {
        while ((state = __atomic_load_n(&page->state, __ATOMIC_RELAXED)) & STATE_LOCK)
            page_lock_wait();
        invariant(!state_total(state) && !(state & STATE_PENDING), "page 1, 4");
        next = (state & keep) | STATE_OWNER(space) | STATE_TOTAL(1) | set;
    } while (
        !__atomic_compare_exchange_n(&page->state, &state, next, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    page_note_change(page, arch_counter_peek());
}

int page_get(struct space *space, uint32_t *pages, unsigned count)
{
    if (!page_account(space, (int)count))
        return BATON_ELIMIT;
    unsigned got = page_set_take(space, space->number, pages, count), mapped = got;
    if (got < count)
        got += page_pool_take(pages + got, count - got);
    for (unsigned i = 0; i < mapped; i++)
        page_set_zero(pages[i]);
    for (unsigned i = mapped; i < got; i++)
        page_take_over(pages[i], space->number, STATE_CACHED, STATE_FILLER(PAGE_NOBODY)); /* reads as zero */
    ledger_note_pages(cpu_self(), LEDGER_GET, space->number, pages, got);
    if (got < count)
        page_account(space, (int)got - (int)count);
    return got ? (int)got : BATON_ENOMEM;
}

int page_get_filled(struct space *space, const void *bytes, uint32_t length)
{
    uint32_t number;

    if (!page_account(space, 1))
        return BATON_ELIMIT;
    if (!page_pool_take(&number, 1)) {
        page_account(space, -1);
        return BATON_ENOMEM;
    }
    void *window = kernel_map_open(page_phys(number));
    memcpy(window, bytes, length);
    kernel_map_close(window);
    page_take_over(number, space->number, 0,
                   STATE_CACHED | STATE_FILLER(PAGE_NOBODY) | STATE_HULL(0, length));
    ledger_note(cpu_self(), LEDGER_GET, space->number, number, 0);
    return (int)number;
}

int page_duplicate(struct space *space, uint32_t number)
{
    struct page *page = page_checked(number);

    if (!page || page_plainly_not_owner(page, space->number))
        return BATON_EOWNER;
    if (!page_account(space, 1))
        return BATON_ELIMIT;
    uint64_t state = page_lock(page);
    int result = BATON_EOWNER;
    if (page_slot(page, space->number)) {
        page_downgrade(page, 0);
        result = state & STATE_BOOK ? book_duplicate(space, page) : page_slot_gain(page, space->number);
        if (!result)
            ledger_note(cpu_self(), LEDGER_DUPLICATE, space->number, number, page_total(page));
        page_unlock(page, state);
    } else {
        page_unlock_unchanged(page, state);
    }
    if (result)
        page_account(space, -1);
    return result;
}

/*
 * Gives one ownership up. `freed` says whether it was the last of all; the unmap may still be gathered then. `kept`: it was, and
 * there was none, as the keeper's pool takes the page as it is.
 */
static int release_one(struct space *space, uint32_t number, const struct space *keeper, bool *freed,
                       bool *kept)
{
    struct page *page = page_checked(number);

    *freed = *kept = false;
    if (!page || (page_plainly_not_owner(page, space->number) && !seed(SEED_DOUBLE_RELEASE)))
        return BATON_EOWNER;
    uint64_t state = page_lock(page);
    struct slot *slot = page_slot(page, space->number);
    if (!slot && seed(SEED_DOUBLE_RELEASE) && page->used)
        slot = &page->slots[0];
    if (!slot) {
        page_unlock_unchanged(page, state);
        return BATON_EOWNER;
    }
    bool book = state & STATE_BOOK;
    if (book) {
        state = book_lose(space, page, state, 1);
        if (space->number)
            page_account(space, 1 - (int)book_pages(number));
    }
    uint32_t total = page_total(page);
    /* A book's list is always fresh: kept, the lists would fill the pool, one for each message */
    *kept = total == 1 && !book && page_set_keeps(keeper, page);
    page_slot_lose(page, slot, total > 1, LOSE_RELEASE | (*kept ? LOSE_KEEP : 0));
    ledger_note(cpu_self(), LEDGER_RELEASE, space->number, number, total - 1);
    *freed = !page->used;
    if (*freed && !*kept) /* of a trust set: other tables have it too (page 9) */
        page_unmap(page, page_record(page)->mapped, false, LOSE_RELEASE);
    if (*freed)
        page_unlock_gathered(page, state);
    else
        page_unlock(page, state);
    if (book && *freed)
        book_dissolve(page, space->number, keeper);
    return 0;
}

/* Gives pages up; those that only the set of `keeper` has mapped go to its pool. */
static int release_for(struct space *space, const struct space *keeper, const uint32_t *pages, unsigned count)
{
    uint32_t freed[BATON_BATCH], keep[BATON_BATCH];
    unsigned done = 0, free = 0, kept = 0;
    int result = 0;

    for (bool last, in_set;
         done < count && !(result = release_one(space, pages[done], keeper, &last, &in_set)); done++)
        if (in_set)
            keep[kept++] = pages[done];
        else if (last)
            freed[free++] = pages[done];
    unmap_flush();
    page_pool_give(freed, free);
    page_set_give(keeper, keep, kept);
    if (space->number && done)
        __atomic_fetch_sub(&space->pages, done, __ATOMIC_RELAXED);
    return done ? (int)done : result;
}

int page_release_batch(struct space *space, const uint32_t *pages, unsigned count)
{
    return release_for(space, space, pages, count);
}

void page_release_to(const struct space *keeper, uint32_t page)
{
    int result = release_for(space_at(0), keeper, &page, 1);

    invariant(result == 1, "message 3");
}

int page_release(struct space *space, uint32_t page)
{
    int result = page_release_batch(space, &page, 1);

    return result < 0 ? result : 0;
}
