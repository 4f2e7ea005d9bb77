/*
 * Whose bytes of a page may be seen by whom (page 7 of ipc/page.h), byte by byte.
 */
#include "mm/unmap.h"
#include "test/host/page_cases.h"

static void test_scrub_edges(void **state)
{
    static const struct {
        uint16_t offset, length;
    } pieces[] = {{0, 1},   {0, 4096},   {1, 4095},    {4095, 1}, {63, 2},
                  {64, 64}, {100, 3000}, {2048, 2048}, {17, 1}};
    uint8_t bytes[PAGE_SIZE];

    (void)state;
    begin();
    for (unsigned i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct baton_piece piece = {0, pieces[i].offset, pieces[i].length};
        piece.page = get(a);
        machine_run_on(0);
        assert_int_equal(page_map(a, &piece, 1), 0);
        memset(machine_memory(page_phys(piece.page)), 0x77, PAGE_SIZE); /* as `a` may write */
        assert_int_equal(page_send(a, &piece, 0, b), 0);
        unmap_flush();
        assert_int_equal(page_receive(b, &piece, false), 0);
        page_account(a, -1);
        page_account(b, 1);
        machine_run_on(1);
        assert_int_equal(page_fault(b, IPC_BASE + piece.page * PAGE_SIZE, false), PAGE_FAULT_MAPPED);
        memcpy(bytes, machine_memory(page_phys(piece.page)), PAGE_SIZE);
        for (uint32_t k = 0; k < PAGE_SIZE; k++)
            assert_int_equal(bytes[k], k - piece.offset < piece.length ? 0x77 : 0);
        assert_int_equal(page_release(b, piece.page), 0);
        reference[piece.page] = (struct reference){0};
    }
}

/* A page that its sender never touched shows nothing of its last owner, not even to a device. */
static void test_untouched_page_to_a_device(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 2 * PAGES; i++) {
        uint32_t page = get(a);
        write_all(0, page);
        assert_int_equal(do_release(a, page), 0);
        page = get(b);
        struct transit transit = sent(b, (struct baton_piece){page, 64, 1536}, 0);
        do_device_sent(&transit);
    }
}

/* A forwarder that never looked may not pass on more than it was given. */
static void test_hull_only_narrows(void **state)
{
    uint8_t bytes[PAGE_SIZE];

    (void)state;
    begin();
    uint32_t page = get(a);
    write_all(0, page);
    struct transit transit = sent(a, (struct baton_piece){page, 64, 128}, 0);
    assert_int_equal(do_receive(b, &transit, false), 0);
    struct baton_piece forged = {page, 0, 4096};
    assert_int_equal(page_send(b, &forged, 0, c), 0);
    unmap_flush();
    assert_int_equal(page_receive(c, &forged, false), 0);
    machine_run_on(3);
    assert_int_equal(page_fault(c, IPC_BASE + page * PAGE_SIZE, false), PAGE_FAULT_MAPPED);
    memcpy(bytes, machine_memory(page_phys(page)), PAGE_SIZE);
    for (uint32_t k = 0; k < PAGE_SIZE; k++)
        assert_int_equal(bytes[k], k - 64 < 128 ? 0x77 : 0);
}

/* Who filled the page gets it back together with one that was shown a part: neither may see the rest. */
static void test_filler_beside_a_stranger(void **state)
{
    (void)state;
    begin();
    uint32_t page = get(a);
    for (unsigned i = 0; i < GRAINS; i++)
        assert_true(do_access(0, page, i * GRAIN, true, 100 + i));
    struct transit transit = sent(a, (struct baton_piece){page, 0, 64}, 0);
    assert_int_equal(do_receive(b, &transit, false), 0);
    assert_int_equal(do_duplicate(b, page), 0);
    transit = sent(b, (struct baton_piece){page, 0, 64}, 0);
    assert_int_equal(do_receive(a, &transit, false), 0);
    assert_true(do_access(0, page, 0, false, 0));
    assert_true(do_access(1, page, 0, false, 0)); /* the oracle looks at every grain */
    check_all();
}

static void test_own_bytes_are_not_scrubbed(void **state)
{
    (void)state;
    begin();
    uint32_t page = get(a);
    write_all(0, page);
    uint64_t scrubs = machine_counts.scrubs;
    struct baton_piece piece = {page, 128, 64};
    assert_int_equal(page_send(a, &piece, 0, a), 0);
    unmap_flush();
    assert_int_equal(page_receive(a, &piece, false), 0);
    assert_int_equal(page_fault(a, IPC_BASE + page * PAGE_SIZE, true), PAGE_FAULT_MAPPED);
    assert_int_equal(machine_counts.scrubs, scrubs);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_scrub_edges),
    cmocka_unit_test(test_untouched_page_to_a_device),
    cmocka_unit_test(test_hull_only_narrows),
    cmocka_unit_test(test_filler_beside_a_stranger),
    cmocka_unit_test(test_own_bytes_are_not_scrubbed),
};

CASES_MAIN(tests)
