/*
 * mm/: frames, tables, spaces with their ASIDs and unmaps, on the simulated machine.
 */
#include "core/arch.h"
#include "core/cpu.h"
#include "mm/frame.h"
#include "mm/pagetable.h"
#include "mm/space.h"
#include "mm/unmap.h"
#include "test/host/cases.h"
#include "test/host/machine.h"

#define PAGES    600u /* two frames of last-level entries */
#define ASIDS    8u
#define TABLES   12u
#define SLOT     0x1000000000ul
#define PXN      (UINT64_C(1) << 53)
#define UXN      (UINT64_C(1) << 54)
#define DATA_VA  (SLOT + 5 * PAGE_SIZE)
#define ANY_FLAG 64u

static void begin(void)
{
    machine_reset(1);
    machine_add_ram();
    machine_run_on(0);
}

static uint64_t page_va(uint32_t page)
{
    return IPC_BASE + (uint64_t)page * PAGE_SIZE;
}

/* The CPU's walker finds exactly this at `va`, by a walk from the root. */
static uint64_t walk(const struct pagetable *table, uint64_t va)
{
    uint64_t entry = table->root | 3;

    for (unsigned level = 1; level <= 3 && entry & 1; level++) {
        entry = *(uint64_t *)machine_memory(ENTRY_FRAME(entry) + (va >> (39 - 9 * level) & 511) * 8);
        if (level == 2 && (entry & 3) == 1)
            return entry;
    }
    return entry & 1 ? entry : 0;
}

/* ---- Frames ---- */

static void test_frames(void **state)
{
    uint8_t zeros[PAGE_SIZE] = {0};

    (void)state;
    begin();
    uint64_t before = frame_free_bytes();
    uint64_t first = frame_alloc(1, "test"), second = frame_alloc(3, "test");
    assert_true(first != second && !(first & PAGE_MASK) && !(second & PAGE_MASK));
    assert_true(second >= first + PAGE_SIZE || first >= second + 3 * PAGE_SIZE);
    assert_memory_equal(machine_memory(first), zeros, PAGE_SIZE);
    assert_memory_equal(machine_memory(second + 2 * PAGE_SIZE), zeros, PAGE_SIZE);
    assert_int_equal(frame_free_bytes(), before - 4 * PAGE_SIZE);
    assert_true(machine_fails(frame_alloc(MACHINE_MEMORY / PAGE_SIZE, "the impossible")));
    assert_non_null(strstr(machine_message, "the impossible"));
}

static void test_frame_bytes(void **state)
{
    (void)state;
    begin();
    uint8_t *last = NULL;
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t size = 1 + machine_random(700), align = UINT64_C(1) << machine_random(8);
        uint8_t *bytes = frame_alloc_bytes(size, align, "test");
        assert_int_equal((uint64_t)bytes % align, 0);
        for (uint64_t k = 0; k < size; k++)
            assert_int_equal(bytes[k], 0); /* fresh: nothing of it was given before */
        memset(bytes, 0xff, size);
        assert_ptr_not_equal(bytes, last);
        last = bytes;
    }
    uint8_t *large = frame_alloc_bytes(5 * PAGE_SIZE + 1, 64, "test");
    for (uint64_t k = 0; k < 5 * PAGE_SIZE + 1; k++)
        assert_int_equal(large[k], 0);
}

static void test_frame_block(void **state)
{
    (void)state;
    begin();
    uint64_t block = frame_alloc_block(1 << 20, 1 << 20);
    assert_true(block && !(block % (1 << 20)));
    assert_int_equal(frame_alloc_block(MACHINE_MEMORY, PAGE_SIZE), 0);
    uint64_t free = frame_free_bytes();
    assert_int_equal(free, MACHINE_MEMORY - (1 << 20));
    for (uint64_t got; free; free -= PAGE_SIZE) {
        got = frame_alloc(1, "test");
        assert_true(got < block || got >= block + (1 << 20));
    }
    assert_int_equal(frame_free_bytes(), 0);
}

/* ---- Tables ---- */

static void test_attributes(void **state)
{
    (void)state;
    begin();
    for (unsigned flags = 0; flags < ANY_FLAG; flags++) {
        bool executable = flags & (MAP_EXEC_KERNEL | MAP_EXEC_USER);
        if (executable && flags & MAP_WRITE) {
            assert_true(machine_fails(pagetable_attributes(flags))); /* W^X */
            continue;
        }
        uint64_t entry = pagetable_attributes(flags);
        assert_int_equal(ENTRY_WRITABLE(entry), !!(flags & MAP_WRITE));
        assert_int_equal(ENTRY_USER(entry), !!(flags & MAP_USER));
        assert_int_equal(ENTRY_PRIVATE(entry), !!(flags & MAP_PRIVATE));
        assert_int_equal(!(entry & PXN), !!(flags & MAP_EXEC_KERNEL));
        assert_int_equal(!(entry & UXN), !!(flags & MAP_EXEC_USER));
        assert_int_equal(entry >> 10 & 1, 1); /* accessed: no fault for the first use */
        assert_int_equal(entry >> 2 & 7, flags & MAP_DEVICE ? 0 : 1);
        assert_int_equal(entry >> 8 & 3, flags & MAP_DEVICE ? 0 : 3);
        assert_int_equal(ENTRY_FRAME(entry), 0);
    }
}

static void test_map(void **state)
{
    struct pagetable table;

    (void)state;
    begin();
    pagetable_create(&table, 0);
    assert_null(table.ipc);
    pagetable_map(&table, DATA_VA, MACHINE_PHYS, 3 * PAGE_SIZE, MAP_WRITE | MAP_PRIVATE);
    machine_check_quiet();
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(ENTRY_FRAME(walk(&table, DATA_VA + i * PAGE_SIZE)), MACHINE_PHYS + i * PAGE_SIZE);
    assert_int_equal(walk(&table, DATA_VA - PAGE_SIZE), 0);
    assert_int_equal(walk(&table, DATA_VA + 3 * PAGE_SIZE), 0);
    assert_true(machine_fails(pagetable_map(&table, DATA_VA, MACHINE_PHYS, PAGE_SIZE, MAP_WRITE)));
    assert_true(machine_fails(pagetable_map(&table, DATA_VA + 1, MACHINE_PHYS, PAGE_SIZE, MAP_WRITE)));
    assert_true(machine_fails(pagetable_map(&table, SLOT, MACHINE_PHYS, 100, MAP_WRITE)));
}

/* Blocks where both addresses and the rest allow; every byte of the range is translated to its own place. */
static void test_map_blocks(void **state)
{
    const uint64_t va = LINEAR_BASE + 0x40000000ul - PAGE_SIZE, pa = 0x40000000ul - PAGE_SIZE;
    const uint64_t size = 0x400000 + 3 * PAGE_SIZE;
    struct pagetable table;

    (void)state;
    begin();
    pagetable_create(&table, 0);
    pagetable_map(&table, va, pa, size, MAP_WRITE);
    unsigned blocks = 0;
    for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
        uint64_t entry = walk(&table, va + at);
        bool block = (entry & 3) == 1;
        blocks += block;
        assert_true(entry);
        assert_int_equal(ENTRY_FRAME(entry) + (block ? (va + at) & 0x1fffff : 0), pa + at);
    }
    assert_int_equal(blocks, 1024); /* two blocks of 2 MiB */
    assert_int_equal(walk(&table, va + size), 0);
}

static void test_ipc_entries(void **state)
{
    struct pagetable table;

    (void)state;
    begin();
    pagetable_create(&table, PAGES);
    for (uint32_t page = 0; page < PAGES; page += 599) {
        assert_int_equal(pagetable_ipc_entry(&table, page), 0);
        pagetable_ipc_map(&table, page, 0x80000000 + page * PAGE_SIZE, false, true);
        uint64_t entry = walk(&table, page_va(page));
        assert_int_equal(entry, pagetable_ipc_entry(&table, page));
        assert_int_equal(ENTRY_FRAME(entry), 0x80000000 + page * PAGE_SIZE);
        assert_true(ENTRY_PRIVATE(entry) && ENTRY_USER(entry) && !ENTRY_WRITABLE(entry));
        assert_true((entry & PXN) && (entry & UXN));
        pagetable_ipc_map(&table, page, 0x80000000 + page * PAGE_SIZE, true, true);
        assert_true(pagetable_entry_writable(walk(&table, page_va(page))));
        pagetable_ipc_protect(&table, page);
        assert_false(pagetable_entry_writable(walk(&table, page_va(page))));
        pagetable_ipc_unmap(&table, page);
        assert_int_equal(walk(&table, page_va(page)), 0);
        assert_true(machine_fails(machine_check_quiet())); /* not published one by one */
        pagetable_ipc_publish();
        machine_check_quiet();
    }
}

static void test_illegal_transitions(void **state)
{
    struct pagetable table;

    (void)state;
    begin();
    pagetable_create(&table, PAGES);
    assert_true(machine_fails(pagetable_ipc_protect(&table, 3)));
    pagetable_ipc_map(&table, 3, 0x80000000, true, true);
    assert_true(machine_fails(pagetable_ipc_map(&table, 3, 0x80001000, true, true)));  /* another frame */
    assert_true(machine_fails(pagetable_ipc_map(&table, 3, 0x80000000, true, false))); /* another privilege */
    pagetable_window(&table, WINDOW_BASE, MACHINE_PHYS, true);
    assert_true(machine_fails(pagetable_window(&table, WINDOW_BASE, MACHINE_PHYS + PAGE_SIZE, true)));
    pagetable_window(&table, WINDOW_BASE, 0, true);
    assert_true(machine_fails(pagetable_window(&table, WINDOW_BASE, 0, true)));
    assert_true(machine_fails(pagetable_window(&table, DATA_VA, MACHINE_PHYS, true))); /* no window */
}

/* ---- Spaces ---- */

static void test_spaces(void **state)
{
    (void)state;
    begin();
    space_init(PAGES, 8);
    struct space *a = space_create("a", true, 10), *b = space_create("b", true, 10);
    struct space *t = space_create("t", false, 10), *u = space_create("u", false, 10);
    assert_ptr_equal(t->table, u->table);
    assert_true(a->table != b->table && a->table != t->table);
    assert_true(a->table->user && !t->table->user);
    assert_ptr_equal(space_at(a->number), a);
    assert_int_equal(space_at(0)->number, 0);
    assert_null(space_at(0)->table);
    assert_null(space_at(5));
    for (unsigned i = 5; i < SPACES_MAX; i++)
        assert_non_null(space_create("more", true, 1));
    assert_null(space_create("too many", true, 1));
    space_map(a, SLOT, MACHINE_PHYS, PAGE_SIZE, MAP_EXEC_USER);
    space_map(t, SLOT, MACHINE_PHYS, PAGE_SIZE, MAP_EXEC_USER);
    uint64_t user = walk(&a->table->pages, SLOT), trusted = walk(&t->table->pages, SLOT);
    assert_true(ENTRY_USER(user) && !(user & UXN) && (user & PXN) && ENTRY_PRIVATE(user));
    assert_true(!ENTRY_USER(trusted) && (trusted & UXN) && !(trusted & PXN) && ENTRY_PRIVATE(trusted));
    assert_int_equal(walk(&b->table->pages, SLOT), 0);
}

/* ---- ASIDs ---- */

static struct space *spaces[TABLES];
static struct space *live[MACHINE_CPUS];

/* Each table has the same address mapped to a frame of its own, so that a foreign entry shows. */
static void spaces_make(void)
{
    begin();
    space_init(PAGES, 3);
    for (unsigned i = 0; i < TABLES; i++) {
        spaces[i] = space_create("space", true, 10);
        space_map(spaces[i], DATA_VA, MACHINE_PHYS + i * PAGE_SIZE, PAGE_SIZE, MAP_WRITE);
    }
}

/* No CPU can use another table's entry; two live tables never have one ASID; ASID 0 is never used. */
static void check_asids(void)
{
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        struct machine_reach reach;
        if (!live[cpu])
            continue;
        machine_reachable(cpu, DATA_VA, &reach);
        assert_int_equal(reach.count, 1);
        unsigned owner = (unsigned)((ENTRY_FRAME(reach.entry[0]) - MACHINE_PHYS) / PAGE_SIZE);
        assert_ptr_equal(spaces[owner], live[cpu]);
        assert_true(machine_live_asid(cpu) > 0 && machine_live_asid(cpu) < ASIDS);
        assert_int_equal(machine_live_asid(cpu), table_asid(live[cpu]->table));
        assert_true(live[cpu]->table->cpus & 1u << cpu); /* space 1 */
        for (unsigned i = 0; i < TABLES; i++) {          /* space 2 */
            uint64_t mine = live[cpu]->table->asid, other = spaces[i]->table->asid;
            assert_true(spaces[i] == live[cpu] || mine != other);
        }
    }
}

static void switch_to(unsigned cpu, unsigned space)
{
    machine_run_on(cpu);
    table_switch(spaces[space]->table);
    live[cpu] = spaces[space];
    check_asids();
}

static void test_asid_stays_without_roll_over(void **state)
{
    uint16_t asid[7];

    (void)state;
    spaces_make();
    for (unsigned i = 0; i < 7; i++) {
        switch_to(0, i);
        asid[i] = table_asid(spaces[i]->table);
    }
    uint64_t flushes = machine_counts.tlbi_local;
    for (unsigned i = 0; i < 7; i++) {
        switch_to(1, i);
        switch_to(0, 6 - i);
        assert_int_equal(table_asid(spaces[i]->table), asid[i]);
    }
    assert_int_equal(machine_counts.tlbi_local, flushes);
    uint64_t writes = machine_counts.switches;
    switch_to(0, 0);
    assert_int_equal(machine_counts.switches, writes); /* live already: nothing is done */
}

static void test_live_asids_survive_roll_over(void **state)
{
    (void)state;
    spaces_make();
    switch_to(1, 0);
    switch_to(2, 1);
    uint16_t first = table_asid(spaces[0]->table), second = table_asid(spaces[1]->table);
    for (unsigned round = 0; round < 5; round++)
        for (unsigned i = 2; i < TABLES; i++)
            switch_to(0, i); /* rolls over several times, while CPUs 1 and 2 run on */
    assert_int_equal(machine_live_asid(1), first);
    assert_int_equal(machine_live_asid(2), second);
    switch_to(3, 0); /* the same table on another CPU: under the number that it has */
    assert_int_equal(machine_live_asid(3), first);
}

static void test_asid_random(void **state)
{
    (void)state;
    spaces_make();
    for (unsigned i = 0; i < 200000; i++)
        switch_to((unsigned)machine_random(MACHINE_CPUS), (unsigned)machine_random(TABLES));
    assert_true(machine_counts.tlbi_local > 1000); /* there were roll-overs */
}

/* ---- Unmapping ---- */

static struct unmap_record record;

static void unmap_now(struct table *table, uint32_t page)
{
    unmap_page(table, page, UNMAP_SYNCHRONOUS, false, &record);
    unmap_flush();
}

static void protect_now(struct table *table, uint32_t page)
{
    unmap_protect(table, page, UNMAP_SYNCHRONOUS, &record);
    unmap_flush();
}

static void map(struct table *table, uint32_t page, bool writable)
{
    pagetable_ipc_map(&table->pages, page, 0x80000000, writable, true);
    pagetable_ipc_publish();
}

static void test_unmap_by_bitmap(void **state)
{
    (void)state;
    spaces_make();
    struct table *table = spaces[0]->table;
    struct machine_reach reach;
    map(table, 1, true);
    unmap_now(table, 1); /* never live: nothing to tell anybody */
    assert_int_equal(machine_counts.tlbi_local + machine_counts.tlbi_broadcast, 0);
    switch_to(0, 0);
    map(table, 1, true);
    protect_now(table, 1);
    assert_int_equal(machine_counts.tlbi_local, 1);
    switch_to(2, 0);
    map(table, 1, true);
    machine_run_on(0);
    protect_now(table, 1);
    assert_int_equal(machine_counts.tlbi_broadcast, 1);
    unmap_now(table, 1);
    assert_int_equal(machine_counts.tlbi_broadcast, 2);
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        machine_reachable(cpu, page_va(1), &reach);
        assert_int_equal(reach.count, 0);
    }
    machine_check_quiet();
    assert_true(unmap_through(&record));
    assert_int_equal(cpus[0].counters[COUNT_TLB_LOCAL], 1);
    assert_int_equal(cpus[0].counters[COUNT_TLB_BROADCAST], 2);
}

static bool reachable(unsigned cpu, uint32_t page)
{
    struct machine_reach reach;

    machine_reachable(cpu, page_va(page), &reach);
    return reach.count;
}

/* Two CPUs may have the translation, and each kind of unmap is left by CPU 0. */
static struct table *two_cpus(uint32_t page)
{
    spaces_make();
    struct table *table = spaces[0]->table;
    switch_to(1, 0);
    switch_to(0, 0);
    map(table, page, true);
    return table;
}

static void test_fast(void **state)
{
    (void)state;
    struct table *table = two_cpus(1);
    unmap_page(table, 1, UNMAP_FAST, false, &record);
    unmap_flush();
    assert_int_equal(machine_counts.tlbi_broadcast, 1);
    assert_int_equal(machine_invalidations(0), 1); /* issued, and nobody waited */
    assert_true(reachable(0, 1) && reachable(1, 1));
    assert_false(unmap_through(&record));
    machine_run_on(1);
    unmap_pass(); /* of another CPU than the one that issued it: completes nothing */
    assert_true(reachable(1, 1) && !unmap_through(&record));
    machine_run_on(0);
    unmap_poll();
    assert_true(unmap_through(&record) && !reachable(0, 1) && !reachable(1, 1));
}

static void test_slow(void **state)
{
    (void)state;
    struct table *table = two_cpus(1);
    unmap_page(table, 1, UNMAP_SLOW, false, &record);
    unmap_flush();
    assert_int_equal(machine_counts.tlbi_broadcast + machine_counts.tlbi_local, 0);
    unmap_poll();
    assert_true(!reachable(0, 1) && reachable(1, 1) && !unmap_through(&record));
    switch_to(1, 1);
    switch_to(1, 0);
    assert_true(!reachable(1, 1) && unmap_through(&record));
    assert_int_equal(machine_counts.tlbi_broadcast, 0);
}

static void test_complete(void **state)
{
    (void)state;
    struct table *table = two_cpus(1);
    unmap_page(table, 1, UNMAP_FAST, false, &record);
    unmap_flush();
    machine_run_on(2);
    unmap_complete(1, &record); /* not its own TLBIs: issued once more */
    assert_int_equal(machine_counts.tlbi_broadcast, 2);
    assert_true(!reachable(0, 1) && !reachable(1, 1));
    unmap_complete(1, &record);
    assert_int_equal(machine_counts.tlbi_broadcast, 2);
    assert_int_equal(cpus[2].counters[COUNT_TLB_EPOCH], 1);
}

/* More than a queue holds: the whole ASID goes, and nothing is forgotten. */
static void test_overflow(void **state)
{
    static struct unmap_record records[400];

    (void)state;
    struct table *table = two_cpus(0);
    for (uint32_t page = 1; page < 400; page++)
        map(table, page, true);
    for (uint32_t page = 0; page < 400; page++)
        unmap_page(table, page, UNMAP_SLOW, false, &records[page]);
    unmap_flush();
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        machine_run_on(cpu);
        unmap_poll();
    }
    for (uint32_t page = 0; page < 400; page++)
        assert_true(unmap_through(&records[page]) && !reachable(0, page) && !reachable(1, page));
    assert_true(machine_counts.tlbi_asid);
}

/* Adjacent pages go by range where the machine can, in either direction. */
static void unmap_eight(bool ranges, uint64_t expected)
{
    machine_ranges = ranges;
    struct table *table = two_cpus(0);
    unmap_init();
    for (uint32_t page = 1; page < 8; page++)
        map(table, page, true);
    for (uint32_t page = 0; page < 4; page++)
        unmap_page(table, page, UNMAP_SYNCHRONOUS, false, &record);
    for (uint32_t page = 7; page > 3; page--)
        unmap_page(table, page, UNMAP_SYNCHRONOUS, false, &record);
    unmap_flush();
    assert_int_equal(machine_counts.tlbi_broadcast, expected);
    for (uint32_t page = 0; page < 8; page++)
        assert_false(reachable(0, page) || reachable(1, page));
}

static void test_ranges(void **state)
{
    (void)state;
    unmap_eight(true, 2);
}

static void test_no_ranges(void **state)
{
    (void)state;
    unmap_eight(false, 8);
}

static void test_refresh(void **state)
{
    struct machine_reach reach;

    (void)state;
    spaces_make();
    switch_to(0, 0);
    struct table *table = spaces[0]->table;
    map(table, 1, false);
    map(table, 1, true);
    machine_reachable(0, page_va(1), &reach);
    assert_int_equal(reach.count, 2);
    unmap_refresh(table, 1);
    machine_reachable(0, page_va(1), &reach);
    assert_int_equal(reach.count, 1);
    assert_true(ENTRY_WRITABLE(reach.entry[0]));
}

/* A roll-over between the switch and the unmap: the entry is found under whatever number it was cached. */
static void test_unmap_after_roll_over(void **state)
{
    struct machine_reach reach;

    (void)state;
    spaces_make();
    struct table *table = spaces[0]->table;
    for (unsigned round = 0; round < 200; round++) {
        switch_to(1, 0);
        map(table, round, true);
        if (round & 1)
            switch_to(1, 1);
        unsigned others = (unsigned)machine_random(20);
        for (unsigned i = 0; i < others; i++)
            switch_to((unsigned)machine_random(2) * 2, 2 + (unsigned)machine_random(TABLES - 2));
        machine_run_on(3);
        unmap_now(table, round);
        switch_to(1, 0);
        machine_reachable(1, page_va(round), &reach);
        assert_int_equal(reach.count, 0);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_frames),
    cmocka_unit_test(test_frame_bytes),
    cmocka_unit_test(test_frame_block),
    cmocka_unit_test(test_attributes),
    cmocka_unit_test(test_map),
    cmocka_unit_test(test_map_blocks),
    cmocka_unit_test(test_ipc_entries),
    cmocka_unit_test(test_illegal_transitions),
    cmocka_unit_test(test_spaces),
    cmocka_unit_test(test_asid_stays_without_roll_over),
    cmocka_unit_test(test_live_asids_survive_roll_over),
    cmocka_unit_test(test_asid_random),
    cmocka_unit_test(test_unmap_by_bitmap),
    cmocka_unit_test(test_fast),
    cmocka_unit_test(test_slow),
    cmocka_unit_test(test_complete),
    cmocka_unit_test(test_overflow),
    cmocka_unit_test(test_ranges),
    cmocka_unit_test(test_no_ranges),
    cmocka_unit_test(test_refresh),
    cmocka_unit_test(test_unmap_after_roll_over),
};

CASES_MAIN(tests)
