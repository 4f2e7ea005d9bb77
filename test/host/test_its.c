/*
 * drivers/gic_its.c against an ITS and redistributors in software: the commands as they lie in the queue, word by word as in
 * Arm IHI 0069, 5.3; the tables that it is given; and those that cannot be used.
 */
#include "core/arch.h"
#include "core/cpu.h"
#include "core/irq.h"
#include "core/layout.h"
#include "core/timer.h"
#include "drivers/gic.h"
#include "drivers/gic_its.h"
#include "drivers/msi.h"
#include "mm/frame.h"
#include "test/host/cases.h"
#include "test/host/machine.h"

#define ITS_VA   UINT64_C(0x7d0000000000) /* nothing is there: every access goes through the model */
#define ITS_PHYS UINT64_C(0x8080000)
#define FRAME_VA (LINEAR_BASE + 0x80a0000) /* redistributors, 128 KiB each */
#define VALID    (UINT64_C(1) << 63)
#define PAGE_OF  UINT64_C(0xfffffffff000)

enum {
    CTLR = 0,
    TYPER = 8,
    CBASER = 0x80,
    CWRITER = 0x88,
    CREADR = 0x90,
    BASER = 0x100
};
enum {
    R_CTLR = 0,
    R_TYPER = 8,
    R_PROPBASER = 0x70,
    R_PENDBASER = 0x78
};

static union {
    uint32_t words[1024];
    uint64_t doubles[512];
} its, frames[2];
static uint64_t read_only[512]; /* bits of the ITS's registers that keep what they are */
static uint64_t frame_fixed;    /* bits of a redistributor's registers for tables that stay 0 */
static bool busy;               /* never comes to rest */
static unsigned refuse_at;      /* the command that is not liked, from 1 on; 0: none */
static struct command {
    uint64_t word[4];
} commands[64];
static unsigned command_count;

bool machine_device_access(const volatile void *reg, unsigned bytes, bool write, uint32_t *value);

static void commands_take(void)
{
    uint64_t queue = its.doubles[CBASER / 8] & PAGE_OF;
    unsigned size = 4096 * (unsigned)((its.doubles[CBASER / 8] & 0xff) + 1);

    while (its.words[CREADR / 4] != its.words[CWRITER / 4]) {
        if (command_count + 1 == refuse_at) {
            its.words[CREADR / 4] |= 1;
            return;
        }
        memcpy(&commands[command_count++ % 64], machine_memory(queue + its.words[CREADR / 4]), 32);
        its.words[CREADR / 4] = (its.words[CREADR / 4] + 32) % size;
    }
}

static void its_write(unsigned offset, uint32_t value)
{
    uint32_t keep = (uint32_t)(read_only[offset / 8] >> offset % 8 * 8);

    if (offset == CREADR || offset == TYPER)
        machine_fail("a register that is read-only is written");
    its.words[offset / 4] = (its.words[offset / 4] & keep) | (value & ~keep);
    if (offset == CTLR)
        its.words[0] = (value & 1) | (busy ? 0 : 1u << 31);
    if (offset == CWRITER && its.words[CTLR / 4] & 1)
        commands_take();
}

bool machine_device_access(const volatile void *reg, unsigned bytes, bool write, uint32_t *value)
{
    uint64_t at = (uint64_t)(uintptr_t)reg;
    bool is_frame = at - FRAME_VA < 2 * 0x20000;
    unsigned offset = at % 0x1000;

    if (!is_frame && at - ITS_VA >= 0x1000)
        return false;
    if (bytes != 4 || offset % 4)
        machine_fail("an access of %u bytes at %x", bytes, offset);
    uint32_t *words = is_frame ? frames[(at - FRAME_VA) / 0x20000].words : its.words;
    if (!write)
        *value = words[offset / 4];
    else if (is_frame)
        words[offset / 4] =
            offset >= R_PROPBASER ? *value & ~(uint32_t)(frame_fixed >> offset % 8 * 8) : *value;
    else
        its_write(offset, *value);
    return true;
}

volatile uint8_t *gic_v3_redistributor(unsigned cpu)
{
    return (volatile uint8_t *)(uintptr_t)(FRAME_VA + cpu * 0x20000);
}

/* As QEMU's: 16 bits of device numbers, entries of 12 bytes for events and of 8 in the tables of devices and collections. */
static void begin(void)
{
    machine_reset(2);
    machine_add_ram();
    machine_run_on(0);
    memset(&its, 0, sizeof its);
    memset(frames, 0, sizeof frames);
    its.doubles[TYPER / 8] = 1 | 11 << 4 | 15 << 13;
    its.words[0] = 1; /* firmware left it on */
    its.doubles[BASER / 8] = UINT64_C(1) << 56 | UINT64_C(7) << 48;
    its.doubles[BASER / 8 + 1] = UINT64_C(4) << 56 | UINT64_C(7) << 48;
    read_only[BASER / 8] = read_only[BASER / 8 + 1] = UINT64_C(7) << 56 | UINT64_C(0x1f) << 48;
    for (unsigned cpu = 0; cpu < 2; cpu++)
        frames[cpu].doubles[R_TYPER / 8] = 1 | (cpu + 5) << 8; /* LPIs; number 5, 6 */
}

static bool init(uint32_t devices)
{
    return gic_its_init((volatile void *)(uintptr_t)ITS_VA, ITS_PHYS, devices);
}

static void check_command(unsigned number, uint64_t w0, uint64_t w1, uint64_t w2)
{
    assert_true(number < command_count);
    assert_int_equal(commands[number].word[0], w0);
    assert_int_equal(commands[number].word[1], w1);
    assert_int_equal(commands[number].word[2], w2);
    assert_int_equal(commands[number].word[3], 0);
}

static void test_tables(void **state)
{
    (void)state;
    begin();
    assert_true(init(0x500));
    assert_true(its.words[CTLR / 4] & 1);
    /* 0x500 entries of 8 bytes are 3 pages; cached, inner shareable. */
    assert_int_equal(its.doubles[BASER / 8] & ~PAGE_OF,
                     VALID | UINT64_C(7) << 59 | UINT64_C(1) << 56 | UINT64_C(7) << 48 | 1 << 10 | 2);
    assert_int_equal(its.doubles[BASER / 8 + 1] & 0xff, 0);
    assert_true(its.doubles[BASER / 8 + 1] & VALID);
    assert_int_equal(its.doubles[CBASER / 8] & ~PAGE_OF, VALID | UINT64_C(7) << 59 | 1 << 10);
    assert_true(msi_present());
    assert_int_equal(command_count, 0);
}

static void test_commands(void **state)
{
    struct msi msi[2];

    (void)state;
    begin();
    assert_true(init(0x500));
    for (unsigned i = 0; i < 2; i++) {
        assert_true(msi_allocate(8 + i * 0x3f0, &msi[i]));
        assert_int_equal(msi[i].address, ITS_PHYS + 0x10040);
        assert_int_equal(msi[i].data, 0);
        assert_int_equal(msi[i].irq, 8192 + i);
        assert_int_equal(commands[i].word[2] & 0xff, 0); /* on 256 bytes */
        check_command(i, 0x08 | (uint64_t)(8 + i * 0x3f0) << 32, 0, commands[i].word[2] | VALID);
    }
    assert_true(commands[0].word[2] != commands[1].word[2]);
    gic_its_enable(8193, 1);
    check_command(2, 0x09, 0, VALID | UINT64_C(6) << 16 | 1); /* collection 1 is CPU number 6 */
    check_command(3, 0x05, 0, UINT64_C(6) << 16);
    check_command(4, 0x0a | UINT64_C(0x3f8) << 32, UINT64_C(8193) << 32, 1);
    check_command(5, 0x0c | UINT64_C(0x3f8) << 32, 0, 0);
    check_command(6, 0x05, 0, UINT64_C(6) << 16);
    assert_int_equal(command_count, 7);
    /* The CPU has its tables, and takes LPIs: numbers of 14 bits, nothing pending yet. */
    assert_int_equal(frames[1].words[R_CTLR / 4], 1);
    assert_int_equal(frames[1].doubles[R_PROPBASER / 8] & ~PAGE_OF, 13 | 7 << 7 | 1 << 10);
    assert_int_equal(frames[1].doubles[R_PENDBASER / 8] & ~UINT64_C(0xffffffff0000),
                     UINT64_C(1) << 62 | 7 << 7 | 1 << 10);
    const uint8_t *properties = machine_memory(frames[1].doubles[R_PROPBASER / 8] & PAGE_OF);
    assert_int_equal(properties[0], 0);
    assert_int_equal(properties[1], GIC_PRIORITY | 1);
    assert_int_equal(frames[0].words[R_CTLR / 4], 0); /* the other has none, as nothing goes there */
    gic_its_disable(8193);
    assert_int_equal(properties[1], 0);
    check_command(7, 0x0c | UINT64_C(0x3f8) << 32, 0, 0);
    check_command(8, 0x05, 0, UINT64_C(6) << 16);
    gic_its_disable(8194); /* nobody's */
    gic_its_disable(8192 + IRQ_MESSAGES_MAX);
    assert_int_equal(command_count, 9);
}

/* An ITS that names redistributors by their addresses; the queue runs around. */
static void test_many(void **state)
{
    struct msi msi;

    (void)state;
    begin();
    its.doubles[TYPER / 8] |= 1 << 19;
    assert_true(init(0x100));
    assert_true(msi_allocate(1, &msi));
    gic_its_enable(8192, 1);
    check_command(1, 0x09, 0, VALID | arch_virt_to_phys((void *)(FRAME_VA + 0x20000)) | 1);
    while (command_count < 300) {
        unsigned before = command_count;
        gic_its_disable(8192);
        assert_int_equal(command_count, before + 2);
    }
}

static void test_limits(void **state)
{
    struct msi msi;

    (void)state;
    begin();
    assert_true(init(0x100));
    assert_false(msi_allocate(0x100, &msi));
    for (unsigned i = 0; i < IRQ_MESSAGES_MAX; i++)
        assert_true(msi_allocate(i, &msi));
    assert_false(msi_allocate(0xff, &msi));
}

static void check_unusable(void)
{
    assert_false(init(0x100));
    assert_false(msi_present());
    assert_int_equal(its.words[CTLR / 4] & 1 && !busy, 0);
    assert_int_equal(command_count, 0);
}

static void test_unusable(void **state)
{
    (void)state;
    begin();
    assert_false(init(0));
    assert_false(init(0x10001)); /* more than 16 bits */
    begin();
    its.words[0] = 0;
    its.doubles[TYPER / 8] &= ~UINT64_C(1); /* no LPIs */
    check_unusable();
    begin();
    busy = true;
    check_unusable();
    busy = false;
    begin();
    its.doubles[BASER / 8] = 0; /* no table of devices */
    check_unusable();
    begin();
    its.doubles[BASER / 8 + 1] = 0; /* no table of collections, and none built in */
    check_unusable();
    begin();
    read_only[BASER / 8] |= 3 << 10; /* not shared with the caches */
    check_unusable();
    begin();
    read_only[BASER / 8] &= ~(UINT64_C(3) << 10);
    read_only[BASER / 8] |= 3 << 8; /* pages of another size */
    its.doubles[BASER / 8] |= 2 << 8;
    check_unusable();
    begin();
    read_only[BASER / 8] &= ~(UINT64_C(3) << 8);
    read_only[CBASER / 8] = 3 << 10;
    check_unusable();
}

static void test_built_in_collections(void **state)
{
    (void)state;
    begin();
    its.doubles[BASER / 8 + 1] = 0;
    its.doubles[TYPER / 8] |= 8 << 24;
    assert_true(init(0x100));
}

static void test_refused_command(void **state)
{
    struct msi msi;

    (void)state;
    begin();
    assert_true(init(0x100));
    refuse_at = 1;
    assert_false(msi_allocate(1, &msi));
}

/* A CPU whose LPIs cannot be used: CPU 0 takes its interrupt; when that cannot either, it is a panic and no silence. */
static void check_replaced(void (*spoil)(void))
{
    struct msi msi;

    begin();
    command_count = 0;
    assert_true(init(0x100));
    assert_true(msi_allocate(1, &msi));
    spoil();
    gic_its_enable(msi.irq, 1);
    assert_int_equal(frames[0].words[R_CTLR / 4], 1);
    check_command(1, 0x09, 0, VALID | UINT64_C(5) << 16);
    check_command(3, 0x0a | UINT64_C(1) << 32, (uint64_t)msi.irq << 32, 0);
}

static void has_none(void)
{
    frames[1].doubles[R_TYPER / 8] = 0;
}

static void switched_on(void)
{
    frames[1].words[R_CTLR / 4] = 1;
}

static void test_replaced(void **state)
{
    (void)state;
    check_replaced(has_none);
}

static void test_replaced_too(void **state)
{
    (void)state;
    check_replaced(switched_on);
}

static void test_no_cpu(void **state)
{
    struct msi msi;

    (void)state;
    begin();
    assert_true(init(0x100));
    assert_true(msi_allocate(1, &msi));
    frame_fixed = 3 << 10; /* nobody's tables are shared with the caches */
    assert_true(machine_fails(gic_its_enable(8192, 1)));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_tables),
    cmocka_unit_test(test_commands),
    cmocka_unit_test(test_many),
    cmocka_unit_test(test_limits),
    cmocka_unit_test(test_unusable),
    cmocka_unit_test(test_built_in_collections),
    cmocka_unit_test(test_refused_command),
    cmocka_unit_test(test_replaced),
    cmocka_unit_test(test_replaced_too),
    cmocka_unit_test(test_no_cpu),
};

CASES_MAIN(tests)
