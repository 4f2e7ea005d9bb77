/*
 * Questions of other tables in the table of neighbours (neighbor_question): packets never push them out, each asker has one, and
 * each comes back exactly once, answered or refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "apps/net/neighbor.h"

#define SECOND UINT64_C(1000000000)
#define LINK   UINT64_C(0x020000000002)
#define THINGS 100000
#define ASKERS 7

enum fate {
    FATE_OURS,
    FATE_WAITS,
    FATE_SENT,
    FATE_UNREACHABLE,
    FATE_FULL,
};

static struct neighbors table;
static uint8_t fate[THINGS];
static unsigned next_thing, asked;
static uint64_t now;

static void ask(void *context, unsigned interface, struct address6 address, uint64_t link)
{
    (void)context;
    (void)interface;
    (void)address;
    (void)link;
    asked++;
}

static void end(void *thing, enum fate how)
{
    uint8_t *place = thing;

    assert_int_equal(*place, FATE_WAITS);
    *place = (uint8_t)how;
}

static void send(void *context, unsigned interface, uint64_t link, void *thing)
{
    (void)context;
    (void)interface;
    assert_true(link != 0);
    end(thing, FATE_SENT);
}

static void drop(void *context, unsigned interface, void *thing, enum drop reason)
{
    (void)context;
    (void)interface;
    end(thing, reason == DROP_UNREACHABLE ? FATE_UNREACHABLE : FATE_FULL);
}

static void table_make(uint32_t waiting)
{
    static const struct neighbor_calls calls = {ask, send, drop};
    struct neighbor_limits limits = neighbor_limits_usual;

    limits.stations = 64;
    limits.waiting = waiting;
    void *memory = malloc(neighbors_bytes(&limits));
    assert_non_null(memory);
    free(table.entries);
    neighbors_init(&table, memory, &limits, &calls, NULL, 4711);
    memset(fate, FATE_OURS, sizeof fate);
    next_thing = asked = 0;
    now = 1000 * SECOND;
}

/* Returns its number. */
static unsigned give(uint32_t address, uint8_t asker)
{
    assert_true(next_thing < THINGS);
    fate[next_thing] = FATE_WAITS;
    if (asker)
        neighbor_question(&table, 0, address_of4(address), &fate[next_thing], asker, now);
    else
        neighbor_wait(&table, 0, address_of4(address), &fate[next_thing], now);
    return next_thing++;
}

static unsigned count_of(enum fate how, unsigned from, unsigned to)
{
    unsigned count = 0;

    for (unsigned i = from; i < to; i++)
        count += fate[i] == how;
    return count;
}

/* Packets before, between and after the questions: all questions are answered, and as many packets sent as a station's may wait. */
static void test_packets_push_out_none(void **state)
{
    unsigned questions[ASKERS];

    (void)state;
    table_make(64);
    for (unsigned i = 0; i < ASKERS; i++) {
        give(1, 0);
        questions[i] = give(1, (uint8_t)(i + 1));
        for (unsigned k = 0; k < 5; k++)
            give(1, 0);
    }
    assert_int_equal(table.waiting, ASKERS + table.limits.waiting_each);
    assert_int_equal(asked, 1);
    neighbor_heard(&table, 0, address_of4(1), LINK, NEIGHBOR_ANSWER, now);
    for (unsigned i = 0; i < ASKERS; i++)
        assert_int_equal(fate[questions[i]], FATE_SENT);
    assert_int_equal(count_of(FATE_SENT, 0, next_thing), ASKERS + table.limits.waiting_each);
    assert_int_equal(count_of(FATE_FULL, 0, next_thing), ASKERS * 6 - table.limits.waiting_each);
    /* The packets that were sent are the last that came */
    assert_int_equal(count_of(FATE_SENT, next_thing - table.limits.waiting_each, next_thing),
                     table.limits.waiting_each);
    assert_int_equal(table.waiting, 0);
}

/* Who asks again takes back what he asked before, and nothing else. */
static void test_asked_again(void **state)
{
    (void)state;
    table_make(64);
    unsigned packet = give(1, 0), first = give(1, 1), other = give(1, 2), again = give(1, 1);
    assert_int_equal(fate[first], FATE_FULL);
    for (unsigned i = 0; i < 40; i++) {
        unsigned once_more = give(1, 1);
        assert_int_equal(fate[again], FATE_FULL);
        again = once_more;
    }
    assert_int_equal(table.waiting, 3);
    neighbor_heard(&table, 0, address_of4(1), LINK, NEIGHBOR_ANSWER, now);
    assert_int_equal(fate[packet], FATE_SENT);
    assert_int_equal(fate[other], FATE_SENT);
    assert_int_equal(fate[again], FATE_SENT);
}

/* Nobody answers: every asker hears that. */
static void test_refused(void **state)
{
    (void)state;
    table_make(64);
    for (uint8_t asker = 1; asker <= ASKERS; asker++)
        give(1, asker);
    for (uint64_t until = now + 10 * SECOND; now < until; now += SECOND / 4)
        neighbors_tick(&table, now);
    assert_int_equal(count_of(FATE_UNREACHABLE, 0, ASKERS), ASKERS);
    assert_int_equal(table.waiting, 0);
}

/* Anything in any order, with little room in all: everything comes back exactly once, and the room is never exceeded. */
static void test_random(void **state)
{
    uint64_t random = 88172645463325252u;

    (void)state;
    table_make(12);
    while (next_thing < THINGS) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint32_t address = (uint32_t)(random >> 20) % 12;
        if (random % 16 == 0)
            neighbor_heard(&table, 0, address_of4(address), LINK, NEIGHBOR_ANSWER, now);
        else if (random % 16 == 1)
            neighbors_tick(&table, now += SECOND / 4);
        else
            give(address, random >> 40 & 1 ? (uint8_t)(1 + (random >> 41) % ASKERS) : 0);
        assert_true(table.waiting <= table.limits.waiting);
        for (uint32_t i = table.kind[0].oldest; i; i = table.entries[i].newer)
            assert_true(table.entries[i].waiting <= table.limits.waiting_each);
        if (random % 64 == 2)
            now += 20 * SECOND; /* what was known is to be asked for anew */
        if (random % 128 == 3)
            assert_int_equal(count_of(FATE_WAITS, 0, next_thing), table.waiting);
    }
    for (unsigned i = 0; i < 40; i++)
        neighbors_tick(&table, now += SECOND);
    assert_int_equal(count_of(FATE_WAITS, 0, THINGS), 0);
    assert_int_equal(count_of(FATE_OURS, 0, THINGS), 0);
    assert_true(count_of(FATE_SENT, 0, THINGS) > 1000 && count_of(FATE_UNREACHABLE, 0, THINGS) > 1000 &&
                count_of(FATE_FULL, 0, THINGS) > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets_push_out_none),
        cmocka_unit_test(test_asked_again),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_random),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(table.entries);
    return failed;
}
