/*
 * The IPv6 header (RFC 8200) and addresses (RFC 4291), in place, in the bytes that are visible of a frame.
 *
 * Owns: nothing. `header` always points to the first byte of an IPv6 header; it need not be aligned.
 *
 * Invariants
 *   1. After ipv6_check returned DROP_NONE the 40 bytes of the header are visible, and its payload lies within the frame.
 *      All other functions expect that.
 *   2. Nothing but ipv6_hop and ipv6_make writes. There is no checksum to keep right.
 *
 * Limits: no jumbograms (RFC 2675), no reassembly. Extension headers are read by who the packet is for, which is what RFC 8200,
 * 4 asks; of those that pass, only source routes of type 0 are looked for (RFC 5095).
 */
#ifndef APPS_NET_IPV6_H
#define APPS_NET_IPV6_H

#include <stdbool.h>
#include <stdint.h>
#include "apps/net/address.h"
#include "apps/net/packet.h"

#define IPV6_HEADER    40
#define IPV6_MTU_MIN   1280 /* RFC 8200, 5 */
#define IPV6_HOP_LIMIT 64   /* of what the router sends itself */

/* What a next header field tells. */
enum ipv6_next {
    IPV6_HOP_BY_HOP = 0,
    IPV6_TCP = 6,
    IPV6_UDP = 17,
    IPV6_ROUTING = 43,
    IPV6_FRAGMENT = 44,
    IPV6_ICMP = 58,
    IPV6_NOTHING = 59,
    IPV6_DESTINATION = 60
};

static inline uint16_t ipv6_get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline void ipv6_put16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline void ipv6_put32(uint8_t *bytes, uint32_t value)
{
    ipv6_put16(bytes, (uint16_t)(value >> 16));
    ipv6_put16(bytes + 2, (uint16_t)value);
}

static inline struct address6 ipv6_address(const uint8_t *bytes)
{
    typedef uint64_t __attribute__((may_alias, aligned(1))) word;
    const word *words = (const word *)bytes;

    return (struct address6){__builtin_bswap64(words[0]), __builtin_bswap64(words[1])};
}

static inline void ipv6_address_put(uint8_t *bytes, struct address6 address)
{
    typedef uint64_t __attribute__((may_alias, aligned(1))) word;
    word *words = (word *)bytes;

    words[0] = __builtin_bswap64(address.high);
    words[1] = __builtin_bswap64(address.low);
}

/* Bytes behind the header. */
static inline uint32_t ipv6_payload(const uint8_t *header)
{
    return ipv6_get16(header + 4);
}

static inline struct address6 ipv6_source(const uint8_t *header)
{
    return ipv6_address(header + 8);
}

static inline struct address6 ipv6_destination(const uint8_t *header)
{
    return ipv6_address(header + 24);
}

/* ---- Kinds of addresses (RFC 4291, 2.4) ---- */

#define IPV6_ALL_NODES   ((struct address6){UINT64_C(0xff02) << 48, 1})
#define IPV6_ALL_ROUTERS ((struct address6){UINT64_C(0xff02) << 48, 2})

static inline bool ipv6_unspecified(struct address6 address)
{
    return !(address.high | address.low);
}

static inline bool ipv6_loopback(struct address6 address)
{
    return address.high == 0 && address.low == 1;
}

static inline bool ipv6_multicast(struct address6 address)
{
    return address.high >> 56 == 0xff;
}

/* fe80::/10. */
static inline bool ipv6_link_local(struct address6 address)
{
    return address.high >> 54 == 0x3fa;
}

/* The first `length` bits of an address, with zeros behind. */
static inline struct address6 ipv6_prefix(struct address6 address, unsigned length)
{
    struct address6 mask = address6_mask(length);

    return (struct address6){address.high & mask.high, address.low & mask.low};
}

/* The link-local address that a station with this link-layer address has (RFC 2464, 5). */
struct address6 ipv6_link_local_of(uint64_t link);

/* The group at which the owner of an address is asked for (RFC 4291, 2.7.1): ff02::1:ff00:0/104. */
static inline struct address6 ipv6_solicited_node(struct address6 address)
{
    return (struct address6){UINT64_C(0xff02) << 48, UINT64_C(0x1ff000000) | (address.low & 0xffffff)};
}

/* The link-layer address of a multicast group (RFC 2464, 7), as apps/net/ethernet.h has it. */
static inline uint64_t ipv6_group_link(struct address6 group)
{
    return UINT64_C(0x3333) | (uint64_t)__builtin_bswap32((uint32_t)group.low) << 16;
}

/* ---- Headers ---- */

/*
 * Version and lengths (RFC 8200, 3). DROP_NONE, or what is wrong; then the packet is to be dropped without a word to anyone.
 */
enum drop ipv6_check(const struct packet *packet);

/*
 * Addresses between which nothing is forwarded, nor accepted (RFC 4291, 2.5.2, 2.5.3, 2.7): a source that is a group, nobody
 * or the loopback address; a destination that is nobody, the loopback address, or a group of interface-local or reserved
 * scope. Link-local addresses are good, on their link: DROP_NONE. That a source is nobody is right for some messages
 * of neighbour discovery: their receiver looks before it asks here.
 */
enum drop ipv6_martian(struct address6 source, struct address6 destination);

/* Whether one of the headers that are read on the way follows; false for a plain packet. */
static inline bool ipv6_extended(const uint8_t *header)
{
    return header[6] < 64 &&
           (UINT64_C(1) << header[6] & (UINT64_C(1) << IPV6_HOP_BY_HOP | UINT64_C(1) << IPV6_ROUTING |
                                        UINT64_C(1) << IPV6_DESTINATION)) != 0;
}

/*
 * Whether a packet on its way carries a source route of type 0, as far as it is visible (RFC 5095; RFC 9288, 3.3.2: to be
 * dropped). All other extension headers are no business of who forwards.
 */
bool ipv6_source_routed(const uint8_t *header, uint32_t visible);

/* RFC 8200, 3: takes one from the hop limit, which must not be 0. */
static inline void ipv6_hop(uint8_t *header)
{
    header[7]--;
}

/* Writes a header. */
void ipv6_make(uint8_t *header, uint32_t payload, enum ipv6_next next, uint8_t hop_limit,
               struct address6 source, struct address6 destination);

/* What the end of a packet finds behind the headers. */
struct ipv6_content {
    uint8_t next;        /* the protocol */
    bool report;         /* with a drop: the sender is told, by a parameter problem with: */
    bool report_groups;  /* even if the packet was for a group (RFC 8200, 4.2) */
    uint8_t code;        /* (RFC 4443, 3.4), */
    uint32_t offset;     /* of the content; or, with a drop, of what is wrong; from the IPv6 header */
    uint32_t next_field; /* offset of the field that told `next` */
};

/*
 * Goes through the extension headers of a packet that has reached its destination (RFC 8200, 4). DROP_NONE, or
 * DROP_SOURCE_ROUTE, DROP_FRAGMENT (unless it is a fragment of the whole packet: RFC 6946), DROP_OPTIONS, DROP_NO_PROTOCOL,
 * or DROP_TOO_SHORT when headers end behind what is visible.
 */
enum drop ipv6_open(const uint8_t *header, uint32_t visible, struct ipv6_content *content);

#endif
