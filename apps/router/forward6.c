/*
 * IPv6 (RFC 8200): which packets are for the router and which go on, and where: see router6.h.
 *
 * As with IPv4, a decision is kept by source and destination until a route or a neighbour changes.
 */
#include "apps/net/ethernet.h"
#include "apps/router/lane.h"
#include "apps/router/router6.h"

static struct flow6 *flow_of(struct address6 source, struct address6 destination)
{
    uint64_t mixed = source.high ^ source.low;

    mixed = (mixed << 31 | mixed >> 33) ^ destination.high ^ destination.low;
    return &lane->flows6[(mixed * UINT64_C(0x9e3779b97f4a7c15)) >> 55];
}
_Static_assert(LANE_FLOWS == 1 << (64 - 55), "the number of a flow is the upper bits of the product");

/* ---- The router's own addresses and prefixes ---- */

bool subnet6_own_here(unsigned interface, struct address6 address)
{
    if (ipv6_link_local(address))
        return address6_equal(router6.link_local[interface], address);
    for (unsigned i = 0; i < router6.subnets; i++)
        if (router6.subnet[i].interface == interface && address6_equal(router6.subnet[i].address, address))
            return true;
    return false;
}

bool subnet6_own(unsigned interface, struct address6 address)
{
    if (ipv6_link_local(address))
        return address6_equal(router6.link_local[interface], address);
    for (unsigned i = 0; i < router6.subnets; i++)
        if (address6_equal(router6.subnet[i].address, address))
            return true;
    return false;
}

bool subnet6_on_link(unsigned interface, struct address6 address)
{
    if (ipv6_link_local(address))
        return true;
    for (unsigned i = 0; i < router6.subnets; i++) {
        const struct subnet6 *subnet = &router6.subnet[i];
        if (subnet->interface == interface && address6_within(subnet->address, address, subnet->length))
            return true;
    }
    return false;
}

/* RFC 6724 as far as a router needs it: the scope, then the interface, then the prefix. */
struct address6 subnet6_address(unsigned interface, struct address6 to)
{
    const struct subnet6 *best = NULL;

    if (ipv6_link_local(to))
        return router6.link_local[interface];
    for (unsigned i = 0; i < router6.subnets; i++) {
        const struct subnet6 *subnet = &router6.subnet[i];
        if (subnet->interface == interface && address6_within(subnet->address, to, subnet->length))
            return subnet->address;
        if (!best || (best->interface != interface && subnet->interface == interface))
            best = subnet;
    }
    return best ? best->address : router6.link_local[interface];
}

bool hop6_back(unsigned ingress, struct address6 to, struct hop6 *hop)
{
    if (!ipv6_link_local(to))
        return route6_find(to, hop);
    *hop = (struct hop6){ingress, to};
    return true;
}

/* Groups that the router listens to on a link: all nodes, all routers, and where its addresses are asked for. */
static bool group_own(unsigned interface, struct address6 group)
{
    if (address6_equal(group, IPV6_ALL_NODES) || address6_equal(group, IPV6_ALL_ROUTERS) ||
        address6_equal(group, ipv6_solicited_node(router6.link_local[interface])))
        return true;
    for (unsigned i = 0; i < router6.subnets; i++)
        if (router6.subnet[i].interface == interface &&
            address6_equal(group, ipv6_solicited_node(router6.subnet[i].address)))
            return true;
    return false;
}

void padding6_trim(struct baton_message *message, const uint8_t *header)
{
    uint32_t length = ETHERNET_HEADER + IPV6_HEADER + ipv6_payload(header);

    if (message->length > ETHERNET_LEAST && message->length > length)
        baton_message_trim_back(message,
                                message->length - (length > ETHERNET_LEAST ? length : ETHERNET_LEAST));
}

/* ---- For others ---- */

static enum drop refuse(const struct packet *packet, enum drop reason, enum icmp6_type type, uint8_t code)
{
    const struct icmp6_error error = {(uint8_t)type, code, 0, false};

    report6(packet, &error);
    return reason;
}

/* What goes nowhere, whatever the routes are. */
static enum drop passage_check(const struct packet *packet, struct address6 source,
                               struct address6 destination)
{
    enum drop reason = ipv6_martian(source, destination);

    if (ipv6_unspecified(source) && ipv6_multicast(destination))
        return DROP_MULTICAST; /* of a host that tries an address, or tells its groups: for others on its link */
    if (reason != DROP_NONE)
        return reason;
    if (subnet6_own(packet->interface, source))
        return DROP_OWN_SOURCE;
    if (ipv6_multicast(destination))
        return DROP_MULTICAST;
    if (packet->group)
        return DROP_LINK_BROADCAST;
    if (ipv6_link_local(destination)) /* RFC 4291, 2.5.6 */
        return DROP_SCOPE;
    if (ipv6_link_local(source)) /* the same; RFC 4443, 3.1 */
        return refuse(packet, DROP_SCOPE, ICMP6_UNREACHABLE, ICMP6_BEYOND_SCOPE);
    return DROP_NONE;
}

/* RFC 8200, 3, and where to. */
static enum drop way_find(const struct packet *packet, struct address6 destination, struct hop6 *hop)
{
    const uint8_t *header = packet->frame + ETHERNET_HEADER;
    struct icmp6_error too_big = {ICMP6_TOO_BIG, 0, 0, true};

    if (ipv6_extended(header) && ipv6_source_routed(header, packet->visible - ETHERNET_HEADER))
        return DROP_SOURCE_ROUTE;
    if (header[7] <= 1)
        return refuse(packet, DROP_TTL, ICMP6_TIME_EXCEEDED, 0);
    if (!route6_find(destination, hop))
        return refuse(packet, DROP_NO_ROUTE, ICMP6_UNREACHABLE, ICMP6_NO_ROUTE);
    too_big.word = router.interface[hop->interface].mtu;
    if (IPV6_HEADER + ipv6_payload(header) <= too_big.word)
        return DROP_NONE;
    report6(packet, &too_big); /* RFC 4443, 3.2: only the source fragments */
    return DROP_TOO_BIG;
}

static void route6(struct baton_message *message, const struct packet *packet, struct address6 source,
                   struct address6 destination)
{
    uint8_t *header = packet->frame + ETHERNET_HEADER;
    enum drop reason;
    struct hop6 hop;

    if (ipv6_multicast(destination) ? group_own(packet->interface, destination)
                                    : subnet6_own(packet->interface, destination)) {
        local6(message, packet); /* whatever its hop limit is */
        return;
    }
    reason = passage_check(packet, source, destination);
    if (reason == DROP_NONE)
        reason = way_find(packet, destination, &hop);
    if (reason != DROP_NONE) {
        router_drop(message, packet->interface, reason);
        return;
    }
    ipv6_hop(header);
    padding6_trim(message, header);
    uint64_t link = resolve6(&hop, message, packet->interface);
    if (link)
        *flow_of(source, destination) = (struct flow6){source,
                                                       destination,
                                                       link,
                                                       lane->generation,
                                                       router.interface[hop.interface].mtu,
                                                       (uint8_t)packet->interface,
                                                       (uint8_t)hop.interface};
}

void input6(struct baton_message *message, const struct packet *packet)
{
    uint8_t *header = packet->frame + ETHERNET_HEADER;
    enum drop reason = router.interface[packet->interface].ipv6 ? ipv6_check(packet) : DROP_NOT_CONFIGURED;

    if (__builtin_expect(reason != DROP_NONE, 0)) {
        router_drop(message, packet->interface, reason);
        return;
    }
    struct address6 source = ipv6_source(header), destination = ipv6_destination(header);
    const struct flow6 *flow = flow_of(source, destination);
    uint32_t length = IPV6_HEADER + ipv6_payload(header);
    bool plain = address6_equal(flow->source, source) && address6_equal(flow->destination, destination) &&
                 flow->generation == lane->generation && flow->ingress == packet->interface &&
                 header[7] > 1 && length <= flow->mtu && !packet->group && !ipv6_extended(header) &&
                 (packet->length == ETHERNET_HEADER + length || packet->length <= ETHERNET_LEAST);
    if (__builtin_expect(!plain, 0)) {
        route6(message, packet, source, destination);
        return;
    }
    uint64_t first = recent_load(packet->frame), second = recent_load(packet->frame + 8);
    ipv6_hop(header);
    ethernet_header_put(packet->frame, flow->link, router.interface[flow->egress].link, ETHERNET_IPV6);
    router_transmit(flow->egress, message);
    recent_set(first, second, packet, true, flow->egress, flow->mtu);
}
