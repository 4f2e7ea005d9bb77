/* IPv6 and ICMPv6 as a router calls them, for packets that pass and for those that are for itself. */
#include "apps/net/icmp6.h"
#include "test/fuzz/frame.h"

#define OWN ((struct address6){UINT64_C(0x20010db800000000), 1})

static void passed(const struct packet *packet)
{
    uint8_t *header = packet->frame + ETHERNET_HEADER, other[114];
    uint32_t visible = packet->visible - ETHERNET_HEADER;
    const struct icmp6_error error = {ICMP6_TOO_BIG, 0, 1400, true};
    struct ipv6_content content;

    ipv6_martian(ipv6_source(header), ipv6_destination(header));
    ipv6_source_routed(header, visible);
    if (icmp6_error_allowed(&error, header, visible, packet->group)) {
        uint32_t bytes = icmp6_error_write(other, sizeof other, &error, OWN, header, visible);
        must(bytes <= sizeof other && bytes >= IPV6_HEADER + ICMP6_HEADER &&
             ipv6_payload(other) == bytes - IPV6_HEADER);
        must(icmp6_checksum(other + IPV6_HEADER, bytes - IPV6_HEADER, ipv6_source(other),
                            ipv6_destination(other)) == 0);
    }
    enum drop reason = ipv6_open(header, visible, &content);
    if (reason == DROP_NONE)
        must(content.offset >= IPV6_HEADER && content.offset <= visible);
    if (reason == DROP_NONE && content.next == IPV6_ICMP && content.offset == IPV6_HEADER &&
        visible >= IPV6_HEADER + ICMP6_HEADER && header[IPV6_HEADER] == ICMP6_ECHO)
        icmp6_echo_turn(header, OWN);
    if (header[7])
        ipv6_hop(header);
    must(ipv6_check(packet) == DROP_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    struct packet packet;

    if (!frame_make(input, size, &packet))
        return 0;
    if (ipv6_check(&packet) == DROP_NONE)
        passed(&packet);
    free(packet.frame);
    return 0;
}
