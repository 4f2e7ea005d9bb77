/* What the tests of trust sets and of messages by value share: spaces a and b in one set, c outside; a, b, c on CPUs 0, 1, 3. */
#ifndef TEST_HOST_SET_CASES_H
#define TEST_HOST_SET_CASES_H

#include "core/cpu.h"
#include "ipc/copy.h"
#include "ipc/page_book.h"
#include "ipc/page_limbo.h"
#include "ipc/page_set.h"
#include "ipc/policy.h"
#include "ipc/rpc.h"
#include "mm/space.h"
#include "mm/unmap.h"
#include "test/host/page_cases.h"

#define PIECE_START 100u
#define PIECE_BYTES 50u

/* No message here is a call, and nobody waits at a port. */
void rpc_abort(struct message *request)
{
    fail_msg("message %p is no call", (void *)request);
}

/* a, b and c run on CPUs 0, 1 and 3. The oracle of ownership.h knows of no sets: pages are handed over without it. */
static inline void begin_with(enum policy which)
{
    begin();
    machine_scrubbing = NULL;
    cpu_count = MACHINE_CPUS;
    message_pool_init(64);
    assert_int_equal(page_set_join(a, "pair"), 0);
    assert_int_equal(page_set_join(b, "pair"), 0);
    policy_begin(which, TLB_BROADCAST);
}

static inline uint64_t counter(enum counter which)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < CPUS_MAX; i++)
        sum += cpus[i].counters[which];
    return sum;
}

static inline uint64_t unmaps(void)
{
    return counter(COUNT_TLB_LOCAL) + counter(COUNT_TLB_BROADCAST) + counter(COUNT_TLB_QUEUED);
}

static inline bool reaches(unsigned cpu, uint32_t page)
{
    return machine_frame_reachable(cpu, page_phys(page));
}

/* The space uses the page on its CPU: mapped by a fault, if it has to be. */
static inline void use(unsigned cpu, struct space *space, uint32_t page)
{
    uint64_t phys;

    machine_run_on(cpu);
    if (machine_access(cpu, IPC_BASE + page * PAGE_SIZE, true, true, &phys) != MACHINE_DONE)
        assert_int_equal(page_fault(space, IPC_BASE + page * PAGE_SIZE, true), PAGE_FAULT_MAPPED);
    assert_int_equal(machine_access(cpu, IPC_BASE + page * PAGE_SIZE, true, true, &phys), MACHINE_DONE);
    assert_int_equal(phys, page_phys(page));
}

static inline uint32_t got(unsigned cpu, struct space *space)
{
    uint32_t page = 0;

    machine_run_on(cpu);
    assert_int_equal(page_get(space, &page, 1), 1);
    return page;
}

static inline void hand_over(unsigned cpu, struct space *from, unsigned to_cpu, struct space *to,
                             struct baton_piece piece)
{
    machine_run_on(cpu);
    assert_int_equal(page_send(from, &piece, 0, to), 0);
    unmap_flush();
    machine_run_on(to_cpu);
    assert_int_equal(page_receive(to, &piece, false), 0);
}

static inline void conserved(void)
{
    struct page_counts counts;

    page_count(&counts);
    assert_int_equal(counts.free + counts.owned + counts.in_flight, PAGES);
}

/* ---- Books ---- */

#define LEAVES 3u

/* A book of a's, on CPU 0, with all its pages in use. */
static inline struct baton_piece book_made(uint32_t *leaves)
{
    machine_run_on(0);
    int book = book_get(a, LEAVES * PAGE_SIZE);
    assert_true(book >= 0);
    const struct baton_book *list = (const void *)machine_memory(page_phys((uint32_t)book));
    for (unsigned i = 0; i < LEAVES; i++) {
        leaves[i] = list->piece[i].page;
        use(0, a, leaves[i]);
    }
    return (struct baton_piece){(uint32_t)book, BATON_PIECE_BOOK, LEAVES};
}

#endif
