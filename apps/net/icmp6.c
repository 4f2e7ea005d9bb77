#include "apps/net/icmp6.h"

#include <string.h>
#include "apps/net/checksum.h"

#define INFORMATIONAL 128 /* types from here on are no errors (2.1) */

/* What the headers lead to, as far as they are visible: the type of an ICMPv6 message; 0 (an error), when it cannot be told;
 * and INFORMATIONAL for all other protocols. */
static uint8_t kind_of(const uint8_t *header, uint32_t visible)
{
    uint32_t end = IPV6_HEADER + ipv6_payload(header), at = IPV6_HEADER;
    uint8_t next = header[6];

    if (end > visible)
        end = visible;
    while (next == IPV6_HOP_BY_HOP || next == IPV6_ROUTING || next == IPV6_DESTINATION ||
           next == IPV6_FRAGMENT) {
        if (at + 8 > end)
            return 0;
        if (next == IPV6_FRAGMENT && ipv6_get16(header + at + 2) & 0xfff8)
            return header[at] == IPV6_ICMP ? 0 : INFORMATIONAL; /* what kind, the first fragment told */
        uint32_t bytes = next == IPV6_FRAGMENT ? 8 : (header[at + 1] + 1u) * 8;
        next = header[at];
        at += bytes;
    }
    if (next != IPV6_ICMP)
        return INFORMATIONAL;
    return at < end ? header[at] : 0;
}

bool icmp6_error_allowed(const struct icmp6_error *error, const uint8_t *header, uint32_t visible, bool group)
{
    struct address6 source = ipv6_source(header);
    uint8_t kind = kind_of(header, visible);

    if ((group || ipv6_multicast(ipv6_destination(header))) && !error->groups)
        return false;
    if (ipv6_multicast(source) || ipv6_unspecified(source) || ipv6_loopback(source))
        return false;
    return kind >= INFORMATIONAL && kind != ICMP6_REDIRECT;
}

uint16_t icmp6_checksum(const uint8_t *message, uint32_t length, struct address6 source,
                        struct address6 destination)
{
    uint8_t pseudo[IPV6_HEADER];

    ipv6_address_put(pseudo, source);
    ipv6_address_put(pseudo + 16, destination);
    ipv6_put32(pseudo + 32, length);
    ipv6_put32(pseudo + 36, IPV6_ICMP);
    return checksum_finish(checksum_add(checksum_add(0, pseudo, sizeof pseudo), message, length));
}

uint32_t icmp6_error_write(uint8_t *to, uint32_t room, const struct icmp6_error *error, struct address6 own,
                           const uint8_t *about, uint32_t visible)
{
    uint32_t quote = IPV6_HEADER + ipv6_payload(about);
    uint8_t *icmp = to + IPV6_HEADER;

    if (quote > visible)
        quote = visible;
    if (quote > room - IPV6_HEADER - ICMP6_HEADER)
        quote = room - IPV6_HEADER - ICMP6_HEADER;
    icmp[0] = error->type;
    icmp[1] = error->code;
    ipv6_put16(icmp + 2, 0);
    ipv6_put32(icmp + 4, error->word);
    memcpy(icmp + ICMP6_HEADER, about, quote);
    ipv6_make(to, ICMP6_HEADER + quote, IPV6_ICMP, IPV6_HOP_LIMIT, own, ipv6_source(about));
    ipv6_put16(icmp + 2, icmp6_checksum(icmp, ICMP6_HEADER + quote, own, ipv6_source(about)));
    return IPV6_HEADER + ICMP6_HEADER + quote;
}

/* The checksum after an address under it changed: the exchange of two changes nothing. */
static uint16_t checksum_readdress(uint16_t checksum, const uint8_t *old, const uint8_t *new)
{
    for (unsigned i = 0; i < 16; i += 2)
        checksum = checksum_change(checksum, ipv6_get16(old + i), ipv6_get16(new + i));
    return checksum;
}

void icmp6_echo_turn(uint8_t *header, struct address6 own)
{
    uint8_t *icmp = header + IPV6_HEADER, was[16];
    uint16_t checksum = checksum_change(ipv6_get16(icmp + 2), ICMP6_ECHO << 8, ICMP6_ECHO_REPLY << 8);
    struct address6 source = ipv6_source(header);

    memcpy(was, header + 24, sizeof was);
    ipv6_address_put(header + 8, own);
    ipv6_address_put(header + 24, source);
    if (memcmp(was, header + 8, sizeof was) != 0)
        checksum = checksum_readdress(checksum, was, header + 8);
    header[7] = IPV6_HOP_LIMIT;
    icmp[0] = ICMP6_ECHO_REPLY;
    ipv6_put16(icmp + 2, checksum);
}
