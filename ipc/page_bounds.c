/*
 * All pages of a book at once: see page_book_state.h. This is most of what a big message costs that nobody looks at, so it is written
 * to be short, and built for speed.
 */
#include "ipc/page_book_state.h"
#include "core/arch.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/log.h"
#include "core/pool.h"
#include "ipc/page_state.h"

void bounds_take(const uint32_t *pages, unsigned count, uint32_t book, struct baton_piece *list)
{
    const uint64_t taken = STATE_OWNER(PAGE_BOUND) | STATE_TOTAL(1) | STATE_FILLER(PAGE_NOBODY);
    const struct bound bound = {.book = book, .touched = UNTOUCHED, .length = PAGE_SIZE};
    struct page *const table = page_table;
    union binding *const bindings = page_bindings;
    uint64_t now = arch_counter_peek();

    for (const uint32_t *end = pages + count; pages < end; list++) {
        const uint32_t number = *pages++;
        struct page *page = &table[number];
        uint64_t state = __atomic_load_n(&page->state, __ATOMIC_RELAXED), next;
        bindings[number].bound = bound; /* first: the page may have been another book's before (book 2) */
        do {
            state &= ~STATE_LOCK; /* whoever looks under the lock finds no slot of its own and lets go */
            invariant(!(state & (STATE_TOTAL(0xffff) | STATE_PENDING)), "page 1, 4");
            next = (state & STATE_CACHED) | taken;
        } while (!__atomic_compare_exchange_n(&page->state, &state, next, true, __ATOMIC_RELEASE,
                                              __ATOMIC_RELAXED));
        page_note_change(page, now);
        *list = (struct baton_piece){.page = number, .length = PAGE_SIZE};
    }
}

/* A bound page is nobody's: whoever looks at it under its lock finds no slot of its own, and lets go. */
static void bound_disown(struct page *page)
{
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_RELAXED), next;

    do {
        state &= ~STATE_LOCK;
        next = state & ~(STATE_OWNER(63) | STATE_TOTAL(0xffff));
    } while (
        !__atomic_compare_exchange_n(&page->state, &state, next, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

void bounds_free_untouched(const struct baton_piece *list, unsigned count, unsigned space)
{
    const uint64_t bound = STATE_OWNER(PAGE_BOUND) | STATE_TOTAL(1);
    struct page *const table = page_table;
    uint32_t freed[BATON_BATCH];
    uint64_t handed = page_handed(arch_counter_peek(), space);

    for (unsigned i = 0; i < count; i++) {
        struct page *page = &table[freed[i] = list[i].page];
        if (!arch_word_flip(&page->state, STATE_LOCK | STATE_OWNER(63) | STATE_TOTAL(0xffff), bound, bound))
            bound_disown(page);
        page_note_handed(page, handed);
    }
    for (unsigned i = 0; ledger_noting(cpu_self()) && i < count; i++) {
        ledger_note(cpu_self(), LEDGER_RELEASE, space, freed[i], 0);
        ledger_note(cpu_self(), LEDGER_FREED, 0, freed[i], 0);
    }
    pool_give(&page_pool, freed, count);
}
