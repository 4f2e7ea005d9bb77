/* IPC pages in the hands of devices and of those who only look: see page.h. */
#include "ipc/page.h"
#include "ipc/page_device.h"
#include "ipc/page_book.h"
#include "ipc/page_limbo.h"
#include "ipc/page_state.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/log.h"
#include "mm/frame.h"
#include "mm/space.h"

/* ---- The pages of receive rings ---- */

static struct pool ready;
#define READY_MOST 512 /* beyond, in the stock, pages go back to where everybody finds them */

void page_device_init(uint32_t count)
{
    pool_init_empty(&ready,
                    frame_alloc_bytes(pool_bytes_empty(count, READY_MOST), 8, "the pool of devices' pages"),
                    count, READY_MOST);
}

/* Up to POOL_BATCH pages from the common pool to that of the devices. */
static void ready_bring(unsigned count)
{
    uint32_t pages[POOL_BATCH];
    unsigned got = page_pool_take(pages, count);
    /* Into the magazine, which lacks at least as many of a batch: the stock, empty a moment ago, may be full of other CPUs' by now */
    uint32_t *room = pool_room(&ready);

    for (unsigned i = 0; i < got; i++) {
        page_take_over(pages[i], 0, 0, STATE_POSTED);
        page_ready(&page_table[pages[i]], true);
        room[i] = pages[i];
    }
    pool_given(&ready, got);
}

const uint32_t *page_device_peek(unsigned count, unsigned *there)
{
    const uint32_t *end = pool_peek(&ready, count, there);

    if (__builtin_expect(*there < count, 0)) {
        ready_bring(count - *there);
        end = pool_peek(&ready, count, there);
    }
    return end;
}

void page_device_taken(const uint32_t *end, unsigned count)
{
    ledger_note_pages(cpu_self(), LEDGER_GET, 0, end - count, count);
    pool_taken(&ready, count);
}

unsigned page_get_device(uint32_t *pages, unsigned count)
{
    unsigned done = 0, there;

    while (done < count) {
        unsigned want = count - done < POOL_BATCH ? count - done : POOL_BATCH;
        const uint32_t *end = page_device_peek(want, &there);
        if (there < want)
            want = there;
        if (!want)
            break;
        for (unsigned i = 1; i <= want; i++, done++) {
            pages[done] = end[-(int)i];
            page_posted(page_table, pages[done]);
        }
        page_device_taken(end, want);
    }
    return done;
}

bool page_device_give_back(void)
{
    uint32_t pages[POOL_BATCH];
    bool any = false;

    for (unsigned got; (got = pool_take(&ready, pages, POOL_BATCH)) > 0; any = true)
        for (unsigned i = 0; i < got; i++) {
            page_posted(page_table, pages[i]);
            ledger_note(cpu_self(), LEDGER_GET, 0, pages[i], 0);
            int result = page_release(space_at(0), pages[i]);
            invariant(!result, "page 1");
        }
    return any;
}

void page_filled(uint32_t number, uint32_t length)
{
    struct page *page = &page_table[number];

    invariant(length <= PAGE_SIZE, "page 4");
    while (!arch_word_replace(&page->state, UINT64_MAX, STATE_POSTED, STATE_FILLED(0, length))) {
        uint64_t state = __atomic_load_n(&page->state, __ATOMIC_RELAXED);
        invariant((state & ~STATE_LOCK) == STATE_POSTED, "page 4");
        /* Whoever looks under the lock finds no slot of its own and lets go */
        unmap_poll(); /* else a holder of the lock that waits for a pass of this CPU would wait for ever */
        arch_relax();
    }
}

bool page_share(uint32_t number)
{
    struct page *page = &page_table[number];
    uint64_t state = page_lock(page);
    struct slot *slot = state & STATE_DEVICE ? NULL : page_slot(page, 0);

    if (!slot || state_total(state) == OWNERSHIPS_MAX) {
        page_unlock_unchanged(page, state);
        return false;
    }
    /* The kernel's own threads map no page, so there is no translation that would have to be downgraded (page 2) */
    slot->count++;
    ledger_note(cpu_self(), LEDGER_DUPLICATE, 0, number, page_total(page));
    page_unlock(page, state);
    return true;
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

/* Pages that are not simply ready again: shared, mapped, some service's own, or more than devices need. */
static __attribute__((noinline, cold)) void sent_out_else(const uint32_t *pages, unsigned count)
{
    uint32_t freed[BATON_BATCH];
    unsigned free = 0;

    for (unsigned i = 0; i < count; i++)
        if (sent_out(pages[i]))
            freed[free++] = pages[i];
    page_pool_give(freed, free);
}

/*
 * Of a page that came from a device, that nobody ever mapped and nobody but the kernel owns, the word has one form. It is turned
 * into that of a page to be posted, with no free page in between: nothing of it is pending, and no one can have a translation.
 */
void page_sent_out(const uint32_t *pages, unsigned count)
{
    struct cpu *cpu = cpu_self();
    struct page *table = page_table;
    const uint32_t *end = pages + count;
    uint32_t others[BATON_BATCH];
    unsigned other = 0;

    ledger_note_pages(cpu, LEDGER_SENT_OUT, 0, pages, count);
    if (__builtin_expect(!pool_has_room(&ready, count), 0)) {
        sent_out_else(pages, count);
        return;
    }
    uint32_t *room = pool_room(&ready), *again = room;
    while (pages < end) {
        uint64_t number = *pages++;
        struct page *page = &table[number];

        if (__builtin_expect(
                !arch_word_replace(&page->state, ~STATE_HULL(8191, 8191), STATE_FILLED(0, 0), STATE_POSTED),
                0)) {
            others[other++] = (uint32_t)number;
            continue;
        }
        page_ready(page, true);
        *again++ = (uint32_t)number;
    }
    unsigned kept = (unsigned)(again - room);
    cpu->counters[COUNT_PAGES_NEVER_MAPPED] += kept;
    ledger_note_pages(cpu, LEDGER_FREED, 0, room, kept);
    pool_given(&ready, kept);
    if (other)
        sent_out_else(others, other);
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
    page_unlock_unchanged(book, state);
}

void page_describe(uint32_t number, struct page_info *info)
{
    struct page *page = &page_table[number];
    uint64_t flags = arch_irq_save();
    uint64_t state = page_lock(page);

    uint64_t handed = arch_word_load(&page->handed);
    *info = (struct page_info){.previous = handed & 63, .changed = handed >> 6};
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
    if (__atomic_load_n(&page->ready, __ATOMIC_RELAXED)) {
        info->total = info->owners = 0;
        info->kernel = false;
    }
    arch_irq_restore(flags);
}
