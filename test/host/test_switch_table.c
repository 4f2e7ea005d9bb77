/*
 * The switch's table of stations against a plain model of it: learning, moves, ageing, limits, constant work.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "apps/switch/table.h"

#define SECOND UINT64_C(1000000000)

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void table_make(struct table *table, unsigned limit, uint64_t age, uint64_t seed)
{
    uint64_t *slots = malloc(table_words(limit) * sizeof slots[0]);

    assert_non_null(slots);
    table_init(table, slots, limit, age, seed, 0);
}

/* Invariants 1 and 2 of table.h, and that every entry is where a lookup finds it. */
static void table_check(struct table *table)
{
    unsigned used = 0;
    uint64_t word;

    for (unsigned i = 0; i < table_slots(table->limit); i++) {
        if (!table->slots[i])
            continue;
        used++;
        assert_ptr_equal(table_find(table, table->slots[i] & ~UINT64_C(0xffff), &word), &table->slots[i]);
    }
    assert_int_equal(used, table->used);
    assert_true(used <= table->limit);
    assert_true(table_slots(table->limit) >= 4 * table->limit);
}

static void test_learns_and_moves(void **state)
{
    struct table table;
    uint64_t key = TABLE_KEY(UINT64_C(0x020000000001));

    (void)state;
    table_make(&table, 16, 300 * SECOND, 1);
    assert_int_equal(table_lookup(&table, key), TABLE_NO_PORT);
    table_learn(&table, key, 3);
    assert_int_equal(table_lookup(&table, key), 3);
    table_learn(&table, key, 63);
    assert_int_equal(table_lookup(&table, key), 63);
    assert_int_equal(table.moved, 1);
    assert_int_equal(table.used, 1);
    table_learn(&table, key, 0);
    assert_int_equal(table_lookup(&table, key), 0);
    table_check(&table);
    free(table.slots);
}

static void test_all_bits_of_the_address_count(void **state)
{
    struct table table;

    (void)state;
    table_make(&table, 64, 300 * SECOND, 7);
    for (unsigned bit = 0; bit < 48; bit++)
        table_learn(&table, TABLE_KEY(UINT64_C(1) << bit), bit);
    for (unsigned bit = 0; bit < 48; bit++)
        assert_int_equal(table_lookup(&table, TABLE_KEY(UINT64_C(1) << bit)), bit);
    table_check(&table);
    free(table.slots);
}

static void test_forgets_after_the_age(void **state)
{
    struct table table;
    uint64_t quiet = TABLE_KEY(2), busy = TABLE_KEY(4);

    (void)state;
    table_make(&table, 16, 10 * SECOND, 1);
    table_learn(&table, quiet, 1);
    for (uint64_t now = 0; now <= 10 * SECOND; now += SECOND / 10) {
        table_time_set(&table, now);
        table_learn(&table, busy, 2);
        assert_int_equal(table_lookup(&table, quiet), 1);
    }
    table_time_set(&table, 10 * SECOND + SECOND / 10);
    assert_int_equal(table_lookup(&table, quiet), TABLE_NO_PORT);
    assert_int_equal(table_lookup(&table, busy), 2);
    table_time_set(&table, 13 * SECOND);
    assert_int_equal(table.used, 1);
    table_check(&table);
    free(table.slots);
}

/* The 10 bits of time in an entry come round after four times the age: nothing old may look young again. */
static void test_long_silence(void **state)
{
    struct table table;

    (void)state;
    for (unsigned pause = 1; pause < 3000; pause += 7) {
        table_make(&table, 16, 256, 1); /* a unit is 1 ns */
        table_learn(&table, TABLE_KEY(2), 1);
        table_time_set(&table, pause);
        assert_int_equal(table_lookup(&table, TABLE_KEY(2)), pause <= 256 ? 1 : TABLE_NO_PORT);
        table_check(&table);
        free(table.slots);
    }
}

static void test_writes_only_changes(void **state)
{
    struct table table;
    uint64_t key = TABLE_KEY(6);

    (void)state;
    table_make(&table, 16, 256 * SECOND, 1);
    table_learn(&table, key, 1);
    uint64_t word, *entry = table_find(&table, key, &word), before = *entry;
    table_time_set(&table, SECOND - 1);
    table_learn(&table, key, 1);
    assert_int_equal(*entry, before);
    table_time_set(&table, SECOND);
    table_learn(&table, key, 1);
    assert_int_not_equal(*entry, before);
    free(table.slots);
}

static void test_full(void **state)
{
    struct table table;

    (void)state;
    for (unsigned limit = 1; limit <= 8192; limit = limit < 32 ? limit + 1 : limit * 2) {
        for (unsigned seed = 0; seed < (limit < 100 ? 200 : 2); seed++) {
            table_make(&table, limit, 10 * SECOND, random_next());
            for (unsigned i = 0; i < limit; i++)
                table_learn(&table, TABLE_KEY(UINT64_C(0x0002) | (uint64_t)i << 32), i & TABLE_PORT_MASK);
            assert_int_equal(table.refused, 0);
            assert_int_equal(table.used, limit);
            table_learn(&table, TABLE_KEY(UINT64_C(0xff02)), 1);
            assert_int_equal(table.refused, 1);
            assert_int_equal(table_lookup(&table, TABLE_KEY(UINT64_C(0xff02))), TABLE_NO_PORT);
            table_time_set(&table, 10 * SECOND + SECOND / 10);
            table_learn(&table, TABLE_KEY(UINT64_C(0xff02)), 1);
            assert_int_equal(table_lookup(&table, TABLE_KEY(UINT64_C(0xff02))), 1);
            assert_int_equal(table.used, 1);
            free(table.slots);
        }
    }
}

/* Half full with addresses of any kind, hardly one may be refused: prepared ones cannot know the multiplier.
 */
static void test_collisions_are_rare(void **state)
{
    struct table table;
    uint64_t refused = 0;

    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        table_make(&table, 4096, 10 * SECOND, random_next());
        uint64_t step = random_next() | 2;
        for (unsigned i = 0; i < 4096; i++)
            table_learn(&table,
                        TABLE_KEY((round & 1 ? random_next() : (i + 1) * step) & UINT64_C(0xfffffffffffe)),
                        1);
        refused += table.refused;
        table_check(&table);
        free(table.slots);
    }
    assert_true(refused < 20);
}

/* 10^6 random calls against arrays indexed by the address. */
static void test_against_model(void **state)
{
    enum {
        STATIONS = 600,
        LIMIT = 256
    };
    static int port[STATIONS];
    static uint64_t seen[STATIONS];
    struct table table;
    uint64_t now = 0, age = 1000 * TABLE_UNITS;

    (void)state;
    table_make(&table, LIMIT, age, 99);
    for (int i = 0; i < STATIONS; i++)
        port[i] = -1;
    for (unsigned step = 0; step < 1000000; step++) {
        unsigned station = (unsigned)(random_next() % (step & 0x10000 ? STATIONS : LIMIT / 2));
        uint64_t key = TABLE_KEY((uint64_t)(station + 1) * 0x10001 << 1);
        if (random_next() % 64 == 0) {
            now += random_next() % (random_next() % 100 ? 2000 : 3 * age);
            table_time_set(&table, now);
        }
        if (random_next() & 1) {
            uint64_t refused = table.refused;
            port[station] = (int)(random_next() % 8);
            table_learn(&table, key, (unsigned)port[station]);
            seen[station] = now;
            if (table.refused != refused)
                port[station] = -1;
        }
        int found = table_lookup(&table, key);
        bool alive = port[station] >= 0 && now - seen[station] <= age;
        bool dead = port[station] < 0 || now - seen[station] > age + 1000;
        if (alive)
            assert_int_equal(found, port[station]);
        if (dead)
            assert_int_equal(found, TABLE_NO_PORT);
        if (step % 10000 == 0)
            table_check(&table);
    }
    free(table.slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns_and_moves),      cmocka_unit_test(test_all_bits_of_the_address_count),
        cmocka_unit_test(test_forgets_after_the_age), cmocka_unit_test(test_long_silence),
        cmocka_unit_test(test_writes_only_changes),   cmocka_unit_test(test_full),
        cmocka_unit_test(test_collisions_are_rare),   cmocka_unit_test(test_against_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
