/*
 * core/ledger.h: what is noted is read again in the order of all CPUs; what is overwritten is counted, also while it is read.
 */
#include "core/cpu.h"
#include "core/ledger.h"
#include "test/host/cases.h"
#include "test/host/machine.h"

#define ENTRIES 64

static struct ledger_entry memory[MACHINE_CPUS][ENTRIES];

static void boot(void)
{
    machine_reset(1);
    cpu_count = MACHINE_CPUS;
    for (unsigned i = 0; i < MACHINE_CPUS; i++)
        cpus[i].number = i;
    ledger_init(memory, ENTRIES);
}

/* Notes `count` events on a CPU: pages `first`, first + 1, ... */
static void note(unsigned cpu, uint32_t first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ledger_note(&cpus[cpu], LEDGER_GET, cpu + 1, first + i, UINT64_MAX - first - i);
}

/* All that can be read; returns how much, and checks that it is in order and whole. */
static unsigned read_all(struct ledger_reader *reader)
{
    struct ledger_entry entry;
    uint64_t order = 0;
    unsigned count = 0;

    while (ledger_read(reader, &entry)) {
        assert_true(entry.order > order);
        assert_int_equal(entry.event, LEDGER_GET);
        assert_int_equal(entry.space, entry.cpu + 1);
        assert_true(entry.detail == UINT64_MAX - entry.page);
        order = entry.order;
        count++;
    }
    return count;
}

static void test_off(void **state)
{
    struct ledger_reader reader;

    (void)state;
    assert_false(ledger_enable(true)); /* no memory yet */
    boot();
    assert_false(ledger_is_on());
    assert_false(ledger_noting(&cpus[1]));
    note(1, 0, 5);
    ledger_read_begin(&reader);
    assert_int_equal(read_all(&reader), 0);
    assert_int_equal(ledger_noted(1), 0);
}

static void test_order(void **state)
{
    struct ledger_reader reader;
    struct ledger_entry entry;

    (void)state;
    boot();
    assert_true(ledger_enable(true) && ledger_is_on() && ledger_noting(&cpus[3]));
    for (uint32_t i = 0; i < 40; i++)
        note(i * 7 % MACHINE_CPUS, i, 1);
    ledger_read_begin(&reader);
    for (uint32_t i = 0; i < 40; i++) {
        assert_true(ledger_read(&reader, &entry));
        assert_int_equal(entry.page, i);
        assert_int_equal(entry.cpu, i * 7 % MACHINE_CPUS);
    }
    assert_false(ledger_read(&reader, &entry));
    assert_int_equal(reader.lost, 0);
}

static void test_overrun(void **state)
{
    struct ledger_reader reader;

    (void)state;
    boot();
    ledger_enable(true);
    note(0, 0, 10);
    note(2, 0, 3 * ENTRIES);
    assert_int_equal(ledger_noted(2), 3 * ENTRIES);
    assert_int_equal(ledger_lost(2), 2 * ENTRIES + 1);
    assert_int_equal(ledger_lost(0), 0);
    ledger_read_begin(&reader);
    assert_int_equal(read_all(&reader), 10 + ENTRIES - 1);
    assert_int_equal(reader.lost, 2 * ENTRIES + 1);
}

/* The ring comes round while somebody reads: what is read is whole, and what is missing is counted. */
static void test_overrun_while_reading(void **state)
{
    struct ledger_reader reader;
    struct ledger_entry entry;

    (void)state;
    boot();
    ledger_enable(true);
    note(1, 0, 20);
    ledger_read_begin(&reader);
    for (uint32_t i = 0; i < 5; i++)
        assert_true(ledger_read(&reader, &entry) && entry.page == i);
    note(1, 20, ENTRIES - 10); /* overwrites numbers 0 to 9, and 10 may be next */
    assert_int_equal(read_all(&reader), 20 - 11);
    assert_int_equal(reader.lost, 6);
    ledger_read_begin(&reader);
    for (uint32_t i = 0; i < 3; i++)
        assert_true(ledger_read(&reader, &entry));
    note(1, 0, 10 * ENTRIES);
    assert_int_equal(read_all(&reader), 0);
}

static void test_again(void **state)
{
    struct ledger_reader reader;

    (void)state;
    boot();
    ledger_enable(true);
    note(0, 0, 30);
    ledger_enable(true); /* it is on: nothing is forgotten */
    note(0, 30, 1);
    ledger_enable(false);
    note(0, 31, 1);
    ledger_read_begin(&reader);
    assert_int_equal(read_all(&reader), 31); /* off, it can still be read */
    ledger_enable(true);
    note(3, 0, 2);
    ledger_read_begin(&reader);
    assert_int_equal(read_all(&reader), 2);
    assert_int_equal(ledger_noted(0), 0);
}

static void test_many_pages(void **state)
{
    static const uint32_t pages[] = {7, 9, 11};
    struct ledger_reader reader;
    struct ledger_entry entry;

    (void)state;
    boot();
    ledger_enable(true);
    ledger_note_pages(&cpus[2], LEDGER_FREED, 0, pages, 3);
    ledger_read_begin(&reader);
    for (unsigned i = 0; i < 3; i++)
        assert_true(ledger_read(&reader, &entry) && entry.event == LEDGER_FREED && entry.page == pages[i]);
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LEDGER_EVENTS; i++)
        assert_true(ledger_event_name(i) && strcmp(ledger_event_name(i), "unknown"));
    assert_string_equal(ledger_event_name(LEDGER_EVENTS), "unknown");
    assert_string_equal(ledger_event_name(255), "unknown");
    assert_string_equal(ledger_event_name(LEDGER_TOLD), "told");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_off),     cmocka_unit_test(test_order),
    cmocka_unit_test(test_overrun), cmocka_unit_test(test_overrun_while_reading),
    cmocka_unit_test(test_again),   cmocka_unit_test(test_many_pages),
    cmocka_unit_test(test_names),
};
CASES_MAIN(tests)
