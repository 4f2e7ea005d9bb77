#include "apps/net/icmp.h"

#include <string.h>
#include "apps/net/checksum.h"

/* 4.3.2.7: all that is no query or answer counts as an error. */
static bool is_error(uint8_t type)
{
    return type == ICMP_UNREACHABLE || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
           type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER;
}

bool icmp_error_allowed(const uint8_t *header, uint32_t visible)
{
    uint32_t source = ipv4_source(header), destination = ipv4_destination(header);
    uint32_t bytes = ipv4_header_bytes(header);

    if (ipv4_fragment(header) & IPV4_OFFSET_MASK)
        return false;
    if (ipv4_martian_source(source) || ipv4_multicast(destination) || destination == IPV4_BROADCAST)
        return false;
    if (header[9] != IPV4_ICMP)
        return true;
    return visible > bytes && ipv4_length(header) > bytes && !is_error(header[bytes]);
}

uint32_t icmp_error_write(uint8_t *to, uint32_t room, const struct icmp_error *error, uint32_t own_address,
                          const uint8_t *about, uint32_t visible)
{
    uint32_t quote = ipv4_length(about) < visible ? ipv4_length(about) : visible;
    uint8_t *icmp = to + IPV4_HEADER;

    if (quote > room - IPV4_HEADER - ICMP_HEADER)
        quote = room - IPV4_HEADER - ICMP_HEADER;
    icmp[0] = error->type;
    icmp[1] = error->code;
    ipv4_put16(icmp + 2, 0);
    ipv4_put32(icmp + 4, error->word);
    memcpy(icmp + ICMP_HEADER, about, quote);
    ipv4_put16(icmp + 2, checksum_of(icmp, ICMP_HEADER + quote));
    ipv4_make(to, IPV4_HEADER + ICMP_HEADER + quote, (uint8_t)(0xc0 | (about[1] & 0x1e)), IPV4_ICMP,
              own_address, ipv4_source(about));
    return IPV4_HEADER + ICMP_HEADER + quote;
}

bool icmp_is_echo(const uint8_t *header, uint32_t visible)
{
    uint32_t bytes = ipv4_header_bytes(header);

    return header[9] == IPV4_ICMP && ipv4_length(header) >= bytes + ICMP_HEADER &&
           visible >= bytes + ICMP_HEADER && header[bytes] == ICMP_ECHO && header[bytes + 1] == 0;
}

void icmp_echo_turn(uint8_t *header)
{
    uint8_t *icmp = header + ipv4_header_bytes(header);
    uint32_t source = ipv4_source(header);

    ipv4_put32(header + 12, ipv4_destination(header));
    ipv4_put32(header + 16, source);
    header[8] = IPV4_TTL;
    ipv4_checksum_write(header);
    icmp[0] = ICMP_ECHO_REPLY;
    ipv4_put16(icmp + 2, checksum_change(ipv4_get16(icmp + 2), ICMP_ECHO << 8, 0));
}
