/*
 * The IPv4 header: what RFC 1812 asks of it, in place, in the bytes that are visible of a frame.
 *
 * Owns: nothing. `header` always points to the first byte of an IPv4 header; it need not be aligned. Addresses are numbers
 * in the order of the host (10.0.0.1 is 0x0a000001).
 *
 * Invariants
 *   1. After ipv4_check returned DROP_NONE the whole header is visible, its checksum is right, and its total length lies
 *      within the frame. All other functions expect that.
 *   2. What changes a header leaves its checksum right: by one's complement arithmetic on what changed (RFC 1624), or, when
 *      options were written, anew.
 *
 * Limits: there is no reassembly; source routes are recognized and not followed.
 */
#ifndef APPS_NET_IPV4_H
#define APPS_NET_IPV4_H

#include <stdbool.h>
#include <stdint.h>
#include "apps/net/packet.h"

#define IPV4_HEADER      20 /* bytes without options */
#define IPV4_HEADER_MAX  60
#define IPV4_MTU_MIN     68     /* RFC 791: a header of 60 bytes and 8 of data */
#define IPV4_DONT        0x4000 /* fragment field: must not be fragmented */
#define IPV4_MORE        0x2000 /* more fragments follow */
#define IPV4_OFFSET_MASK 0x1fff /* in units of 8 bytes */
#define IPV4_BROADCAST   UINT32_C(0xffffffff)
#define IPV4_TTL         64 /* of what the router sends itself */

enum ipv4_protocol {
    IPV4_ICMP = 1,
    IPV4_TCP = 6,
    IPV4_UDP = 17
};

/* Loads of unaligned big-endian fields. */
typedef uint16_t __attribute__((may_alias, aligned(1))) ipv4_half;
typedef uint32_t __attribute__((may_alias, aligned(1))) ipv4_word;

static inline uint16_t ipv4_get16(const uint8_t *bytes)
{
    return __builtin_bswap16(*(const ipv4_half *)bytes);
}

static inline uint32_t ipv4_get32(const uint8_t *bytes)
{
    return __builtin_bswap32(*(const ipv4_word *)bytes);
}

static inline void ipv4_put16(uint8_t *bytes, uint16_t value)
{
    *(ipv4_half *)bytes = __builtin_bswap16(value);
}

static inline void ipv4_put32(uint8_t *bytes, uint32_t value)
{
    *(ipv4_word *)bytes = __builtin_bswap32(value);
}

static inline uint32_t ipv4_header_bytes(const uint8_t *header)
{
    return (header[0] & 15u) * 4;
}

static inline uint32_t ipv4_length(const uint8_t *header)
{
    return ipv4_get16(header + 2);
}

static inline uint16_t ipv4_fragment(const uint8_t *header)
{
    return ipv4_get16(header + 6);
}

static inline uint32_t ipv4_source(const uint8_t *header)
{
    return ipv4_get32(header + 12);
}

static inline uint32_t ipv4_destination(const uint8_t *header)
{
    return ipv4_get32(header + 16);
}

/*
 * RFC 1812, 5.2.2: length of the frame, checksum, version, header length, total length, in the frame that begins 14 bytes
 * before `packet`'s IPv4 header. DROP_NONE, or what is wrong; then the packet is to be dropped without a word to anyone.
 * Cost: about 30 instructions for a header without options.
 */
enum drop ipv4_check(const struct packet *packet);

/*
 * RFC 1812, 5.3.7: source addresses that no packet may have: network 0, loopback, multicast, class E, broadcast.
 * (Own addresses and directed broadcasts are for the router to know.)
 */
static inline bool ipv4_martian_source(uint32_t address)
{
    uint32_t network = address >> 24;

    return network == 0 || network == 127 || network >= 224;
}

/* Destinations that are never forwarded: network 0, loopback, class E but for the limited broadcast. */
static inline bool ipv4_martian_destination(uint32_t address)
{
    uint32_t network = address >> 24;

    return network == 0 || network == 127 || (network >= 240 && address != IPV4_BROADCAST);
}

static inline bool ipv4_multicast(uint32_t address)
{
    return address >> 28 == 14;
}

/*
 * RFC 1812, 5.3.1: takes one from the TTL, which must not be 0. RFC 1624, equation 3, for a change of -0x100 in the word of
 * TTL and protocol: the checksum grows by 0x100, end-around.
 */
static inline void ipv4_hop(uint8_t *header)
{
    uint32_t sum = (uint32_t)ipv4_get16(header + 10) + 0x100;

    sum += sum >= 0xffff;
    ipv4_put16(header + 10, (uint16_t)sum);
    header[8]--;
}

/* Writes the checksum anew. */
void ipv4_checksum_write(uint8_t *header);

/*
 * Writes a header without options of a packet of `length` bytes in all, not fragmented, checksum included.
 */
void ipv4_make(uint8_t *header, uint32_t length, uint8_t tos, enum ipv4_protocol protocol, uint32_t source,
               uint32_t destination);

/* Where a packet's options want it noted. `address` is the one of the router, of the interface that the packet leaves by. */
struct ipv4_stop {
    uint32_t address;
    uint32_t milliseconds; /* for timestamps, without the bit that says that they are not since midnight */
};

/*
 * RFC 1812, 5.3.13: reads all options. DROP_SOURCE_ROUTE when there is a source route; DROP_OPTIONS when one is malformed:
 * *pointer is then the offset of what is wrong, for a parameter problem. Changes nothing.
 */
enum drop ipv4_options_check(const uint8_t *header, unsigned *pointer);

/*
 * Writes this stop into record route (5.3.13.5) and timestamp (5.3.13.6) options that have room, and the checksum anew.
 * Options that are unknown stay as they are (5.3.13.1). The options were checked.
 */
void ipv4_options_note(uint8_t *header, const struct ipv4_stop *stop);

/*
 * Makes the header of a fragment that is not the first: `to` has room for 60 bytes; of the options those are taken that are
 * copied into every fragment (RFC 791, 3.1). Returns its bytes. Length, offset and checksum are still to be written.
 */
uint32_t ipv4_fragment_header(uint8_t *to, const uint8_t *header);

#endif
