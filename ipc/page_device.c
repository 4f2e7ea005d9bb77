/* IPC pages in the hands of devices and of those who only look: see page.h. */
#include "ipc/page.h"
#include "ipc/page_book.h"
#include "ipc/page_limbo.h"
#include "ipc/page_state.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/log.h"
#include "mm/space.h"

unsigned page_get_device(uint32_t *pages, unsigned count)
{
    unsigned got = page_pool_take(pages, count);

    for (unsigned i = 0; i < got; i++)
        page_take_over(pages[i], 0, 0, STATE_FILLER(PAGE_NOBODY) | STATE_DEVICE);
    ledger_note_pages(cpu_self(), LEDGER_GET, 0, pages, got);
    return got;
}

void page_filled(uint32_t number, uint32_t length)
{
    struct page *page = &page_table[number];
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_RELAXED), next;

    invariant(state & STATE_DEVICE && length <= PAGE_SIZE, "page 4");
    do {
        /* Whoever looks under the lock finds no slot of its own and lets go */
        while ((state = __atomic_load_n(&page->state, __ATOMIC_RELAXED)) & STATE_LOCK) {
            unmap_poll(); /* else a holder of the lock that waits for a pass of this CPU would wait for ever */
            arch_relax();
        }
        next = (state & ~(STATE_DEVICE | STATE_HULL(8191, 8191))) | STATE_HULL(0, length);
    } while (
        !__atomic_compare_exchange_n(&page->state, &state, next, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
}

bool page_share(uint32_t number)
{
    struct page *page = &page_table[number];
    uint64_t state = page_lock(page);
    struct slot *slot = state & STATE_DEVICE ? NULL : page_slot(page, 0);
    bool shared = slot && state_total(state) < OWNERSHIPS_MAX;

    /* The kernel's own threads map no page, so there is no translation that would have to be downgraded (page 2) */
    if (shared) {
        slot->count++;
        ledger_note(cpu_self(), LEDGER_DUPLICATE, 0, number, page_total(page));
    }
    page_unlock(page, state);
    return shared;
}

/* Gives one ownership of the kernel up. True when the page is free now, and the caller gives it to the pool. */
static bool sent_out(uint32_t number)
{
    struct page *page = &page_table[number];
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_RELAXED);

    if (!(state & STATE_CACHED))
        cpu_self()->counters[COUNT_PAGES_NEVER_MAPPED]++;
    while ((state & (STATE_SOLE | STATE_MAPPED | STATE_PENDING)) == STATE_TOTAL(1))
        if (__atomic_compare_exchange_n(&page->state, &state, state & ~STATE_TOTAL(0xffff), true,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return true;
    int result = page_release(space_at(0), number);
    invariant(!result, "message 3");
    return false;
}

void page_sent_out(const uint32_t *pages, unsigned count)
{
    uint32_t freed[BATON_BATCH];
    unsigned free = 0;

    ledger_note_pages(cpu_self(), LEDGER_SENT_OUT, 0, pages, count);
    for (unsigned i = 0; i < count; i++)
        if (sent_out(pages[i]))
            freed[free++] = pages[i];
    page_pool_give(freed, free);
}

/*
 * Gives up every ownership that the space has of one page; returns how many. `freed`: that was the last of all, and the unmap may
 * still be gathered.
 */
static uint32_t release_whole(struct page *page, unsigned space, bool *freed)
{
    uint64_t state = page_lock(page);
    struct slot *slot = page_slot(page, space);

    *freed = false;
    if (!slot) {
        page_unlock_unchanged(page, state);
        return 0;
    }
    bool book = state & STATE_BOOK, shared = page_total(page) > 1;
    uint32_t count = slot->count, pages = book ? book_pages(page_number(page)) : 1;
    if (book)
        state = book_lose(space_at(space), page, state, count);
    slot->count = 1;
    page_slot_lose(page, slot, shared, LOSE_RELEASE);
    ledger_note(cpu_self(), LEDGER_RELEASE, space, page_number(page), page_total(page));
    *freed = !page->used;
    if (*freed) {
        page_unmap(page, page_record(page)->mapped, false, LOSE_RELEASE);
        page_unlock_gathered(page, state);
    } else {
        page_unlock(page, state);
    }
    if (book && *freed)
        book_dissolve(page, space, NULL);
    return count * pages;
}

uint32_t page_release_all(struct space *space)
{
    uint32_t released = 0, freed[BATON_BATCH];
    unsigned free = 0;

    for (uint32_t i = 0; i < page_table_count; i++) {
        uint64_t state = __atomic_load_n(&page_table[i].state, __ATOMIC_RELAXED);
        bool last = false;
        if (state & STATE_SHARED || (state_total(state) && state_owner(state) == space->number))
            released += release_whole(&page_table[i], space->number, &last);
        if (last)
            freed[free++] = i;
        if (free == BATON_BATCH || (free && i + 1 == page_table_count)) {
            unmap_flush();
            page_pool_give(freed, free);
            free = 0;
        }
    }
    __atomic_fetch_sub(&space->pages, released, __ATOMIC_RELAXED);
    return released;
}

void page_count(struct page_counts *counts)
{
    *counts = (struct page_counts){.total = page_table_count};
    for (uint32_t i = 0; i < page_table_count; i++) {
        struct page_info info;
        page_describe(i, &info);
        if (!info.total && !info.pending)
            counts->free++;
        else if (info.kernel || !info.total)
            counts->in_flight++;
        else
            counts->owned++;
    }
}

static void owners_describe(const struct page *page, struct page_info *info)
{
    info->owners = page->used;
    for (unsigned i = 0; i < page->used; i++) {
        info->total += page->slots[i].count;
        info->kernel |= page->slots[i].space == 0;
        if (i < 4)
            info->owner[i] = page->slots[i].space;
    }
}

/* Of a bound page: who owns it by owning its book. */
static void book_describe(const struct page *page, struct page_info *info)
{
    struct page *book = book_of(page);
    uint64_t state = book ? page_lock(book) : 0;

    info->total = info->owners = 0;
    if (!book)
        return;
    owners_describe(book, info);
    page_unlock(book, state);
}

void page_describe(uint32_t number, struct page_info *info)
{
    struct page *page = &page_table[number];
    uint64_t flags = arch_irq_save();
    uint64_t state = page_lock(page);

    *info = (struct page_info){.previous = __atomic_load_n(&page->previous, __ATOMIC_RELAXED),
                               .changed = __atomic_load_n(&page->changed, __ATOMIC_RELAXED)};
    owners_describe(page, info);
    bool bound = page_is_bound(state);
    struct unmap_record record = *page_record(page);
    unmap_through(&record); /* of a copy: the page may be in the hands of a CPU that still gathers */
    info->mapped = record.mapped;
    info->pending = record.tables;
    info->waiting = record.cpus;
    info->hull_start = state_hull_start(state);
    info->hull_end = state_hull_end(state);
    info->cached = state & STATE_CACHED;
    page_unlock_unchanged(page, state);
    if (bound)
        book_describe(page, info);
    arch_irq_restore(flags);
}
