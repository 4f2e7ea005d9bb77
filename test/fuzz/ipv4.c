/* IPv4 and ICMP as a router calls them: every frame that is found good goes through all that may happen to it. */
#include "apps/net/checksum.h"
#include "apps/net/icmp.h"
#include "test/fuzz/frame.h"

static void changed(const struct packet *packet)
{
    uint8_t *header = packet->frame + ETHERNET_HEADER;
    uint32_t visible = packet->visible - ETHERNET_HEADER;
    const struct ipv4_stop stop = {0x0a000001, 1234};
    const struct icmp_error error = {ICMP_UNREACHABLE, ICMP_TOO_BIG, 1400};
    uint8_t other[114];
    unsigned pointer = 0;

    if (icmp_error_allowed(header, visible)) {
        uint32_t bytes = icmp_error_write(other, sizeof other, &error, 0x0a000001, header, visible);
        must(bytes <= sizeof other && bytes >= IPV4_HEADER + ICMP_HEADER);
        must(checksum_of(other, IPV4_HEADER) == 0);
        must(checksum_of(other + IPV4_HEADER, bytes - IPV4_HEADER) == 0);
    }
    enum drop options = ipv4_options_check(header, &pointer);
    must(options == DROP_NONE || pointer < ipv4_header_bytes(header) || options == DROP_SOURCE_ROUTE);
    uint32_t bytes = ipv4_fragment_header(other, header);
    must(bytes >= IPV4_HEADER && bytes <= IPV4_HEADER_MAX && bytes % 4 == 0);
    if (options == DROP_NONE) {
        ipv4_options_note(header, &stop);
        must(ipv4_check(packet) == DROP_NONE);
    }
    if (header[8]) {
        ipv4_hop(header);
        must(ipv4_check(packet) == DROP_NONE);
    }
    if (icmp_is_echo(header, visible)) {
        icmp_echo_turn(header);
        must(ipv4_check(packet) == DROP_NONE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    struct packet packet;

    if (!frame_make(input, size, &packet))
        return 0;
    uint8_t *header = packet.frame + ETHERNET_HEADER;
    if (packet.visible >= ETHERNET_HEADER + IPV4_HEADER && input[0] & 1 &&
        packet.visible >= ETHERNET_HEADER + ipv4_header_bytes(header) &&
        ipv4_header_bytes(header) >= IPV4_HEADER)
        ipv4_checksum_write(header); /* a fuzzer does not guess it */
    if (ipv4_check(&packet) == DROP_NONE)
        changed(&packet);
    free(packet.frame);
    return 0;
}
