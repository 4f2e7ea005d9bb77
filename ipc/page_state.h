/*
 * The entry of an IPC page, for ipc/page*.c, and for ipc/direct.c, which hands plain pages over by itself.
 *
 * The state word: lock, form, owner, filler (the space that knows every byte, also those outside the hull),
 * total, hull. Everything about a page with one owning space is in it, so that a hand-over is one
 * compare-and-swap. What translations there are stands in the page's record (mm/unmap.h); MAPPED and PENDING say whether
 * anything does.
 */
#ifndef IPC_PAGE_STATE_H
#define IPC_PAGE_STATE_H

#include <stddef.h>
#include <stdint.h>
#include "core/arch.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/pool.h"
#include "core/seed.h"
#include "ipc/page.h"
#include "ipc/policy.h"
#include "mm/space.h"
#include "mm/unmap.h"

/*
 * What a hand-over looks at is in one row of bits, at receive from bit 0 to PENDING, at send from HULL around to TOTAL: a row is an
 * immediate of an AND instruction.
 */
#define STATE_LOCK    (1ull << 0)
#define STATE_SHARED  (1ull << 1)  /* more than one owning space: they are in the slots */
#define STATE_BOOK    (1ull << 2)  /* it lists other pages: ipc/page_book.h */
#define STATE_MAPPED  (1ull << 3)  /* some table has it mapped: see the record */
#define STATE_PENDING (1ull << 26) /* some unmap may not be complete: see the record */
#define STATE_CACHED  (1ull << 27) /* page 8 */
#define STATE_DEVICE  (1ull << 28) /* in a receive ring: the device may write to it */

#define STATE_OWNER(space)     ((uint64_t)(space) << 4)
#define STATE_TOTAL(count)     ((uint64_t)(count) << 10)
#define STATE_FILLER(space)    ((uint64_t)(space) << 29)
#define STATE_HULL(start, end) ((uint64_t)(start) << 38 | (uint64_t)(end) << 51)

/* What tells that a page has one ownership, by whom, that nobody holds its lock, and that it is no book. */
#define STATE_OWNED (STATE_LOCK | STATE_SHARED | STATE_OWNER(63) | STATE_TOTAL(0xffff))
#define STATE_SOLE  (STATE_OWNED | STATE_BOOK)

/* The whole word of a page in a receive ring, or kept for one; and when the device has written those bytes of it. */
#define STATE_POSTED             (STATE_TOTAL(1) | STATE_FILLER(PAGE_NOBODY) | STATE_DEVICE)
#define STATE_FILLED(start, end) (STATE_TOTAL(1) | STATE_FILLER(PAGE_NOBODY) | STATE_HULL(start, end))

#define PAGE_BOUND 62 /* owner of a page whose book is owned in its place; no space */

static inline uint8_t state_owner(uint64_t state)
{
    return state >> 4 & 63;
}

static inline uint8_t state_filler(uint64_t state)
{
    return state >> 29 & 63;
}

/*
 * Of a page that stays mapped in the trust set of the space, which has it from now on: who has it mapped sees all of it, whatever the
 * message carried, and can write to all of it, and no fault tells. So from now on it is this space that knows every byte.
 */
static inline uint64_t state_kept_by(uint64_t state, unsigned space)
{
    return (state & ~(STATE_FILLER(63) | STATE_HULL(8191, 8191))) | STATE_FILLER(space) |
           STATE_HULL(0, BATON_PAGE_BYTES);
}

static inline uint32_t state_total(uint64_t state)
{
    return state >> 10 & 0xffff;
}

static inline uint32_t state_hull_start(uint64_t state)
{
    return state >> 38 & 8191;
}

static inline uint32_t state_hull_end(uint64_t state)
{
    return state >> 51 & 8191;
}

#define PAGE_SLOTS     10 /* spaces that can own one page at once */
#define OWNERSHIPS_MAX 0xffffu

struct slot {
    uint8_t space;
    uint8_t reserved;
    uint16_t count;
};

struct page {
    uint64_t state; /* (atomic) */
    uint64_t
        handed; /* (atomic) when the owner changed last, and who gave the page up: for reports, see page_note_giver; HANDED_HULL */
    uint8_t used; /* (lock) slots in use */
    bool ready; /* kept for a receive ring, in nobody's hands: free, whatever the word says (page_device.c) */
    uint8_t reserved[2];
    uint32_t next; /* in a limbo: the page behind (ipc/page_limbo.c); sent: see page_note_sent */
    struct slot slots[PAGE_SLOTS]; /* (lock) */
};
_Static_assert(sizeof(struct page) == 64, "one cache line a page");
_Static_assert(SPACES_MAX <= PAGE_BOUND && PAGE_BOUND < PAGE_NOBODY && PAGE_NOBODY < 64,
               "those are no spaces");

extern struct page *page_table;
extern struct unmap_record *page_records;
extern uint32_t page_table_count;
extern struct pool page_pool;

/* In page->handed, in place of the time's lowest bit: page->next says what the hull was before that hand-over. */
#define HANDED_HULL (UINT64_C(1) << 6)

/* That at `now`, in counter ticks, `giver` gave a page up. Who moves many pages makes one of these for all of them. */
static inline uint64_t page_handed(uint64_t now, unsigned giver)
{
    return (now & ~UINT64_C(1)) << 6 | giver;
}

/* Written by whoever has just changed the owner, with or without the lock. */
static inline void page_note_handed(struct page *page, uint64_t handed)
{
    arch_word_store(&page->handed, handed);
}

static inline void page_note_giver(struct page *page, unsigned space)
{
    page_note_handed(page, page_handed(arch_counter_peek(), space));
}

/*
 * The space sent the page, which was its own alone, with this word before: the hull as it was is kept for page_take_back. Whatever
 * changes hands next forgets it. Not needed where the hull stays as it is.
 */
static inline void page_note_sent(struct page *page, unsigned space, uint64_t state)
{
    page->next = (uint32_t)(state >> 38);
    page_note_handed(page, page_handed(arch_counter_peek(), space) | HANDED_HULL);
}

/* The owner is another one, and nobody gave the page up: who did so before stays. */
static inline void page_note_change(struct page *page, uint64_t now)
{
    page_note_handed(page, page_handed(now, arch_word_load(&page->handed) & 63));
}

static inline uint32_t page_number(const struct page *page)
{
    return (uint32_t)(page - page_table);
}

static inline struct unmap_record *page_record(const struct page *page)
{
    return &page_records[page - page_table];
}

/* Of a word read under the lock. */
static inline bool page_is_bound(uint64_t state)
{
    return !(state & STATE_SHARED) && state_total(state) && state_owner(state) == PAGE_BOUND;
}

/* A page number of a caller, checked; NULL beyond. */
static inline struct page *page_checked(uint32_t number)
{
    return number < page_table_count ? &page_table[number] : NULL;
}

/* True when the state word alone shows that `space` owns nothing of it: a forger never takes the lock. */
static inline bool page_plainly_not_owner(const struct page *page, unsigned space)
{
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_RELAXED);

    return !(state & STATE_SHARED) && (!state_total(state) || state_owner(state) != space);
}

/*
 * The common case of a hand-over, and no more of it than the state word: for loops over many pages, which count and note them
 * (page_note_handed) by themselves. `owner` is STATE_OWNER() of the space. False: nothing was done, it is another case.
 *
 * At send, of a piece that is all of the hull, as a frame's is which goes on as it came; at receive, of any piece.
 */
static inline bool page_send_flip(struct page *page, uint64_t owner, uint64_t hull)
{
    return !seed(SEED_PENDING_LOST) &&
           arch_word_flip(&page->state, STATE_SOLE | STATE_MAPPED | STATE_HULL(8191, 8191),
                          STATE_TOTAL(1) | owner | hull, owner);
}

static inline bool page_receive_flip(struct page *page, uint64_t owner)
{
    return arch_word_flip(&page->state, STATE_SOLE | STATE_PENDING | STATE_MAPPED, STATE_TOTAL(1), owner);
}

/*
 * Hand-overs in the common case: the page is owned by `space` alone, mapped nowhere, and nothing about it is pending that the
 * other side must know. False: nothing was done; page_send, page_receive.
 */
static inline bool page_send_plain(struct cpu *cpu, unsigned space, const struct baton_piece *piece)
{
    uint32_t number = piece->page, start = piece->offset & BATON_PIECE_OFFSET_MASK,
             end = start + piece->length;
    struct page *page = &page_table[number];

    if (__builtin_expect(number >= page_table_count, 0))
        return false;
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_RELAXED);
    uint64_t next = (state & ~(STATE_HULL(8191, 8191) | STATE_OWNER(63))) | STATE_HULL(start, end);
    bool plain = (state & (STATE_SOLE | STATE_MAPPED)) == (STATE_OWNER(space) | STATE_TOTAL(1)) &&
                 start >= state_hull_start(state) && end <= state_hull_end(state) && !seed(SEED_PENDING_LOST);
    if (__builtin_expect(!plain || !__atomic_compare_exchange_n(&page->state, &state, next, true,
                                                                __ATOMIC_ACQ_REL, __ATOMIC_RELAXED),
                         0))
        return false;
    page_note_sent(page, space, state);
    cpu->counters[COUNT_TLB_SKIPPED]++;
    cpu->counters[COUNT_PAGES_MOVED]++;
    ledger_note(cpu, LEDGER_SEND, space, number, 0); /* whether trusted made no difference */
    return true;
}

static inline bool page_receive_plain(struct cpu *cpu, unsigned space, struct baton_piece *piece)
{
    struct page *page = &page_table[piece->page];

    if (__builtin_expect(!page_receive_flip(page, STATE_OWNER(space)), 0))
        return false;
    piece->offset &= BATON_PIECE_OFFSET_MASK;
    page_note_giver(page, 0);
    cpu->counters[COUNT_PAGES_MOVED]++;
    ledger_note(cpu, LEDGER_RECEIVE, space, piece->page, 0); /* likewise: nothing is waited for */
    return true;
}

/* Takes the lock bit; spreads the word into the slots; returns the word. Interrupts masked. */
uint64_t page_lock(struct page *page);

/*
 * Sums the slots and the record up into the word (page 1) and lets go. `state` carries filler, hull, CACHED and DEVICE. What
 * was gathered is flushed first, so that whoever takes the lock next finds tickets. page_unlock_gathered leaves that to the
 * caller: the page is the kernel's alone, in a message that nobody else has, or nobody's.
 */
void page_unlock(struct page *page, uint64_t state);
void page_unlock_gathered(struct page *page, uint64_t state);

/* Lets go of a page of which the caller has no part: nothing has changed, and the record may be another's to write. */
static inline void page_unlock_unchanged(struct page *page, uint64_t state)
{
    __atomic_store_n(&page->state, state, __ATOMIC_RELEASE);
}

/* All ownerships. Lock held. */
uint32_t page_total(const struct page *page);

/* The space's slot, NULL when it owns nothing. Lock held. */
struct slot *page_slot(struct page *page, unsigned space);

/* One ownership more for the space: 0, BATON_EOWNERS or BATON_ELIMIT. Lock held. */
int page_slot_gain(struct page *page, unsigned space);

/* Why a space loses an ownership, for the choice of the unmap (DASH 3.4). */
#define LOSE_TRUSTED (1u << 0) /* sent, and the sender believes that the receiver trusts it */
#define LOSE_RELEASE (1u << 1) /* given up: nobody waits for the unmap but whoever gets the page next */
#define LOSE_KEEP    (1u << 2) /* sent inside a trust set: the translations stay (page 9) */
#define LOSE_NOW                                                                                             \
    (1u << 3) /* a trust that ends: nobody may reach the page there any more when the call returns */

/*
 * One ownership less; the last one of the space takes its translation away. Lock held; `slot` is no longer valid. `shared`: there
 * were more ownerships than this one.
 */
void page_slot_lose(struct page *page, struct slot *slot, bool shared, unsigned how);

/*
 * The same inside a trust set, of which `tables` are the translation tables (space->trusts), for a page that some of them have
 * mapped: it stays so. It is narrowed all the same: the set may end before the page arrives, and then the piece is all that is to be
 * seen of it (state_kept_by).
 */
static inline bool page_send_kept(struct cpu *cpu, unsigned space, const struct baton_piece *piece,
                                  uint64_t tables)
{
    struct page *page = &page_table[piece->page];

    if (__builtin_expect(piece->page >= page_table_count, 0))
        return false;
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_RELAXED);
    uint32_t start = piece->offset & BATON_PIECE_OFFSET_MASK;
    uint64_t next =
        (state & ~(STATE_HULL(8191, 8191) | STATE_OWNER(63))) | STATE_HULL(start, start + piece->length);
    if (__builtin_expect(
            (state & (STATE_SOLE | STATE_MAPPED | STATE_HULL(8191, 8191))) !=
                    (STATE_OWNER(space) | STATE_TOTAL(1) | STATE_MAPPED | STATE_HULL(0, BATON_PAGE_BYTES)) ||
                page_record(page)->mapped & ~tables || ledger_noting(cpu) || seed(SEED_PENDING_LOST) ||
                !__atomic_compare_exchange_n(&page->state, &state, next, true, __ATOMIC_ACQ_REL,
                                             __ATOMIC_RELAXED),
            0))
        return false;
    page_note_sent(page, space, state);
    cpu->counters[COUNT_TLB_KEPT]++;
    cpu->counters[COUNT_PAGES_MOVED]++;
    return true;
}

static inline bool page_receive_kept(struct cpu *cpu, unsigned space, struct baton_piece *piece,
                                     uint64_t tables)
{
    struct page *page = &page_table[piece->page];
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_RELAXED);

    if (__builtin_expect((state & (STATE_SOLE | STATE_MAPPED | STATE_PENDING)) !=
                                 (STATE_TOTAL(1) | STATE_MAPPED) ||
                             page_record(page)->mapped & ~tables || ledger_noting(cpu) ||
                             !__atomic_compare_exchange_n(&page->state, &state,
                                                          state_kept_by(state, space) | STATE_OWNER(space),
                                                          true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED),
                         0))
        return false;
    piece->offset &= BATON_PIECE_OFFSET_MASK;
    page_note_giver(page, 0);
    cpu->counters[COUNT_PAGES_MOVED]++;
    return true;
}

/* Which of the three unmaps a translation in this table gets (DASH 3.4, figure 3). */
static inline enum unmap_kind page_unmap_choose(const struct table *table, bool shared, unsigned how)
{
    uint32_t others = __atomic_load_n(&table->cpus, __ATOMIC_RELAXED) & ~(1u << cpu_number());

    if (policy_now() == POLICY_SYNCHRONOUS || how & LOSE_NOW)
        return UNMAP_SYNCHRONOUS;
    if (how & LOSE_RELEASE)
        return UNMAP_SLOW; /* deallocation: whoever gets the page next waits, and nobody may soon */
    if (!others)
        return UNMAP_SYNCHRONOUS; /* figure 3A: on this CPU alone, at once */
    if (shared)
        return UNMAP_SLOW; /* 3B: the old translation shows what its owner knew, and cannot write */
    return how & LOSE_TRUSTED ? UNMAP_SLOW /* 3D */ : UNMAP_FAST /* 3C */;
}

/* Takes away the page's translation in each table of `tables`. Lock held. */
void page_unmap(struct page *page, uint64_t tables, bool shared, unsigned how);

/* The page is about to have a second ownership: nobody may write to it from now on (page 2). Lock held. */
void page_downgrade(struct page *page, unsigned how);

/*
 * Bytes outside the hull that the space did not write itself are zeroed (page 7). `alone`: no other space owns the page. Lock held;
 * returns the new state.
 */
uint64_t page_reveal(struct page *page, uint64_t state, unsigned space, bool alone);

/* True when the space knows all bytes of the page: it, or one of its trust set, filled it. */
bool page_filler_known(uint64_t state, const struct space *space);

/*
 * Brings the entry of an owner's table up to what it may do, `writable` or not; not yet published. Lock held; returns the new
 * state.
 */
uint64_t page_owner_map(struct space *space, struct page *page, uint64_t state, bool writable, bool alone);

/* Tables that may have the page mapped: its owners', and those of the space's trust set. Lock held. */
uint64_t page_tables_allowed(const struct page *page, const struct space *space);

/*
 * The simple case of page_map and of page_send (ipc/page_sole.c): the space owns the page once, and alone; and nobody has it mapped,
 * or the space alone, and what is to be unmapped is gathered. False: it is another case, and nothing has changed.
 */
bool page_map_sole(struct space *space, struct page *page);
bool page_send_sole(struct space *space, struct page *page, const struct baton_piece *piece, unsigned flags);

/* A page just taken from the pool becomes the space's; of the old word the bits in `keep` stay, `set` are
 * added. */
void page_take_over(uint32_t number, unsigned space, uint64_t keep, uint64_t set);

/*
 * The kernel gives up an ownership of a page or book that came from `keeper`: what is free then, and mapped in the set of that space
 * only, goes to its pool as it is.
 */
void page_release_to(const struct space *keeper, uint32_t page);

/* Boot: the pages that are kept for receive rings, none at first. */
void page_device_init(uint32_t count);

/* Pages are short: those that are kept for receive rings are everybody's. False: there were none. */
bool page_device_give_back(void);

/* Free pages, as far as there are any: from the pool, then from the limbos. Returns how many. */
unsigned page_pool_take(uint32_t *pages, unsigned count);

/* Pages that nobody owns any more, at most BATON_BATCH: to the pool, or to the limbo while their unmaps are not complete. */
void page_pool_give(const uint32_t *pages, unsigned count);

#endif
