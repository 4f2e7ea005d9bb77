/* Hand-overs of IPC pages, at send and at receive: see page.h. */
#include "ipc/page.h"
#include "ipc/page_state.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/log.h"
#include "core/seed.h"
#include "mm/space.h"

/* True when the piece shows only bytes that its sender may show (page 7). */
static bool hull_covers(uint64_t state, uint32_t start, uint32_t end)
{
    return start >= state_hull_start(state) && end <= state_hull_end(state);
}

/*
 * The next owner sees no more than the piece; and of the piece no byte that the sender never saw itself. Those are zero, by a
 * scrub when somebody maps the page: who never looks pays nothing.
 */
static uint64_t hull_narrow(uint64_t state, const struct baton_piece *piece)
{
    uint32_t start = piece->offset & BATON_PIECE_OFFSET_MASK, end = start + piece->length;
    uint64_t rest = state & ~STATE_HULL(8191, 8191);

    if (__builtin_expect(hull_covers(state, start, end), 1))
        return rest | STATE_HULL(start, end);
    if (start < state_hull_start(state))
        start = state_hull_start(state);
    if (end > state_hull_end(state))
        end = state_hull_end(state);
    return start < end ? rest | STATE_HULL(start, end) : rest;
}

/* What the message names can be sent as it is: to a service always, to a device only what has been scrubbed. */
static bool hull_allows(uint64_t state, const struct baton_piece *piece, const struct space *to)
{
    uint32_t start = piece->offset & BATON_PIECE_OFFSET_MASK;

    return (to && to->table) || hull_covers(state, start, start + piece->length);
}

/* Both spaces are of one trust set, and no table outside it has the page: what is mapped may stay (page 9). */
static bool stays_in_set(const struct space *from, const struct space *to, const struct page *page)
{
    uint64_t set = __atomic_load_n(&from->trusts, __ATOMIC_RELAXED);

    return set && to && __atomic_load_n(&to->trusts, __ATOMIC_RELAXED) == set &&
           !(page_record(page)->mapped & ~set);
}

/* A seeded fault: the page goes on, and what it waits for is forgotten. */
static void pending_lose(struct page *page)
{
    page_record(page)->tables = 0;
    page_record(page)->cpus = 0;
}

/* ---- Send ---- */

/*
 * An ownership of the sender becomes the kernel's. Lock held. Lose before gain: a full entry can still change hands one for one.
 * Not so one of several, which leaves the sender's slot in use: nothing may be lost then.
 */
static int slot_hand_over(struct page *page, struct slot *slot, bool shared, unsigned how, bool duplicate)
{
    if (duplicate || (slot->count > 1 && !page_slot(page, 0) && page->used == PAGE_SLOTS))
        return page_slot_gain(page, 0);
    page_slot_lose(page, slot, shared, how);
    /* A page that leaves its trust set leaves every table of it; in the tables of other owners it stays */
    if (!shared && !(how & LOSE_KEEP))
        page_unmap(page, page_record(page)->mapped, false, how);
    return page_slot_gain(page, 0);
}

/* Any number of owners, mapped or not, duplicate or not. */
static int send_locked(struct space *space, struct page *page, const struct baton_piece *piece,
                       unsigned flags, const struct space *to)
{
    uint64_t state = page_lock(page);
    struct slot *slot = page_slot(page, space->number);
    bool duplicate = flags & PAGE_SEND_DUPLICATE, shared = page_total(page) > 1, alone = false;
    unsigned how = flags & PAGE_SEND_TRUSTED ? LOSE_TRUSTED : 0;
    int result = state & STATE_BOOK ? BATON_EINVAL : 0; /* that is book_send()'s */

    if (!slot) {
        page_unlock_unchanged(page, state);
        return BATON_EOWNER;
    }
    /* Not a shared page: its other owners need not be of the set, and the last of them may write to it by a fault, which looks
       for unmaps that are pending and finds none */
    if (!duplicate && !shared && stays_in_set(space, to, page))
        how |= LOSE_KEEP;
    if (!result && seed(SEED_PENDING_LOST))
        pending_lose(page);
    if (!result && duplicate)
        page_downgrade(page, how);
    /* A sender that never looked at the page sends bytes that it never wrote: they are zero, not the last owner's, for a
       device too, which maps nothing, and for the owners of a duplicate, who share the page whole. */
    if (!result && !hull_allows(state, piece, duplicate || shared ? NULL : to))
        state = page_reveal(page, state, space->number, page->used == 1);
    if (!result)
        result = slot_hand_over(page, slot, shared, how, duplicate);
    if (!result) {
        alone = !duplicate && !shared;
        if (alone) {
            page_note_sent(page, space->number, state);
            state = hull_narrow(state, piece);
        }
        ledger_note(cpu_self(), LEDGER_SEND, space->number, page_number(page), flags);
    }
    if (alone)
        page_unlock_gathered(page, state);
    else
        page_unlock(page, state);
    return result;
}

/* The word after a hand-over that unmaps nothing: the kernel (owner 0) is written over the owner. What is pending stays. */
static uint64_t sent_state(uint64_t state, const struct baton_piece *piece)
{
    uint64_t next = hull_narrow(state, piece) & ~STATE_OWNER(63);

    return seed(SEED_PENDING_LOST) ? next & ~STATE_PENDING : next;
}

int page_send(struct space *space, const struct baton_piece *piece, unsigned flags, const struct space *to)
{
    struct cpu *cpu = cpu_self();
    struct page *page = page_checked(piece->page);

    if (!page)
        return BATON_EOWNER;
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_ACQUIRE); /* and the record that goes with it */
    while (!(flags & PAGE_SEND_DUPLICATE) &&
           (state & STATE_SOLE) == (STATE_OWNER(space->number) | STATE_TOTAL(1)) &&
           hull_allows(state, piece, to)) {
        if (state & STATE_MAPPED && !stays_in_set(space, to, page)) {
            if (!page_send_sole(space, page, piece, flags))
                break;
            return 0;
        }
        if (!__atomic_compare_exchange_n(&page->state, &state, sent_state(state, piece), true,
                                         __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            continue;
        if (seed(SEED_PENDING_LOST))
            pending_lose(page);
        page_note_sent(page, space->number, state);
        cpu->counters[state & STATE_MAPPED ? COUNT_TLB_KEPT : COUNT_TLB_SKIPPED]++;
        cpu->counters[COUNT_PAGES_MOVED]++;
        ledger_note(cpu, LEDGER_SEND, space->number, piece->page, flags);
        return 0;
    }
    if (page_plainly_not_owner(page, space->number))
        return BATON_EOWNER;
    int result = send_locked(space, page, piece, flags, to);
    if (!result)
        cpu->counters[COUNT_PAGES_MOVED]++;
    return result;
}

/* ---- Receive ---- */

uint64_t page_tables_allowed(const struct page *page, const struct space *space)
{
    uint64_t allowed = __atomic_load_n(&space->trusts, __ATOMIC_RELAXED);

    for (unsigned i = 0; i < page->used; i++) {
        const struct space *owner = space_at(page->slots[i].space);
        if (owner->table)
            allowed |= table_bit(owner->table);
    }
    return allowed;
}

/*
 * The receiver's own table had the page before, and that unmap is not complete: through what is left of it the space can write
 * without a fault, so nobody would know that bytes outside the hull are no longer the last owner's, to be zeroed (page 7).
 */
static bool returns_early(const struct space *space, const struct page *page, uint64_t state)
{
    bool whole = !state_hull_start(state) && state_hull_end(state) == PAGE_SIZE;

    return !whole && space->table && page_record(page)->tables & table_bit(space->table);
}

/* What is mapped of a page that the space owns from now on. Lock held; returns the new state. */
static uint64_t receive_mapped(const struct space *space, struct page *page, uint64_t state)
{
    uint64_t mapped = page_record(page)->mapped;

    if (page_total(page) > 1) {
        page_unmap(page, mapped & ~page_tables_allowed(page, space), false, 0);
        return state;
    }
    if (!(mapped & ~__atomic_load_n(&space->trusts, __ATOMIC_RELAXED)))
        return mapped ? state_kept_by(state, space->number) : state;
    /* It left its set on the way. In the receiver's own table too it would be mapped whole, and not as far as it was sent. Whoever of the
       set had it mapped may have written to it, without a fault: nobody knows every byte */
    page_unmap(page, mapped, false, 0);
    return (state & ~STATE_FILLER(63)) | STATE_FILLER(PAGE_NOBODY);
}

static int receive_locked(struct space *space, struct page *page, struct baton_piece *piece, bool trust)
{
    uint64_t state = page_lock(page);
    struct slot *kernel = page_slot(page, 0);

    invariant(kernel, "message 3");
    page_slot_lose(page, kernel, page_total(page) > 1, 0); /* before the gain: see slot_hand_over */
    int result = page_slot_gain(page, space->number);
    if (result)
        page_slot_gain(page, 0);
    state = receive_mapped(space, page, state);
    unmap_flush(); /* so that what is waited for is known */
    /* The paper's figure 3C: who does not trust waits until nobody can write any more. Who can only read (3B) reads what it
       knew before. */
    if ((!trust && page_record(page)->writers) || returns_early(space, page, state))
        unmap_complete(page_number(page), page_record(page));
    if (!result)
        ledger_note(cpu_self(), LEDGER_RECEIVE, space->number, page_number(page), trust);
    if (page_total(page) > 1)
        piece->offset |= BATON_PIECE_READ_ONLY;
    page_unlock(page, state);
    return result;
}

/* True when there is no more to do than to write the owner: nothing pending that the space must wait for, nothing mapped
   that it may not leave mapped. */
static bool receive_is_plain(const struct space *space, const struct page *page, uint64_t state, bool trust)
{
    if ((state & STATE_SOLE) != STATE_TOTAL(1))
        return false;
    if (!(state & (STATE_PENDING | STATE_MAPPED)))
        return true;
    if (state & STATE_PENDING && (!trust || returns_early(space, page, state)))
        return false;
    return !(page_record(page)->mapped & ~__atomic_load_n(&space->trusts, __ATOMIC_RELAXED));
}

static __attribute__((noinline)) int receive_any(struct space *space, struct page *page,
                                                 struct baton_piece *piece, bool trust)
{
    struct cpu *cpu = cpu_self();
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_ACQUIRE); /* and the record that goes with it */

    while (receive_is_plain(space, page, state, trust)) {
        uint64_t known = state & STATE_MAPPED ? state_kept_by(state, space->number) : state;
        uint64_t next = known | STATE_OWNER(space->number);
        if (!__atomic_compare_exchange_n(&page->state, &state, next, true, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED))
            continue;
        page_note_giver(page, 0);
        cpu->counters[COUNT_PAGES_MOVED]++;
        ledger_note(cpu, LEDGER_RECEIVE, space->number, piece->page, trust);
        return 0;
    }
    int result = receive_locked(space, page, piece, trust);
    if (!result)
        cpu->counters[COUNT_PAGES_MOVED]++;
    return result;
}

int page_receive(struct space *space, struct baton_piece *piece, bool trust)
{
    if (page_receive_plain(cpu_self(), space->number, piece))
        return 0;
    piece->offset &= BATON_PIECE_OFFSET_MASK;
    return receive_any(space, &page_table[piece->page], piece, trust);
}

int page_take_back(struct space *space, struct baton_piece *piece)
{
    struct page *page = &page_table[piece->page];

    if (arch_word_load(&page->handed) & HANDED_HULL) {
        uint64_t state = page_lock(page);
        if ((state & STATE_OWNED) == STATE_TOTAL(1))
            state = (state & ~STATE_HULL(8191, 8191)) | (uint64_t)page->next << 38;
        page_unlock_unchanged(page, state);
    }
    return page_receive(space, piece, true);
}
