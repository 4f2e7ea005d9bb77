/*
 * apps/net: IPv6, ICMPv6 and neighbour discovery, on packets made here byte by byte; and, at random, on packets that nobody would
 * make, in buffers that end where the visible bytes do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "apps/net/ethernet.h"
#include "apps/net/icmp6.h"
#include "apps/net/nd.h"

#define LINK      UINT64_C(0x010000000002) /* 02:00:00:00:00:01 */
#define HOST      ((struct address6){UINT64_C(0x20010db800000000), 2})
#define OWN       ((struct address6){UINT64_C(0x20010db800000000), 1})
#define OTHER     ((struct address6){UINT64_C(0x20010db800010000), 2})
#define NOBODY    ((struct address6){0, 0})
#define ROOM      128
#define NS_OFFSET (ETHERNET_HEADER + IPV6_HEADER)

/* A frame with an IPv6 packet of `payload` bytes behind its header; returns the header. */
static uint8_t *make(uint8_t *frame, struct packet *packet, uint32_t payload, uint8_t next,
                     struct address6 source, struct address6 destination)
{
    memset(frame, 0, ROOM);
    ethernet_header_put(frame, LINK, LINK, ETHERNET_IPV6);
    ipv6_make(frame + ETHERNET_HEADER, payload, (enum ipv6_next)next, 64, source, destination);
    uint32_t length = ETHERNET_HEADER + IPV6_HEADER + payload;
    *packet = (struct packet){frame, length < ROOM ? length : ROOM, length, 0, false};
    return frame + ETHERNET_HEADER;
}

static void test_addresses(void **state)
{
    struct address6 solicited = ipv6_solicited_node((struct address6){1, UINT64_C(0x1234567890abcdef)});

    (void)state;
    assert_true(address6_equal(ipv6_link_local_of(UINT64_C(0x560034005452)),
                               (struct address6){UINT64_C(0xfe80) << 48, UINT64_C(0x505400fffe340056)}));
    assert_true(address6_equal(solicited, (struct address6){UINT64_C(0xff02) << 48, UINT64_C(0x1ffabcdef)}));
    assert_int_equal(ipv6_group_link(solicited), UINT64_C(0xefcdabff3333));
    assert_true(ipv6_link_local((struct address6){UINT64_C(0xfebf) << 48, 0}));
    assert_false(ipv6_link_local((struct address6){UINT64_C(0xfec0) << 48, 0}));
    for (unsigned length = 0; length <= 128; length++) {
        struct address6 ones = {UINT64_MAX, UINT64_MAX}, prefix = ipv6_prefix(ones, length), off = ones;
        assert_int_equal(__builtin_popcountll(prefix.high) + __builtin_popcountll(prefix.low), length);
        assert_true(address6_within(prefix, ones, length));
        if (length < 128) {
            assert_false(address6_within(prefix, ones, length + 1));
        }
        if (length > 0 && length <= 64)
            off.high ^= UINT64_C(1) << (64 - length);
        else
            off.low ^= length ? UINT64_C(1) << (128 - length) : 1;
        assert_int_equal(address6_within(ones, off, length), length == 0);
    }
}

static void test_header(void **state)
{
    uint8_t frame[ROOM];
    struct packet packet;
    uint8_t *header = make(frame, &packet, 8, IPV6_UDP, HOST, OTHER);

    (void)state;
    assert_int_equal(ipv6_check(&packet), DROP_NONE);
    assert_false(ipv6_extended(header));
    packet.length--;
    assert_int_equal(ipv6_check(&packet), DROP_TOO_SHORT);
    packet.length += 10; /* padding */
    assert_int_equal(ipv6_check(&packet), DROP_NONE);
    packet.visible = ETHERNET_HEADER + IPV6_HEADER - 1;
    assert_int_equal(ipv6_check(&packet), DROP_TOO_SHORT);
    packet.visible++;
    header[0] = 0x45;
    assert_int_equal(ipv6_check(&packet), DROP_VERSION);

    struct address6 group = {UINT64_C(0xff02) << 48, 5}, here = {UINT64_C(0xff01) << 48, 5},
                    loopback = {0, 1};
    assert_int_equal(ipv6_martian(HOST, OTHER), DROP_NONE);
    assert_int_equal(ipv6_martian(group, OTHER), DROP_MARTIAN_SOURCE);
    assert_int_equal(ipv6_martian(NOBODY, OTHER), DROP_MARTIAN_SOURCE);
    assert_int_equal(ipv6_martian(loopback, OTHER), DROP_MARTIAN_SOURCE);
    assert_int_equal(ipv6_martian(HOST, loopback), DROP_MARTIAN_DESTINATION);
    assert_int_equal(ipv6_martian(HOST, NOBODY), DROP_MARTIAN_DESTINATION);
    assert_int_equal(ipv6_martian(HOST, here), DROP_MARTIAN_DESTINATION);
    assert_int_equal(ipv6_martian(HOST, group), DROP_NONE);
}

/* Opens a packet whose payload is `bytes`, the first of them of kind `next`. */
static enum drop open_bytes(uint8_t next, const uint8_t *bytes, uint32_t count, struct ipv6_content *content)
{
    uint8_t frame[ROOM];
    struct packet packet;
    uint8_t *header = make(frame, &packet, count, next, HOST, OWN);

    memcpy(header + IPV6_HEADER, bytes, count);
    return ipv6_open(header, packet.visible - ETHERNET_HEADER, content);
}

static void test_extensions(void **state)
{
    struct ipv6_content content;
    const uint8_t chain[] = {60, 0, 1, 4,  0, 0, 0, 0, 44, 0, 0x1e, 4,  0,
                             0,  0, 0, 58, 0, 0, 0, 1, 2,  3, 4,    128};
    const uint8_t late[] = {0, 0, 1, 4, 0, 0, 0, 0, 58, 0, 1, 4, 0, 0, 0, 0};
    const uint8_t route0[] = {58, 0, 0, 1, 0, 0, 0, 0}, route_done[] = {58, 0, 0, 0, 0, 0, 0, 0};
    const uint8_t fragment[] = {58, 0, 0, 1, 1, 2, 3, 4}, cut[] = {58, 1, 1, 4, 0, 0, 0, 0};
    const uint8_t beyond[] = {58, 0, 1, 5, 0, 0, 0, 0};
    uint8_t option[] = {58, 0, 0, 4, 0, 0, 0, 0};

    (void)state;
    assert_int_equal(open_bytes(IPV6_HOP_BY_HOP, chain, sizeof chain, &content), DROP_NONE);
    assert_int_equal(content.next, IPV6_ICMP);
    assert_int_equal(content.offset, 64);
    assert_int_equal(content.next_field, 56);
    assert_int_equal(open_bytes(IPV6_DESTINATION, late, sizeof late, &content), DROP_OPTIONS);
    assert_true(content.report && content.code == ICMP6_NEXT_HEADER && content.offset == 40);
    assert_int_equal(open_bytes(IPV6_ROUTING, route0, sizeof route0, &content), DROP_SOURCE_ROUTE);
    assert_true(content.report && content.code == ICMP6_FIELD && content.offset == 42);
    assert_int_equal(open_bytes(IPV6_ROUTING, route_done, sizeof route_done, &content), DROP_NONE);
    assert_int_equal(open_bytes(IPV6_FRAGMENT, fragment, sizeof fragment, &content), DROP_FRAGMENT);
    assert_int_equal(open_bytes(IPV6_DESTINATION, cut, sizeof cut, &content), DROP_TOO_SHORT);
    assert_int_equal(open_bytes(IPV6_DESTINATION, beyond, sizeof beyond, &content), DROP_OPTIONS);
    assert_true(content.report && content.code == ICMP6_FIELD && content.offset == 43);
    for (unsigned action = 0; action < 4; action++) { /* RFC 8200, 4.2 */
        option[2] = (uint8_t)(action << 6 | 0x1e);
        assert_int_equal(open_bytes(IPV6_DESTINATION, option, sizeof option, &content),
                         action ? DROP_OPTIONS : DROP_NONE);
        assert_int_equal(content.report, action >= 2);
        assert_int_equal(content.report_groups, action == 2);
        if (action) {
            assert_int_equal(content.offset, 42);
        }
    }
}

static void test_source_routed(void **state)
{
    uint8_t frame[ROOM];
    struct packet packet;
    uint8_t *header = make(frame, &packet, 32, IPV6_DESTINATION, HOST, OTHER);

    (void)state;
    header[40] = IPV6_ROUTING;
    header[48] = IPV6_UDP;
    assert_true(ipv6_extended(header));
    assert_true(ipv6_source_routed(header, packet.visible - ETHERNET_HEADER));
    header[50] = 4; /* RFC 8754 */
    assert_false(ipv6_source_routed(header, packet.visible - ETHERNET_HEADER));
    header[50] = 0;
    assert_false(ipv6_source_routed(header, IPV6_HEADER + 8));
}

static void test_echo(void **state)
{
    uint8_t frame[ROOM];
    struct packet packet;
    uint8_t *header = make(frame, &packet, 20, IPV6_ICMP, HOST, OWN), *icmp = header + IPV6_HEADER;

    (void)state;
    for (unsigned round = 0; round < 2; round++) { /* the second time to a group */
        struct address6 to = round ? IPV6_ALL_NODES : OWN;
        header = make(frame, &packet, 20, IPV6_ICMP, HOST, to);
        icmp[0] = ICMP6_ECHO;
        memset(icmp + 4, 0x5a, 16);
        ipv6_put16(icmp + 2, icmp6_checksum(icmp, 20, HOST, to));
        assert_int_equal(icmp6_checksum(icmp, 20, HOST, to), 0);
        icmp6_echo_turn(header, OWN);
        assert_int_equal(icmp[0], ICMP6_ECHO_REPLY);
        assert_true(address6_equal(ipv6_source(header), OWN) &&
                    address6_equal(ipv6_destination(header), HOST));
        assert_int_equal(icmp6_checksum(icmp, 20, OWN, HOST), 0);
        assert_int_equal(header[7], IPV6_HOP_LIMIT);
        icmp[5] ^= 1; /* a wrong checksum stays wrong */
        assert_int_not_equal(icmp6_checksum(icmp, 20, OWN, HOST), 0);
    }
}

static void test_errors(void **state)
{
    uint8_t frame[ROOM], report[ROOM];
    struct packet packet;
    const struct icmp6_error hops = {ICMP6_TIME_EXCEEDED, 0, 0, false}, big = {ICMP6_TOO_BIG, 0, 1280, true};
    uint8_t *header = make(frame, &packet, 300, IPV6_UDP, HOST, OTHER);
    uint32_t visible = packet.visible - ETHERNET_HEADER;

    (void)state;
    assert_true(icmp6_error_allowed(&hops, header, visible, false));
    assert_false(icmp6_error_allowed(&hops, header, visible, true));
    assert_true(icmp6_error_allowed(&big, header, visible, true));
    assert_int_equal(icmp6_error_write(report, ROOM - ETHERNET_HEADER, &big, OWN, header, visible), 114);
    assert_int_equal(icmp6_checksum(report + 40, 74, OWN, HOST), 0);
    assert_int_equal(ipv6_payload(report), 74);
    assert_int_equal(report[47], 1280 & 255);
    assert_memory_equal(report + 48, header, 66);

    header[6] = IPV6_ICMP;
    header[40] = ICMP6_ECHO;
    assert_true(icmp6_error_allowed(&hops, header, visible, false));
    header[40] = ICMP6_TOO_BIG;
    assert_false(icmp6_error_allowed(&hops, header, visible, false));
    header[40] = ICMP6_REDIRECT;
    assert_false(icmp6_error_allowed(&hops, header, visible, false));
    header[6] = IPV6_DESTINATION; /* an error behind an extension header; then out of sight */
    header[40] = IPV6_ICMP;
    header[48] = ICMP6_UNREACHABLE;
    assert_false(icmp6_error_allowed(&hops, header, visible, false));
    header[48] = ICMP6_ECHO;
    assert_true(icmp6_error_allowed(&hops, header, visible, false));
    header[41] = 30;
    assert_false(icmp6_error_allowed(&hops, header, visible, false));
    make(frame, &packet, 300, IPV6_UDP, NOBODY, OTHER);
    assert_false(icmp6_error_allowed(&big, header, visible, false));
    make(frame, &packet, 300, IPV6_UDP, HOST, IPV6_ALL_NODES);
    assert_false(icmp6_error_allowed(&hops, header, visible, false));
    assert_true(icmp6_error_allowed(&big, header, visible, false));
}

/* ---- Neighbour discovery ---- */

static const struct nd solicitation = {ICMP6_NEIGHBOR_SOLICITATION,
                                       {UINT64_C(0x20010db800000000), 2},
                                       {UINT64_C(0xff02) << 48, UINT64_C(0x1ff000001)},
                                       {UINT64_C(0x20010db800000000), 1},
                                       LINK,
                                       false,
                                       false};

static struct packet written(uint8_t *frame, const struct nd *nd)
{
    nd_write(frame, LINK, nd);
    return (struct packet){frame, ND_NEIGHBOR_FRAME, ND_NEIGHBOR_FRAME, 0, false};
}

/* The checksum again after a change. */
static void sum(struct packet *packet)
{
    uint8_t *header = packet->frame + ETHERNET_HEADER, *icmp = header + IPV6_HEADER;

    ipv6_put16(icmp + 2, 0);
    ipv6_put16(icmp + 2,
               icmp6_checksum(icmp, ipv6_payload(header), ipv6_source(header), ipv6_destination(header)));
}

static enum drop read_changed(const struct nd *nd, unsigned at, uint8_t value)
{
    uint8_t frame[ROOM] = {0};
    struct packet packet = written(frame, nd);
    struct nd found;

    frame[at] = value;
    sum(&packet);
    return nd_read(&packet, IPV6_HEADER, &found);
}

static void assert_nd_equal(const struct nd *one, const struct nd *other)
{
    assert_int_equal(one->type, other->type);
    assert_true(address6_equal(one->source, other->source));
    assert_true(address6_equal(one->destination, other->destination));
    assert_true(address6_equal(one->target, other->target));
    assert_int_equal(one->link, other->link);
    assert_int_equal(one->solicited, other->solicited);
    assert_int_equal(one->override, other->override);
}

static void test_neighbor_messages(void **state)
{
    uint8_t frame[ROOM] = {0};
    struct packet packet = written(frame, &solicitation);
    struct nd found, nd = solicitation;

    (void)state;
    assert_int_equal(nd_read(&packet, IPV6_HEADER, &found), DROP_NONE);
    assert_nd_equal(&found, &solicitation);
    frame[60]++; /* the checksum does not fit */
    assert_int_equal(nd_read(&packet, IPV6_HEADER, &found), DROP_ND_MALFORMED);
    assert_int_equal(read_changed(&nd, ETHERNET_HEADER + 7, 254), DROP_ND_MALFORMED); /* hop limit */
    assert_int_equal(read_changed(&nd, NS_OFFSET + 1, 1), DROP_ND_MALFORMED);         /* code */
    assert_int_equal(read_changed(&nd, NS_OFFSET + 8, 0xff), DROP_ND_MALFORMED);      /* target a group */
    assert_int_equal(read_changed(&nd, NS_OFFSET + 25, 0), DROP_ND_MALFORMED);        /* option of length 0 */
    assert_int_equal(read_changed(&nd, NS_OFFSET + 25, 2), DROP_ND_MALFORMED);        /* beyond the packet */
    assert_int_equal(read_changed(&nd, NS_OFFSET + 26, 0x33), DROP_ND_MALFORMED);     /* a group's link */
    assert_int_equal(read_changed(&nd, NS_OFFSET + 24, 14), DROP_NONE);               /* unknown: a nonce */
    assert_int_equal(read_changed(&nd, NS_OFFSET, ICMP6_ROUTER_ADVERTISEMENT), DROP_LOCAL);
    assert_int_equal(read_changed(&nd, ETHERNET_HEADER + 5, 24), DROP_NONE);         /* no option at all */
    assert_int_equal(read_changed(&nd, ETHERNET_HEADER + 5, 20), DROP_ND_MALFORMED); /* cut */
    nd.source = NOBODY;
    assert_int_equal(read_changed(&nd, 0, 2), DROP_ND_MALFORMED); /* with an address of its source */
    assert_int_equal(read_changed(&nd, ETHERNET_HEADER + 5, 24), DROP_NONE);
    nd.destination = IPV6_ALL_NODES;
    assert_int_equal(read_changed(&nd, ETHERNET_HEADER + 5, 24), DROP_ND_MALFORMED);

    nd = (struct nd){ICMP6_NEIGHBOR_ADVERTISEMENT, HOST, OWN, HOST, LINK, true, true};
    packet = written(frame, &nd);
    assert_int_equal(nd_read(&packet, IPV6_HEADER, &found), DROP_NONE);
    assert_nd_equal(&found, &nd);
    assert_int_equal(frame[NS_OFFSET + 4], 0xe0);
    nd.destination = IPV6_ALL_NODES; /* solicited, but to all */
    assert_int_equal(read_changed(&nd, 0, 2), DROP_ND_MALFORMED);
}

static void test_router_messages(void **state)
{
    uint8_t frame[ROOM] = {0};
    struct nd_router router = {ipv6_link_local_of(LINK),          LINK, 1800, 1500,
                               {UINT64_C(0x20010db800000000), 0}, 64};
    uint8_t *icmp = frame + NS_OFFSET;
    struct packet packet;
    struct nd found;

    (void)state;
    assert_int_equal(nd_router_write(frame, &router), ND_ADVERTISEMENT_FRAME);
    assert_int_equal(icmp6_checksum(icmp, 64, router.source, IPV6_ALL_NODES), 0);
    assert_int_equal(icmp[35], 0xc0);
    router.prefix_length = 56;
    nd_router_write(frame, &router);
    assert_int_equal(icmp[35], 0x80);
    router.prefix_length = 0;
    assert_int_equal(nd_router_write(frame, &router), ND_ADVERTISEMENT_FRAME - 32);

    for (unsigned options = 0; options <= 8; options += 8) {
        make(frame, &packet, 8 + options, IPV6_ICMP, options ? HOST : NOBODY, IPV6_ALL_ROUTERS);
        frame[ETHERNET_HEADER + 7] = ND_HOP_LIMIT;
        icmp[0] = ICMP6_ROUTER_SOLICITATION;
        icmp[8] = 1;
        icmp[9] = 1;
        icmp[10] = 2;
        sum(&packet);
        assert_int_equal(nd_read(&packet, IPV6_HEADER, &found), DROP_NONE);
        assert_int_equal(found.link, options ? 2 : 0);
    }
    ipv6_address_put(frame + ETHERNET_HEADER + 8, NOBODY);
    sum(&packet);
    assert_int_equal(nd_read(&packet, IPV6_HEADER, &found), DROP_ND_MALFORMED);
}

/* ---- At random ---- */

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Everything that reads a packet, as the router would. */
static void read_all(const struct packet *packet)
{
    const struct icmp6_error error = {ICMP6_PARAMETER, 0, 0, true};
    const uint8_t *header = packet->frame + ETHERNET_HEADER;
    uint32_t visible = packet->visible - ETHERNET_HEADER;
    struct ipv6_content content;
    uint8_t report[ROOM];
    struct nd nd;

    if (ipv6_check(packet) != DROP_NONE)
        return;
    ipv6_source_routed(header, visible);
    icmp6_error_allowed(&error, header, visible, false);
    assert_true(icmp6_error_write(report, ROOM - ETHERNET_HEADER, &error, OWN, header, visible) <= 114);
    if (ipv6_open(header, visible, &content) == DROP_NONE && content.next == IPV6_ICMP) {
        assert_true(content.offset <= visible);
        nd_read(packet, content.offset, &nd);
    }
}

static void test_random(void **state)
{
    static const uint8_t kinds[] = {0, 43, 44, 60, 58, 17, 59};
    uint8_t whole[ROOM];
    struct packet packet;

    (void)state;
    for (unsigned round = 0; round < 300000; round++) {
        uint32_t payload = (uint32_t)(random_next() % 100);
        make(whole, &packet, payload, kinds[random_next() % sizeof kinds], HOST, OWN);
        for (unsigned i = NS_OFFSET; i < ROOM; i++)
            whole[i] =
                random_next() & 1 ? kinds[random_next() % sizeof kinds] : (uint8_t)(random_next() >> 60);
        for (unsigned i = (unsigned)(random_next() % 4); i > 0; i--)
            whole[random_next() % ROOM] = (uint8_t)random_next();
        if (random_next() & 1 && payload >= 4 &&
            ETHERNET_HEADER + IPV6_HEADER + ipv6_payload(whole + ETHERNET_HEADER) <= packet.visible)
            sum(&packet);
        packet.visible -= (uint32_t)(random_next() & 3 ? 0 : random_next() % (packet.visible - 13));
        uint8_t *exact = malloc(packet.visible); /* the sanitizer watches its end */
        assert_non_null(exact);
        memcpy(exact, whole, packet.visible);
        packet.frame = exact;
        read_all(&packet);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_source_routed),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_neighbor_messages),
        cmocka_unit_test(test_router_messages),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
