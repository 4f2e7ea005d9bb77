/*
 * ipc/page.h, call by call: results, errors, limits, many owners, the way through devices, and
 * what each step costs in translations and invalidations. The oracle of ownership.h watches every step.
 */
#include "core/cpu.h"
#include "ipc/page_device.h"
#include "test/host/page_cases.h"

/* All bytes of a page as service code on `cpu` reads them, by its own translation. */
static void read_all(unsigned cpu, uint32_t page, uint8_t *bytes)
{
    uint64_t phys;

    assert_true(do_access(cpu, page, 0, false, 0));
    for (uint32_t i = 0; i < PAGE_SIZE; i++) {
        assert_int_equal(
            machine_access(cpu, IPC_BASE + page * PAGE_SIZE + i, false, running[cpu]->table->user, &phys),
            MACHINE_DONE);
        bytes[i] = *machine_memory(phys);
    }
}

static uint64_t counter(enum counter which)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < CPUS_MAX; i++)
        sum += cpus[i].counters[which];
    return sum;
}

/* ---- get, release, limits ---- */

static void test_get_and_release(void **state)
{
    uint8_t bytes[PAGE_SIZE], zeros[PAGE_SIZE] = {0};
    struct page_info info;

    (void)state;
    begin();
    uint32_t page = get(a);
    page_describe(page, &info);
    assert_int_equal(info.total, 1);
    assert_int_equal(info.owner[0], a->number);
    assert_int_equal(a->pages, 1);
    read_all(0, page, bytes);
    assert_memory_equal(bytes, zeros, PAGE_SIZE);
    assert_int_equal(do_release(a, page), 0);
    page_describe(page, &info);
    assert_int_equal(info.total, 0);
    assert_int_equal(info.previous, a->number);
    assert_int_equal(a->pages, 0);
    check_all();
}

static void test_fresh_pages_read_as_zero(void **state)
{
    uint8_t bytes[PAGE_SIZE], zeros[PAGE_SIZE] = {0};

    (void)state;
    begin();
    for (unsigned i = 0; i < 2 * PAGES; i++) {
        uint32_t page = get(a);
        read_all(0, page, bytes);
        assert_memory_equal(bytes, zeros, PAGE_SIZE);
        write_all(0, page);
        assert_int_equal(do_release(a, page), 0);
    }
}

static void test_release_errors(void **state)
{
    (void)state;
    begin();
    uint32_t page = get(a);
    assert_int_equal(do_release(b, page), BATON_EOWNER);
    assert_int_equal(do_release(a, PAGES), BATON_EOWNER);
    assert_int_equal(do_release(a, UINT32_MAX), BATON_EOWNER);
    assert_int_equal(do_release(a, page), 0);
    assert_int_equal(do_release(a, page), BATON_EOWNER);
    check_all();
}

static void test_limit(void **state)
{
    uint32_t pages[16];

    (void)state;
    begin();
    assert_int_equal(do_get(a, pages, 16), BATON_ELIMIT);
    assert_int_equal(do_get(a, pages, 8), 8);
    assert_int_equal(do_get(a, pages, 1), BATON_ELIMIT);
    struct transit transit = sent(a, whole(pages[0]), 0);
    assert_int_equal(do_get(a, pages, 1), 1);
    assert_int_equal(do_receive(a, &transit, false), BATON_ELIMIT);
    do_drop(&transit);
    do_release_all(a);
    assert_int_equal(do_get(a, pages, 8), 8);
    check_all();
}

static void test_no_memory(void **state)
{
    uint32_t page, got = 0;

    (void)state;
    begin();
    while (do_device_get(&page))
        got++;
    assert_true(got >= PAGES - 8); /* at most two each lie in the other CPUs' magazines */
    assert_int_equal(do_get(a, &page, 1), BATON_ENOMEM);
    assert_int_equal(a->pages, 0);
}

/* ---- duplicate: read-only for all ---- */

static void test_duplicate_downgrades(void **state)
{
    struct machine_reach reach;

    (void)state;
    begin();
    uint32_t page = get(a);
    assert_true(do_access(0, page, 0, true, 7));
    run_space(1, a); /* live on two CPUs: both must lose the writable entry */
    assert_true(do_access(1, page, 64, true, 8));
    uint64_t broadcast = machine_counts.tlbi_broadcast;
    assert_int_equal(do_duplicate(a, page), 0);
    assert_int_equal(machine_counts.tlbi_broadcast, broadcast + 1);
    struct transit transit = sent(a, whole(page), PAGE_SEND_DUPLICATE);
    assert_int_equal(do_receive(b, &transit, false), 0); /* who does not trust finds the downgrade complete */
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        machine_reachable(cpu, IPC_BASE + page * PAGE_SIZE, &reach);
        for (unsigned i = 0; i < reach.count; i++)
            assert_false(ENTRY_WRITABLE(reach.entry[i]));
        assert_true(do_access(cpu, page, 0, false, 0));
        assert_false(do_access(cpu, page, 0, true, 9));
    }
    assert_int_equal(do_duplicate(a, page), 0); /* 2 -> 3: nothing to invalidate */
    assert_int_equal(machine_counts.tlbi_broadcast, broadcast + 1);
    check_all();
}

static void test_write_comes_back(void **state)
{
    (void)state;
    begin();
    uint32_t page = get(a);
    assert_true(do_access(0, page, 0, true, 7));
    assert_int_equal(do_duplicate(a, page), 0);
    assert_false(do_access(0, page, 0, true, 8));
    assert_int_equal(do_release(a, page), 0);
    assert_true(do_access(0, page, 0, true, 9));
    run_space(1, a);
    assert_true(do_access(1, page, 0, true, 10));
    check_all();
}

/* Another CPU of the space still holds the read-only entry: its write faults once and goes on. */
static void test_stale_read_only_entry_elsewhere(void **state)
{
    (void)state;
    begin();
    run_space(1, a);
    uint32_t page = get(a);
    assert_int_equal(do_duplicate(a, page), 0);
    assert_true(do_access(0, page, 0, false, 0));
    assert_true(do_access(1, page, 0, false, 0));
    assert_int_equal(do_release(a, page), 0);
    assert_true(do_access(0, page, 0, true, 5));
    for (unsigned i = 0; i < 8; i++)
        assert_true(do_access(1, page, 0, true, 6 + i));
}

static void test_duplicate_errors(void **state)
{
    (void)state;
    begin();
    uint32_t page = get(a);
    assert_int_equal(do_duplicate(b, page), BATON_EOWNER);
    assert_int_equal(do_duplicate(a, PAGES), BATON_EOWNER);
    for (unsigned i = 1; i < 8; i++)
        assert_int_equal(do_duplicate(a, page), 0);
    assert_int_equal(do_duplicate(a, page), BATON_ELIMIT); /* a's own limit */
    check_all();
}

static void test_count_is_full(void **state)
{
    (void)state;
    begin();
    struct space *rich = ownership_space("rich", true, 0x10000);
    uint32_t page = get(rich);
    for (unsigned i = 1; i < 0xffff; i++)
        assert_int_equal(page_duplicate(rich, page), 0);
    assert_int_equal(page_duplicate(rich, page), BATON_ELIMIT);
    struct baton_piece piece = whole(page);
    assert_true(page_send(rich, &piece, PAGE_SEND_DUPLICATE, NULL) < 0);
    assert_int_equal(rich->pages, 0xffff);
    assert_int_equal(page_release_all(rich), 0xffff);
    assert_int_equal(rich->pages, 0);
}

/* ---- send, receive ---- */

static void test_hand_over(void **state)
{
    (void)state;
    begin();
    uint32_t page = get(a);
    for (unsigned i = 0; i < GRAINS; i++)
        assert_true(do_access(0, page, i * GRAIN, true, 100 + i));
    struct transit transit = sent(a, whole(page), 0);
    assert_false(do_access(0, page, 0, false, 0)); /* sent away */
    assert_false(do_access(1, page, 0, false, 0)); /* not yet received */
    assert_int_equal(do_receive(b, &transit, false), 0);
    assert_int_equal(transit.piece.offset & BATON_PIECE_READ_ONLY, 0);
    assert_true(do_access(1, page, 0, false, 0));
    assert_true(do_access(1, page, 64, true, 5));
    assert_false(do_access(0, page, 0, false, 0));
    check_all();
}

static void test_send_errors(void **state)
{
    struct transit transit;
    struct baton_piece piece;

    (void)state;
    begin();
    uint32_t page = get(a);
    piece = whole(page);
    assert_int_equal(do_send(b, &piece, 0, NULL, &transit), BATON_EOWNER);
    assert_int_equal(do_send(b, &piece, PAGE_SEND_DUPLICATE, NULL, &transit), BATON_EOWNER);
    transit = sent(a, piece, 0);
    assert_int_equal(do_send(a, &piece, 0, NULL, &transit), BATON_EOWNER); /* doubled */
    piece.page = PAGES;
    assert_int_equal(do_send(a, &piece, 0, NULL, &transit), BATON_EOWNER);
    check_all();
}

/* What is never mapped moves without a barrier, an invalidation or an entry. */
static void test_never_mapped_costs_nothing(void **state)
{
    (void)state;
    begin();
    uint32_t page;
    assert_true(do_device_get(&page));
    struct transit transit;
    do_device_filled(page, 1024, &transit);
    struct machine_counts before = machine_counts;
    uint64_t never = counter(COUNT_PAGES_NEVER_MAPPED), mapped = counter(COUNT_PAGES_MAPPED);
    uint64_t moved = counter(COUNT_PAGES_MOVED);
    assert_int_equal(do_receive(a, &transit, false), 0);
    transit = sent(a, transit.piece, 0);
    do_device_sent(&transit);
    assert_memory_equal(&before, &machine_counts, sizeof(before));
    assert_int_equal(counter(COUNT_PAGES_NEVER_MAPPED), never + 1);
    assert_int_equal(counter(COUNT_PAGES_MAPPED), mapped);
    assert_int_equal(counter(COUNT_PAGES_MOVED), moved + 2);
    check_all();
}

static void test_local_when_only_here(void **state)
{
    (void)state;
    begin();
    uint32_t page = get(a);
    assert_true(do_access(0, page, 0, true, 1));
    struct machine_counts before = machine_counts;
    sent(a, whole(page), 0);
    assert_int_equal(machine_counts.tlbi_local, before.tlbi_local + 1);
    assert_int_equal(machine_counts.tlbi_broadcast, before.tlbi_broadcast);
    /* From a CPU on which the space never ran, it has to be broadcast. */
    page = get(a);
    assert_true(do_access(0, page, 0, true, 1));
    machine_run_on(3);
    before = machine_counts;
    sent(a, whole(page), 0);
    assert_int_equal(machine_counts.tlbi_broadcast, before.tlbi_broadcast + 1);
}

static void test_map_now(void **state)
{
    (void)state;
    begin();
    uint32_t page = get(a);
    uint64_t mapped = counter(COUNT_PAGES_MAPPED);
    assert_int_equal(do_map(a, page), 0);
    assert_int_equal(do_map(a, page), 0);
    assert_int_equal(counter(COUNT_PAGES_MAPPED), mapped + 1);
    assert_int_equal(do_map(b, page), BATON_EOWNER);
    assert_int_equal(do_map(a, PAGES), BATON_EOWNER);
    struct baton_piece piece = whole(page);
    assert_int_equal(page_map(space_at(0), &piece, 1),
                     BATON_EOWNER); /* the kernel has no table to map it in */
    uint64_t phys;
    assert_int_equal(machine_access(0, IPC_BASE + page * PAGE_SIZE, true, true, &phys), MACHINE_DONE);
}

static void test_fault_outside(void **state)
{
    (void)state;
    begin();
    uint32_t page = get(a);
    assert_int_equal(page_fault(b, IPC_BASE + page * PAGE_SIZE, false), PAGE_FAULT_NOT_OWNER);
    assert_int_equal(page_fault(a, IPC_BASE + PAGES * PAGE_SIZE, false), PAGE_FAULT_NOT_OWNER);
    assert_int_equal(page_fault(a, IPC_BASE + page * PAGE_SIZE + 4095, true), PAGE_FAULT_MAPPED);
}

/* ---- Several owners ---- */

static void test_many_owners(void **state)
{
    struct space *more[OWNERS_MAX + 1];
    struct transit transit, last;

    (void)state;
    begin();
    for (unsigned i = 0; i <= OWNERS_MAX; i++)
        more[i] = ownership_space("more", true, 8);
    uint32_t page = get(a);
    assert_true(do_access(0, page, 0, true, 3));
    for (unsigned i = 0; i < OWNERS_MAX - 2; i++) {
        transit = sent(a, whole(page), PAGE_SEND_DUPLICATE);
        assert_int_equal(do_receive(more[i], &transit, false), 0);
        assert_true(transit.piece.offset & BATON_PIECE_READ_ONLY);
        run_space(1, more[i]);
        assert_true(do_access(1, page, 0, false, 0));
        assert_false(do_access(1, page, 0, true, 1));
        machine_run_on(0);
    }
    /* Nine spaces own it; two in flight make the kernel the tenth: the next receiver finds no slot, once. */
    transit = sent(a, whole(page), PAGE_SEND_DUPLICATE);
    last = sent(a, whole(page), PAGE_SEND_DUPLICATE);
    assert_int_equal(do_receive(more[9], &transit, false), BATON_EOWNERS);
    do_drop(&last);
    assert_int_equal(do_receive(more[9], &transit, false), 0);
    struct baton_piece piece = whole(page);
    assert_int_equal(do_send(a, &piece, PAGE_SEND_DUPLICATE, NULL, &transit), BATON_EOWNERS);
    /* One for one it can still change hands; not one of two */
    assert_int_equal(do_send(a, &piece, 0, NULL, &transit), 0);
    assert_int_equal(do_receive(a, &transit, false), 0);
    assert_int_equal(do_duplicate(a, page), 0);
    assert_int_equal(do_send(a, &piece, 0, NULL, &transit), BATON_EOWNERS);
    assert_int_equal(do_release(a, page), 0);
    check_all();
    for (unsigned i = 0; i <= OWNERS_MAX; i++)
        do_release_all(more[i]);
    assert_true(do_access(0, page, 0, true, 4)); /* alone again */
    check_all();
}

static void test_release_all(void **state)
{
    uint32_t pages[4];

    (void)state;
    begin();
    assert_int_equal(do_get(a, pages, 4), 4);
    assert_true(do_access(0, pages[0], 0, true, 3));
    struct transit kept = sent(a, whole(pages[1]), PAGE_SEND_DUPLICATE); /* in flight, it stays */
    struct transit shared = sent(a, whole(pages[2]), PAGE_SEND_DUPLICATE);
    assert_int_equal(do_receive(b, &shared, false), 0);
    assert_int_equal(do_duplicate(a, pages[3]), 0);
    do_release_all(a);
    assert_int_equal(a->pages, 0);
    assert_int_equal(b->pages, 1);
    do_release_all(a);
    do_drop(&kept);
    check_all();
}

/* ---- The trusted services' table ---- */

static void test_trusted_pair(void **state)
{
    (void)state;
    begin();
    machine_run_on(2);
    uint32_t page = get(t);
    assert_true(do_access(2, page, 0, true, 1));
    struct transit transit = sent(t, whole(page), PAGE_SEND_DUPLICATE);
    assert_int_equal(do_receive(u, &transit, false), 0);
    run_space(3, u);
    assert_true(do_access(3, page, 0, false, 0));
    assert_false(do_access(3, page, 0, true, 2));
    assert_int_equal(do_release(t, page), 0);
    assert_true(do_access(3, page, 0, true, 2));
    assert_int_equal(do_release(u, page), 0);
    ticks();
    assert_false(do_access(3, page, 0, false, 0));
    check_all();
}

/* ---- Devices ---- */

static void test_receive_ring(void **state)
{
    uint32_t page;
    struct transit transit;
    struct page_info info;
    struct page_counts counts;

    (void)state;
    begin();
    assert_true(do_device_get(&page));
    page_count(&counts);
    assert_int_equal(counts.in_flight, 1);
    assert_int_equal(counts.free, PAGES - 1);
    do_device_filled(page, 128, &transit);
    page_describe(page, &info);
    assert_int_equal(info.hull_start, 0);
    assert_int_equal(info.hull_end, 128);
    assert_false(info.cached);
    assert_int_equal(do_receive(a, &transit, false), 0);
    assert_true(do_access(0, page, 0, false, 0));
    page_describe(page, &info);
    assert_true(info.cached); /* page 8 */
    transit = sent(a, transit.piece, 0);
    do_device_sent(&transit);
    assert_true(machine_fails(page_filled(page, 64))); /* not in a ring any more */
    assert_true(do_device_get(&page));
    page_describe(page, &info);
    assert_false(info.cached);
    assert_true(machine_fails(page_filled(page, PAGE_SIZE + 1)));
}

/* What only devices had in their hands is kept for them, counts as free, and is there for a service when pages run short. */
static void test_pages_kept_for_devices(void **state)
{
    uint32_t pages[PAGES], more[2];
    struct transit transit;
    struct page_counts counts;
    struct page_info info;

    (void)state;
    begin();
    for (unsigned trip = 0; trip < 3; trip++) {
        assert_true(do_device_get(&pages[0]));
        do_device_filled(pages[0], 1386, &transit);
        assert_int_equal(do_receive(a, &transit, false), 0);
        transit = sent(a, transit.piece, 0);
        do_device_sent(&transit);
        page_describe(pages[0], &info);
        assert_true(info.total == 0 && !info.kernel);
        page_count(&counts);
        assert_int_equal(counts.free, PAGES);
        assert_int_equal(counter(COUNT_PAGES_NEVER_MAPPED), trip + 1);
        check_all();
    }
    assert_int_equal(page_device_peek(1, &more[1])[-1], pages[0]); /* the very same one is next */
    uint32_t got = page_get_device(pages, PAGES);
    assert_true(got >= PAGES - 8); /* at most two each lie in the other CPUs' magazines */
    page_sent_out(pages, 0);
    for (uint32_t i = 0; i < got; i++) {
        page_filled(pages[i], 64);
        page_sent_out(&pages[i], 1);
    }
    assert_int_equal(page_get(b, more, 2), 2); /* all that is free is kept for devices */
    assert_int_equal(page_release_batch(b, more, 2), 2);
    page_count(&counts);
    assert_int_equal(counts.free, PAGES);
    check_all();
}

/* A frame flooded to three ports is sent by three devices; the page is free when the last is through. */
static void test_flood_to_devices(void **state)
{
    struct transit out[3], in;
    struct page_counts counts;
    uint32_t page;

    (void)state;
    begin();
    assert_true(do_device_get(&page));
    do_device_filled(page, 1024, &in);
    assert_int_equal(do_receive(a, &in, false), 0);
    for (unsigned i = 0; i < 3; i++)
        out[i] = sent(a, in.piece, i < 2 ? PAGE_SEND_DUPLICATE : 0);
    for (unsigned i = 0; i < 3; i++) {
        page_count(&counts);
        assert_int_equal(counts.in_flight, 1);
        do_device_sent(&out[i]);
    }
    page_count(&counts);
    assert_int_equal(counts.free, PAGES);
    assert_int_equal(counter(COUNT_PAGES_MAPPED), 0);
    check_all();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_get_and_release),
    cmocka_unit_test(test_fresh_pages_read_as_zero),
    cmocka_unit_test(test_release_errors),
    cmocka_unit_test(test_limit),
    cmocka_unit_test(test_no_memory),
    cmocka_unit_test(test_duplicate_downgrades),
    cmocka_unit_test(test_write_comes_back),
    cmocka_unit_test(test_stale_read_only_entry_elsewhere),
    cmocka_unit_test(test_duplicate_errors),
    cmocka_unit_test(test_count_is_full),
    cmocka_unit_test(test_hand_over),
    cmocka_unit_test(test_send_errors),
    cmocka_unit_test(test_never_mapped_costs_nothing),
    cmocka_unit_test(test_local_when_only_here),
    cmocka_unit_test(test_map_now),
    cmocka_unit_test(test_fault_outside),
    cmocka_unit_test(test_many_owners),
    cmocka_unit_test(test_release_all),
    cmocka_unit_test(test_trusted_pair),
    cmocka_unit_test(test_receive_ring),
    cmocka_unit_test(test_pages_kept_for_devices),
    cmocka_unit_test(test_flood_to_devices),
};

CASES_MAIN(tests)
