/* Translations of IPC pages: what an owner may see, and when (see page.h). */
#include "ipc/page.h"
#include "ipc/page_book.h"
#include "ipc/page_state.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/seed.h"
#include "mm/kernel_map.h"
#include "mm/space.h"

bool page_filler_known(uint64_t state, const struct space *space)
{
    unsigned filler = state_filler(state);
    const struct space *other = space_at(filler);
    uint64_t set = __atomic_load_n(&space->trusts, __ATOMIC_RELAXED);

    /* By the set, not by the table: trusted services share one, and one of them may be in a set where another is not */
    return filler == space->number ||
           (set && other && __atomic_load_n(&other->trusts, __ATOMIC_RELAXED) == set);
}

/*
 * Bytes outside the hull that this space did not write itself are zeroed before it can see them (page 7).
 * Afterwards the space knows every byte of the page. Returns the new state.
 */
uint64_t page_reveal(struct page *page, uint64_t state, unsigned space, bool alone)
{
    bool whole = !state_hull_start(state) && state_hull_end(state) == PAGE_SIZE;
    /* Other owners will see whatever this one is shown: what only it knows has to go for their sake */
    bool knows_all = alone && page_filler_known(state, space_at(space));

    if (!whole && !knows_all && !seed(SEED_SCRUB_SKIPPED)) {
        kernel_map_scrub(page_phys(page_number(page)), state_hull_start(state), state_hull_end(state));
        cpu_self()->counters[COUNT_PAGES_SCRUBBED]++;
    }
    state &= ~(STATE_FILLER(63) | STATE_HULL(8191, 8191));
    return state | STATE_FILLER(space) | STATE_HULL(0, PAGE_SIZE) | STATE_CACHED;
}

/* Makes the entry valid, or writable. Lock held; `state` after page_reveal. */
static void entry_make(struct space *space, struct page *page, bool writable)
{
    uint32_t number = page_number(page);

    pagetable_ipc_map(&space->table->pages, number, page_phys(number), writable, space->table->user);
    page_record(page)->mapped |= table_bit(space->table);
    ledger_note(cpu_self(), LEDGER_MAP, space->number, number,
                space->table->number | (uint64_t)writable << 8);
}

uint64_t page_owner_map(struct space *space, struct page *page, uint64_t state, bool writable, bool alone)
{
    uint32_t number = page_number(page);
    uint64_t entry = pagetable_ipc_entry(&space->table->pages, number);

    /* Back at one owner (page 2): who shared the page may still read it, and must not see what is written from now on */
    if (writable && page_record(page)->readers && !seed(SEED_WRITE_EARLY))
        unmap_complete(number, page_record(page));
    if (!entry) {
        state = page_reveal(page, state, space->number, alone);
        entry_make(space, page, writable);
        cpu_self()->counters[COUNT_PAGES_MAPPED]++;
        return state;
    }
    if (writable && !pagetable_entry_writable(entry)) {
        /* What the owner writes from now on only it knows, so it is the filler. */
        state = page_reveal(page, state, space->number, alone);
        entry_make(space, page, true);
        pagetable_ipc_publish();
    }
    unmap_refresh(space->table, number);
    return state;
}

/* A page that is owned by itself. A book's list only the kernel writes. */
static uint64_t own_map(struct space *space, struct page *page, uint64_t state)
{
    bool writable = page_total(page) == 1 && !(state & STATE_BOOK);

    return page_owner_map(space, page, state, writable, page->used == 1);
}

int page_map(struct space *space, const struct baton_piece *pieces, unsigned count)
{
    int result = 0;
    bool made = false;

    if (!space->table)
        return BATON_EOWNER;
    for (unsigned i = 0; i < count; i++) {
        struct page *page = page_checked(pieces[i].page);
        if (!page)
            return BATON_EOWNER;
        if (page_map_sole(space, page)) {
            made = true;
            continue;
        }
        uint64_t state = page_lock(page);
        if (!page_slot(page, space->number)) {
            page_unlock_unchanged(page, state);
            result = BATON_EOWNER;
            continue;
        }
        if (!pagetable_ipc_entry(&space->table->pages, pieces[i].page)) {
            state = own_map(space, page, state);
            made = true;
        }
        if (state & STATE_BOOK) {
            book_map(space, page);
            made = true;
        }
        page_unlock(page, state);
    }
    if (made)
        pagetable_ipc_publish();
    return result;
}

enum page_fault_result page_fault(struct space *space, uint64_t address, bool write)
{
    struct page *page = page_checked((uint32_t)((address - IPC_BASE) >> PAGE_SHIFT));
    enum page_fault_result result = PAGE_FAULT_MAPPED;

    if (!page)
        return PAGE_FAULT_NOT_OWNER;
    if (page_plainly_not_owner(page, space->number))
        return page_is_bound(__atomic_load_n(&page->state, __ATOMIC_RELAXED)) ? book_fault(space, page, write)
                                                                              : PAGE_FAULT_NOT_OWNER;
    if (page_map_sole(space, page)) {
        pagetable_ipc_publish();
        return PAGE_FAULT_MAPPED;
    }
    uint64_t state = page_lock(page);
    if (!page_slot(page, space->number)) {
        page_unlock_unchanged(page, state);
        /* Bound by another thread just now: the access is repeated, and finds the book */
        return page_is_bound(state) ? PAGE_FAULT_MAPPED : PAGE_FAULT_NOT_OWNER;
    }
    if (write && (page_total(page) > 1 || state & STATE_BOOK))
        result = PAGE_FAULT_READ_ONLY;
    else
        state = own_map(space, page, state);
    pagetable_ipc_publish();
    page_unlock(page, state);
    return result;
}
