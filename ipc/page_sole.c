/*
 * The common case of a page that somebody looks at, in a straight line: one space owns it, once, and nobody else has it mapped.
 * What is not that simple is left to page_map.c and page_move.c, unchanged; the rules stand there. The owner is read from the
 * state word, so the slots are neither spread nor summed up.
 */
#include "ipc/page_state.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "mm/space.h"

/* Takes the lock of a page that the space alone owns, once. False: it is not that simple, or locked. */
static bool sole_lock(struct page *page, const struct space *space, uint64_t *state)
{
    uint64_t seen = __atomic_load_n(&page->state, __ATOMIC_RELAXED);

    while ((seen & STATE_SOLE) == (STATE_OWNER(space->number) | STATE_TOTAL(1)))
        if (__atomic_compare_exchange_n(&page->state, &seen, seen | STATE_LOCK, true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
            *state = seen;
            return true;
        }
    return false;
}

static void sole_unlock(struct page *page, uint64_t state)
{
    __atomic_store_n(&page->state, state, __ATOMIC_RELEASE);
}

/* True when the space may see every byte of the page as it is (page 7). */
static bool shows_nothing_new(uint64_t state, const struct space *space)
{
    return state_filler(state) == space->number ||
           (!state_hull_start(state) && state_hull_end(state) == PAGE_SIZE);
}

bool page_map_sole(struct space *space, struct page *page)
{
    struct unmap_record *record = page_record(page);
    struct table *table = space->table;
    uint32_t number = page_number(page);
    uint64_t state;

    if (!sole_lock(page, space, &state))
        return false;
    bool plain =
        !record->mapped && !record->readers && shows_nothing_new(state, space) && !(state & STATE_DEVICE);
    if (plain) {
        struct cpu *cpu = cpu_self();
        pagetable_ipc_map(&table->pages, number, page_phys(number), true, table->user);
        record->mapped = table_bit(table);
        cpu->counters[COUNT_PAGES_MAPPED]++;
        ledger_note(cpu, LEDGER_MAP, space->number, number, table->number | UINT64_C(1) << 8);
        state &= ~(STATE_FILLER(63) | STATE_HULL(8191, 8191));
        state |= STATE_FILLER(space->number) | STATE_HULL(0, PAGE_SIZE) | STATE_CACHED | STATE_MAPPED;
    }
    sole_unlock(page, state);
    return plain;
}

bool page_send_sole(struct space *space, struct page *page, const struct baton_piece *piece, unsigned flags)
{
    struct unmap_record *record = page_record(page);
    struct table *table = space->table;
    uint64_t state;

    if (!table || !sole_lock(page, space, &state))
        return false;
    uint32_t start = piece->offset & BATON_PIECE_OFFSET_MASK, end = start + piece->length;
    bool plain =
        record->mapped == table_bit(table) && !state_hull_start(state) && state_hull_end(state) >= end;
    if (plain) {
        struct cpu *cpu = cpu_self();
        unsigned how = flags & PAGE_SEND_TRUSTED ? LOSE_TRUSTED : 0;
        unmap_page(table, page_number(page), page_unmap_choose(table, false, how), false, record);
        page_note_sent(page, space->number, state);
        state &= ~(STATE_OWNER(63) | STATE_HULL(8191, 8191) | STATE_MAPPED | STATE_PENDING);
        state |= STATE_HULL(start, end) | (record->tables ? STATE_PENDING : 0);
        cpu->counters[COUNT_PAGES_MOVED]++;
        ledger_note(cpu, LEDGER_SEND, space->number, piece->page, flags);
    }
    sole_unlock(page, state);
    return plain;
}
