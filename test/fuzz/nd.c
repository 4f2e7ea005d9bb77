/* Neighbour discovery; the first byte of the input also says whether the checksum is made right, which a fuzzer does not guess. */
#include "apps/net/nd.h"
#include "test/fuzz/frame.h"

static void checksum_write(uint8_t *message, uint32_t length, const uint8_t *header)
{
    message[2] = message[3] = 0;
    ipv6_put16(message + 2, icmp6_checksum(message, length, ipv6_source(header), ipv6_destination(header)));
}

static void message_read(const struct packet *packet, bool right)
{
    uint8_t *header = packet->frame + ETHERNET_HEADER;
    uint32_t visible = packet->visible - ETHERNET_HEADER;
    struct ipv6_content content;
    struct nd nd;

    if (ipv6_open(header, visible, &content) != DROP_NONE || content.next != IPV6_ICMP)
        return;
    uint32_t end = IPV6_HEADER + ipv6_payload(header);
    if (right && end <= visible && content.offset + 4 <= end)
        checksum_write(header + content.offset, end - content.offset, header);
    if (nd_read(packet, content.offset, &nd) != DROP_NONE)
        return;
    must(!ipv6_multicast(nd.target));
    must(nd.link == 0 || !ethernet_group(nd.link));
    if (nd.type == ICMP6_NEIGHBOR_SOLICITATION && nd.link) {
        uint8_t frame[ND_NEIGHBOR_FRAME];
        const struct packet copy = {frame, sizeof frame, sizeof frame, 0, packet->group};
        struct nd again;
        nd_write(frame, ethernet_destination(packet->frame), &nd);
        must(nd_read(&copy, IPV6_HEADER, &again) == DROP_NONE);
        must(again.link == nd.link && address6_equal(again.target, nd.target) && again.type == nd.type);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    struct packet packet;

    if (!frame_make(input, size, &packet))
        return 0;
    if (ipv6_check(&packet) == DROP_NONE)
        message_read(&packet, input[0] & 1);
    free(packet.frame);
    return 0;
}
