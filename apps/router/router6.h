/*
 * The router's part for IPv6: see router.h, whose rules and invariants all hold here too.
 *
 *   forward6.c    which packets are for the router and which go on, and where
 *   local6.c      what is for the router: echo requests, and all that it does not speak
 *   resolve6.c    from next hop to Ethernet header: neighbours, and their discovery
 *   advertise6.c  router advertisements
 *   report6.c     ICMPv6 errors
 *   setup6.c      the configuration becomes struct router6
 *
 * Owns: struct router6, which does not change after the start.
 *
 * An interface has IPv6 when the configuration gives it an address; it then has its link-local address as well, made of its
 * link-layer address. Link-local addresses mean something on their link only: they are looked for with its interface.
 *
 * Limits: the router does not look whether somebody has its addresses already (RFC 4862, 5.4), does not report its groups
 * (RFC 3810: a switch that filters multicast must be told), and sends no redirects.
 */
#ifndef APPS_ROUTER_ROUTER6_H
#define APPS_ROUTER_ROUTER6_H

#include "apps/net/icmp6.h"
#include "apps/net/nd.h"
#include "apps/router/router.h"

/* An address of the router that is not link-local, and the prefix on that link. */
struct subnet6 {
    struct address6 address;
    unsigned length; /* of the prefix */
    unsigned interface;
};

/* Where a packet goes next: a station on the link of an interface. */
struct hop6 {
    unsigned interface;
    struct address6 address;
};

struct router6 {
    struct subnet6 subnet[SUBNETS_MAX];
    unsigned subnets;
    struct address6 link_local[INTERFACES_MAX];
};
extern struct router6 router6;

/* ---- forward6.c ---- */

/* Whether an address is the router's own; of link-local ones, on the link of `interface`. */
bool subnet6_own(unsigned interface, struct address6 address);

/* The same, for addresses of this very interface. */
bool subnet6_own_here(unsigned interface, struct address6 address);

/* Whether a station with this address is on the link of `interface`. */
bool subnet6_on_link(unsigned interface, struct address6 address);

/* The router's address for a packet that leaves by `interface` to `to`. */
struct address6 subnet6_address(unsigned interface, struct address6 to);

/* Where a packet goes that the router itself sends to `to`, about something that came by `ingress`. False: nowhere. */
bool hop6_back(unsigned ingress, struct address6 to, struct hop6 *hop);

/* Takes away what fills a frame up behind its packet, as far as it need not be there. */
void padding6_trim(struct baton_message *message, const uint8_t *header);

/* ---- local6.c ---- */

/* A packet for the router. Its addresses are not checked yet. */
void local6(struct baton_message *message, const struct packet *packet);

/* ---- resolve6.c ---- */

/* The longest match. False: there is no route. */
bool route6_find(struct address6 destination, struct hop6 *hop);

/* As resolve4 (router.h). */
uint64_t resolve6(const struct hop6 *hop, struct baton_message *message, unsigned ingress);

/* A message of neighbour discovery, `offset` bytes behind the IPv6 header. */
void input_nd(struct baton_message *message, const struct packet *packet, uint32_t offset);

bool resolve6_setup(void);
void resolve6_tick(bool doubt);

/* ---- advertise6.c ---- */

void advertise6_init(void);

/* A host on the link has asked for an advertisement. */
void advertise6_solicit(unsigned interface);

void advertise6_tick(void);

/* ---- report6.c ---- */

/* Tells the sender of a packet what became of it, if it may be told. The packet is as it came. */
void report6(const struct packet *packet, const struct icmp6_error *error);

#endif
