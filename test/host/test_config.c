/*
 * The configuration file and addresses: what is read, and for every kind of mistake the very words. Texts end exactly where
 * their memory does, so that the address sanitizer sees a reader that goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "apps/net/config.h"

static struct config config;
static void *memory;

/* `memory` is made once: most of it is never touched. */
static bool read_size(const char *text, size_t size, unsigned interfaces)
{
    char *copy = malloc(size ? size : 1);

    if (!memory)
        memory = malloc(config_bytes());
    assert_non_null(memory);
    assert_non_null(copy);
    if (size)
        memcpy(copy, text, size);
    bool good = config_read(&config, memory, copy, size, interfaces);
    free(copy);
    return good;
}

static bool read_text(const char *text)
{
    return read_size(text, strlen(text), 2);
}

#define NETS                                                                                                 \
    "interface net0 10.0.0.1/24\n"                                                                           \
    "interface net1 10.0.1.1/24 2001:db8::1/64\n"

/* ---- Good files ---- */

static void test_everything(void **state)
{
    (void)state;
    assert_true(read_text("# a router\r\n"
                          "\n"
                          "route 10.9.0.0/16 via 10.0.0.7\n" /* before the interface that it needs */
                          "interface net0 10.0.0.1/24\tmtu 1400\r\n"
                          "  interface net1 10.0.1.1/24 2001:db8::1/64#both\n"
                          "interface net1 10.0.1.2/24 fe80::1/64\n"
                          "interface net0 fe80::1/64\n"
                          "route 0.0.0.0/0 via 10.0.1.254 net1\n"
                          "route 10.8.0.0/16 via 10.0.0.7\n"
                          "route ::/0 via fe80::7 net0\n"
                          "route 2001:db8:1::/48 via 2001:db8::7\n"
                          "neighbor 10.0.1.9 02:00:00:00:0b:01 net1     # static; \xc3\xa4\n"
                          "neighbor fe80::7 02:00:00:00:0A:01 net0"));
    assert_int_equal(config.mistakes, 0);
    assert_int_equal(config.addresses, 6);
    assert_int_equal(config.address[0].interface, 0);
    assert_int_equal(address_to4(config.address[0].address), 0x0a000001);
    assert_int_equal(config.address[0].length, 24);
    assert_int_equal(config.address[2].family, CONFIG_IPV6);
    assert_int_equal(config.address[2].address.high, 0x20010db800000000);
    assert_int_equal(config.address[2].line, 5);
    assert_int_equal(config.interface[0].mtu, 1400);
    assert_int_equal(config.interface[1].mtu, 0);
    assert_int_equal(config.routes, 5);
    assert_int_equal(config.routes4, 3);
    assert_int_equal(config.routes6, 2);
    assert_int_equal(config.route[0].hop, config.route[2].hop);
    static const unsigned interface[] = {0, 1, 0, 0, 1};
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(next_hop_of(&config.hops, config.route[i].hop)->interface, interface[i]);
    assert_int_equal(next_hop_of(&config.hops, config.route[3].hop)->gateway.low, 7);
    assert_int_equal(config.route[1].prefix.length, 0);
    assert_int_equal(config.neighbors, 2);
    assert_int_equal(config.neighbor[0].link, 0x010b00000002);
    assert_int_equal(config.neighbor[1].family, CONFIG_IPV6);
    assert_int_equal(config.neighbor[1].interface, 0);
}

static void test_interfaces_unknown(void **state)
{
    static const char text[] = "interface net31 10.0.0.1/8";

    (void)state;
    assert_true(read_size(text, sizeof text - 1, 0));
    assert_false(read_size(text, sizeof text - 1, 31));
}

/* ---- Mistakes ---- */

/* `text` behind two good lines gives this one mistake, in line 3, or in the line that stands before it. */
struct mistake {
    const char *text, *said;
};

static const struct mistake mistakes[] = {
    /* unknown words, missing ones, and too many */
    {"bridge net0", "3: 'bridge' is not known, expected interface, route or neighbor"},
    {"Route", "3: 'Route' is not known, expected interface, route or neighbor"},
    {"interface", "3: the line ends after 'interface', expected an interface: net0, net1, ..."},
    {"interface net0",
     "3: the line ends after 'net0', expected an address with its prefix length, for example 10.0.0.1/24"},
    {"interface eth0 10.2.0.1/24", "3: 'eth0' is no interface, expected net0, net1, ..."},
    {"interface net 10.2.0.1/24", "3: 'net' is no interface, expected net0, net1, ..."},
    {"interface net01 10.2.0.1/24", "3: 'net01' is no interface, expected net0, net1, ..."},
    {"interface net2 10.2.0.1/24", "3: there is no net2, expected net0 to net1"},
    {"interface net99999 10.2.0.1/24", "3: there is no net99999, expected net0 to net1"},
    {"route 10.2.0.0/16", "3: the line ends after '10.2.0.0/16', expected via and a gateway"},
    {"route 10.2.0.0/16 to 10.0.0.2", "3: 'to' is not known here, expected via"},
    {"route 10.2.0.0/16 via", "3: the line ends after 'via', expected the address of a gateway"},
    {"route 10.2.0.0/16 via 10.0.0.2 net0 net1", "3: 'net1' is too much, expected the end of the line"},
    {"route", "3: the line ends after 'route', expected a prefix, for example 10.9.0.0/16"},
    {"neighbor", "3: the line ends after 'neighbor', expected an address, for example 10.0.0.2"},
    {"neighbor 10.0.0.2",
     "3: the line ends after '10.0.0.2', expected a link-layer address, for example 02:00:00:00:0b:01"},
    {"neighbor 10.0.0.2 02:00:00:00:0b:01",
     "3: the line ends after '02:00:00:00:0b:01', expected an interface: net0, net1, ..."},
    {"neighbor 10.0.0.2 02:00:00:00:0b:01 net0 x", "3: 'x' is too much, expected the end of the line"},
    {"a b c d e f g h i j k l m n o p q", "3: the line has too many words, expected at most 16"},
    {"route \x01", "3: there is a byte 0x01, expected letters, digits and signs"},
    {"route \xc3\xa4", "3: there is a byte 0xc3, expected letters, digits and signs"},
    {"12345678901234567890123456789012345678901234567890",
     "3: '1234567890123456789012345678901234567890123' is not known, expected interface, route or neighbor"},
    /* bad addresses */
    {"interface net0 10.2.0.1",
     "3: '10.2.0.1' has no prefix length, expected for example 10.0.0.1/24 or 2001:db8::1/64"},
    {"interface net0 10.2.0.256/24",
     "3: '10.2.0.256/24' is no address, expected for example 10.0.0.1/24 or 2001:db8::1/64"},
    {"interface net0 10.2.0.1/33", "3: '10.2.0.1/33' has a wrong prefix length, expected /0 to /32"},
    {"interface net0 10.2.0.1/", "3: '10.2.0.1/' has a wrong prefix length, expected /0 to /32"},
    {"interface net0 10.2.0.1/024", "3: '10.2.0.1/024' has a wrong prefix length, expected /0 to /32"},
    {"interface net0 2001:db8:1::1/129",
     "3: '2001:db8:1::1/129' has a wrong prefix length, expected /0 to /128"},
    {"interface net0 10.2.0.1/0",
     "3: 10.2.0.1/0 makes all addresses one network, expected a prefix length of 1 or more"},
    {"interface net0 10.2.0.0/24",
     "3: 10.2.0.0/24 is the network's own or its broadcast address, expected one between them"},
    {"interface net0 10.2.0.255/24",
     "3: 10.2.0.255/24 is the network's own or its broadcast address, expected one between them"},
    {"interface net0 224.0.0.1/24",
     "3: 224.0.0.1/24 is not an address of an interface, expected a unicast address"},
    {"interface net0 127.0.0.1/8",
     "3: 127.0.0.1/8 is not an address of an interface, expected a unicast address"},
    {"interface net0 ff02::1/64",
     "3: ff02::1/64 is not an address of an interface, expected a unicast address"},
    {"interface net0 ::1/128", "3: ::1/128 is not an address of an interface, expected a unicast address"},
    {"route 10.2.0.0/16 via 10.0.0",
     "3: '10.0.0' is no address, expected for example 10.0.0.1 or 2001:db8::1"},
    {"route 10.2.0.1/16 via 10.0.0.2", "3: '10.2.0.1/16' has bits behind its prefix, expected 10.2.0.0/16"},
    {"route 2001:db8:1::1/48 via 2001:db8::2",
     "3: '2001:db8:1::1/48' has bits behind its prefix, expected 2001:db8:1::/48"},
    {"route 224.0.0.0/4 via 10.0.0.2",
     "3: '224.0.0.0/4' is not forwarded by any router, expected a unicast prefix"},
    {"route fe80::/10 via 2001:db8::2",
     "3: 'fe80::/10' is not forwarded by any router, expected a unicast prefix"},
    {"route 10.2.0.0/16 via 2001:db8::2",
     "3: gateway '2001:db8::2' is of IPv6, expected one of IPv4 as the prefix"},
    {"neighbor 10.0.0.2 2:0:0:0:b:1 net0",
     "3: '2:0:0:0:b:1' is no link-layer address, expected for example 02:00:00:00:0b:01"},
    {"neighbor 10.0.0.2 01:00:00:00:0b:01 net0",
     "3: '01:00:00:00:0b:01' is not one station's address, expected an even first byte"},
    {"neighbor 10.0.0.2 00:00:00:00:00:00 net0",
     "3: '00:00:00:00:00:00' is not one station's address, expected an even first byte"},
    /* MTU */
    {"interface net0 mtu", "3: the line ends after 'mtu', expected a number of bytes"},
    {"interface net0 mtu 67", "3: '67' is no MTU, expected a number from 68 to 1500"},
    {"interface net0 mtu 1501", "3: '1501' is no MTU, expected a number from 68 to 1500"},
    {"interface net0 mtu 1400 mtu 1300",
     "3: the MTU is told already (line 3), expected it once for an interface"},
    {"interface net1 mtu 1279", "3: an MTU of 1279 is too small for IPv6, expected 1280 to 1500"},
    /* interfaces that overlap */
    {"interface net1 10.0.0.2/24",
     "3: 10.0.0.2/24 overlaps 10.0.0.1/24 of net0 (line 1), expected networks that do not"},
    {"interface net1 10.0.0.130/25",
     "3: 10.0.0.130/25 overlaps 10.0.0.1/24 of net0 (line 1), expected networks that do not"},
    {"interface net0 2001:db8::2/32",
     "3: 2001:db8::2/32 overlaps 2001:db8::1/64 of net1 (line 2), expected networks that do not"},
    {"interface net0 10.0.0.2/25",
     "3: 10.0.0.2/25 overlaps 10.0.0.1/24 (line 1), expected the same prefix length"},
    {"interface net1 10.0.0.1/24", "3: 10.0.0.1/24 is told already (line 1), expected each address once"},
    /* gateways */
    {"route 10.2.0.0/16 via 10.7.0.2",
     "3: gateway 10.7.0.2 is on no interface's network, expected an address in one"},
    {"route 10.2.0.0/16 via 10.0.0.2 net1",
     "3: gateway 10.0.0.2 is not on a network of net1, expected an address in one"},
    {"route 10.2.0.0/16 via 10.0.0.1",
     "3: gateway 10.0.0.1 is the address of net0 (line 1), expected another station's"},
    {"route 10.2.0.0/16 via 10.0.0.255",
     "3: gateway 10.0.0.255 is a network's own or broadcast address, expected a station's"},
    {"route 10.2.0.0/16 via 224.0.0.5",
     "3: gateway 224.0.0.5 is nobody's address, expected a unicast address"},
    {"route 2001:db8:1::/48 via fe80::7",
     "3: gateway fe80::7 is link-local, expected an interface behind it: fe80::7 net0"},
    {"route 2001:db8:1::/48 via fe80::7 net0",
     "3: gateway fe80::7 is on net0, which has no IPv6 address, expected one that has"},
    /* routes and neighbours */
    {"route 10.2.0.0/16 via 10.0.0.2\nroute 10.2.0.0/16 via 10.0.0.3",
     "4: there is a route for 10.2.0.0/16 already (line 3), expected one"},
    {"route 10.0.1.0/24 via 10.0.0.2",
     "3: 10.0.1.0/24 is the network of net1 (line 2), expected no route for it"},
    {"neighbor 10.0.0.2 02:00:00:00:0b:01 net0\nneighbor 10.0.0.2 02:00:00:00:0b:02 net0",
     "4: there is a neighbor 10.0.0.2 already (line 3), expected one"},
    {"neighbor 10.0.0.2 02:00:00:00:0b:01 net1",
     "3: neighbor 10.0.0.2 is not on a network of net1, expected an address in one"},
    {"neighbor 10.0.0.1 02:00:00:00:0b:01 net0",
     "3: neighbor 10.0.0.1 is the address of net0 (line 1), expected another station's"},
    {"neighbor fe80::7 02:00:00:00:0b:01 net0",
     "3: neighbor fe80::7 is on net0, which has no IPv6 address, expected one that has"},
};

static void test_mistakes(void **state)
{
    char text[512], said[CONFIG_TEXT + 16];

    (void)state;
    for (unsigned i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        for (unsigned ends = 0; ends < 3; ends++) { /* the line ends with the file, with LF, with CR LF */
            static const char *const end[] = {"", "\n", "\r\n"};
            snprintf(text, sizeof text, NETS "%s%s", mistakes[i].text, end[ends]);
            assert_false(read_text(text));
            if (config.mistakes != 1)
                print_message("%s: and %s\n", mistakes[i].text, config.mistake[1].text);
            assert_int_equal(config.mistakes, 1);
            snprintf(said, sizeof said, "%u: %s", (unsigned)config.mistake[0].line, config.mistake[0].text);
            assert_string_equal(said, mistakes[i].said);
        }
    }
}

static void test_no_interface(void **state)
{
    static const char said[] =
        "the file ends without an interface, expected for example interface net0 10.0.0.1/24";

    (void)state;
    assert_false(read_text(""));
    assert_int_equal(config.mistake[0].line, 1);
    assert_string_equal(config.mistake[0].text, said);
    assert_false(read_text("# nothing\n\n"));
    assert_int_equal(config.mistake[0].line, 2);
    assert_string_equal(config.mistake[0].text, said);
}

/* Many mistakes: the first are told, in the order of their lines, and all are counted. */
static void test_many_mistakes(void **state)
{
    char text[4096] = NETS;

    (void)state;
    for (unsigned i = 0; i < 60; i++)
        strcat(text, i % 2 ? "neighbor 10.7.0.2 02:00:00:00:0b:01 net0\n" : "rout\n");
    assert_false(read_text(text));
    assert_int_equal(config.mistakes, 30 + 29);
    for (unsigned i = 0; i < CONFIG_MISTAKES; i++)
        assert_int_equal(config.mistake[i].line, 3 + i + (i > 0));
    snprintf(text, sizeof text,
             NETS "neighbor 10.7.0.2 02:00:00:00:0b:01 net0\nroute 10.2.0.0/16 via 10.7.0.2\n");
    for (unsigned i = 0; i < 30; i++)
        sprintf(text + strlen(text), "route 10.%u.0.0/16 via 10.7.0.%u\n", 100 + i, 3 + i);
    assert_false(read_text(text));
    assert_int_equal(config.mistakes, 32);
    for (unsigned i = 0; i < CONFIG_MISTAKES; i++)
        assert_int_equal(config.mistake[i].line, 3 + i);
}

/* ---- Limits ---- */

static char *big;

static void big_begin(void)
{
    big = malloc(8u << 20);
    assert_non_null(big);
    strcpy(big, "interface net0 10.0.0.1/8\ninterface net1 2001:db8::1/64\n");
}

static void too_many(const char *said, unsigned line)
{
    assert_false(read_text(big));
    assert_int_equal(config.mistakes, 1);
    assert_string_equal(config.mistake[0].text, said);
    assert_int_equal(config.mistake[0].line, line);
    free(big);
}

static void test_too_many(void **state)
{
    char *at;

    (void)state;
    big_begin();
    at = big + strlen(big);
    for (unsigned i = 0; i <= CONFIG_ROUTES; i++)
        at += sprintf(at,
                      i % 2 ? "route 20.%u.%u.%u/32 via 10.0.0.2\n"
                            : "route 2001:db9:%x:%x::%x/128 via 2001:db8::2\n",
                      i >> 16, i >> 8 & 255, i & 255);
    too_many("too many routes, expected at most 131072", 2 + CONFIG_ROUTES + 1);
    big_begin();
    at = big + strlen(big);
    for (unsigned i = 0; i <= CONFIG_HOPS; i++)
        at += sprintf(at, "route 20.%u.%u.0/24 via 10.1.%u.%u\n", i >> 8, i & 255, i >> 8, i & 255);
    too_many("too many different gateways, expected at most 4096", 2 + CONFIG_HOPS + 1);
    big_begin();
    at = big + strlen(big);
    for (unsigned i = 0; i <= CONFIG_NEIGHBORS; i++)
        at += sprintf(at, "neighbor 10.1.%u.%u 02:00:00:00:00:00 net0\n", i >> 8, i & 255);
    too_many("too many neighbors, expected at most 4096", 2 + CONFIG_NEIGHBORS + 1);
    big_begin();
    at = big + strlen(big);
    for (unsigned i = 0; i < CONFIG_ADDRESSES; i++)
        at += sprintf(at, "interface net0 20.0.%u.1/24\n", i);
    too_many("too many IPv4 addresses, expected at most 64", 2 + CONFIG_ADDRESSES);
}

/* 10^5 routes are read, all of them, and soon: 50 million instructions are 25 ms here, and more under the sanitizers. */
static void test_many_routes(void **state)
{
    char *at;

    (void)state;
    big_begin();
    at = big + strlen(big);
    for (unsigned i = 0; i < 100000; i++)
        at += sprintf(at, "route 20.%u.%u.%u/32 via 10.0.%u.2\n", i >> 16, i >> 8 & 255, i & 255, i % 100);
    clock_t begin = clock();
    assert_true(read_text(big));
    assert_true(clock() - begin < CLOCKS_PER_SEC);
    assert_int_equal(config.routes, 100000);
    for (unsigned i = 0; i < 100000; i++) {
        assert_int_equal(address_to4(config.route[i].prefix.address), 20u << 24 | i);
        assert_int_equal(address_to4(next_hop_of(&config.hops, config.route[i].hop)->gateway),
                         0x0a000002 | i % 100 << 8);
    }
    free(big);
}

/* Lines with single blanks are read in another way than all others: with the same result, right or wrong. */
static void test_two_ways_to_read(void **state)
{
    static const char *const pieces[] = {"0",   "1",  "9", "10",  "99",   "255",
                                         "256", "01", "",  "300", "1000", "a"};
    static struct config quick;
    uint64_t random = 88172645463325252u;
    unsigned good = 0;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        char line[128], text[512];
        const char *word[10];
        for (unsigned j = 0; j < 10; j++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            word[j] = pieces[random % (random >> 40 & 31 ? 3 : sizeof pieces / sizeof pieces[0])];
        }
        snprintf(line, sizeof line, "%s.%s.%s.%s/%s via 10.%s.%s.%s%s", word[0], word[1], word[2], word[3],
                 word[4][0] == '1' ? "32" : word[4], word[5], word[6], word[7], word[8][0] == 'a' ? "." : "");
        snprintf(text, sizeof text, "interface net0 10.0.0.1/8\nroute %s\n%80s", line, "");
        bool first = read_text(text);
        quick = config;
        const struct config_route route = config.route[0];
        snprintf(text, sizeof text, "interface net0 10.0.0.1/8\nroute  %s\n%80s", line, "");
        assert_int_equal(read_text(text), first);
        good += first;
        assert_int_equal(config.mistakes, quick.mistakes);
        assert_string_equal(config.mistake[0].text, quick.mistake[0].text);
        assert_int_equal(config.routes, quick.routes);
        if (first) {
            assert_int_equal(config.route[0].prefix.address.high, route.prefix.address.high);
            assert_int_equal(config.route[0].prefix.length, route.prefix.length);
            assert_int_equal(config.route[0].hop, route.hop);
            assert_int_equal(config.route[0].line, route.line);
        }
    }
    assert_true(good > 1000 && good < 19000);
}

/* ---- At run time ---- */

static const char *change_said(const char *text, struct config_change *change)
{
    static char mistake[CONFIG_TEXT];
    size_t size = strlen(text);
    char *copy = malloc(size ? size : 1);

    assert_non_null(copy);
    memcpy(copy, text, size);
    bool good = config_change_read(&config, copy, size, change, mistake);
    free(copy);
    assert_int_equal(good, mistake[0] == 0);
    assert_int_equal(config.mistakes, 0);
    return mistake;
}

static void test_changes(void **state)
{
    struct config_change change;

    (void)state;
    assert_true(read_text(NETS));
    assert_string_equal(change_said("route add 10.9.0.0/16 via 10.0.1.7", &change), "");
    assert_true(change.add);
    assert_int_equal(change.family, CONFIG_IPV4);
    assert_int_equal(change.interface, 1);
    assert_int_equal(address_to4(change.gateway), 0x0a000107);
    assert_int_equal(address_to4(change.prefix.address), 0x0a090000);
    assert_int_equal(change.prefix.length, 16);
    assert_string_equal(change_said("route add ::/0 via fe80::1 net1\r\n", &change), "");
    assert_int_equal(change.interface, 1);
    assert_string_equal(change_said("route del 10.9.0.0/16\n", &change), "");
    assert_false(change.add);
    static const struct mistake wrong[] = {
        {"", "this is not one line, expected route add or route del"},
        {"route del ::/0\nroute del ::/0", "this is not one line, expected route add or route del"},
        {"interface net0", "'interface' is not known, expected route add or route del"},
        {"route", "the line ends after 'route', expected add or del"},
        {"route delete ::/0", "'delete' is not known, expected add or del"},
        {"route del 10.9.0.0/16 via", "'via' is too much, expected the end of the line"},
        {"route add 10.9.0.0/16 via 10.9.0.1",
         "gateway 10.9.0.1 is on no interface's network, expected an address in one"},
        {"route add 10.9.0.0/16 via \x80", "there is a byte 0x80, expected letters, digits and signs"},
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_string_equal(change_said(wrong[i].text, &change), wrong[i].said);
}

/* ---- Addresses ---- */

static void test_ipv4_text(void **state)
{
    static const char *const wrong[] = {"",         "1",         "1.2.3",           "1.2.3.4.",
                                        ".1.2.3.4", "1..2.3",    "1.2.3.256",       "1.2.3.0004",
                                        "01.2.3.4", "1.2.3.4.5", "1.2.3.4 ",        "1.2.3.-4",
                                        "+1.2.3.4", "a.2.3.4",   "1.2.3.4294967297"};
    static const char *const right[] = {"0.0.0.0", "255.255.255.255", "10.0.0.1", "192.168.100.20"};
    char text[IPV4_TEXT];
    uint32_t address = 7;

    (void)state;
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(ipv4_parse(wrong[i], strlen(wrong[i]), &address));
    assert_int_equal(address, 7);
    for (unsigned i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_true(ipv4_parse(right[i], strlen(right[i]), &address));
        assert_string_equal(ipv4_print(text, address), right[i]);
    }
}

static void test_ipv6_text(void **state)
{
    static const char *const wrong[] = {"",
                                        ":",
                                        "1",
                                        "1:2:3:4:5:6:7",
                                        "1:2:3:4:5:6:7:8:9",
                                        ":::",
                                        "1::2::3",
                                        "12345::",
                                        ":1:2:3:4:5:6:7:8",
                                        "1:2:3:4:5:6:7:",
                                        "::g",
                                        "1:::2",
                                        "1:2:3:4:5:6:7::8",
                                        "::1.2.3",
                                        "::1.2.3.4:5",
                                        "1:2:3:4:5:6:7:1.2.3.4",
                                        "fe80::1%net0",
                                        "::1 ",
                                        "1:2:3:4:5:6:1.2.3.400",
                                        "::00001"};
    /* As written, and as RFC 5952 wants it written. */
    static const char *const right[][2] = {
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"2001:db8::0:1", "2001:db8::1"},
        {"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
        {"1:0:0:2:3:0:0:4", "1::2:3:0:0:4"},
        {"1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"::ffff:10.0.0.1", "::ffff:10.0.0.1"},
        {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
        {"0001:0020:0300:4000:0:0:0:0", "1:20:300:4000::"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}};
    struct address6 address = {7, 7};
    char text[IPV6_TEXT];

    (void)state;
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(ipv6_parse(wrong[i], strlen(wrong[i]), &address));
    assert_int_equal(address.high, 7);
    for (unsigned i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_true(ipv6_parse(right[i][0], strlen(right[i][0]), &address));
        assert_string_equal(ipv6_print(text, address), right[i][1]);
    }
}

static void test_link_text(void **state)
{
    static const char *const wrong[] = {"",
                                        "02:00:00:00:00",
                                        "02:00:00:00:00:0",
                                        "02-00-00-00-00-01",
                                        "02:00:00:00:00:0g",
                                        "02:00:00:00:00:011",
                                        "020000000001:::::"};
    uint64_t link = 7;
    char text[LINK_TEXT];

    (void)state;
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(link_parse(wrong[i], strlen(wrong[i]), &link));
    assert_int_equal(link, 7);
    assert_true(link_parse("02:00:5E:00:0b:01", 17, &link));
    assert_int_equal(link, 0x010b005e0002);
    assert_string_equal(link_print(text, link), "02:00:5e:00:0b:01");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),    cmocka_unit_test(test_interfaces_unknown),
        cmocka_unit_test(test_mistakes),      cmocka_unit_test(test_no_interface),
        cmocka_unit_test(test_many_mistakes), cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_many_routes),   cmocka_unit_test(test_two_ways_to_read),
        cmocka_unit_test(test_changes),       cmocka_unit_test(test_ipv4_text),
        cmocka_unit_test(test_ipv6_text),     cmocka_unit_test(test_link_text),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(memory);
    return failed;
}
