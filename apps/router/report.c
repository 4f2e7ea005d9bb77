/* What the router tells others about their packets (RFC 1812, 4.3 and 5.2.7): see router.h. */
#include "apps/net/ethernet.h"
#include "apps/net/icmp.h"
#include "apps/router/lane.h"

/* 4.3.2.8: errors in a second, and in a row, about packets that came by one interface. */
#define REPORT_RATE  200
#define REPORT_BURST 50

void report_init(void)
{
    for (unsigned i = 0; i < router.interfaces; i++)
        limiter_init(&router.interface[i].reports, REPORT_RATE, REPORT_BURST);
}

/* 4.3.2.7: to whom nothing is said. */
static bool may_report(const struct packet *packet)
{
    const uint8_t *header = packet->frame + ETHERNET_HEADER;

    if (packet->group || !icmp_error_allowed(header, packet->visible - ETHERNET_HEADER))
        return false;
    uint32_t source = ipv4_source(header), destination = ipv4_destination(header);
    return !subnet4_own(source) && !subnet4_broadcast(source) && !subnet4_broadcast(destination);
}

void report4(const struct packet *packet, uint8_t type, uint8_t code, uint32_t word)
{
    const struct icmp_error error = {type, code, word};
    const uint8_t *header = packet->frame + ETHERNET_HEADER;
    struct baton_message *message;
    struct hop hop;

    if (!may_report(packet) || !route4_find(ipv4_source(header), &hop))
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
    uint32_t bytes = icmp_error_write(message->data + ETHERNET_HEADER, BATON_INLINE_BYTES - ETHERNET_HEADER,
                                      &error, subnet4_address(hop.interface, hop.address), header,
                                      packet->visible - ETHERNET_HEADER);
    message->length = message->inline_length = (uint8_t)(ETHERNET_HEADER + bytes);
    router_tally(router.count_reports);
    resolve4(hop.interface, hop.address, message, packet->interface);
}
