/*
 * ipc/page_set.h, rule by rule, on the machine whose TLBs keep whatever they may: what stays mapped inside a trust set, and that
 * nothing does outside of it or after it.
 */
#include "core/irq.h"
#include "test/host/set_cases.h"

/* ---- Inside ---- */

/* A page of b's, which a had before: both use it, and it stays mapped for both. */
static uint32_t used_by_both(void)
{
    begin_with(POLICY_PATH);
    uint32_t page = got(0, a);
    use(0, a, page);
    hand_over(0, a, 1, b, whole(page));
    use(1, b, page);
    return page;
}

static void test_stays_mapped_inside(void **state)
{
    (void)state;
    uint32_t page = used_by_both();
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
    uint32_t page = used_by_both();
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

/* Of what a wrote to the page, b, who has it now, sees the piece and nothing beside it. */
static void piece_seen_alone(uint32_t page)
{
    const uint8_t *byte = machine_memory(page_phys(page));

    use(1, b, page);
    assert_int_equal(byte[PIECE_START], 0x5a);
    assert_int_equal(byte[3000], 0);
    conserved();
}

/* What a writes to a page that b knew whole, and that a has without a fault, b does not see but for the piece that a sends (page 7). */
static void written_unseen(uint32_t page)
{
    uint8_t *byte = machine_memory(page_phys(page));
    struct baton_piece piece = {page, PIECE_START, PIECE_BYTES};
    uint64_t phys;

    assert_int_equal(machine_access(0, IPC_BASE + page * PAGE_SIZE, true, true, &phys), MACHINE_DONE);
    byte[PIECE_START] = byte[3000] = 0x5a;
    machine_run_on(2);
    policy_change(POLICY_DASH, TLB_IPI);
    hand_over(0, a, 1, b, piece);
    piece_seen_alone(page);
}

static void test_pooled_page_is_known_by_who_has_it(void **state)
{
    (void)state;
    uint32_t page = used_by_both();
    assert_int_equal(page_release(b, page), 0);
    assert_int_equal(got(0, a), page);
    written_unseen(page);
}

static void test_passed_page_is_known_by_who_has_it(void **state)
{
    (void)state;
    uint32_t page = used_by_both();
    hand_over(1, b, 0, a, whole(page));
    written_unseen(page);
}

/* A part of a page that both have mapped is on its way from a to b; what a has written beside it. */
static struct baton_piece part_under_way(void)
{
    uint32_t page = used_by_both();
    uint8_t *byte = machine_memory(page_phys(page));
    struct baton_piece piece = {page, PIECE_START, PIECE_BYTES};

    hand_over(1, b, 0, a, whole(page));
    byte[PIECE_START] = byte[3000] = 0x5a;
    machine_run_on(0);
    assert_int_equal(page_send(a, &piece, 0, b), 0);
    unmap_flush();
    return piece;
}

/* b has the page, and of what a wrote the piece alone. */
static void only_part_arrived(uint32_t page)
{
    assert_false(reaches(0, page));
    assert_false(reaches(1, page));
    piece_seen_alone(page);
}

/* The set ends, or the receiver is taken out of it, while a piece is on its way: it gets what it was sent, and no more (page 3, 7). */
static void test_end_leaves_the_piece(void **state)
{
    (void)state;
    struct baton_piece piece = part_under_way();
    machine_run_on(2);
    policy_change(POLICY_DASH, TLB_IPI);
    machine_run_on(1);
    assert_int_equal(page_receive(b, &piece, false), 0);
    only_part_arrived(piece.page);
}

static void test_leaving_leaves_the_piece(void **state)
{
    (void)state;
    struct baton_piece piece = part_under_way();
    machine_run_on(2);
    page_sets_close();
    assert_int_equal(page_set_join(b, NULL), 0);
    page_sets_open(POLICY_PATH);
    machine_run_on(1);
    assert_int_equal(page_receive(b, &piece, true), 0);
    only_part_arrived(piece.page);
}

static struct baton_piece received_at_end;

/* What CPU 1 does when it is rung by the CPU that ends the set, which has not looked at the pages yet. */
static void receive_when_rung(void *argument)
{
    unmap_ipi(argument);
    if (cpu_number() != 1 || !received_at_end.length)
        return;
    assert_true(reaches(1, received_at_end.page));
    assert_int_equal(page_receive(b, &received_at_end, false), 0);
    received_at_end.length = 0;
    only_part_arrived(received_at_end.page);
}

static void test_received_while_the_set_ends(void **state)
{
    (void)state;
    received_at_end = part_under_way();
    irq_register(IPI_UNMAP, receive_when_rung, NULL, 0);
    machine_run_on(2);
    policy_change(POLICY_DASH, TLB_IPI);
    assert_int_equal(received_at_end.length, 0);
    assert_true(reaches(1, received_at_end.page));
}

/* Inside the set all of the page stays with who has it mapped, also when the piece does not arrive after all. */
static void test_inside_nothing_is_narrowed(void **state)
{
    (void)state;
    struct baton_piece piece = part_under_way();
    uint8_t *byte = machine_memory(page_phys(piece.page));
    uint64_t scrubs = counter(COUNT_PAGES_SCRUBBED);

    machine_run_on(0);
    assert_int_equal(page_receive(a, &piece, true), 0);
    hand_over(0, a, 1, b, piece);
    policy_change(POLICY_DASH, TLB_IPI);
    assert_int_equal(byte[3000], 0x5a);
    hand_over(1, b, 3, c, whole(piece.page));
    use(3, c, piece.page);
    assert_int_equal(byte[3000], 0x5a);
    assert_int_equal(counter(COUNT_PAGES_SCRUBBED), scrubs);
    conserved();
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

/* ---- Books ---- */

static void book_hand_over(unsigned cpu, struct space *from, unsigned to_cpu, struct space *to,
                           struct baton_piece piece)
{
    uint32_t bytes, pages;

    machine_run_on(cpu);
    assert_int_equal(book_send(from, &piece, 0, to, &bytes, &pages), 0);
    unmap_flush();
    machine_run_on(to_cpu);
    assert_int_equal(book_receive(to, &piece, false), 0);
}

/* Inside the set a book's pages stay mapped in both tables; whoever maps one in between is found when it leaves. */
static void test_book_inside(void **state)
{
    uint32_t leaves[LEAVES];

    (void)state;
    begin_with(POLICY_PATH);
    struct baton_piece book = book_made(leaves);
    book_hand_over(0, a, 1, b, book);
    use(1, b, leaves[1]);
    assert_true(reaches(0, leaves[0]) && reaches(1, leaves[1]));
    uint64_t before = unmaps(), maps = counter(COUNT_PAGES_MAPPED);
    for (unsigned i = 0; i < 10; i++) {
        book_hand_over(1, b, 0, a, book);
        use(0, a, leaves[2]);
        book_hand_over(0, a, 1, b, book);
        use(1, b, leaves[1]);
    }
    assert_int_equal(unmaps(), before);
    assert_int_equal(counter(COUNT_PAGES_MAPPED), maps);
    book_hand_over(1, b, 3, c, book);
    for (unsigned i = 0; i < LEAVES; i++)
        assert_false(reaches(0, leaves[i]) || reaches(1, leaves[i]));
    use(3, c, leaves[1]);
    assert_int_equal(page_release(c, book.page), 0);
    conserved();
}

/* Who trusts leaves unmaps of a book's pages pending, and passes the book on: who does not trust then waits for them. */
static void test_book_pending(void **state)
{
    uint32_t leaves[LEAVES], bytes, pages;

    (void)state;
    begin_with(POLICY_DASH);
    run_space(2, a); /* so that a runs on two CPUs, and its unmaps need not be done at once */
    struct baton_piece book = book_made(leaves);
    use(2, a, leaves[1]);
    machine_run_on(0);
    assert_int_equal(book_send(a, &book, PAGE_SEND_TRUSTED, b, &bytes, &pages), 0);
    unmap_flush();
    machine_run_on(1);
    assert_int_equal(book_receive(b, &book, true), 0);
    assert_true(reaches(2, leaves[1])); /* figure 3D */
    book_hand_over(1, b, 3, c, book);
    assert_false(reaches(2, leaves[1]));
    conserved();
}

/* Given up inside the set, its pages go to the set's pool as they are, but for those that nobody has mapped. */
static void test_book_pooled(void **state)
{
    uint32_t leaves[LEAVES];

    (void)state;
    begin_with(POLICY_PATH);
    struct baton_piece book = book_made(leaves);
    uint64_t phys, before = unmaps();
    machine_run_on(0);
    assert_int_equal(page_fault(a, IPC_BASE + book.page * PAGE_SIZE, false),
                     PAGE_FAULT_MAPPED); /* its list */
    machine_access(0, IPC_BASE + book.page * PAGE_SIZE, false, true, &phys);
    book_hand_over(0, a, 1, b, book);
    assert_int_equal(page_release(b, book.page), 0);
    assert_int_equal(page_set_pooled(a), LEAVES);
    assert_int_equal(unmaps(), before + 1); /* the list goes, the pages stay */
    assert_true(reaches(0, leaves[0]));
    conserved();
}

/*
 * A member dies that mapped a page of a book last. What the book's owner, who needs no fault, then writes beside the list's piece the
 * next life never saw, and does not see when it gets the book once the set has ended (book 4).
 */
static void test_book_outlives_a_member(void **state)
{
    uint32_t leaves[LEAVES];
    uint64_t phys;

    (void)state;
    begin_with(POLICY_PATH);
    struct baton_piece book = book_made(leaves);
    uint8_t *byte = machine_memory(page_phys(leaves[0]));
    assert_int_equal(book_trim(a, book.page, PIECE_START, 0), 0);
    book_hand_over(0, a, 1, b, book);
    use(1, b, leaves[0]);
    book_hand_over(1, b, 0, a, book);
    page_release_all(b);
    page_set_member_died(b);
    assert_false(reaches(1, leaves[0]));
    assert_int_equal(machine_access(0, IPC_BASE + leaves[0] * PAGE_SIZE, true, true, &phys), MACHINE_DONE);
    byte[0] = byte[PIECE_START] = 0x5a;
    machine_run_on(2);
    policy_change(POLICY_DASH, TLB_IPI);
    book_hand_over(0, a, 1, b, book);
    use(1, b, leaves[0]);
    assert_int_equal(byte[PIECE_START], 0x5a);
    assert_int_equal(byte[0], 0);
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
    cmocka_unit_test(test_pooled_page_is_known_by_who_has_it),
    cmocka_unit_test(test_passed_page_is_known_by_who_has_it),
    cmocka_unit_test(test_end_leaves_the_piece),
    cmocka_unit_test(test_leaving_leaves_the_piece),
    cmocka_unit_test(test_received_while_the_set_ends),
    cmocka_unit_test(test_inside_nothing_is_narrowed),
    cmocka_unit_test(test_member_leaves),
    cmocka_unit_test(test_member_dies),
    cmocka_unit_test(test_names),
    cmocka_unit_test(test_book_inside),
    cmocka_unit_test(test_book_pending),
    cmocka_unit_test(test_book_pooled),
    cmocka_unit_test(test_book_outlives_a_member),
};

CASES_MAIN(tests)
