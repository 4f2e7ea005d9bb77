/*
 * Addresses: what they are in memory, and as people write them.
 *
 * Owns: nothing. An IPv4 address is a number in the order of the host (10.0.0.1 is 0x0a000001). An IPv6 address is two such
 * numbers. Where one code serves both families (apps/net/route.h, neighbor.h, config.h) an IPv4 address is the IPv6 address
 * whose first 32 bits it is, address_of4(); which family is meant is known by other means. A link-layer address is a number
 * as apps/net/ethernet.h has it: its first byte is the lowest.
 *
 * Readers are strict: they take the whole text or nothing, no blanks, no leading zeros in decimal numbers (they might be
 * octal ones), and no form that is not in the RFCs. `text` need not end with a zero. They change the result only when they
 * return true. Cost: a few instructions a character.
 */
#ifndef APPS_NET_ADDRESS_H
#define APPS_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address6 {
    uint64_t high, low; /* 2001:db8::1 is 0x20010db800000000, 1 */
};

/* Room for the text of one, with its zero. */
#define IPV4_TEXT 16
#define IPV6_TEXT 40
#define LINK_TEXT 18

/* 10.0.0.1: four numbers from 0 to 255. */
bool ipv4_parse(const char *text, size_t length, uint32_t *address);

/* RFC 4291, 2.2: 2001:db8::1, ::, ::ffff:10.0.0.1; up to four hexadecimal digits a group, no zone. */
bool ipv6_parse(const char *text, size_t length, struct address6 *address);

/* 02:00:00:00:0b:01: six pairs of hexadecimal digits. */
bool link_parse(const char *text, size_t length, uint64_t *link);

/* These write a text with its zero into room of IPV4_TEXT, IPV6_TEXT (as RFC 5952 wants it), LINK_TEXT, and return `to`. */
const char *ipv4_print(char *to, uint32_t address);
const char *ipv6_print(char *to, struct address6 address);
const char *link_print(char *to, uint64_t link);

/* An IPv4 address among IPv6 ones, and back. */
static inline struct address6 address_of4(uint32_t address)
{
    return (struct address6){(uint64_t)address << 32, 0};
}

static inline uint32_t address_to4(struct address6 address)
{
    return (uint32_t)(address.high >> 32);
}

static inline bool address6_equal(struct address6 a, struct address6 b)
{
    return ((a.high ^ b.high) | (a.low ^ b.low)) == 0;
}

/* The first `length` bits (0 to 128) are ones. */
static inline struct address6 address6_mask(unsigned length)
{
    return (struct address6){length == 0    ? 0
                             : length >= 64 ? UINT64_MAX
                                            : UINT64_MAX << (64 - length),
                             length <= 64 ? 0 : UINT64_MAX << (128 - length)};
}

/* Whether two addresses share their first `length` bits (0 to 128). */
static inline bool address6_within(struct address6 a, struct address6 b, unsigned length)
{
    struct address6 mask = address6_mask(length);

    return (((a.high ^ b.high) & mask.high) | ((a.low ^ b.low) & mask.low)) == 0;
}

#endif
