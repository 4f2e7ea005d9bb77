#include "apps/net/nd.h"

#include <string.h>
#include "apps/net/ethernet.h"

#define SOLICITATION_ROUTER 8 /* bytes of each kind before its options */
#define NEIGHBOR            24
#define ADVERTISEMENT       16

#define FLAG_ROUTER    0x80
#define FLAG_SOLICITED 0x40
#define FLAG_OVERRIDE  0x20

enum option {
    OPTION_SOURCE = 1, /* link-layer addresses */
    OPTION_TARGET = 2,
    OPTION_PREFIX = 3,
    OPTION_MTU = 5
};

/* RFC 4861, 6.2.1: what a router's advertisement says unless it is told otherwise. */
#define PREFIX_VALID     2592000 /* s: 30 days */
#define PREFIX_PREFERRED 604800  /* s: 7 days */
#define PREFIX_ON_LINK   0x80
#define PREFIX_AUTO      0x40 /* for addresses that hosts make */

/* 4.6: takes the link-layer address of kind `wanted` from the options. False when one has no length, or a wrong one. */
static bool options_read(const uint8_t *message, uint32_t at, uint32_t length, enum option wanted,
                         uint64_t *link)
{
    *link = 0;
    for (uint32_t bytes; at < length; at += bytes) {
        if (length - at < 8)
            return false;
        bytes = message[at + 1] * 8u;
        if (bytes == 0 || bytes > length - at)
            return false;
        if (message[at] != wanted)
            continue;
        if (bytes != 8)
            return false;
        *link = ethernet_address(message + at + 2);
        if (*link == 0 || ethernet_group(*link))
            return false;
    }
    return true;
}

/* 6.1.1: a solicitation of routers. */
static bool router_solicitation_good(const struct nd *nd)
{
    return !ipv6_unspecified(nd->source) || !nd->link;
}

/* 7.1.1. */
static bool solicitation_good(const struct nd *nd)
{
    if (ipv6_multicast(nd->target))
        return false;
    /* From an address that is being tried (RFC 4862): to who may have it, and without a link-layer address. */
    return !ipv6_unspecified(nd->source) || (!nd->link && nd->destination.high == UINT64_C(0xff02) << 48 &&
                                             nd->destination.low >> 24 == UINT64_C(0x1ff));
}

/* 7.1.2. */
static bool advertisement_good(const struct nd *nd)
{
    return !ipv6_multicast(nd->target) && !ipv6_unspecified(nd->source) &&
           !(ipv6_multicast(nd->destination) && nd->solicited);
}

enum drop nd_read(const struct packet *packet, uint32_t offset, struct nd *nd)
{
    const uint8_t *header = packet->frame + ETHERNET_HEADER, *message = header + offset;
    uint32_t end = IPV6_HEADER + ipv6_payload(header), length = end - offset, least = NEIGHBOR;

    *nd = (struct nd){.source = ipv6_source(header), .destination = ipv6_destination(header)};
    if (end > packet->visible - ETHERNET_HEADER || end < offset + ICMP6_HEADER || header[7] != ND_HOP_LIMIT ||
        message[1] != 0 || icmp6_checksum(message, length, nd->source, nd->destination) != 0)
        return DROP_ND_MALFORMED;
    nd->type = (enum icmp6_type)message[0];
    if (nd->type == ICMP6_ROUTER_SOLICITATION)
        least = SOLICITATION_ROUTER;
    else if (nd->type != ICMP6_NEIGHBOR_SOLICITATION && nd->type != ICMP6_NEIGHBOR_ADVERTISEMENT)
        return DROP_LOCAL;
    if (length < least ||
        !options_read(message, least, length,
                      nd->type == ICMP6_NEIGHBOR_ADVERTISEMENT ? OPTION_TARGET : OPTION_SOURCE, &nd->link))
        return DROP_ND_MALFORMED;
    if (nd->type == ICMP6_ROUTER_SOLICITATION)
        return router_solicitation_good(nd) ? DROP_NONE : DROP_ND_MALFORMED;
    nd->target = ipv6_address(message + 8);
    if (nd->type == ICMP6_NEIGHBOR_SOLICITATION)
        return solicitation_good(nd) ? DROP_NONE : DROP_ND_MALFORMED;
    nd->solicited = message[4] & FLAG_SOLICITED;
    nd->override = message[4] & FLAG_OVERRIDE;
    return advertisement_good(nd) ? DROP_NONE : DROP_ND_MALFORMED;
}

/* ---- Writing ---- */

static void link_option(uint8_t *option, enum option kind, uint64_t link)
{
    option[0] = (uint8_t)kind;
    option[1] = 1;
    ethernet_address_put(option + 2, link);
}

/* The headers before a message of `length` bytes, and its checksum: the rest of it is written. */
static void finish(uint8_t *frame, uint64_t link_destination, const struct nd *nd, uint32_t length)
{
    uint8_t *header = frame + ETHERNET_HEADER, *message = header + IPV6_HEADER;

    ethernet_header_put(frame, link_destination, nd->link, ETHERNET_IPV6);
    ipv6_make(header, length, IPV6_ICMP, ND_HOP_LIMIT, nd->source, nd->destination);
    message[0] = (uint8_t)nd->type;
    message[1] = 0;
    ipv6_put16(message + 2, 0);
    ipv6_put16(message + 2, icmp6_checksum(message, length, nd->source, nd->destination));
}

void nd_write(uint8_t *frame, uint64_t link_destination, const struct nd *nd)
{
    uint8_t *message = frame + ETHERNET_HEADER + IPV6_HEADER;
    bool advertisement = nd->type == ICMP6_NEIGHBOR_ADVERTISEMENT;
    uint32_t flags = advertisement ? FLAG_ROUTER : 0;

    flags |= nd->solicited ? FLAG_SOLICITED : 0;
    flags |= nd->override ? FLAG_OVERRIDE : 0;
    ipv6_put32(message + 4, flags << 24);
    ipv6_address_put(message + 8, nd->target);
    link_option(message + NEIGHBOR, advertisement ? OPTION_TARGET : OPTION_SOURCE, nd->link);
    finish(frame, link_destination, nd, NEIGHBOR + 8);
}

/* 4.6.2. */
static void prefix_option(uint8_t *option, const struct nd_router *router)
{
    option[0] = OPTION_PREFIX;
    option[1] = 4;
    option[2] = (uint8_t)router->prefix_length;
    option[3] = PREFIX_ON_LINK | (router->prefix_length == 64 ? PREFIX_AUTO : 0);
    ipv6_put32(option + 4, PREFIX_VALID);
    ipv6_put32(option + 8, PREFIX_PREFERRED);
    ipv6_put32(option + 12, 0);
    ipv6_address_put(option + 16, router->prefix);
}

uint32_t nd_router_write(uint8_t *frame, const struct nd_router *router)
{
    const struct nd nd = {
        ICMP6_ROUTER_ADVERTISEMENT, router->source, IPV6_ALL_NODES, {0}, router->link, false, false};
    uint8_t *message = frame + ETHERNET_HEADER + IPV6_HEADER;
    uint32_t length = ADVERTISEMENT;

    message[4] = IPV6_HOP_LIMIT; /* what hosts should send with */
    message[5] = 0;              /* there is no DHCPv6 */
    ipv6_put16(message + 6, router->lifetime);
    memset(message + 8, 0, 8); /* hosts choose their own timers */
    link_option(message + length, OPTION_SOURCE, router->link);
    length += 8;
    ipv6_put32(message + length, OPTION_MTU << 24 | 1 << 16);
    ipv6_put32(message + length + 4, router->mtu);
    length += 8;
    if (router->prefix_length) {
        prefix_option(message + length, router);
        length += 32;
    }
    finish(frame, ipv6_group_link(IPV6_ALL_NODES), &nd, length);
    return ETHERNET_HEADER + IPV6_HEADER + length;
}
