/*
 * ipc/page_set.h and ipc/copy.h, rule by rule, on the machine whose TLBs keep whatever they may: what stays mapped inside a
 * trust set, that nothing does outside of it or after it, and what a message by value costs and shows.
 */
#include "core/cpu.h"
#include "ipc/copy.h"
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
static void begin_with(enum policy which)
{
    begin();
    machine_scrubbing = NULL;
    cpu_count = MACHINE_CPUS;
    message_pool_init(64);
    assert_int_equal(page_set_join(a, "pair"), 0);
    assert_int_equal(page_set_join(b, "pair"), 0);
    policy_begin(which, TLB_BROADCAST);
}

static uint64_t counter(enum counter which)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < CPUS_MAX; i++)
        sum += cpus[i].counters[which];
    return sum;
}

static uint64_t unmaps(void)
{
    return counter(COUNT_TLB_LOCAL) + counter(COUNT_TLB_BROADCAST) + counter(COUNT_TLB_QUEUED);
}

static bool reaches(unsigned cpu, uint32_t page)
{
    return machine_frame_reachable(cpu, page_phys(page));
}

/* The space uses the page on its CPU: mapped by a fault, if it has to be. */
static void use(unsigned cpu, struct space *space, uint32_t page)
{
    uint64_t phys;

    machine_run_on(cpu);
    if (machine_access(cpu, IPC_BASE + page * PAGE_SIZE, true, true, &phys) != MACHINE_DONE)
        assert_int_equal(page_fault(space, IPC_BASE + page * PAGE_SIZE, true), PAGE_FAULT_MAPPED);
    assert_int_equal(machine_access(cpu, IPC_BASE + page * PAGE_SIZE, true, true, &phys), MACHINE_DONE);
    assert_int_equal(phys, page_phys(page));
}

static uint32_t got(unsigned cpu, struct space *space)
{
    uint32_t page = 0;

    machine_run_on(cpu);
    assert_int_equal(page_get(space, &page, 1), 1);
    return page;
}

static void hand_over(unsigned cpu, struct space *from, unsigned to_cpu, struct space *to,
                      struct baton_piece piece)
{
    machine_run_on(cpu);
    assert_int_equal(page_send(from, &piece, 0, to), 0);
    unmap_flush();
    machine_run_on(to_cpu);
    assert_int_equal(page_receive(to, &piece, false), 0);
}

static void conserved(void)
{
    struct page_counts counts;

    page_count(&counts);
    assert_int_equal(counts.free + counts.owned + counts.in_flight, PAGES);
}

/* ---- Inside ---- */

static void test_stays_mapped_inside(void **state)
{
    (void)state;
    begin_with(POLICY_PATH);
    uint32_t page = got(0, a);
    use(0, a, page);
    hand_over(0, a, 1, b, whole(page));
    use(1, b, page);
    assert_true(reaches(0, page)); /* shared memory, as is said */
    uint64_t before = unmaps(), maps = counter(COUNT_PAGES_MAPPED);
    for (unsigned i = 0; i < 10; i++) {
        hand_over(1, b, 0, a, whole(page));
        use(0, a, page);
        hand_over(0, a, 1, b, whole(page));
        use(1, b, page);
    }
    assert_int_equal(unmaps(), before);
    assert_int_equal(counter(COUNT_PAGES_MAPPED), maps);
    assert_int_equal(counter(COUNT_TLB_KEPT), 21);
    conserved();
}

static void test_pool_keeps_pages_mapped(void **state)
{
    (void)state;
    begin_with(POLICY_PATH);
    uint32_t page = got(0, a);
    use(0, a, page);
    assert_int_equal(page_release(a, page), 0);
    assert_int_equal(page_set_pooled(a), 1);
    assert_int_equal(page_set_pooled(b), 1); /* the same pool */
    assert_int_equal(page_set_pooled(c), 0);
    assert_int_equal(got(1, b), page);
    assert_true(reaches(0, page));
    assert_int_equal(unmaps(), 0);
    conserved();
}

static void test_pool_is_bounded(void **state)
{
    uint32_t pages[8];

    (void)state;
    begin_with(POLICY_PATH);
    a->page_limit = 64;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 8; i++)
            use(0, a, pages[i] = got(0, a));
        uint32_t more = got(0, a);
        use(0, a, more);
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(page_release(a, pages[i]), 0);
        assert_int_equal(page_release(a, more), 0);
        assert_int_equal(page_set_pooled(a), PAGES / 8);
    }
    conserved();
}

/* Pools give back what they have before anybody is told that there is none. */
static void test_shortage(void **state)
{
    uint32_t pages[PAGES], taken = 0;

    (void)state;
    begin_with(POLICY_PATH);
    for (unsigned i = 0; i < 6; i++)
        use(0, a, pages[i] = got(0, a));
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(page_release(a, pages[i]), 0);
    assert_int_equal(page_set_pooled(a), 6);
    machine_run_on(3);
    while (page_get_device(&pages[taken], 1))
        taken++;
    assert_int_equal(page_set_pooled(a), 0);
    for (unsigned i = 0; i < taken; i++)
        assert_false(reaches(0, pages[i]));
    assert_true(taken >= PAGES - 8); /* a few lie in CPU 0's magazine */
    conserved();
}

/* ---- Outside ---- */

static void test_leaves_every_table(void **state)
{
    struct baton_piece part;

    (void)state;
    begin_with(POLICY_PATH);
    uint32_t page = got(0, a);
    use(0, a, page);
    hand_over(0, a, 1, b, whole(page));
    use(1, b, page);
    memset(machine_memory(page_phys(page)), 0x5a, PAGE_SIZE);
    part = (struct baton_piece){page, PIECE_START, PIECE_BYTES};
    hand_over(1, b, 3, c, part);
    assert_false(reaches(0, page));
    assert_false(reaches(1, page));
    use(3, c, page);
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(machine_memory(page_phys(page))[i], i - PIECE_START < PIECE_BYTES ? 0x5a : 0);
    conserved();
}

static void test_device_is_outside(void **state)
{
    (void)state;
    begin_with(POLICY_PATH);
    uint32_t page = got(0, a);
    struct baton_piece piece = whole(page);
    use(0, a, page);
    assert_int_equal(page_send(a, &piece, 0, space_at(0)), 0);
    unmap_flush();
    machine_run_on(1);
    unmap_settle();
    assert_false(reaches(0, page));
}

/* The same services under other policies: nothing is kept. */
static void test_only_with_path(void **state)
{
    (void)state;
    begin_with(POLICY_DASH);
    uint32_t page = got(0, a);
    use(0, a, page);
    hand_over(0, a, 1, b, whole(page));
    assert_false(reaches(0, page));
    use(1, b, page);
    machine_run_on(1);
    assert_int_equal(page_release(b, page), 0);
    assert_int_equal(page_set_pooled(b), 0);
    assert_int_equal(counter(COUNT_TLB_KEPT), 0);
}

/* ---- Ends ---- */

/* One page with each kind of holder: its owner, a former owner, a message, the pool. */
static void test_change_while_pages_circulate(void **state)
{
    (void)state;
    begin_with(POLICY_PATH);
    uint32_t owned = got(0, a), queued = got(0, a), pooled = got(0, a);
    struct baton_piece piece = whole(queued);
    use(0, a, owned);
    use(0, a, queued);
    use(0, a, pooled);
    hand_over(0, a, 1, b, whole(owned));
    use(1, b, owned);
    machine_run_on(0);
    assert_int_equal(page_send(a, &piece, 0, b), 0);
    assert_int_equal(page_release(a, pooled), 0);
    machine_run_on(2);
    policy_change(POLICY_DASH, TLB_IPI);
    assert_false(reaches(0, owned));
    assert_true(reaches(1, owned)); /* its owner's */
    assert_false(reaches(0, queued));
    assert_int_equal(page_set_pooled(a), 0);
    machine_run_on(1);
    assert_int_equal(page_receive(b, &piece, false), 0);
    use(1, b, queued);
    unmap_settle();
    assert_false(reaches(0, pooled));
    conserved();
    policy_change(POLICY_PATH, TLB_BROADCAST);
    hand_over(1, b, 0, a, whole(queued));
    assert_true(reaches(1, queued));
}

static void test_member_leaves(void **state)
{
    (void)state;
    begin_with(POLICY_PATH);
    uint32_t page = got(0, a);
    use(0, a, page);
    hand_over(0, a, 1, b, whole(page));
    machine_run_on(2);
    page_sets_close();
    assert_int_equal(page_set_join(b, "other"), 0);
    page_sets_open(POLICY_PATH);
    assert_false(reaches(0, page));
    use(1, b, page);
    hand_over(1, b, 0, a, whole(page));
    assert_false(reaches(1, page));
    assert_int_equal(page_set_join(b, NULL), 0);
    assert_null(page_set_name(b));
    assert_string_equal(page_set_name(a), "pair");
}

static void test_member_dies(void **state)
{
    (void)state;
    begin_with(POLICY_PATH);
    uint32_t page = got(0, a), pooled = got(0, a);
    use(0, a, page);
    use(0, a, pooled);
    hand_over(0, a, 1, b, whole(page));
    use(1, b, page);
    machine_run_on(0);
    assert_int_equal(page_release(a, pooled), 0);
    page_release_all(a);
    page_set_member_died(a);
    assert_false(reaches(0, page));
    assert_true(reaches(1, page));
    assert_int_equal(page_set_pooled(b), 0);
    machine_run_on(1);
    unmap_settle();
    assert_false(reaches(0, pooled));
    conserved();
}

static void test_names(void **state)
{
    static const char *const wrong[] = {"", "none", "A", "a b", "a_b", "sixteen-letters-"};

    (void)state;
    begin_with(POLICY_PATH);
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(page_set_join(a, wrong[i]), BATON_EINVAL);
    assert_string_equal(page_set_name(a), "pair");
    for (unsigned i = 0; i < 100; i++) { /* more names than there are sets, one after the other */
        char name[TRUST_NAME];
        snprintf(name, sizeof name, "set-%u", i);
        assert_int_equal(page_set_join(a, name), 0);
        assert_string_equal(page_set_name(a), name);
    }
}

/* ---- By value ---- */

static struct message *message_of(struct baton_piece piece)
{
    struct message *message = message_take();

    assert_non_null(message);
    message->abi = (struct baton_message){.length = piece.length, .pieces = 1};
    message->abi.piece[0] = piece;
    return message;
}

static void test_copy(void **state)
{
    (void)state;
    begin_with(POLICY_COPY);
    uint32_t page = got(0, a);
    use(0, a, page);
    memset(machine_memory(page_phys(page)), 0x5a, PAGE_SIZE);
    struct message *message = message_of((struct baton_piece){page, PIECE_START, PIECE_BYTES});
    machine_run_on(0);
    assert_int_equal(copy_send(a, message, false, b), 0);
    uint32_t copy = message->abi.piece[0].page;
    assert_int_not_equal(copy, page);
    assert_int_equal(counter(COUNT_PAYLOAD_BYTES), PIECE_BYTES);
    assert_int_equal(page_release(a, page), BATON_EOWNER); /* it is on its way, as a sent page is */
    copy_settle(a, message->original);
    assert_int_equal(page_set_pooled(a), 1);
    assert_true(reaches(0, page));
    assert_false(reaches(0, copy));
    machine_run_on(1);
    assert_int_equal(page_receive(b, &message->abi.piece[0], false), 0);
    use(1, b, copy);
    assert_false(reaches(1, page));
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(machine_memory(page_phys(copy))[i], i - PIECE_START < PIECE_BYTES ? 0x5a : 0);
    message_give(message);
    assert_int_equal(unmaps(), 0);
    conserved();
}

/* Back and forth: after the first time each side has its pages, mapped, and nothing is done to any table. */
static void test_copy_steady(void **state)
{
    (void)state;
    begin_with(POLICY_COPY);
    uint64_t maps = 0;
    for (unsigned i = 0; i < 20; i++) {
        uint32_t page = got(0, a);
        use(0, a, page);
        struct message *message = message_of(whole(page));
        assert_int_equal(copy_send(a, message, false, b), 0);
        page_account(a, -1); /* as transfer_in does */
        copy_settle(a, message->original);
        machine_run_on(1);
        struct baton_piece piece = message->abi.piece[0];
        message_give(message);
        assert_int_equal(page_receive(b, &piece, false), 0);
        use(1, b, piece.page);
        assert_int_equal(page_release(b, piece.page), 0);
        if (!i)
            maps = counter(COUNT_PAGES_MAPPED);
    }
    assert_int_equal(counter(COUNT_PAGES_MAPPED), maps);
    assert_int_equal(unmaps(), 0);
    assert_int_equal(counter(COUNT_PAYLOAD_BYTES), 20 * PAGE_SIZE);
    conserved();
}

/* What could not be sent is the sender's again: the same page, mapped. */
static void test_copy_undo(void **state)
{
    (void)state;
    begin_with(POLICY_COPY);
    uint32_t page = got(0, a);
    use(0, a, page);
    struct message *message = message_of(whole(page));
    assert_int_equal(copy_send(a, message, false, b), 0);
    copy_undo(message, message->original, b);
    assert_int_equal(message->abi.piece[0].page, page);
    assert_int_equal(page_receive(a, &message->abi.piece[0], true), 0);
    message_give(message);
    assert_true(reaches(0, page));
    assert_int_equal(page_release(a, page), 0);
    assert_int_equal(unmaps(), 0);
    conserved();
}

/* Of a page that its sender never looked at, the receiver sees zeros, not what the owner before left there. */
static void test_copy_of_unseen(void **state)
{
    (void)state;
    begin_with(POLICY_COPY);
    uint32_t page = got(0, a);
    memset(machine_memory(page_phys(page)), 0x5a, PAGE_SIZE); /* left by somebody else */
    struct message *message = message_of((struct baton_piece){page, PIECE_START, PIECE_BYTES});
    assert_int_equal(copy_send(a, message, false, b), 0);
    for (unsigned i = 0; i < PIECE_BYTES; i++)
        assert_int_equal(machine_memory(page_phys(message->abi.piece[0].page))[PIECE_START + i], 0);
    copy_settle(a, message->original);
    message_drop(message);
    conserved();
}

static void test_copy_errors(void **state)
{
    uint32_t pages[PAGES], taken = 0;

    (void)state;
    begin_with(POLICY_COPY);
    uint32_t page = got(0, a);
    use(0, a, page);
    struct message *message = message_of(whole(page));
    message->abi.pieces = 2;
    message->abi.piece[1] = (struct baton_piece){page, 0, 1}; /* owned once only */
    assert_int_equal(copy_send(a, message, false, b), BATON_EOWNER);
    message->abi.pieces = 1;
    message->abi.piece[0] = whole(PAGES);
    assert_int_equal(copy_send(a, message, true, b), BATON_EOWNER);
    message->abi.piece[0] = whole(page);
    while (page_get_device(&pages[taken], 1))
        taken++;
    assert_int_equal(copy_send(a, message, false, b), BATON_ENOMEM);
    assert_true(reaches(0, page));
    message_give(message);
    assert_int_equal(page_release(a, page), 0);
    conserved();
}

/* A duplicate goes: the sender keeps its page, for writing too. */
static void test_copy_duplicate(void **state)
{
    (void)state;
    begin_with(POLICY_COPY);
    uint32_t page = got(0, a);
    use(0, a, page);
    struct message *message = message_of(whole(page));
    assert_int_equal(copy_send(a, message, true, b), 0);
    assert_null(message->original);
    use(0, a, page);
    message_drop(message);
    assert_int_equal(page_release(a, page), 0);
    assert_int_equal(counter(COUNT_PAYLOAD_BYTES), PAGE_SIZE);
    conserved();
}

static void test_copy_receive(void **state)
{
    uint32_t page = 0;

    (void)state;
    begin_with(POLICY_COPY);
    assert_int_equal(page_get_device(&page, 1), 1);
    memset(machine_memory(page_phys(page)), 0x5a, PAGE_SIZE);
    page_filled(page, PIECE_BYTES);
    struct message *message = message_of((struct baton_piece){page, 0, PIECE_BYTES});
    assert_int_equal(copy_receive(message, b), 0);
    assert_int_not_equal(message->abi.piece[0].page, page);
    machine_run_on(1);
    assert_int_equal(page_receive(b, &message->abi.piece[0], true), 0);
    use(1, b, message->abi.piece[0].page);
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(machine_memory(page_phys(message->abi.piece[0].page))[i],
                         i < PIECE_BYTES ? 0x5a : 0);
    message_give(message);
    conserved();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_stays_mapped_inside),
    cmocka_unit_test(test_pool_keeps_pages_mapped),
    cmocka_unit_test(test_pool_is_bounded),
    cmocka_unit_test(test_shortage),
    cmocka_unit_test(test_leaves_every_table),
    cmocka_unit_test(test_device_is_outside),
    cmocka_unit_test(test_only_with_path),
    cmocka_unit_test(test_change_while_pages_circulate),
    cmocka_unit_test(test_member_leaves),
    cmocka_unit_test(test_member_dies),
    cmocka_unit_test(test_names),
    cmocka_unit_test(test_copy),
    cmocka_unit_test(test_copy_steady),
    cmocka_unit_test(test_copy_undo),
    cmocka_unit_test(test_copy_of_unseen),
    cmocka_unit_test(test_copy_errors),
    cmocka_unit_test(test_copy_duplicate),
    cmocka_unit_test(test_copy_receive),
};

CASES_MAIN(tests)
