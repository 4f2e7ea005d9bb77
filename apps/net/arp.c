#include "apps/net/arp.h"

#include <string.h>
#include "apps/net/ethernet.h"
#include "apps/net/ipv4.h"

#define ARP_BYTES 28

/* Hardware Ethernet, protocol IPv4, their lengths: the first 6 bytes of every such packet. */
static const uint8_t kind[6] = {0, 1, 8, 0, 6, 4};

enum drop arp_read(const struct packet *packet, struct arp *arp)
{
    const uint8_t *bytes = packet->frame + ETHERNET_HEADER;

    if (packet->visible < ETHERNET_HEADER + ARP_BYTES || memcmp(bytes, kind, sizeof kind))
        return DROP_ARP_MALFORMED;
    uint16_t operation = ipv4_get16(bytes + 6);
    if (operation != ARP_REQUEST && operation != ARP_REPLY)
        return DROP_ARP_MALFORMED;
    arp->operation = (enum arp_operation)operation;
    arp->sender_link = ethernet_address(bytes + 8);
    arp->sender = ipv4_get32(bytes + 14);
    arp->target_link = ethernet_address(bytes + 18);
    arp->target = ipv4_get32(bytes + 24);
    if (!arp->sender_link || ethernet_group(arp->sender_link) ||
        arp->sender_link != ethernet_source(packet->frame))
        return DROP_ARP_MALFORMED;
    return DROP_NONE;
}

void arp_write(uint8_t *frame, uint64_t link_destination, const struct arp *arp)
{
    uint8_t *bytes = frame + ETHERNET_HEADER;

    ethernet_header_put(frame, link_destination, arp->sender_link, ETHERNET_ARP);
    memcpy(bytes, kind, sizeof kind);
    ipv4_put16(bytes + 6, (uint16_t)arp->operation);
    ethernet_address_put(bytes + 8, arp->sender_link);
    ipv4_put32(bytes + 14, arp->sender);
    ethernet_address_put(bytes + 18, arp->target_link);
    ipv4_put32(bytes + 24, arp->target);
    memset(bytes + ARP_BYTES, 0, ARP_FRAME - ETHERNET_HEADER - ARP_BYTES);
}
