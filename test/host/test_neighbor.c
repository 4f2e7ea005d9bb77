/*
 * The table of neighbours: the life of an entry, what waits for it, floods, and stations that lie. The caller here is a list of
 * packets, each of which must come back exactly once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "apps/net/neighbor.h"

#define SECOND  UINT64_C(1000000000)
#define LINK    UINT64_C(0x020000000002)
#define OTHER   UINT64_C(0x040000000002)
#define PACKETS 200000

enum fate {
    FATE_OURS, /* not given away, or given back and counted */
    FATE_WAITS,
    FATE_SENT,
    FATE_UNREACHABLE,
    FATE_FULL
};

static const struct neighbor_limits small = {
    .stations = 64,
    .fixed = 4,
    .waiting = 16,
    .waiting_each = 3,
    .tries = 3,
    .retry_ns = SECOND,
    .reachable_ns = 30 * SECOND,
    .stale_ns = 600 * SECOND,
    .failed_ns = 2 * SECOND,
    .active_ns = 10 * SECOND,
};

static struct neighbors table;
static uint8_t fate[PACKETS];
static uint64_t sent_to[PACKETS];
static unsigned asked, asked_one, next_packet;
static uint64_t asked_link;
static struct address6 asked_address;
static bool drop_calls; /* `drop` gives the table another packet, as an error about the first would be */
static uint64_t now;

static void ask(void *context, unsigned interface, struct address6 address, uint64_t link)
{
    assert_ptr_equal(context, &table);
    (void)interface;
    asked++;
    asked_one += link != 0;
    asked_link = link;
    asked_address = address;
}

static unsigned number_of(void *packet)
{
    unsigned number = (unsigned)((uint8_t *)packet - fate);

    assert_true(number < next_packet);
    assert_int_equal(fate[number], FATE_WAITS);
    return number;
}

static void send(void *context, unsigned interface, uint64_t link, void *packet)
{
    unsigned number = number_of(packet);

    (void)context;
    (void)interface;
    assert_true(link != 0);
    fate[number] = FATE_SENT;
    sent_to[number] = link;
}

static void packet_give(struct address6 address);

static void drop(void *context, unsigned interface, void *packet, enum drop reason)
{
    unsigned number = number_of(packet);

    (void)context;
    (void)interface;
    assert_true(reason == DROP_UNREACHABLE || reason == DROP_WAITING_FULL);
    fate[number] = reason == DROP_UNREACHABLE ? FATE_UNREACHABLE : FATE_FULL;
    if (drop_calls && next_packet < PACKETS && number % 2)
        packet_give(address_of4(0x0b000000 + number));
}

static const struct neighbor_calls calls = {ask, send, drop};

static void table_make(const struct neighbor_limits *limits)
{
    void *memory = malloc(neighbors_bytes(limits));

    assert_non_null(memory);
    free(table.entries);
    neighbors_init(&table, memory, limits, &calls, &table, 4711);
    memset(fate, 0, sizeof fate);
    asked = asked_one = next_packet = 0;
    drop_calls = false;
    now = 1000 * SECOND;
}

/* ---- Invariants ---- */

static void table_check(void)
{
    unsigned entries = 0, packets = 0, waits = 0, in_buckets = 0, unused = 0;

    for (unsigned kind = 0; kind < NEIGHBOR_KINDS; kind++) {
        unsigned count = 0;
        uint32_t older = 0;
        for (uint32_t i = table.kind[kind].oldest; i; older = i, i = table.entries[i].newer) {
            const struct neighbor *entry = &table.entries[i];
            unsigned length = 0;
            assert_int_equal(entry->older, older);
            assert_int_equal(entry->kind, kind);
            assert_true(entry->state != NEIGHBOR_FREE);
            for (uint32_t slot = entry->first; slot; slot = table.slots[slot].next)
                length++;
            assert_int_equal(length, entry->waiting);
            assert_true(entry->waiting <= table.limits.waiting_each);
            assert_true(!entry->waiting || entry->state == NEIGHBOR_WAITING);
            assert_ptr_equal(neighbor_find(&table, entry->interface, entry->address), entry);
            packets += length;
            count++;
        }
        assert_int_equal(table.kind[kind].newest, older);
        assert_int_equal(count, table.kind[kind].count);
        assert_true(count <= table.kind[kind].limit);
        entries += count;
    }
    for (uint32_t i = 0; i <= table.mask; i++)
        for (uint32_t j = table.buckets[i]; j; j = table.entries[j].chain)
            in_buckets++;
    for (uint32_t i = table.free; i; i = table.entries[i].chain)
        unused++;
    for (unsigned i = 0; i < next_packet; i++)
        waits += fate[i] == FATE_WAITS;
    assert_int_equal(entries, in_buckets);
    assert_int_equal(entries + unused, table.limits.stations + table.limits.fixed);
    assert_int_equal(packets, table.waiting);
    assert_int_equal(waits, packets);
    assert_true(packets <= table.limits.waiting);
    assert_int_equal(table.dropped, 0);
}

static void packet_give(struct address6 address)
{
    assert_true(next_packet < PACKETS);
    fate[next_packet] = FATE_WAITS;
    neighbor_wait(&table, 0, address, &fate[next_packet++], now);
}

/* As a router does: returns where the packet went at once, or 0. */
static uint64_t packet_send(uint32_t address)
{
    uint64_t link = neighbor_link(&table, 0, address_of4(address), now);

    if (!link)
        packet_give(address_of4(address));
    return link;
}

static void heard(uint32_t address, uint64_t link, enum neighbor_heard how)
{
    neighbor_heard(&table, 0, address_of4(address), link, how, now);
}

static void ticks(uint64_t time)
{
    for (uint64_t end = now + time; now < end; now += SECOND / 4)
        neighbors_tick(&table, now);
    table_check();
}

static enum neighbor_state state_of(uint32_t address)
{
    const struct neighbor *entry = neighbor_find(&table, 0, address_of4(address));

    return entry ? (enum neighbor_state)entry->state : NEIGHBOR_FREE;
}

/* ---- Life ---- */

static void test_answered(void **state)
{
    (void)state;
    table_make(&small);
    assert_int_equal(packet_send(1), 0);
    assert_int_equal(packet_send(1), 0);
    assert_int_equal(asked, 1);
    assert_int_equal(asked_link, 0);
    assert_int_equal(address_to4(asked_address), 1);
    heard(1, LINK, NEIGHBOR_ANSWER);
    assert_int_equal(state_of(1), NEIGHBOR_REACHABLE);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fate[i], FATE_SENT);
        assert_int_equal(sent_to[i], LINK);
    }
    assert_int_equal(packet_send(1), LINK);
    assert_int_equal(neighbor_link(&table, 1, address_of4(1), now),
                     0); /* another interface is another station */
    table_check();
}

static void test_silent(void **state)
{
    (void)state;
    table_make(&small);
    packet_send(1);
    ticks(small.retry_ns * 3 - SECOND / 2);
    assert_int_equal(asked, 3);
    assert_int_equal(fate[0], FATE_WAITS);
    ticks(SECOND);
    assert_int_equal(asked, 3);
    assert_int_equal(fate[0], FATE_UNREACHABLE);
    assert_int_equal(state_of(1), NEIGHBOR_FAILED);
    packet_send(1); /* at once, and nobody is bothered */
    assert_int_equal(fate[1], FATE_UNREACHABLE);
    assert_int_equal(asked, 3);
    ticks(small.failed_ns);
    assert_int_equal(state_of(1), NEIGHBOR_FREE);
    packet_send(1);
    assert_int_equal(asked, 4);
    assert_int_equal(fate[2], FATE_WAITS);
}

static void test_failed_station_speaks(void **state)
{
    (void)state;
    table_make(&small);
    packet_send(1);
    ticks(4 * SECOND);
    assert_int_equal(state_of(1), NEIGHBOR_FAILED);
    heard(1, LINK, NEIGHBOR_GOSSIP); /* believed only so far that it is asked again */
    assert_int_equal(packet_send(1), 0);
    assert_int_equal(state_of(1), NEIGHBOR_WAITING);
    ticks(4 * SECOND);
    heard(1, LINK, NEIGHBOR_ASKED);
    assert_int_equal(packet_send(1), LINK);
    table_check();
}

static void test_stale_and_probed(void **state)
{
    (void)state;
    table_make(&small);
    packet_send(1);
    heard(1, LINK, NEIGHBOR_ANSWER);
    ticks(31 * SECOND);
    assert_int_equal(state_of(1), NEIGHBOR_STALE);
    asked = 0;
    assert_int_equal(packet_send(1), LINK); /* used, and asked whether it is right */
    assert_int_equal(asked, 1);
    assert_int_equal(asked_link, LINK);
    assert_int_equal(packet_send(1), LINK);
    assert_int_equal(asked, 1);
    heard(1, LINK, NEIGHBOR_ANSWER);
    assert_int_equal(state_of(1), NEIGHBOR_REACHABLE);
    ticks(31 * SECOND);
    asked = asked_one = 0;
    assert_int_equal(packet_send(1), LINK);
    ticks(3 * SECOND + SECOND / 4); /* silent at its old address: everyone is asked */
    assert_int_equal(asked_one, 3);
    assert_int_equal(state_of(1), NEIGHBOR_WAITING);
    uint64_t changes = table.changes;
    assert_true(changes > 0);
    assert_int_equal(packet_send(1), 0);
    heard(1, OTHER, NEIGHBOR_ANSWER);
    assert_int_equal(packet_send(1), OTHER);
    assert_int_equal(sent_to[next_packet - 1], OTHER);
}

static void test_forgotten(void **state)
{
    (void)state;
    table_make(&small);
    packet_send(1);
    heard(1, LINK, NEIGHBOR_ANSWER);
    heard(2, LINK, NEIGHBOR_ASKED);
    ticks(small.stale_ns - SECOND);
    assert_int_equal(state_of(1), NEIGHBOR_STALE);
    ticks(2 * SECOND);
    assert_int_equal(state_of(1), NEIGHBOR_FREE);
    assert_int_equal(state_of(2), NEIGHBOR_FREE);
}

static void test_who_asks_is_known(void **state)
{
    (void)state;
    table_make(&small);
    heard(1, LINK, NEIGHBOR_ASKED);
    assert_int_equal(state_of(1), NEIGHBOR_STALE);
    assert_int_equal(packet_send(1), LINK);
    assert_int_equal(state_of(1), NEIGHBOR_PROBE);
    packet_send(2);
    heard(2, OTHER, NEIGHBOR_ASKED); /* while it is asked for itself */
    assert_int_equal(fate[0], FATE_SENT);
    assert_int_equal(packet_send(2), OTHER);
    table_check();
}

static void test_queue_of_a_station(void **state)
{
    (void)state;
    table_make(&small);
    for (unsigned i = 0; i < 5; i++)
        packet_send(1);
    table_check();
    for (unsigned i = 0; i < 5; i++) /* the newest stay: RFC 1122, 2.3.2.2 */
        assert_int_equal(fate[i], i < 2 ? FATE_FULL : FATE_WAITS);
    heard(1, LINK, NEIGHBOR_ANSWER);
    for (unsigned i = 2; i < 5; i++)
        assert_int_equal(fate[i], FATE_SENT);
}

/* Eight stations with three packets each, and room for 16: those that wait longest make room, whosever they are. */
static void test_queue_of_all(void **state)
{
    (void)state;
    table_make(&small);
    for (unsigned i = 0; i < 24; i++) {
        packet_send(i / 3);
        table_check();
    }
    for (unsigned i = 0; i < 24; i++)
        assert_int_equal(fate[i], i < 8 ? FATE_FULL : FATE_WAITS);
    ticks(4 * SECOND);
    assert_int_equal(table.waiting, 0);
}

static void test_static(void **state)
{
    (void)state;
    table_make(&small);
    packet_send(1);
    assert_true(neighbor_set_static(&table, 0, address_of4(1), LINK));
    assert_int_equal(sent_to[0], LINK);
    heard(1, OTHER, NEIGHBOR_ANSWER);
    heard(1, OTHER, NEIGHBOR_ASKED);
    heard(1, OTHER, NEIGHBOR_GOSSIP);
    assert_int_equal(table.contradicted, 3);
    ticks(2000 * SECOND);
    assert_int_equal(packet_send(1), LINK);
    assert_int_equal(asked, 1);
    for (uint32_t i = 2; i <= 4; i++)
        assert_true(neighbor_set_static(&table, 0, address_of4(i), LINK));
    assert_false(neighbor_set_static(&table, 0, address_of4(5), LINK));
    assert_true(neighbor_set_static(&table, 0, address_of4(4), OTHER));
    assert_int_equal(packet_send(4), OTHER);
    table_check();
}

/* ---- A table that asks another one, and believes it ---- */

static void told(uint32_t address, uint64_t link)
{
    neighbor_told(&table, 0, address_of4(address), link, now);
}

static void test_told(void **state)
{
    (void)state;
    table_make(&small);
    told(1, LINK); /* nobody has asked */
    assert_int_equal(state_of(1), NEIGHBOR_FREE);
    for (unsigned i = 0; i < 2; i++)
        packet_send(1);
    told(1, LINK);
    assert_true(sent_to[0] == LINK && sent_to[1] == LINK);
    assert_int_equal(state_of(1), NEIGHBOR_REACHABLE);
    assert_int_equal(table.changes, 0);
    told(1, OTHER); /* at once, whatever was believed */
    assert_int_equal(packet_send(1), OTHER);
    assert_int_equal(table.changes, 1);
    told(1, 0);
    told(1, 0); /* once more */
    assert_int_equal(state_of(1), NEIGHBOR_FAILED);
    assert_int_equal(table.changes, 2);
    packet_send(1);
    assert_int_equal(fate[2], FATE_UNREACHABLE);
    told(1, LINK);
    assert_int_equal(packet_send(1), LINK);
    packet_send(3);
    told(3, 0);
    assert_int_equal(fate[3], FATE_UNREACHABLE);
    assert_true(neighbor_set_static(&table, 0, address_of4(2), LINK));
    told(2, OTHER);
    told(2, 0);
    assert_int_equal(packet_send(2), LINK);
    table_check();
}

/* What is doubted is used on, and asked for at its next use, once. */
static void test_doubted(void **state)
{
    (void)state;
    table_make(&small);
    for (uint32_t i = 1; i <= 2; i++) {
        packet_send(i);
        told(i, LINK);
    }
    assert_int_equal(asked, 2);
    neighbors_doubt(&table, now);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(packet_send(1), LINK);
    assert_int_equal(state_of(1), NEIGHBOR_PROBE);
    told(1, LINK);
    assert_int_equal(packet_send(1), LINK);
    assert_int_equal(asked, 3);
    assert_int_equal(table.changes, 0);
}

/* ---- Lies ---- */

static void test_gossip_makes_nothing(void **state)
{
    (void)state;
    table_make(&small);
    for (uint32_t i = 0; i < 1000; i++) {
        heard(i, LINK, NEIGHBOR_GOSSIP);
        heard(i, LINK, NEIGHBOR_ANSWER); /* to what nobody asked */
    }
    assert_int_equal(table.kind[2].count + table.kind[3].count, 0);
    packet_send(1);
    heard(1, LINK, NEIGHBOR_GOSSIP);
    assert_int_equal(state_of(1), NEIGHBOR_WAITING);
    table_check();
}

static void test_no_message_redirects(void **state)
{
    static const enum neighbor_heard ways[] = {NEIGHBOR_ANSWER, NEIGHBOR_ASKED, NEIGHBOR_GOSSIP};

    (void)state;
    for (unsigned way = 0; way < 3; way++) {
        table_make(&small);
        packet_send(1);
        heard(1, LINK, NEIGHBOR_ANSWER);
        for (unsigned i = 0; i < 100; i++) {
            asked = 0;
            heard(1, OTHER, ways[way]);
            assert_int_equal(asked, 1); /* the old one, and once only */
            assert_int_equal(asked_link, LINK);
            heard(1, OTHER, ways[way]);
            assert_int_equal(asked, 1);
            assert_int_equal(packet_send(1), LINK);
            heard(1, LINK, NEIGHBOR_ANSWER); /* the old one is there */
            assert_int_equal(state_of(1), NEIGHBOR_REACHABLE);
            ticks(SECOND);
        }
        assert_int_equal(table.contradicted, 200);
        heard(1, OTHER, ways[way]); /* the old one is gone: then the new one may answer */
        ticks(3 * SECOND + SECOND / 4);
        packet_send(1);
        heard(1, OTHER, NEIGHBOR_ANSWER);
        assert_int_equal(packet_send(1), OTHER);
    }
}

static void test_contradicted_before_use(void **state)
{
    (void)state;
    table_make(&small);
    heard(1, LINK, NEIGHBOR_ASKED);
    heard(1, OTHER, NEIGHBOR_ASKED);
    assert_int_equal(state_of(1), NEIGHBOR_FREE);
    assert_int_equal(asked, 0);
    table_check();
}

/* ---- Floods ---- */

/* A station that is in use, with ten thousand strangers a second of each kind around it. */
static void test_active_stations_stay(void **state)
{
    (void)state;
    table_make(&small);
    for (uint32_t i = 0; i < 8; i++) {
        packet_send(i);
        heard(i, LINK + i * 256, NEIGHBOR_ANSWER);
    }
    for (uint32_t i = 0; i < 40000; i++) {
        packet_send(1000 + i); /* a scan */
        heard(100000 + i, OTHER, NEIGHBOR_ASKED);
        if (i % 3 == 0) { /* and one that answers */
            packet_send(200000 + i);
            heard(200000 + i, OTHER, NEIGHBOR_ANSWER);
        }
        if (i % 100 == 0) {
            for (uint32_t j = 0; j < 8; j++)
                assert_int_equal(packet_send(j), LINK + j * 256);
            if (state_of(1) == NEIGHBOR_PROBE)
                for (uint32_t j = 0; j < 8; j++)
                    heard(j, LINK + j * 256, NEIGHBOR_ANSWER);
        }
        now += SECOND / 10000;
        if (i % 2500 == 0) {
            neighbors_tick(&table, now);
            table_check();
        }
    }
    assert_true(table.refused > 0);
}

/* In the middle of a scan somebody new is asked for, and answers within a millisecond. */
static void test_newcomer_in_a_scan(void **state)
{
    (void)state;
    table_make(&small);
    for (uint32_t i = 0; i < 1000; i++) {
        packet_send(1000 + i);
        now += SECOND / 1000;
        if (i % 100 == 50) {
            packet_send(i);
            unsigned packet = next_packet - 1;
            packet_send(5000 + i);
            heard(i, LINK, NEIGHBOR_ANSWER);
            assert_int_equal(fate[packet], FATE_SENT);
            assert_int_equal(packet_send(i), LINK);
        }
    }
    table_check();
}

/* All calls in any order, while `drop` calls back: each packet comes back exactly once (number_of), nothing is lost. */
static void test_random(void **state)
{
    uint64_t random = 88172645463325252u;

    (void)state;
    table_make(&small);
    drop_calls = true;
    for (unsigned i = 0; i < 150000 && next_packet < PACKETS - 4000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint32_t address = (uint32_t)(random >> 20) % (random >> 40 & 1 ? 20 : 300);
        uint64_t link = random >> 41 & 7 ? LINK + (uint64_t)address * 256 : OTHER;
        switch (random % 8) {
        case 0:
            neighbors_tick(&table, now);
            break;
        case 1:
        case 2:
            heard(address, link, (enum neighbor_heard)(random >> 50 & 1));
            break;
        case 3:
            heard(address, link, NEIGHBOR_GOSSIP);
            break;
        case 4:
            if ((random >> 44 & 63) == 0)
                neighbor_set_static(&table, 0, address_of4(address), LINK);
            else if ((random >> 44 & 63) == 1)
                neighbors_doubt(&table, now);
            else if ((random >> 44 & 63) < 32)
                told(address, random >> 51 & 1 ? link : 0);
            break;
        default:
            packet_send(address);
        }
        now += random >> 54 & 63 ? SECOND / 1000 * (random >> 30 & 63) : 20 * SECOND;
        if (i % 100 == 0)
            table_check();
    }
    drop_calls = false;
    ticks(10 * SECOND);
    assert_int_equal(table.waiting, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answered),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_failed_station_speaks),
        cmocka_unit_test(test_stale_and_probed),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_who_asks_is_known),
        cmocka_unit_test(test_queue_of_a_station),
        cmocka_unit_test(test_queue_of_all),
        cmocka_unit_test(test_static),
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_doubted),
        cmocka_unit_test(test_gossip_makes_nothing),
        cmocka_unit_test(test_no_message_redirects),
        cmocka_unit_test(test_contradicted_before_use),
        cmocka_unit_test(test_active_stations_stay),
        cmocka_unit_test(test_newcomer_in_a_scan),
        cmocka_unit_test(test_random),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(table.entries);
    return failed;
}
