/* IPv6 packets for the router itself: echo requests (RFC 4443, 4.2), and all that it does not speak. See router6.h. */
#include <string.h>
#include "apps/net/ethernet.h"
#include "apps/router/router6.h"

/* Takes the extension headers away, up to `offset`: the reply has none. Returns where the IPv6 header is now. */
static uint8_t *headers_close(struct baton_message *message, uint8_t *header, uint32_t offset)
{
    uint32_t extra = offset - IPV6_HEADER;

    if (!extra)
        return header;
    ipv6_put16(header + 4, (uint16_t)(ipv6_payload(header) - extra));
    header[6] = IPV6_ICMP;
    memmove(header + extra, header, IPV6_HEADER);
    baton_message_trim_front(message, extra);
    return header + extra;
}

/* The reply goes the way that any packet to that address would go. */
static void echo(struct baton_message *message, const struct packet *packet, uint32_t offset)
{
    uint8_t *header = packet->frame + ETHERNET_HEADER;
    struct address6 source = ipv6_source(header), own = ipv6_destination(header);
    struct hop6 hop;

    if (!hop6_back(packet->interface, source, &hop)) {
        router_drop(message, packet->interface, DROP_NO_ROUTE);
        return;
    }
    if (IPV6_HEADER + ipv6_payload(header) > router.interface[hop.interface].mtu) {
        router_drop(message, packet->interface, DROP_TOO_BIG);
        return;
    }
    if (ipv6_multicast(own))
        own = subnet6_address(packet->interface, source);
    header = headers_close(message, header, offset);
    icmp6_echo_turn(header, own);
    padding6_trim(message, header);
    router_tally(router.count_echoes);
    resolve6(&hop, message, packet->interface);
}

static bool is_discovery(uint8_t type)
{
    return type >= ICMP6_ROUTER_SOLICITATION && type <= ICMP6_REDIRECT;
}

/* The upper layer is ICMPv6, at `offset`. */
static void local_icmp6(struct baton_message *message, const struct packet *packet, uint32_t offset)
{
    const uint8_t *header = packet->frame + ETHERNET_HEADER, *icmp = header + offset;
    uint32_t end = IPV6_HEADER + ipv6_payload(header);
    enum drop reason = ipv6_martian(ipv6_source(header), ipv6_destination(header));

    if (end < offset + ICMP6_HEADER || packet->visible < ETHERNET_HEADER + offset + ICMP6_HEADER)
        reason = DROP_TOO_SHORT;
    else if (is_discovery(icmp[0])) {
        input_nd(message, packet, offset);
        return;
    } else if (reason == DROP_NONE && icmp[0] == ICMP6_ECHO && icmp[1] == 0) {
        echo(message, packet, offset);
        return;
    }
    router_drop(message, packet->interface, reason != DROP_NONE ? reason : DROP_LOCAL);
}

/* What the router cannot use, and tells so. */
static enum drop content_refuse(const struct packet *packet, enum drop reason,
                                const struct ipv6_content *content)
{
    struct icmp6_error error = {ICMP6_PARAMETER, content->code, content->offset, content->report_groups};

    if (reason == DROP_NONE) {
        reason = DROP_NO_PROTOCOL;
        if (content->next == IPV6_UDP)
            error = (struct icmp6_error){ICMP6_UNREACHABLE, ICMP6_PORT, 0, false};
        else /* RFC 8200, 4 */
            error = (struct icmp6_error){ICMP6_PARAMETER, ICMP6_NEXT_HEADER, content->next_field, false};
        report6(packet, &error);
    } else if (content->report) {
        report6(packet, &error);
    }
    return reason;
}

void local6(struct baton_message *message, const struct packet *packet)
{
    const uint8_t *header = packet->frame + ETHERNET_HEADER;
    struct address6 source = ipv6_source(header);
    struct ipv6_content content;
    enum drop reason = ipv6_open(header, packet->visible - ETHERNET_HEADER, &content);

    if (subnet6_own(packet->interface, source)) {
        reason = DROP_OWN_SOURCE;
    } else if (packet->group && !ipv6_multicast(ipv6_destination(header))) {
        reason = DROP_LINK_BROADCAST;
    } else if (reason == DROP_NONE && content.next == IPV6_ICMP) {
        local_icmp6(message, packet, content.offset);
        return;
    } else if (ipv6_martian(source, ipv6_destination(header)) != DROP_NONE) {
        reason = DROP_MARTIAN_SOURCE;
    } else if (reason == DROP_NONE && content.next == IPV6_NOTHING) {
        reason = DROP_LOCAL;
    } else {
        reason = content_refuse(packet, reason, &content);
    }
    router_drop(message, packet->interface, reason);
}
