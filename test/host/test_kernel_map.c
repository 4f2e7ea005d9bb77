/*
 * mm/kernel_map.h: what the kernel's own table maps, page by page, and what it must leave out. Walked by hand.
 */
#include "core/cpu.h"
#include "core/layout.h"
#include "mm/frame.h"
#include "mm/kernel_map.h"
#include "mm/pagetable.h"
#include "test/host/cases.h"
#include "test/host/machine.h"

#define IMAGE_PHYS    UINT64_C(0x40200000)
#define TEXT          (IMAGE_BASE + 0x1000)
#define RODATA        (IMAGE_BASE + 0x9000)
#define DATA          (IMAGE_BASE + 0x2a000)
#define END           (IMAGE_BASE + 0x30000)
#define PXN           (UINT64_C(1) << 53)
#define UXN           (UINT64_C(1) << 54)
#define WINDOWS       (3 * CPUS_MAX)
#define DEVICE(entry) (((entry) >> 2 & 7) == 0)

static const struct image_layout image = {
    .phys = IMAGE_PHYS,
    .text_start = TEXT,
    .text_end = RODATA,
    .rodata_start = RODATA,
    .rodata_end = DATA,
    .data_start = DATA,
    .data_end = END,
};

static void begin(void)
{
    machine_reset(1);
    machine_add_ram();
    machine_run_on(0);
    kernel_map_init(&image);
}

/* The entry that translates `va`, with the address of the very page; 0 when there is none. */
static uint64_t walk(uint64_t va)
{
    uint64_t entry = kernel_map_root() | 3;

    for (unsigned level = 1; level <= 3; level++) {
        entry = *(uint64_t *)machine_memory(ENTRY_FRAME(entry) + (va >> (39 - 9 * level) & 511) * 8);
        if (!(entry & 1))
            return 0;
        if (level == 2 && !(entry & 2))
            return entry + (va & 0x1ff000);
    }
    return entry;
}

/* All that is mapped in the image's and the stacks' part of the address space, and beside it: W^X, global, EL1 only. */
static void check_rules(uint64_t from, uint64_t size)
{
    for (uint64_t va = from; va < from + size; va += PAGE_SIZE) {
        uint64_t entry = walk(va);
        if (!entry)
            continue;
        assert_false(ENTRY_PRIVATE(entry));
        assert_false(ENTRY_USER(entry));
        assert_true(entry & UXN);
        assert_true((entry & PXN) || !ENTRY_WRITABLE(entry));
    }
}

static void test_image(void **state)
{
    (void)state;
    begin();
    for (uint64_t va = IMAGE_BASE; va < END + 0x10000; va += PAGE_SIZE) {
        uint64_t entry = walk(va);
        if (va < TEXT || va >= END) {
            assert_int_equal(entry, 0);
            continue;
        }
        assert_int_equal(ENTRY_FRAME(entry), va - IMAGE_BASE + IMAGE_PHYS);
        assert_int_equal(!(entry & PXN), va < RODATA);
        assert_int_equal(ENTRY_WRITABLE(entry), va >= DATA);
        assert_false(DEVICE(entry));
    }
    check_rules(IMAGE_BASE, END - IMAGE_BASE);
    assert_int_equal(kernel_image_phys((const void *)(DATA + 5)), IMAGE_PHYS + 0x2a005);
    machine_check_quiet();
}

static void test_linear_map(void **state)
{
    const uint64_t start = 0x40000000, size = 0x600000, hole = 0x40800000;

    (void)state;
    begin();
    kernel_map_ram(start, size);
    kernel_map_ram(hole + 0x3000, 0x1000);
    for (uint64_t phys = start; phys < start + size; phys += PAGE_SIZE) {
        uint64_t entry = walk(LINEAR_BASE + phys);
        assert_int_equal(ENTRY_FRAME(entry), phys);
        assert_true(ENTRY_WRITABLE(entry) && (entry & PXN));
    }
    assert_int_equal(walk(LINEAR_BASE + start - PAGE_SIZE), 0);
    assert_int_equal(walk(LINEAR_BASE + start + size),
                     0); /* what was not named (the IPC block) is not mapped */
    assert_int_equal(walk(LINEAR_BASE + hole + 0x2000), 0);
    assert_int_equal(walk(LINEAR_BASE + hole + 0x4000), 0);
    check_rules(LINEAR_BASE + start, size);
    assert_true(machine_fails(kernel_map_ram(LINEAR_SIZE, PAGE_SIZE)));
}

static void test_devices(void **state)
{
    (void)state;
    begin();
    for (unsigned twice = 0; twice < 2; twice++) {
        assert_int_equal((uint64_t)kernel_map_device(0x0a000200, 0x200), LINEAR_BASE + 0x0a000200);
        assert_int_equal((uint64_t)kernel_map_device(0x0a000e00, 0x400), LINEAR_BASE + 0x0a000e00);
    }
    for (uint64_t phys = 0x0a000000; phys < 0x0a002000; phys += PAGE_SIZE) {
        uint64_t entry = walk(LINEAR_BASE + phys);
        assert_int_equal(ENTRY_FRAME(entry), phys);
        assert_true(DEVICE(entry) && ENTRY_WRITABLE(entry) && (entry & PXN));
    }
    assert_int_equal(walk(LINEAR_BASE + 0x0a002000), 0);
}

/* Above the linear map a range has addresses of its own, and what lies in an earlier one has that one's. */
static void test_high_devices(void **state)
{
    const uint64_t ecam = UINT64_C(0x4010000000);

    (void)state;
    begin();
    uint64_t first = (uint64_t)kernel_map_device(ecam, 0x100000);
    uint64_t second = (uint64_t)kernel_map_device(ecam + 0x100200, 0x100);
    assert_int_equal(first, DEVICE_BASE);
    assert_int_equal(second, DEVICE_BASE + 0x100200);
    for (uint64_t at = 0; at < 0x101000; at += PAGE_SIZE) {
        uint64_t entry = walk(DEVICE_BASE + at);
        assert_int_equal(ENTRY_FRAME(entry), ecam + at);
        assert_true(DEVICE(entry) && ENTRY_WRITABLE(entry) && (entry & PXN));
    }
    assert_int_equal(walk(DEVICE_BASE + 0x101000), 0);
    uint64_t free = frame_free_bytes();
    assert_int_equal((uint64_t)kernel_map_device(ecam + 0x80010, 8), first + 0x80010);
    assert_int_equal((uint64_t)kernel_map_device(ecam + 0x100fff, 1), second - 0x200 + 0xfff);
    assert_int_equal(frame_free_bytes(), free);
    assert_true(machine_fails(kernel_map_device(UINT64_C(0x100000000000) - 8, 16)));
    assert_true(machine_fails(kernel_map_device(UINT64_MAX - 100, 50)));
    for (unsigned i = 2; i < 32; i++)
        kernel_map_device(ecam + i * UINT64_C(0x1000000), 8);
    assert_true(machine_fails(kernel_map_device(ecam + 33 * UINT64_C(0x1000000), 8)));
    check_rules(DEVICE_BASE, 0x200000);
}

/* Registers in memory would be memory, cached: that is refused. */
static void test_device_in_memory(void **state)
{
    (void)state;
    begin();
    kernel_map_ram(0x48000000, 0x200000 + PAGE_SIZE);
    assert_true(machine_fails(kernel_map_device(0x48001000, 8)));
    assert_true(machine_fails(kernel_map_device(0x48200000, 8)));
}

/* More devices than any machine has, many to a page: each is mapped, and a page only once. */
static void test_many_devices(void **state)
{
    (void)state;
    begin();
    for (uint64_t i = 0; i < 8 * 32; i++)
        kernel_map_device(0x0a000000 + i * 0x200, 0x200);
    for (uint64_t phys = 0x0a000000; phys < 0x0a000000 + 32 * PAGE_SIZE; phys += PAGE_SIZE)
        assert_int_equal(ENTRY_FRAME(walk(LINEAR_BASE + phys)), phys);
}

static void test_stacks_have_guards(void **state)
{
    (void)state;
    begin();
    for (unsigned number = 0; number < 8; number++) {
        uint64_t top = kernel_map_stack(number);
        for (uint64_t va = top - KERNEL_STACK_SIZE; va < top; va += PAGE_SIZE)
            assert_true(ENTRY_WRITABLE(walk(va)) && walk(va));
        for (uint64_t va = top - 2 * KERNEL_STACK_SIZE; va < top - KERNEL_STACK_SIZE; va += PAGE_SIZE)
            assert_int_equal(walk(va), 0);
        assert_int_equal(walk(top), 0);
    }
    check_rules(STACK_BASE, 17 * KERNEL_STACK_SIZE);
    assert_true(machine_fails(kernel_map_stack(3))); /* in use */
}

/* The windows' tables are there, so that a window can be put up where nothing may be allocated; nothing is in them. */
static void test_windows_are_ready(void **state)
{
    (void)state;
    begin();
    uint64_t free = frame_free_bytes();
    for (unsigned i = 0; i < WINDOWS; i++)
        assert_int_equal(walk(WINDOW_BASE + i * 2 * PAGE_SIZE), 0);
    struct pagetable kernel = {.root = kernel_map_root()};
    for (unsigned i = 0; i < WINDOWS; i++) {
        uint64_t window = WINDOW_BASE + i * 2 * PAGE_SIZE;
        pagetable_window(&kernel, window, 0x80000000 + i * PAGE_SIZE, i & 1);
        assert_int_equal(ENTRY_FRAME(walk(window)), 0x80000000 + i * PAGE_SIZE);
        assert_int_equal(ENTRY_WRITABLE(walk(window)), i & 1);
        assert_int_equal(walk(window + PAGE_SIZE), 0); /* a gap to the next one */
    }
    check_rules(WINDOW_BASE, 2 * WINDOWS * PAGE_SIZE);
    assert_int_equal(frame_free_bytes(), free);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_image),
    cmocka_unit_test(test_linear_map),
    cmocka_unit_test(test_devices),
    cmocka_unit_test(test_many_devices),
    cmocka_unit_test(test_high_devices),
    cmocka_unit_test(test_device_in_memory),
    cmocka_unit_test(test_stacks_have_guards),
    cmocka_unit_test(test_windows_are_ready),
};

CASES_MAIN(tests)
