/* Trust sets and their pools: see page_set.h. */
#include "ipc/page_set.h"
#include <stddef.h>
#include "core/cpu.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/string.h"
#include "ipc/page_state.h"
#include "mm/kernel_map.h"
#include "mm/space.h"
#include "mm/unmap.h"

#define NO_SET  0
#define NO_PAGE UINT32_MAX
#define SHARE   8  /* a pool holds at most this part of all pages */
#define BATCH   32 /* pages looked at with interrupts masked */

/* A set, numbered from 1; with unmap=copy a space, by its number. */
static struct set {
    char name[TRUST_NAME];
    struct spinlock lock;
    bool open;      /* (lock) */
    uint32_t count; /* (atomic; changed under the lock) */
    uint32_t first; /* (lock) the pages in the pool, linked by page->next */
} sets[SPACES_MAX];

static uint8_t set_of[SPACES_MAX];      /* (console, boot) by space: what the tables and `trust` say */
static struct set *pool_of[SPACES_MAX]; /* (atomic) by space: where it gives and takes now; NULL: nowhere */

/* ---- Who belongs together ---- */

bool page_set_name_valid(const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < length; i++)
        if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') && name[i] != '-')
            return false;
    return length && length < TRUST_NAME && strcmp(name, "none");
}

static bool set_used(unsigned number)
{
    for (unsigned i = 0; i < SPACES_MAX; i++)
        if (set_of[i] == number)
            return true;
    return false;
}

/* The set of that name, or one without members that takes the name. There are as many as spaces, so there always is one. */
static unsigned set_find(const char *name)
{
    unsigned free = NO_SET;

    for (unsigned i = 1; i < SPACES_MAX; i++) {
        if (!set_used(i))
            free = free ? free : i;
        else if (!strcmp(sets[i].name, name))
            return i;
    }
    invariant(free, "page_set: a set for each space");
    memcpy(sets[free].name, name, strlen(name) + 1);
    return free;
}

int page_set_join(struct space *space, const char *name)
{
    if (name && !page_set_name_valid(name))
        return BATON_EINVAL;
    set_of[space->number] =
        NO_SET; /* else the set that it leaves, if it was alone there, could not be had again */
    if (name)
        set_of[space->number] = (uint8_t)set_find(name);
    return 0;
}

const char *page_set_name(const struct space *space)
{
    return set_of[space->number] ? sets[set_of[space->number]].name : NULL;
}

static struct set *pool_for(const struct space *space)
{
    return __atomic_load_n(&pool_of[space->number], __ATOMIC_RELAXED);
}

uint32_t page_set_pooled(const struct space *space)
{
    const struct set *set = pool_for(space);

    return set ? __atomic_load_n(&set->count, __ATOMIC_RELAXED) : 0;
}

/* ---- The pool ---- */

unsigned page_set_take(const struct space *space, unsigned owner, uint32_t *pages, unsigned count)
{
    struct set *set = pool_for(space);
    unsigned taken = 0;

    if (!set || !__atomic_load_n(&set->count, __ATOMIC_RELAXED))
        return 0;
    spin_lock(&set->lock);
    for (; taken < count && set->count; taken++) {
        pages[taken] = set->first;
        set->first = page_table[set->first].next;
        __atomic_store_n(&set->count, set->count - 1, __ATOMIC_RELAXED);
    }
    spin_unlock(&set->lock);
    for (unsigned i = 0; i < taken; i++)
        page_take_over(pages[i], owner, STATE_CACHED | STATE_MAPPED, state_kept_by(0, owner));
    return taken;
}

void page_set_zero(uint32_t page)
{
    kernel_map_scrub(page_phys(page), PAGE_SIZE, PAGE_SIZE);
    cpu_self()->counters[COUNT_PAGES_SCRUBBED]++;
}

bool page_set_keeps(const struct space *space, const struct page *page)
{
    const struct set *set = pool_for(space);
    const struct unmap_record *record = page_record(page);

    return set && record->mapped && !record->tables &&
           !(record->mapped & ~__atomic_load_n(&space->trusts, __ATOMIC_RELAXED)) &&
           __atomic_load_n(&set->count, __ATOMIC_RELAXED) < page_table_count / SHARE;
}

/* Unmaps free pages, and gives them to the general pool: see page_limbo.h for when they can be had. */
static void pages_unmap(const uint32_t *pages, unsigned count)
{
    for (unsigned done = 0, part; done < count; done += part) {
        part = count - done < BATON_BATCH ? count - done : BATON_BATCH;
        for (unsigned i = done; i < done + part; i++) {
            struct page *page = &page_table[pages[i]];
            uint64_t state = page_lock(page);
            page_unmap(page, page_record(page)->mapped, false, LOSE_RELEASE);
            page_unlock_gathered(page, state);
        }
        unmap_flush();
        page_pool_give(pages + done, part);
    }
}

void page_set_give(const struct space *space, const uint32_t *pages, unsigned count)
{
    struct set *set = pool_for(space);
    unsigned given = 0;

    if (set && count) {
        spin_lock(&set->lock);
        /* Once more: since that was found to be so this CPU may have made a pass, and the set have ended and begun with others */
        for (; set->open && pool_for(space) == set && given < count &&
               page_set_keeps(space, &page_table[pages[given]]);
             given++) {
            page_table[pages[given]].next = set->count ? set->first : NO_PAGE;
            set->first = pages[given];
            __atomic_store_n(&set->count, set->count + 1, __ATOMIC_RELAXED);
        }
        spin_unlock(&set->lock);
    }
    pages_unmap(pages + given, count - given);
}

static void set_empty(struct set *set)
{
    uint32_t pages[BATCH];
    unsigned taken;

    do {
        spin_lock(&set->lock);
        for (taken = 0; taken < BATCH && set->count; taken++) {
            pages[taken] = set->first;
            set->first = page_table[set->first].next;
            __atomic_store_n(&set->count, set->count - 1, __ATOMIC_RELAXED);
        }
        spin_unlock(&set->lock);
        pages_unmap(pages, taken);
    } while (taken == BATCH);
}

void page_sets_give_back(void)
{
    for (unsigned i = 1; i < SPACES_MAX; i++)
        if (__atomic_load_n(&sets[i].count, __ATOMIC_RELAXED))
            set_empty(&sets[i]);
}

/* ---- Translations that only trust allows ---- */

/* Takes the page out of those of `tables` that have it and are no owner's. At once: nobody may see it there any more. */
static void page_take_strays(struct page *page, uint64_t tables)
{
    uint64_t seen = __atomic_load_n(&page->state, __ATOMIC_RELAXED);

    if (!(seen & (STATE_MAPPED | STATE_LOCK)))
        return;
    uint64_t state = page_lock(page);
    /* Free, in a limbo, or in a message whose unmaps are gathered: then its record is another CPU's, which writes to it without the lock */
    if (!(state & STATE_MAPPED)) {
        page_unlock_unchanged(page, state);
        return;
    }
    for (unsigned i = 0; i < page->used; i++) {
        const struct space *owner = space_at(page->slots[i].space);
        if (owner && owner->table) /* NULL: owned by way of another page; whoever may have it maps it again */
            tables &= ~table_bit(owner->table);
    }
    uint64_t mapped = page_record(page)->mapped;
    /* A book's page is believed to be known by who mapped it last. Where others had it too they may have written to it since, without a fault */
    if (page_is_bound(state) && mapped & tables && mapped & (mapped - 1))
        state = (state & ~STATE_FILLER(63)) | STATE_FILLER(PAGE_NOBODY);
    page_unmap(page, mapped & tables, false, LOSE_NOW);
    page_unlock(page, state);
}

static void strays_take(uint64_t tables)
{
    for (uint32_t i = 0; i < page_table_count;) {
        uint64_t flags = arch_irq_save();
        for (uint32_t end = i + BATCH; i < end && i < page_table_count; i++)
            page_take_strays(&page_table[i], tables);
        arch_irq_restore(flags);
    }
}

/* ---- Beginning and ending ---- */

/* The tables of all spaces that are in one set with the space. */
static uint64_t tables_of_set(const struct space *space)
{
    const struct space *other;
    uint64_t tables = 0;

    for (unsigned i = 1; (other = space_at(i)); i++)
        if (other->table && set_of[i] == set_of[space->number])
            tables |= table_bit(other->table);
    return tables;
}

static void set_open(struct space *space, unsigned number, uint64_t trusts)
{
    struct set *set = &sets[number];
    uint64_t flags = arch_irq_save();

    spin_lock(&set->lock);
    set->open = true;
    spin_unlock(&set->lock);
    __atomic_store_n(&space->trusts, trusts, __ATOMIC_RELAXED);
    __atomic_store_n(&pool_of[space->number], set, __ATOMIC_RELAXED);
    arch_irq_restore(flags);
}

void page_sets_open(enum policy which)
{
    struct space *space;

    for (unsigned i = 1; (space = space_at(i)); i++) {
        if (!space->table)
            continue;
        if (which == POLICY_COPY)
            set_open(space, i, table_bit(space->table));
        else if (which == POLICY_PATH && set_of[i])
            set_open(space, set_of[i], tables_of_set(space));
    }
}

void page_sets_close(void)
{
    struct space *space;
    bool any = false;

    for (unsigned i = 1; (space = space_at(i)); i++) {
        any |= __atomic_exchange_n(&space->trusts, 0, __ATOMIC_RELAXED) != 0;
        __atomic_store_n(&pool_of[i], NULL, __ATOMIC_RELAXED);
    }
    if (!any)
        return;
    for (unsigned i = 1; i < SPACES_MAX; i++) {
        uint64_t flags = arch_irq_save();
        spin_lock(&sets[i].lock);
        sets[i].open = false;
        spin_unlock(&sets[i].lock);
        arch_irq_restore(flags);
    }
    /* Else a send that has just read the old set could leave a translation behind, on a page already looked at. A pass is made
       outside of any hand-over, or under the page's lock, and then we wait for that. */
    unmap_settle();
    uint64_t flags = arch_irq_save();
    page_sets_give_back();
    arch_irq_restore(flags);
    strays_take(UINT64_MAX);
}

void page_set_member_died(struct space *space)
{
    struct set *set = pool_for(space);

    if (!space->table || !set)
        return;
    set_empty(set);
    /* Its table gets no new entry any more: it has no thread, and owns nothing. */
    strays_take(table_bit(space->table));
}
