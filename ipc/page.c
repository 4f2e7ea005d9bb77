/*
 * Ownership of IPC pages: see page.h for the model and the invariants.
 *
 * This file holds the state word, its lock and the calls that services make; devices' and observers' calls
 * are in page_device.c.
 */
#include "ipc/page.h"
#include "ipc/page_state.h"
#include "core/cpu.h"
#include "core/log.h"
#include "core/seed.h"
#include "mm/frame.h"
#include "mm/kernel_map.h"
#include "mm/space.h"
#include "mm/unmap.h"

struct page *page_table;
uint32_t page_table_count;
uint64_t page_region_phys;
struct pool page_pool;

void page_region_init(uint64_t phys, uint32_t count)
{
    page_table =
        frame_alloc_bytes(count * sizeof(struct page), sizeof(struct page), "the table of IPC pages");
    page_table_count = count;
    page_region_phys = phys;
    for (uint32_t i = 0; i < count; i++) {
        page_table[i].previous = PAGE_NOBODY;
        page_table[i].state = STATE_FILLER(PAGE_NOBODY);
    }
    pool_init(&page_pool, frame_alloc_bytes(count * sizeof(uint32_t), 8, "the pool of IPC pages"), count);
}

uint32_t page_region_count(void)
{
    return page_table_count;
}

/* ---- The locked form: every owner in a slot ---- */

uint64_t page_lock(struct page *page)
{
    uint64_t state;

    do {
        while ((state = __atomic_load_n(&page->state, __ATOMIC_RELAXED)) & STATE_LOCK)
            arch_relax();
    } while (!__atomic_compare_exchange_n(&page->state, &state, state | STATE_LOCK, true, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    if (!(state & STATE_SHARED)) {
        page->used = state_total(state) ? 1 : 0;
        page->slots[0] =
            (struct slot){state_owner(state), !!(state & STATE_MAPPED), (uint16_t)state_total(state)};
    }
    return state;
}

/* Sums the slots up into the word (page 1) and lets go. `state` carries filler, hull, CACHED and DEVICE. */
void page_unlock(struct page *page, uint64_t state)
{
    uint32_t total = 0;

    for (unsigned i = 0; i < page->used; i++)
        total += page->slots[i].count;
    state &= ~(STATE_LOCK | STATE_SHARED | STATE_MAPPED | STATE_OWNER(63) | STATE_TOTAL(0xffff));
    state |= STATE_TOTAL(total);
    if (page->used > 1)
        state |= STATE_SHARED;
    else if (page->used == 1)
        state |= STATE_OWNER(page->slots[0].space) | (page->slots[0].mapped ? STATE_MAPPED : 0);
    __atomic_store_n(&page->state, state, __ATOMIC_RELEASE);
}

struct slot *page_slot(struct page *page, unsigned space)
{
    for (unsigned i = 0; i < page->used; i++)
        if (page->slots[i].space == space)
            return &page->slots[i];
    return NULL;
}

static uint32_t page_total(const struct page *page)
{
    uint32_t total = 0;

    for (unsigned i = 0; i < page->used; i++)
        total += page->slots[i].count;
    return total;
}

/* One ownership more for the space: 0, BATON_EOWNERS or BATON_ELIMIT. */
static int slot_gain(struct page *page, unsigned space)
{
    struct slot *slot = page_slot(page, space);

    if (page_total(page) == OWNERSHIPS_MAX)
        return BATON_ELIMIT;
    if (!slot) {
        if (page->used == PAGE_SLOTS)
            return BATON_EOWNERS;
        slot = &page->slots[page->used++];
        *slot = (struct slot){(uint8_t)space, 0, 0};
    }
    slot->count++;
    return 0;
}

/* One ownership less; the last one of the space takes its translation away (page 3). */
void page_slot_lose(struct page *page, struct slot *slot)
{
    if (--slot->count)
        return;
    if (slot->mapped && !(seed(SEED_EARLY_RECYCLE) && page->used == 1))
        unmap_synchronous(space_at(slot->space)->table, page_number(page));
    page_note_giver(page, slot->space);
    *slot = page->slots[--page->used];
}

/* The page is about to have a second ownership: its one owner may only read from now on (page 2). */
static void sole_owner_downgrade(struct page *page)
{
    if (page_total(page) == 1 && page->slots[0].mapped)
        unmap_downgrade(space_at(page->slots[0].space)->table, page_number(page));
}

/* A page number of a caller, checked. */
static struct page *page_checked(uint32_t number)
{
    return number < page_table_count ? &page_table[number] : NULL;
}

/* True when the state word alone shows that `space` owns nothing of it: a forger never takes the lock. */
static bool plainly_not_owner(const struct page *page, unsigned space)
{
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_RELAXED);

    return !(state & STATE_SHARED) && (!state_total(state) || state_owner(state) != space);
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
            arch_relax();
        invariant(!state_total(state), "page 1");
        next = (state & keep) | STATE_OWNER(space) | STATE_TOTAL(1) | set;
    } while (
        !__atomic_compare_exchange_n(&page->state, &state, next, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    page_note_change(page);
}

int page_get(struct space *space, uint32_t *pages, unsigned count)
{
    if (!page_account(space, (int)count))
        return BATON_ELIMIT;
    unsigned got = pool_take(&page_pool, pages, count);
    for (unsigned i = 0; i < got; i++)
        page_take_over(pages[i], space->number, STATE_CACHED, STATE_FILLER(PAGE_NOBODY)); /* reads as zero */
    if (got < count)
        page_account(space, (int)got - (int)count);
    return got ? (int)got : BATON_ENOMEM;
}

int page_duplicate(struct space *space, uint32_t number)
{
    struct page *page = page_checked(number);

    if (!page || plainly_not_owner(page, space->number))
        return BATON_EOWNER;
    if (!page_account(space, 1))
        return BATON_ELIMIT;
    uint64_t state = page_lock(page);
    int result = BATON_EOWNER;
    if (page_slot(page, space->number)) {
        sole_owner_downgrade(page);
        result = slot_gain(page, space->number);
    }
    page_unlock(page, state);
    if (result)
        page_account(space, -1);
    return result;
}

int page_release(struct space *space, uint32_t number)
{
    struct page *page = page_checked(number);

    if (!page || (plainly_not_owner(page, space->number) && !seed(SEED_DOUBLE_RELEASE)))
        return BATON_EOWNER;
    uint64_t state = page_lock(page);
    struct slot *slot = page_slot(page, space->number);
    if (!slot && seed(SEED_DOUBLE_RELEASE) && page->used)
        slot = &page->slots[0];
    if (slot)
        page_slot_lose(page, slot);
    bool freed = slot && !page->used;
    page_unlock(page, state);
    if (!slot)
        return BATON_EOWNER;
    if (space->number)
        __atomic_fetch_sub(&space->pages, 1, __ATOMIC_RELAXED);
    if (freed)
        pool_give(&page_pool, &number, 1);
    return 0;
}

/*
 * Bytes outside the hull that this space did not write itself are zeroed before it can see them (page 7).
 * Afterwards the space knows every byte of the page. Returns the new state.
 */
static uint64_t page_reveal(struct page *page, uint64_t state, unsigned space)
{
    bool whole = !state_hull_start(state) && state_hull_end(state) == PAGE_SIZE;
    /* Other owners will see whatever this one is shown: what only it knows has to go for their sake */
    bool knows_all = state_filler(state) == space && page->used == 1;

    if (!whole && !knows_all && !seed(SEED_SCRUB_SKIPPED)) {
        kernel_map_scrub(page_phys(page_number(page)), state_hull_start(state), state_hull_end(state));
        cpu_self()->counters[COUNT_PAGES_SCRUBBED]++;
    }
    state &= ~(STATE_FILLER(63) | STATE_HULL(8191, 8191));
    return state | STATE_FILLER(space) | STATE_HULL(0, PAGE_SIZE) | STATE_CACHED;
}

/* True when the piece shows only bytes that its sender may show (page 7). */
static bool hull_covers(uint64_t state, const struct baton_piece *piece)
{
    uint32_t start = piece->offset & BATON_PIECE_OFFSET_MASK;

    return start >= state_hull_start(state) && start + piece->length <= state_hull_end(state);
}

/* The next owner sees no more than the piece. */
static uint64_t hull_set(uint64_t state, const struct baton_piece *piece)
{
    uint32_t start = piece->offset & BATON_PIECE_OFFSET_MASK;

    return (state & ~STATE_HULL(8191, 8191)) | STATE_HULL(start, start + piece->length);
}

/* Any number of owners, mapped or not, duplicate or not. */
static int send_locked(struct space *space, struct page *page, const struct baton_piece *piece,
                       bool duplicate)
{
    uint64_t state = page_lock(page);
    struct slot *slot = page_slot(page, space->number);
    int result = slot ? 0 : BATON_EOWNER;

    if (!result && duplicate)
        sole_owner_downgrade(page);
    /* A sender that never looked at the page sends bytes that it never wrote: they are zero, not the last owner's,
       whoever reads them next, a device included. */
    if (!result && !hull_covers(state, piece))
        state = page_reveal(page, state, space->number);
    if (!result && !duplicate && page_total(page) == 1)
        state = hull_set(state, piece);
    if (!result)
        result = slot_gain(page, 0);
    if (!result && !duplicate)
        page_slot_lose(page, page_slot(page, space->number));
    page_unlock(page, state);
    return result;
}

int page_send(struct space *space, const struct baton_piece *piece, bool duplicate)
{
    struct page *page = page_checked(piece->page);
    const uint64_t sole = STATE_LOCK | STATE_SHARED | STATE_MAPPED | STATE_OWNER(63) | STATE_TOTAL(0xffff);

    if (!page || plainly_not_owner(page, space->number))
        return BATON_EOWNER;
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_RELAXED);
    while (!duplicate && (state & sole) == (STATE_OWNER(space->number) | STATE_TOTAL(1)) &&
           hull_covers(state, piece)) {
        /* Never mapped: there is nothing to unmap, and the kernel (owner 0) is written over the owner */
        uint64_t next = hull_set(state, piece) & ~STATE_OWNER(63);
        if (!__atomic_compare_exchange_n(&page->state, &state, next, true, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED))
            continue;
        page_note_giver(page, space->number);
        cpu_self()->counters[COUNT_TLB_SKIPPED]++;
        cpu_self()->counters[COUNT_PAGES_MOVED]++;
        return 0;
    }
    int result = send_locked(space, page, piece, duplicate);
    if (!result)
        cpu_self()->counters[COUNT_PAGES_MOVED]++;
    return result;
}

static int receive_locked(struct space *space, struct page *page, struct baton_piece *piece)
{
    uint64_t state = page_lock(page);
    struct slot *kernel = page_slot(page, 0);

    invariant(kernel, "message 3");
    /* The kernel's slot is given up before the gain, so that a full entry can still change hands one for one.
     */
    page_slot_lose(page, kernel);
    int result = slot_gain(page, space->number);
    if (result)
        slot_gain(page, 0);
    if (page_total(page) > 1)
        piece->offset |= BATON_PIECE_READ_ONLY;
    page_unlock(page, state);
    return result;
}

int page_receive(struct space *space, struct baton_piece *piece)
{
    struct page *page = &page_table[piece->page];
    const uint64_t sole = STATE_LOCK | STATE_SHARED | STATE_OWNER(63) | STATE_TOTAL(0xffff);
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_RELAXED);

    piece->offset &= BATON_PIECE_OFFSET_MASK;
    while ((state & sole) == STATE_TOTAL(1)) {
        uint64_t next = state | STATE_OWNER(space->number);
        if (!__atomic_compare_exchange_n(&page->state, &state, next, true, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED))
            continue;
        page_note_giver(page, 0);
        cpu_self()->counters[COUNT_PAGES_MOVED]++;
        return 0;
    }
    int result = receive_locked(space, page, piece);
    if (!result)
        cpu_self()->counters[COUNT_PAGES_MOVED]++;
    return result;
}

/* ---- Mapping ---- */

/* Brings the entry of an owner's table up to what it may do. The page is locked; returns its new state. */
static uint64_t owner_map(struct space *space, struct page *page, struct slot *slot, uint64_t state)
{
    uint32_t number = page_number(page);
    uint64_t entry = pagetable_ipc_entry(&space->table->pages, number);
    bool writable = page_total(page) == 1;

    slot->mapped = 1;
    if (!entry) {
        state = page_reveal(page, state, space->number);
        pagetable_ipc_map(&space->table->pages, number, page_phys(number), writable, space->table->user);
        arch_isb(); /* else EL1, going on itself, may still use the invalid entry that it fetched */
        cpu_self()->counters[COUNT_PAGES_MAPPED]++;
        return state;
    }
    if (writable && !pagetable_entry_writable(entry)) {
        /* Back at one owner (page 2); whoever shared it has been unmapped already. What the owner writes from
           now on only it knows, so it is the filler. */
        state = page_reveal(page, state, space->number);
        pagetable_ipc_map(&space->table->pages, number, page_phys(number), true, space->table->user);
    }
    unmap_refresh(space->table, number);
    return state;
}

int page_map(struct space *space, uint32_t number)
{
    struct page *page = page_checked(number);

    if (!page || !space->table)
        return BATON_EOWNER;
    uint64_t state = page_lock(page);
    struct slot *slot = page_slot(page, space->number);
    if (slot && !pagetable_ipc_entry(&space->table->pages, number))
        state = owner_map(space, page, slot, state);
    page_unlock(page, state);
    return slot ? 0 : BATON_EOWNER;
}

enum page_fault_result page_fault(struct space *space, uint64_t address, bool write)
{
    struct page *page = page_checked((uint32_t)((address - IPC_BASE) >> PAGE_SHIFT));
    enum page_fault_result result = PAGE_FAULT_MAPPED;

    if (!page || plainly_not_owner(page, space->number))
        return PAGE_FAULT_NOT_OWNER;
    uint64_t state = page_lock(page);
    struct slot *slot = page_slot(page, space->number);
    if (!slot)
        result = PAGE_FAULT_NOT_OWNER;
    else if (write && page_total(page) > 1)
        result = PAGE_FAULT_READ_ONLY;
    else
        state = owner_map(space, page, slot, state);
    page_unlock(page, state);
    return result;
}
