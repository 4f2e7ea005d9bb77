/*
 * ARP for IPv4 over Ethernet (RFC 826): reading and writing. What the answers mean is the neighbour table's business
 * (apps/net/neighbor.h).
 *
 * Owns: nothing. IPv4 addresses are numbers in the order of the host; link-layer addresses as in apps/net/ethernet.h.
 */
#ifndef APPS_NET_ARP_H
#define APPS_NET_ARP_H

#include <stdint.h>
#include "apps/net/packet.h"

#define ARP_FRAME 60 /* bytes of a frame that arp_write makes: header, 28, and zeros up to Ethernet's least */

enum arp_operation {
    ARP_REQUEST = 1,
    ARP_REPLY = 2
};

struct arp {
    enum arp_operation operation;
    uint64_t sender_link, target_link;
    uint32_t sender, target;
};

/*
 * Reads a frame of type ARP. DROP_ARP_MALFORMED: it is not whole, not about IPv4 over Ethernet, neither request nor reply, or
 * its sender is a group, nobody, or another than who sent the frame (RFC 1812, 3.3.2: a router believes no such thing). A
 * sender address of 0 is allowed: a probe (RFC 5227).
 */
enum drop arp_read(const struct packet *packet, struct arp *arp);

/*
 * Writes a whole frame of ARP_FRAME bytes to `link_destination`, from arp->sender_link. RFC 826: in a request target_link
 * means nothing; it is written as it is, so should be 0.
 */
void arp_write(uint8_t *frame, uint64_t link_destination, const struct arp *arp);

#endif
