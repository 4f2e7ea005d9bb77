/*
 * The IPv4, ICMP and ARP elements against plain models: checksums computed anew, headers by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "apps/net/arp.h"
#include "apps/net/checksum.h"
#include "apps/net/ethernet.h"
#include "apps/net/icmp.h"
#include "apps/net/limiter.h"

#define SECOND UINT64_C(1000000000)

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* RFC 1071 as it is written there. */
static uint16_t checksum_model(const uint8_t *bytes, size_t length)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < length; i += 2)
        sum += (uint32_t)bytes[i] << 8 | (i + 1 < length ? bytes[i + 1] : 0);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void header_random(uint8_t *header, unsigned options)
{
    for (unsigned i = 0; i < 20 + options; i++)
        header[i] = (uint8_t)random_next();
    header[0] = (uint8_t)(0x40 | (5 + options / 4));
    ipv4_put16(header + 2, (uint16_t)(100 + options));
    ipv4_checksum_write(header);
}

static struct packet packet_of(uint8_t *frame, uint32_t visible, uint32_t length)
{
    return (struct packet){.frame = frame, .visible = visible, .length = length};
}

static void test_checksum(void **state)
{
    uint8_t bytes[256];

    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        size_t length = random_next() % 129;
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)(round % 3 ? random_next() : 0xff);
        assert_int_equal(checksum_of(bytes, (uint32_t)length), checksum_model(bytes, length));
    }
}

/* Incremental changes give a checksum that is right, from every value, with the carries that RFC 1624 is about. */
static void test_hop(void **state)
{
    uint8_t header[20], again[20];

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        header_random(header, 0);
        header[8] |= !header[8];
        if (round < 65536)
            ipv4_put16(header + 4, (uint16_t)round);
        ipv4_checksum_write(header);
        memcpy(again, header, sizeof again);
        ipv4_hop(header);
        again[8]--;
        ipv4_checksum_write(again);
        assert_int_equal(checksum_of(header, 20), 0);
        assert_memory_equal(header, again, 10);
    }
}

static void test_change(void **state)
{
    uint8_t bytes[20];

    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        header_random(bytes, 0);
        uint16_t old = ipv4_get16(bytes + 6), new = (uint16_t)random_next();
        uint16_t sum = checksum_change(ipv4_get16(bytes + 10), old, new);
        ipv4_put16(bytes + 6, new);
        ipv4_put16(bytes + 10, sum);
        assert_int_equal(checksum_of(bytes, 20), 0);
    }
}

static void test_check(void **state)
{
    uint8_t frame[128] = {0}, *header = frame + ETHERNET_HEADER;

    (void)state;
    header_random(header, 8);
    struct packet packet = packet_of(frame, 128, 128);
    assert_int_equal(ipv4_check(&packet), DROP_NONE);
    for (uint32_t visible = 14; visible < 14 + 28; visible++) {
        packet = packet_of(frame, visible, 128);
        assert_int_equal(ipv4_check(&packet), DROP_TOO_SHORT);
    }
    packet = packet_of(frame, 42, 14 + 107);
    assert_int_equal(ipv4_check(&packet), DROP_TOO_SHORT);
    packet = packet_of(frame, 42, 14 + 108);
    assert_int_equal(ipv4_check(&packet), DROP_NONE);
    for (unsigned bit = 0; bit < 28 * 8; bit++) {
        header[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(ipv4_check(&packet), DROP_NONE);
        header[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* Any bytes as options: nothing is read or written beyond the header, and what is found good can be noted and cut. */
static void test_options(void **state)
{
    unsigned good = 0;

    (void)state;
    for (unsigned round = 0; round < 300000; round++) {
        unsigned options = (unsigned)(random_next() % 11) * 4, pointer = 0;
        uint8_t *header = malloc(20 + options), fragment[60];
        static const uint8_t kinds[] = {0, 1, 7, 68, 131, 137, 0x94, 30};
        header_random(header, options);
        for (unsigned at = 20; at < 20 + options; at += 1 + (unsigned)(random_next() % 12)) {
            header[at] = kinds[random_next() % sizeof kinds];
            if (at + 3 < 20 + options) {
                header[at + 1] = (uint8_t)(random_next() % 14);
                header[at + 2] = (uint8_t)(random_next() % 16);
                header[at + 3] &= (uint8_t)(round & 1 ? 0xf3 : 0xff);
            }
        }
        enum drop found = ipv4_options_check(header, &pointer);
        if (found == DROP_OPTIONS)
            assert_true(pointer > 20 && pointer <= 20 + options);
        if (found == DROP_NONE) {
            const struct ipv4_stop stop = {0x0a000001, 1234};
            good++;
            ipv4_options_note(header, &stop);
            assert_int_equal(checksum_of(header, 20 + options), 0);
            uint32_t bytes = ipv4_fragment_header(fragment, header);
            assert_true(bytes >= 20 && bytes <= 20 + options && bytes % 4 == 0);
        }
        free(header);
    }
    assert_true(good > 30000);
}

static void test_record(void **state)
{
    uint8_t header[32] = {[0] = 0x48, [3] = 32, [20] = 7, [21] = 11, [22] = 4};
    const struct ipv4_stop stops[] = {{0x01020304, 0}, {0x05060708, 0}, {0x090a0b0c, 0}};
    unsigned pointer = 0;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ipv4_options_check(header, &pointer), DROP_NONE);
        ipv4_options_note(header, &stops[i]);
    }
    assert_int_equal(header[22], 12);
    assert_int_equal(ipv4_get32(header + 23), 0x01020304);
    assert_int_equal(ipv4_get32(header + 27), 0x05060708);
    assert_int_equal(header[31], 0);
}

static void test_martians(void **state)
{
    (void)state;
    assert_true(ipv4_martian_source(0) && ipv4_martian_source(0x00ffffff) && ipv4_martian_source(0x7f000001));
    assert_true(ipv4_martian_source(0xe0000000) && ipv4_martian_source(0xf0000000) &&
                ipv4_martian_source(0xffffffff));
    assert_false(ipv4_martian_source(0x01000000) || ipv4_martian_source(0xdfffffff) ||
                 ipv4_martian_source(0x80000000) || ipv4_martian_source(0x7effffff));
    assert_true(ipv4_martian_destination(0xf0000000) && !ipv4_martian_destination(0xffffffff) &&
                !ipv4_martian_destination(0xe0000001));
}

static void test_errors(void **state)
{
    uint8_t about[114], answer[114];

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        unsigned options = (unsigned)(random_next() % 11) * 4;
        uint32_t visible = 28 + options + (uint32_t)(random_next() % (114 - 28 - options + 1));
        header_random(about, options);
        ipv4_put16(about + 2, (uint16_t)(20 + options + random_next() % 1480));
        const struct icmp_error error = {3, 4, 1400};
        uint32_t bytes = icmp_error_write(answer, sizeof answer, &error, 0x0a000001, about, visible);
        uint32_t quote = bytes - 28, length = ipv4_length(about);
        assert_true(bytes <= 114 && (quote >= 28 + options || quote == length || quote == visible));
        assert_int_equal(checksum_of(answer, 20), 0);
        assert_int_equal(checksum_of(answer + 20, bytes - 20), 0);
        assert_memory_equal(answer + 28, about, quote);
        assert_int_equal(ipv4_destination(answer), ipv4_source(about));
        assert_int_equal(ipv4_length(answer), bytes);
    }
}

/* 4.3.2.7, with the source that all of it needs. */
static void test_errors_allowed(void **state)
{
    uint8_t packet[28] = {[0] = 0x45, [3] = 28, [9] = 17, [12] = 10, [15] = 2, [16] = 10, [19] = 3};

    (void)state;
    assert_true(icmp_error_allowed(packet, 28));
    ipv4_put16(packet + 6, 1);
    assert_false(icmp_error_allowed(packet, 28));
    ipv4_put16(packet + 6, IPV4_MORE);
    assert_true(icmp_error_allowed(packet, 28));
    packet[9] = IPV4_ICMP;
    for (unsigned type = 0; type < 256; type++) {
        packet[20] = (uint8_t)type;
        bool error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
        assert_int_equal(icmp_error_allowed(packet, 28), !error);
    }
    assert_false(icmp_error_allowed(packet, 20)); /* cannot be told */
    packet[20] = ICMP_ECHO;
    packet[16] = 224;
    assert_false(icmp_error_allowed(packet, 28));
    memset(packet + 16, 255, 4);
    assert_false(icmp_error_allowed(packet, 28));
    packet[16] = 10;
    packet[12] = 127;
    assert_false(icmp_error_allowed(packet, 28));
}

static void test_echo(void **state)
{
    uint8_t packet[84];

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        header_random(packet, 0);
        ipv4_put16(packet + 2, sizeof packet);
        packet[9] = IPV4_ICMP;
        for (unsigned i = 20; i < sizeof packet; i++)
            packet[i] = (uint8_t)random_next();
        packet[20] = ICMP_ECHO;
        packet[21] = packet[22] = packet[23] = 0;
        ipv4_put16(packet + 22, checksum_of(packet + 20, sizeof packet - 20));
        uint32_t source = ipv4_source(packet), destination = ipv4_destination(packet);
        assert_true(icmp_is_echo(packet, sizeof packet));
        assert_false(icmp_is_echo(packet, 27));
        icmp_echo_turn(packet);
        assert_true(ipv4_source(packet) == destination && ipv4_destination(packet) == source);
        assert_int_equal(checksum_of(packet, 20), 0);
        assert_int_equal(checksum_of(packet + 20, sizeof packet - 20), 0);
        assert_false(icmp_is_echo(packet, sizeof packet));
    }
}

static void test_arp(void **state)
{
    const struct arp wanted = {ARP_REPLY, UINT64_C(0x060504030202), UINT64_C(0x0f0e0d0c0b0a), 0x0a000001,
                               0x0a000002};
    uint8_t frame[ARP_FRAME];
    struct arp got;

    (void)state;
    arp_write(frame, wanted.target_link, &wanted);
    struct packet packet = packet_of(frame, sizeof frame, sizeof frame);
    assert_int_equal(arp_read(&packet, &got), DROP_NONE);
    assert_int_equal(got.operation, wanted.operation);
    assert_true(got.sender_link == wanted.sender_link && got.target_link == wanted.target_link);
    assert_true(got.sender == wanted.sender && got.target == wanted.target);
    assert_int_equal(ethernet_destination(frame), wanted.target_link);
    for (uint32_t visible = 14; visible < 42; visible++) {
        packet = packet_of(frame, visible, sizeof frame);
        assert_int_equal(arp_read(&packet, &got), DROP_ARP_MALFORMED);
    }
    packet = packet_of(frame, 42, 42);
    assert_int_equal(arp_read(&packet, &got), DROP_NONE);
    frame[ETHERNET_HEADER + 8] |= 1; /* the sender is a group now */
    assert_int_equal(arp_read(&packet, &got), DROP_ARP_MALFORMED);
}

static void test_limiter(void **state)
{
    struct limiter limiter;
    unsigned taken = 0;

    (void)state;
    limiter_init(&limiter, 100, 10);
    for (unsigned i = 0; i < 1000; i++)
        taken += limiter_take(&limiter, 5 * SECOND);
    assert_int_equal(taken, 10);
    for (unsigned ms = 0; ms < 1000; ms++)
        taken += limiter_take(&limiter, 5 * SECOND + ms * (SECOND / 1000) + SECOND / 2000);
    assert_in_range(taken, 10 + 98, 10 + 101);
    taken = 0;
    for (unsigned i = 0; i < 1000; i++)
        taken += limiter_take(&limiter, 5000 * SECOND);
    assert_int_equal(taken, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_hop),
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_martians),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_errors_allowed),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_arp),
        cmocka_unit_test(test_limiter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
