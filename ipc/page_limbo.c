/* Free pages, and those that are not free yet: see page_limbo.h. */
#include "ipc/page_limbo.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/seed.h"
#include "ipc/page_set.h"
#include "ipc/page_state.h"

#define NONE UINT32_MAX
#define REAP_ABOVE                                                                                           \
    64 /* pages in a limbo from which on a taker looks there first: they are warm, and it is time */

static struct limbo {
    struct spinlock lock;
    uint32_t count;       /* (atomic; changed under the lock) */
    uint32_t first, last; /* (lock) */
    uint32_t seen;        /* (own CPU) what was first at the last tick */
} limbos[CPUS_MAX];

static void limbo_add(struct limbo *limbo, uint32_t number)
{
    page_table[number].next = NONE;
    spin_lock(&limbo->lock);
    if (limbo->count)
        page_table[limbo->last].next = number;
    else
        limbo->first = number;
    limbo->last = number;
    __atomic_store_n(&limbo->count, limbo->count + 1, __ATOMIC_RELAXED);
    spin_unlock(&limbo->lock);
}

static void limbo_pop(struct limbo *limbo)
{
    limbo->first = page_table[limbo->first].next;
    __atomic_store_n(&limbo->count, limbo->count - 1, __ATOMIC_RELAXED);
}

/* Takes pages from the front as long as their unmaps are complete; with `all`, whether they are or not. */
static unsigned limbo_take(struct limbo *limbo, uint32_t *pages, unsigned count, bool all)
{
    unsigned taken = 0;

    spin_lock(&limbo->lock);
    while (taken < count && limbo->count && (all || unmap_through(&page_records[limbo->first]))) {
        pages[taken++] = limbo->first;
        limbo_pop(limbo);
    }
    spin_unlock(&limbo->lock);
    return taken;
}

/* Their unmaps are complete: the state words say so, and the pool has them. */
static void pages_free(const uint32_t *pages, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct page *page = &page_table[pages[i]];
        page_unlock_gathered(page, page_lock(page));
        ledger_note(cpu_self(), LEDGER_FREED, 0, pages[i], 0);
    }
    pool_give(&page_pool, pages, count);
}

void page_pool_give(const uint32_t *pages, unsigned count)
{
    uint32_t ready[BATON_BATCH];
    unsigned free = 0;

    for (unsigned i = 0; i < count; i++) {
        struct unmap_record *record = &page_records[pages[i]];
        if (seed(SEED_EARLY_RECYCLE))
            record->cpus = 0;
        if (record->tables && !unmap_through(record)) {
            limbo_add(&limbos[cpu_number()], pages[i]);
            continue;
        }
        if (__atomic_load_n(&page_table[pages[i]].state, __ATOMIC_RELAXED) & STATE_PENDING) {
            pages_free(&pages[i], 1);
            continue;
        }
        ready[free++] = pages[i];
    }
    ledger_note_pages(cpu_self(), LEDGER_FREED, 0, ready, free);
    pool_give(&page_pool, ready, free);
}

bool page_limbo_reap(void)
{
    struct limbo *limbo = &limbos[cpu_number()];
    uint32_t pages[BATON_BATCH];

    while (__atomic_load_n(&limbo->count, __ATOMIC_RELAXED)) {
        unsigned taken = limbo_take(limbo, pages, BATON_BATCH, false);
        if (!taken)
            return true;
        pages_free(pages, taken);
    }
    return false;
}

void page_limbo_tick(void)
{
    struct limbo *limbo = &limbos[cpu_number()];
    bool left = page_limbo_reap();

    spin_lock(&limbo->lock);
    if (left && limbo->count && limbo->first == limbo->seen)
        unmap_ring(&page_records[limbo->first]);
    limbo->seen = limbo->count ? limbo->first : NONE;
    spin_unlock(&limbo->lock);
}

uint32_t page_limbo_count(void)
{
    uint32_t sum = 0;

    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
        sum += __atomic_load_n(&limbos[cpu].count, __ATOMIC_RELAXED);
    return sum;
}

/* Pages are short: whatever is in a limbo is completed, by dropping the ASIDs that it waits for. */
static void limbos_empty(void)
{
    uint32_t pages[BATON_BATCH];
    struct unmap_record *records[BATON_BATCH];

    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
        for (unsigned taken; (taken = limbo_take(&limbos[cpu], pages, BATON_BATCH, true));) {
            for (unsigned i = 0; i < taken; i++)
                records[i] = &page_records[pages[i]];
            unmap_complete_all(records, taken);
            for (unsigned i = 0; i < taken; i++)
                ledger_note(cpu_self(), LEDGER_COMPLETE, 0, pages[i], 1);
            pages_free(pages, taken);
        }
}

unsigned page_pool_take(uint32_t *pages, unsigned count)
{
    if (__atomic_load_n(&limbos[cpu_number()].count, __ATOMIC_RELAXED) > REAP_ABOVE) {
        unmap_poll();
        page_limbo_reap();
    }
    unsigned got = pool_take(&page_pool, pages, count);
    if (got < count) {
        page_device_give_back();
        page_sets_give_back(); /* to the limbos */
        limbos_empty();
        got += pool_take(&page_pool, pages + got, count - got);
    }
    return got;
}
