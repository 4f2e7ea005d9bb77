/* drivers/flow.h: what is one flow and what is another, both ways, spread evenly, and no byte beyond what is visible. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "drivers/flow.h"

#define SEED UINT64_C(0x9e3779b97f4b7c17)

struct end {
    uint8_t link, address;
    uint16_t port;
};

static void put16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static void ethernet_make(uint8_t *frame, struct end from, struct end to, unsigned type)
{
    memset(frame, 0, 128);
    memcpy(frame, (uint8_t[]){2, 0, 0, 0, 0, to.link, 2, 0, 0, 0, 0, from.link}, 12);
    put16(frame + 12, type);
}

static uint32_t ipv4(struct end from, struct end to, uint8_t protocol, unsigned fragment, unsigned options)
{
    uint8_t frame[128];

    ethernet_make(frame, from, to, 0x0800);
    frame[14] = (uint8_t)(0x45 + options);
    put16(frame + 20, fragment);
    frame[23] = protocol;
    memcpy(frame + 26, (uint8_t[]){10, 0, 0, from.address, 10, 0, 0, to.address}, 8);
    put16(frame + 34 + 4 * options, from.port);
    put16(frame + 36 + 4 * options, to.port);
    return flow_hash(frame, sizeof frame, SEED);
}

static uint32_t ipv6(struct end from, struct end to, uint8_t next)
{
    uint8_t frame[128];

    ethernet_make(frame, from, to, 0x86dd);
    frame[14] = 0x60;
    frame[20] = next;
    frame[22] = frame[38] = 0x20;
    frame[37] = from.address;
    frame[53] = to.address;
    put16(frame + 54, from.port);
    put16(frame + 56, to.port);
    return flow_hash(frame, sizeof frame, SEED);
}

static const struct end a = {1, 1, 1000}, b = {2, 2, 2000}, a2 = {1, 1, 1001}, a_routed = {9, 1, 1000},
                        c = {1, 3, 1000};

static void test_ports_tell_flows_apart(void **state)
{
    (void)state;
    assert_int_equal(ipv4(a, b, 6, 0, 0), ipv4(a, b, 6, 0, 0));
    assert_int_not_equal(ipv4(a, b, 6, 0, 0), ipv4(a2, b, 6, 0, 0));
    assert_int_not_equal(ipv4(a, b, 17, 0x4000, 0), ipv4(a2, b, 17, 0x4000, 0));
    assert_int_not_equal(ipv4(a, b, 6, 0, 0), ipv4(a, b, 17, 0, 0));
    assert_int_not_equal(ipv4(a, b, 6, 0, 0), ipv4(c, b, 6, 0, 0));
    assert_int_not_equal(ipv6(a, b, 6), ipv6(a2, b, 6));
    assert_int_not_equal(ipv6(a, b, 6), ipv6(c, b, 6));
    assert_int_equal(ipv4(a, b, 1, 0, 0), ipv4(a2, b, 1, 0, 0)); /* ICMP has none */
    assert_int_equal(ipv4(a, b, 6, 0, 10), ipv4(a, b, 6, 0, 0)); /* behind options */
}

static void test_both_directions_are_one(void **state)
{
    (void)state;
    assert_int_equal(ipv4(a, b, 6, 0, 0), ipv4(b, a, 6, 0, 0));
    assert_int_equal(ipv6(a, b, 17), ipv6(b, a, 17));
    assert_int_equal(ipv4(a, b, 6, 0, 0), ipv4(a_routed, b, 6, 0, 0)); /* the router's link-layer address */
    assert_int_not_equal(ipv4((struct end){1, 1, 5}, (struct end){2, 2, 6}, 6, 0, 0),
                         ipv4((struct end){1, 1, 6}, (struct end){2, 2, 5}, 6, 0, 0));
}

static void test_fragments_stay_together(void **state)
{
    const unsigned first = 0x2000, later = 0x20b9, last = 0x0172;

    (void)state;
    assert_int_equal(ipv4(a, b, 17, first, 0), ipv4(a2, b, 17, later, 0));
    assert_int_equal(ipv4(a, b, 17, first, 0), ipv4(a2, b, 17, last, 0));
    assert_int_equal(ipv6(a, b, 44), ipv6(a2, b, 44));
}

static void test_others_by_ethernet(void **state)
{
    uint8_t one[128], other[128];

    (void)state;
    ethernet_make(one, a, b, 0x8100); /* VLAN */
    ethernet_make(other, b, a, 0x8100);
    one[30] = 1;
    assert_int_equal(flow_hash(one, 128, SEED), flow_hash(other, 128, SEED));
    ethernet_make(other, (struct end){3, 0, 0}, b, 0x8100);
    assert_int_not_equal(flow_hash(one, 128, SEED), flow_hash(other, 128, SEED));
}

/* What is behind the visible bytes makes no difference, for any length and any first byte of the packet. */
static void test_looks_at_nothing_hidden(void **state)
{
    uint8_t frame[128], same[128];

    (void)state;
    for (unsigned type = 0; type < 2; type++)
        for (unsigned version = 0; version < 256; version++)
            for (unsigned visible = 14; visible < 128; visible++) {
                ethernet_make(frame, a, b, type ? 0x86dd : 0x0800);
                frame[14] = (uint8_t)version;
                frame[20] = 17 * type;
                frame[23] = 6;
                memcpy(same, frame, sizeof same);
                memset(same + visible, 0xa5, sizeof same - visible);
                assert_int_equal(flow_hash(frame, visible, SEED), flow_hash(same, visible, SEED));
            }
}

static void test_spreads(void **state)
{
    unsigned lanes[4] = {0};

    (void)state;
    for (unsigned i = 0; i < 4000; i++) {
        uint32_t hash = ipv4((struct end){1, (uint8_t)(i % 7), (uint16_t)(1024 + i)}, b, 6, 0, 0);
        lanes[(uint64_t)hash * 4 >> 32]++;
    }
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(lanes[i], 850, 1150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports_tell_flows_apart),  cmocka_unit_test(test_both_directions_are_one),
        cmocka_unit_test(test_fragments_stay_together), cmocka_unit_test(test_others_by_ethernet),
        cmocka_unit_test(test_looks_at_nothing_hidden), cmocka_unit_test(test_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
