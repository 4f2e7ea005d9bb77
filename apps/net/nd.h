/*
 * Neighbour discovery for IPv6 over Ethernet (RFC 4861): reading and writing its messages. What they mean for who is where
 * is the neighbour table's business (apps/net/neighbor.h).
 *
 * Owns: nothing. Addresses as in apps/net/address.h, link-layer addresses as in apps/net/ethernet.h.
 *
 * Limits: a message whose options do not all lie in what is visible (114 bytes of packet) is refused: DROP_ND_MALFORMED. Hosts
 * send 40 bytes at most. Advertisements of other routers, and redirects, are for hosts, and refused by nd_read
 * as DROP_LOCAL.
 */
#ifndef APPS_NET_ND_H
#define APPS_NET_ND_H

#include <stdbool.h>
#include <stdint.h>
#include "apps/net/icmp6.h"
#include "apps/net/packet.h"

#define ND_HOP_LIMIT 255 /* proves that no router has forwarded it */

struct nd {
    enum icmp6_type type; /* a solicitation or advertisement of a neighbour, or a solicitation of routers */
    struct address6 source, destination;
    struct address6 target; /* of a neighbour's; else unspecified */
    uint64_t
        link; /* the source's (solicitations) or target's (advertisements) link-layer address; 0: not told */
    bool solicited, override; /* of an advertisement */
};

/*
 * Reads the message that lies `offset` bytes behind the IPv6 header of a packet, with all that RFC 4861 asks of one
 * (6.1.1, 7.1.1, 7.1.2): hop limit 255, checksum, code 0, lengths, options, addresses. DROP_NONE, DROP_ND_MALFORMED, or
 * DROP_LOCAL for what routers have no use for.
 */
enum drop nd_read(const struct packet *packet, uint32_t offset, struct nd *nd);

/* Bytes of a frame with a message. */
#define ND_NEIGHBOR_FRAME      86  /* 14 + 40 + 24 + an option of 8 */
#define ND_ADVERTISEMENT_FRAME 118 /* of a router: 14 + 40 + 16 + 8 + 8 + 32 */

/*
 * Writes a whole frame with a neighbour's solicitation or advertisement, from nd->source to nd->destination, at the link layer
 * from nd->link to `link_destination`; nd->link is its option too (4.3, 4.4). An advertisement is one of a router.
 */
void nd_write(uint8_t *frame, uint64_t link_destination, const struct nd *nd);

/* What a router tells the hosts on a link (4.2). */
struct nd_router {
    struct address6 source; /* its link-local address */
    uint64_t link;
    uint16_t lifetime; /* s: how long hosts may send to it by default; 0: they may not */
    uint32_t mtu;
    struct address6
        prefix; /* on the link; hosts make addresses of it when its length is 64 (RFC 4862, 5.5.3 (d)) */
    unsigned prefix_length; /* 0: none */
};

/* Writes a whole frame to all hosts on the link; returns its bytes, at most ND_ADVERTISEMENT_FRAME. */
uint32_t nd_router_write(uint8_t *frame, const struct nd_router *router);

#endif
