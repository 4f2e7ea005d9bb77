/* What the router tells others about their packets (RFC 4443): see router6.h. */
#include "apps/net/ethernet.h"
#include "apps/router/lane.h"
#include "apps/router/router6.h"

/* 2.2: who was asked answers; else the address that the router has towards the sender. */
static struct address6 speaker(const struct packet *packet, const struct hop6 *hop, struct address6 to)
{
    struct address6 destination = ipv6_destination(packet->frame + ETHERNET_HEADER);

    if (!ipv6_multicast(destination) && subnet6_own(packet->interface, destination))
        return destination;
    return subnet6_address(hop->interface, to);
}

void report6(const struct packet *packet, const struct icmp6_error *error)
{
    const uint8_t *header = packet->frame + ETHERNET_HEADER;
    struct address6 source = ipv6_source(header);
    struct baton_message *message;
    struct hop6 hop;

    if (!icmp6_error_allowed(error, header, packet->visible - ETHERNET_HEADER, packet->group) ||
        subnet6_own(packet->interface, source) || !hop6_back(packet->interface, source, &hop))
        return;
    if (!limiter_take(&router.interface[packet->interface].reports, lane->now)) {
        router_tally(router.count_limited);
        return;
    }
    message = router_message();
    if (!message) {
        router_count(packet->interface, DROP_NO_MEMORY);
        return;
    }
    uint32_t bytes =
        icmp6_error_write(message->data + ETHERNET_HEADER, BATON_INLINE_BYTES - ETHERNET_HEADER, error,
                          speaker(packet, &hop, source), header, packet->visible - ETHERNET_HEADER);
    message->length = message->inline_length = (uint8_t)(ETHERNET_HEADER + bytes);
    router_tally(router.count_reports);
    resolve6(&hop, message, packet->interface);
}
