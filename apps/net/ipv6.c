#include "apps/net/ipv6.h"

#include "apps/net/ethernet.h"

struct address6 ipv6_link_local_of(uint64_t link)
{
    uint64_t bytes = __builtin_bswap64(link) >> 16; /* in their order */
    uint64_t upper = bytes >> 24, lower = bytes & 0xffffff;

    return (struct address6){UINT64_C(0xfe80) << 48,
                             (upper << 40 | UINT64_C(0xfffe) << 24 | lower) ^ UINT64_C(2) << 56};
}

enum drop ipv6_check(const struct packet *packet)
{
    const uint8_t *header = packet->frame + ETHERNET_HEADER;

    if (packet->visible < ETHERNET_HEADER + IPV6_HEADER)
        return DROP_TOO_SHORT;
    if (header[0] >> 4 != 6)
        return DROP_VERSION;
    if (ipv6_payload(header) > packet->length - ETHERNET_HEADER - IPV6_HEADER)
        return DROP_TOO_SHORT;
    return DROP_NONE;
}

enum drop ipv6_martian(struct address6 source, struct address6 destination)
{
    if (ipv6_multicast(source) || ipv6_unspecified(source) || ipv6_loopback(source))
        return DROP_MARTIAN_SOURCE;
    if (ipv6_unspecified(destination) || ipv6_loopback(destination))
        return DROP_MARTIAN_DESTINATION;
    /* Scopes 0 and 1 (RFC 4291, 2.7; RFC 7346). */
    if (ipv6_multicast(destination) && (destination.high >> 48 & 15) <= 1)
        return DROP_MARTIAN_DESTINATION;
    return DROP_NONE;
}

void ipv6_make(uint8_t *header, uint32_t payload, enum ipv6_next next, uint8_t hop_limit,
               struct address6 source, struct address6 destination)
{
    ipv6_put32(header, UINT32_C(6) << 28);
    ipv6_put16(header + 4, (uint16_t)payload);
    header[6] = (uint8_t)next;
    header[7] = hop_limit;
    ipv6_address_put(header + 8, source);
    ipv6_address_put(header + 24, destination);
}

/* ---- Extension headers ---- */

#define FRAGMENT_HEADER 8
#define FRAGMENT_FIELD  0xfff9 /* offset, and whether more follow */

/* What is told by a parameter problem (RFC 4443, 3.4). */
enum problem {
    PROBLEM_FIELD = 0,
    PROBLEM_NEXT = 1,
    PROBLEM_OPTION = 2
};

/* What to do with an option that is not known: the upper bits of its type (RFC 8200, 4.2). */
enum unknown {
    UNKNOWN_SKIP = 0,
    UNKNOWN_DROP = 1,
    UNKNOWN_REPORT = 2,
    UNKNOWN_REPORT_ONE = 3 /* not about packets to a group */
};

#define OPTION_PAD1         0
#define OPTION_PADN         1
#define OPTION_ROUTER_ALERT 5 /* RFC 2711: the packet is for the router anyway */

/* Bytes of a header with a length field; that of fragments says nothing. */
static uint32_t extension_bytes(uint8_t kind, const uint8_t *extension)
{
    return kind == IPV6_FRAGMENT ? FRAGMENT_HEADER : (extension[1] + 1u) * 8;
}

static bool is_extension(uint8_t kind)
{
    return kind == IPV6_HOP_BY_HOP || kind == IPV6_ROUTING || kind == IPV6_FRAGMENT ||
           kind == IPV6_DESTINATION;
}

bool ipv6_source_routed(const uint8_t *header, uint32_t visible)
{
    uint32_t end = IPV6_HEADER + ipv6_payload(header), at = IPV6_HEADER;
    uint8_t kind = header[6];

    if (end > visible)
        end = visible;
    while (is_extension(kind) && kind != IPV6_FRAGMENT && at + 8 <= end) {
        if (kind == IPV6_ROUTING && header[at + 2] == 0)
            return true;
        kind = header[at];
        at += extension_bytes(kind, header + at);
    }
    return false;
}

static enum drop problem(struct ipv6_content *content, enum drop reason, enum problem code, uint32_t offset)
{
    content->report = true;
    content->code = (uint8_t)code;
    content->offset = offset;
    return reason;
}

/* RFC 8200, 4.2: the options of a hop-by-hop or destination header from `at` to `end`. */
static enum drop options_read(const uint8_t *header, uint32_t at, uint32_t end, struct ipv6_content *content)
{
    uint32_t length;

    for (; at < end; at += length) {
        if (header[at] == OPTION_PAD1) {
            length = 1;
            continue;
        }
        if (at + 2 > end || at + 2 + header[at + 1] > end)
            return problem(content, DROP_OPTIONS, PROBLEM_FIELD, at + 1 < end ? at + 1 : at);
        length = 2u + header[at + 1];
        enum unknown action = (enum unknown)(header[at] >> 6);
        if (action == UNKNOWN_SKIP || header[at] == OPTION_PADN || header[at] == OPTION_ROUTER_ALERT)
            continue;
        problem(content, DROP_OPTIONS, PROBLEM_OPTION, at);
        content->report = action != UNKNOWN_DROP;
        content->report_groups = action == UNKNOWN_REPORT;
        return DROP_OPTIONS;
    }
    return DROP_NONE;
}

/* One extension header, at content->offset. */
static enum drop extension_read(const uint8_t *header, uint32_t bytes, struct ipv6_content *content)
{
    const uint8_t *extension = header + content->offset;

    switch (content->next) {
    case IPV6_HOP_BY_HOP:
        if (content->offset != IPV6_HEADER) /* 4.1: it comes first */
            return problem(content, DROP_OPTIONS, PROBLEM_NEXT, content->next_field);
        return options_read(header, content->offset + 2, content->offset + bytes, content);
    case IPV6_DESTINATION:
        return options_read(header, content->offset + 2, content->offset + bytes, content);
    case IPV6_ROUTING: /* 4.4: none is known; those that have been followed to their end do not matter */
        if (extension[3] != 0)
            return problem(content, DROP_SOURCE_ROUTE, PROBLEM_FIELD, content->offset + 2);
        return DROP_NONE;
    default:
        return ipv6_get16(extension + 2) & FRAGMENT_FIELD ? DROP_FRAGMENT : DROP_NONE;
    }
}

enum drop ipv6_open(const uint8_t *header, uint32_t visible, struct ipv6_content *content)
{
    uint32_t end = IPV6_HEADER + ipv6_payload(header);
    enum drop reason;

    *content = (struct ipv6_content){.next = header[6], .offset = IPV6_HEADER, .next_field = 6};
    if (end > visible)
        end = visible;
    while (is_extension(content->next)) {
        const uint8_t *extension = header + content->offset;
        if (content->offset + 8 > end)
            return DROP_TOO_SHORT;
        uint32_t bytes = extension_bytes(content->next, extension);
        if (bytes > end - content->offset)
            return DROP_TOO_SHORT;
        reason = extension_read(header, bytes, content);
        if (reason != DROP_NONE)
            return reason;
        content->next_field = content->offset;
        content->next = extension[0];
        content->offset += bytes;
    }
    return DROP_NONE;
}
