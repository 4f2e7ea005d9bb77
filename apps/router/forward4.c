/*
 * IPv4 (RFC 1812): which packets are for the router and which go on, and where: see router.h. The numbers in comments are
 * sections of the RFC.
 *
 * A decision is kept by source and destination until a route or a neighbour changes, so that the packets of one
 * conversation cost the checks of their header, one comparison and one addition each.
 */
#include "apps/net/ethernet.h"
#include "apps/net/icmp.h"
#include "apps/router/lane.h"

static struct flow4 *flow_of(uint64_t pair)
{
    return &lane->flows4[(pair * UINT64_C(0x9e3779b97f4a7c15)) >> 55];
}
_Static_assert(LANE_FLOWS == 1 << (64 - 55), "the number of a flow is the upper bits of the product");

/* ---- The router's own addresses and networks ---- */

bool subnet4_own(uint32_t address)
{
    for (unsigned i = 0; i < router.subnets; i++)
        if (router.subnet[i].address == address)
            return true;
    return false;
}

/* 4.2.3.1, 5.3.5.2: all ones, or the obsolete all zeros, of a network of ours that has such addresses (RFC 3021: /31 has
 * none). */
bool subnet4_broadcast(uint32_t address)
{
    for (unsigned i = 0; i < router.subnets; i++) {
        const struct subnet *subnet = &router.subnet[i];
        uint32_t host = address & ~subnet->mask;
        if (((address ^ subnet->address) & subnet->mask) == 0 && ~subnet->mask > 1 &&
            (host == 0 || host == ~subnet->mask))
            return true;
    }
    return false;
}

/* 4.3.2.4: the address by which the router speaks on a link, to someone there. */
uint32_t subnet4_address(unsigned interface, uint32_t to)
{
    uint32_t first = 0;

    for (unsigned i = 0; i < router.subnets; i++) {
        const struct subnet *subnet = &router.subnet[i];
        if (subnet->interface != interface)
            continue;
        if (((to ^ subnet->address) & subnet->mask) == 0)
            return subnet->address;
        first = first ? first : subnet->address;
    }
    return first;
}

static bool subnet4_shared(unsigned interface, uint32_t one, uint32_t other)
{
    for (unsigned i = 0; i < router.subnets; i++) {
        const struct subnet *subnet = &router.subnet[i];
        if (subnet->interface == interface && ((one ^ subnet->address) & subnet->mask) == 0 &&
            ((other ^ subnet->address) & subnet->mask) == 0)
            return true;
    }
    return false;
}

/* ---- For the router (5.2.3) ---- */

static void stop_note(uint8_t *header, unsigned interface, uint32_t to)
{
    const struct ipv4_stop stop = {subnet4_address(interface, to),
                                   (uint32_t)(lane->now / 1000000) & UINT32_C(0x7fffffff)};

    if (ipv4_header_bytes(header) > IPV4_HEADER)
        ipv4_options_note(header, &stop);
}

/* Frames may carry more than their packet: what fills them up to Ethernet's least, or what does not belong there. */
static void padding_trim(struct baton_message *message, uint8_t *header)
{
    uint32_t length = ETHERNET_HEADER + ipv4_length(header);

    if (message->length > ETHERNET_LEAST && message->length > length)
        baton_message_trim_back(message,
                                message->length - (length > ETHERNET_LEAST ? length : ETHERNET_LEAST));
}

/* 4.3.3.6. The reply goes the way that any packet to that address would go. */
static void echo(struct baton_message *message, const struct packet *packet)
{
    uint8_t *header = packet->frame + ETHERNET_HEADER;
    struct hop hop;

    if (!route4_find(ipv4_source(header), &hop)) {
        router_drop(message, packet->interface, DROP_NO_ROUTE);
        return;
    }
    if (ipv4_length(header) > router.interface[hop.interface].mtu) {
        router_drop(message, packet->interface, DROP_TOO_BIG);
        return;
    }
    icmp_echo_turn(header);
    stop_note(header, hop.interface, hop.address);
    padding_trim(message, header);
    router_tally(router.count_echoes);
    resolve4(hop.interface, hop.address, message, packet->interface);
}

static void local4(struct baton_message *message, const struct packet *packet)
{
    const uint8_t *header = packet->frame + ETHERNET_HEADER;
    enum drop reason = DROP_NO_PROTOCOL;

    if (ipv4_fragment(header) & (IPV4_MORE | IPV4_OFFSET_MASK)) {
        reason = DROP_FRAGMENT;
    } else if (header[9] == IPV4_ICMP) {
        if (icmp_is_echo(header, packet->visible - ETHERNET_HEADER)) {
            echo(message, packet);
            return;
        }
        reason = DROP_LOCAL;
    } else {
        report4(packet, ICMP_UNREACHABLE, header[9] == IPV4_UDP ? ICMP_PORT : ICMP_PROTOCOL, 0);
    }
    router_drop(message, packet->interface, reason);
}

/* ---- For others ---- */

/* 5.3.7 and 5.3.4: packets that go nowhere, whatever their destination. */
static enum drop source_check(const struct packet *packet, uint32_t source, uint32_t destination)
{
    if (ipv4_martian_source(source) || subnet4_broadcast(source))
        return DROP_MARTIAN_SOURCE;
    if (subnet4_own(source))
        return DROP_OWN_SOURCE;
    if (ipv4_multicast(destination))
        return DROP_MULTICAST;
    if (destination == IPV4_BROADCAST || subnet4_broadcast(destination))
        return DROP_BROADCAST; /* 5.3.5, RFC 2644; what comes for the router's own link it has no use for */
    if (ipv4_martian_destination(destination))
        return DROP_MARTIAN_DESTINATION;
    return packet->group ? DROP_LINK_BROADCAST : DROP_NONE;
}

/* 5.3.13. Source routes are refused rather than followed: RFC 7126, 4.3 and 4.4. */
static enum drop options_check(const struct packet *packet)
{
    const uint8_t *header = packet->frame + ETHERNET_HEADER;
    unsigned pointer = 0;
    enum drop reason = ipv4_options_check(header, &pointer);

    if (reason == DROP_SOURCE_ROUTE)
        report4(packet, ICMP_UNREACHABLE, ICMP_SOURCE_ROUTE, 0);
    else if (reason == DROP_OPTIONS)
        report4(packet, ICMP_PARAMETER, 0, pointer << 24);
    return reason;
}

/* 5.2.7.2: the sender would reach the next hop by itself. */
static void redirect(const struct packet *packet, const struct hop *hop)
{
    uint32_t source = ipv4_source(packet->frame + ETHERNET_HEADER);

    if (hop->interface == packet->interface && subnet4_shared(hop->interface, source, hop->address))
        report4(packet, ICMP_REDIRECT, ICMP_REDIRECT_HOST, hop->address);
}

/* The packet goes to the next hop. Its header is as it came. */
static void send_on(struct baton_message *message, const struct packet *packet, const struct hop *hop,
                    uint64_t pair)
{
    uint8_t *header = packet->frame + ETHERNET_HEADER;
    uint16_t mtu = router.interface[hop->interface].mtu;

    if (ipv4_length(header) > mtu && ipv4_fragment(header) & IPV4_DONT) {
        report4(packet, ICMP_UNREACHABLE, ICMP_TOO_BIG, mtu); /* 4.3.3.1 code 4, RFC 1191 */
        router_drop(message, packet->interface, DROP_TOO_BIG);
        return;
    }
    redirect(packet, hop);
    ipv4_hop(header);
    stop_note(header, hop->interface, hop->address);
    if (ipv4_length(header) > mtu) {
        fragment4(message, packet, hop);
        return;
    }
    padding_trim(message, header);
    uint64_t link = resolve4(hop->interface, hop->address, message, packet->interface);
    if (link)
        *flow_of(pair) = (struct flow4){
            pair, link, lane->generation, mtu, (uint8_t)packet->interface, (uint8_t)hop->interface};
}

static void route4(struct baton_message *message, const struct packet *packet, uint64_t pair)
{
    const uint8_t *header = packet->frame + ETHERNET_HEADER;
    uint32_t source = ipv4_source(header), destination = ipv4_destination(header);
    bool options = ipv4_header_bytes(header) > IPV4_HEADER;
    enum drop reason = source_check(packet, source, destination);
    struct hop hop;

    if (reason == DROP_NONE && options)
        reason = options_check(packet);
    if (reason == DROP_NONE && subnet4_own(destination)) {
        local4(message, packet); /* 5.3.1: whatever its TTL is */
        return;
    }
    if (reason == DROP_NONE && header[8] <= 1) {
        report4(packet, ICMP_TIME_EXCEEDED, 0, 0);
        reason = DROP_TTL;
    }
    if (reason == DROP_NONE && !route4_find(destination, &hop)) {
        report4(packet, ICMP_UNREACHABLE, ICMP_NET, 0); /* 5.2.7.1 */
        reason = DROP_NO_ROUTE;
    }
    if (reason == DROP_NONE)
        send_on(message, packet, &hop, pair);
    else
        router_drop(message, packet->interface, reason);
}

void input4(struct baton_message *message, const struct packet *packet)
{
    uint8_t *header = packet->frame + ETHERNET_HEADER;
    enum drop reason = router.interface[packet->interface].ipv4 ? ipv4_check(packet) : DROP_NOT_CONFIGURED;

    if (__builtin_expect(reason != DROP_NONE, 0)) {
        router_drop(message, packet->interface, reason);
        return;
    }
    uint64_t pair = (uint64_t)ipv4_source(header) << 32 | ipv4_destination(header);
    const struct flow4 *flow = flow_of(pair);
    uint32_t length = ipv4_length(header);
    bool plain = flow->pair == pair && flow->generation == lane->generation &&
                 flow->ingress == packet->interface && header[0] == 0x45 && header[8] > 1 &&
                 length <= flow->mtu && !packet->group &&
                 (packet->length == ETHERNET_HEADER + length || packet->length <= ETHERNET_LEAST);
    if (__builtin_expect(!plain, 0)) {
        route4(message, packet, pair);
        return;
    }
    uint64_t first = recent_load(packet->frame), second = recent_load(packet->frame + 8);
    ipv4_hop(header);
    ethernet_header_put(packet->frame, flow->link, router.interface[flow->egress].link, ETHERNET_IPV4);
    router_transmit(flow->egress, message);
    recent_set(first, second, packet, false, flow->egress, flow->mtu);
}
