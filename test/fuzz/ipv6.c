/*
 * libFuzzer on IPv6, ICMPv6 and neighbour discovery: the input is a frame, as long as it is, of which the first 128 bytes are
 * visible; its first byte more says whether the checksum of an ICMPv6 message is made right, or nothing behind it would ever
 * be read. What an element promises is checked; the sanitizers see what it reads.
 */
#include <stdlib.h>
#include <string.h>
#include "apps/net/ethernet.h"
#include "apps/net/icmp6.h"
#include "apps/net/nd.h"

#define VISIBLE 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool promise)
{
    if (!promise)
        abort();
}

static void checksum_right(const struct packet *packet, uint32_t offset)
{
    uint8_t *header = packet->frame + ETHERNET_HEADER;
    uint32_t end = IPV6_HEADER + ipv6_payload(header);

    if (end > packet->visible - ETHERNET_HEADER || end < offset + ICMP6_HEADER)
        return;
    ipv6_put16(header + offset + 2, 0);
    ipv6_put16(header + offset + 2,
               icmp6_checksum(header + offset, end - offset, ipv6_source(header), ipv6_destination(header)));
}

static void nd_try(const struct packet *packet, uint32_t offset)
{
    struct nd nd;

    if (nd_read(packet, offset, &nd) != DROP_NONE)
        return;
    must(packet->frame[ETHERNET_HEADER + 7] == ND_HOP_LIMIT && !ethernet_group(nd.link) &&
         !ipv6_multicast(nd.target));
    must(!ipv6_unspecified(nd.source) || !nd.link);
    if (nd.type == ICMP6_ROUTER_SOLICITATION)
        return;

    uint8_t again[VISIBLE];
    const struct packet written = {again, ND_NEIGHBOR_FRAME, ND_NEIGHBOR_FRAME, 0, false};
    struct nd same;
    nd.link = nd.link || ipv6_unspecified(nd.source) ? nd.link : 2;
    nd_write(again, 2, &nd);
    must(ipv6_unspecified(nd.source) ||
         (nd_read(&written, IPV6_HEADER, &same) == DROP_NONE && address6_equal(same.target, nd.target) &&
          same.link == nd.link && same.solicited == nd.solicited && same.override == nd.override));
}

static void packet_try(const struct packet *packet, bool right)
{
    const struct icmp6_error error = {ICMP6_PARAMETER, 0, 0, true};
    uint8_t *header = packet->frame + ETHERNET_HEADER, report[VISIBLE];
    uint32_t visible = packet->visible - ETHERNET_HEADER;
    struct ipv6_content content;

    if (ipv6_check(packet) != DROP_NONE)
        return;
    ipv6_source_routed(header, visible);
    if (icmp6_error_allowed(&error, header, visible, packet->group)) {
        must(icmp6_error_write(report, VISIBLE - ETHERNET_HEADER, &error, IPV6_ALL_NODES, header, visible) <=
             VISIBLE - ETHERNET_HEADER);
        must(icmp6_checksum(report + IPV6_HEADER, ipv6_payload(report), IPV6_ALL_NODES,
                            ipv6_source(header)) == 0);
    }
    if (ipv6_open(header, visible, &content) != DROP_NONE || content.next != IPV6_ICMP)
        return;
    must(content.offset <= visible);
    if (right)
        checksum_right(packet, content.offset);
    nd_try(packet, content.offset);
    if (content.offset == IPV6_HEADER && visible >= IPV6_HEADER + ICMP6_HEADER &&
        header[IPV6_HEADER] == ICMP6_ECHO)
        icmp6_echo_turn(header, IPV6_ALL_ROUTERS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 + ETHERNET_HEADER || size > 2048)
        return 0;
    uint32_t length = (uint32_t)size - 1, visible = length < VISIBLE ? length : VISIBLE;
    uint8_t *frame = malloc(visible); /* the sanitizer watches its end */
    if (!frame)
        return 0;
    memcpy(frame, data + 1, visible);
    const struct packet packet = {frame, visible, length, 0, (frame[0] & 1) != 0};
    packet_try(&packet, data[0] & 1);
    free(frame);
    return 0;
}
