#include "apps/net/ipv4.h"

#include <string.h>
#include "apps/net/checksum.h"
#include "apps/net/ethernet.h"

enum drop ipv4_check(const struct packet *packet)
{
    const uint8_t *header = packet->frame + ETHERNET_HEADER;
    uint32_t there = packet->visible - ETHERNET_HEADER;

    if (there < IPV4_HEADER)
        return DROP_TOO_SHORT;
    uint32_t bytes = ipv4_header_bytes(header), length = ipv4_length(header);
    if (header[0] >> 4 != 4)
        return DROP_VERSION;
    if (bytes < IPV4_HEADER || bytes > length)
        return DROP_HEADER_LENGTH;
    if (bytes > there || length > packet->length - ETHERNET_HEADER)
        return DROP_TOO_SHORT;
    if (checksum_of(header, bytes) != 0)
        return DROP_CHECKSUM;
    return DROP_NONE;
}

void ipv4_checksum_write(uint8_t *header)
{
    ipv4_put16(header + 10, 0);
    ipv4_put16(header + 10, checksum_of(header, ipv4_header_bytes(header)));
}

void ipv4_make(uint8_t *header, uint32_t length, uint8_t tos, enum ipv4_protocol protocol, uint32_t source,
               uint32_t destination)
{
    header[0] = 0x45;
    header[1] = tos;
    ipv4_put16(header + 2, (uint16_t)length);
    ipv4_put16(header + 4, 0); /* RFC 6864: the identification of what is never fragmented means nothing */
    ipv4_put16(header + 6, IPV4_DONT);
    header[8] = IPV4_TTL;
    header[9] = (uint8_t)protocol;
    ipv4_put32(header + 12, source);
    ipv4_put32(header + 16, destination);
    ipv4_checksum_write(header);
}

/* ---- Options ---- */

enum option {
    OPTION_END = 0,
    OPTION_NOTHING = 1,
    OPTION_RECORD = 7,
    OPTION_TIMESTAMP = 68,
    OPTION_LOOSE = 131,
    OPTION_STRICT = 137
};

#define OPTION_COPIED 0x80 /* into every fragment */

enum timestamp {
    TIMESTAMP_ONLY = 0,
    TIMESTAMP_ADDRESS = 1,
    TIMESTAMP_ASKED = 3 /* only those stops whose addresses are given */
};

/* The length of the option at `at`, or 0 when it does not lie within the header. */
static unsigned option_length(const uint8_t *header, unsigned at, unsigned end)
{
    if (header[at] == OPTION_NOTHING)
        return 1;
    if (at + 2 > end || header[at + 1] < 2 || at + header[at + 1] > end)
        return 0;
    return header[at + 1];
}

/* The offset of what is wrong with a record route or timestamp option; 0 when nothing is. Its pointer counts from 1. */
static unsigned option_mistake(const uint8_t *header, unsigned at)
{
    const uint8_t *option = header + at;
    unsigned least = option[0] == OPTION_RECORD ? 4 : 5;

    if (option[1] < least - 1)
        return at + 1;
    if (option[2] < least)
        return at + 2;
    if (option[0] == OPTION_RECORD)
        return option[2] <= option[1] && option[2] + 3u > option[1] ? at + 2 : 0;
    unsigned way = option[3] & 15, step = way == TIMESTAMP_ONLY ? 4 : 8;
    if (way != TIMESTAMP_ONLY && way != TIMESTAMP_ADDRESS && way != TIMESTAMP_ASKED)
        return at + 3;
    if (option[2] <= option[1])
        return option[2] + step - 1 > option[1] ? at + 2 : 0;
    /* No room: the stop is counted, in 4 bits (not for those that only some are asked for). */
    return option[3] >> 4 == 15 && way != TIMESTAMP_ASKED ? at + 3 : 0;
}

enum drop ipv4_options_check(const uint8_t *header, unsigned *pointer)
{
    unsigned end = ipv4_header_bytes(header), length;
    bool routed = false;

    for (unsigned at = IPV4_HEADER; at < end && header[at] != OPTION_END; at += length) {
        length = option_length(header, at, end);
        *pointer = at + 1 < end ? at + 1 : at; /* its length, or that it has none */
        if (!length)
            return DROP_OPTIONS;
        routed |= header[at] == OPTION_LOOSE || header[at] == OPTION_STRICT;
        if (header[at] == OPTION_RECORD || header[at] == OPTION_TIMESTAMP)
            *pointer = option_mistake(header, at);
        else
            *pointer = 0;
        if (*pointer)
            return DROP_OPTIONS;
    }
    return routed ? DROP_SOURCE_ROUTE : DROP_NONE;
}

static void record_note(uint8_t *option, const struct ipv4_stop *stop)
{
    if (option[2] > option[1])
        return;
    ipv4_put32(option + option[2] - 1, stop->address);
    option[2] = (uint8_t)(option[2] + 4);
}

static void timestamp_note(uint8_t *option, const struct ipv4_stop *stop)
{
    unsigned way = option[3] & 15, at = option[2] - 1u;
    uint32_t time =
        stop->milliseconds | UINT32_C(0x80000000); /* RFC 791: not milliseconds since midnight UT */

    if (at >= option[1]) {
        if (way != TIMESTAMP_ASKED)
            option[3] = (uint8_t)(option[3] + 0x10);
        return;
    }
    if (way == TIMESTAMP_ASKED && ipv4_get32(option + at) != stop->address)
        return;
    if (way == TIMESTAMP_ADDRESS)
        ipv4_put32(option + at, stop->address);
    ipv4_put32(option + at + (way == TIMESTAMP_ONLY ? 0 : 4), time);
    option[2] = (uint8_t)(option[2] + (way == TIMESTAMP_ONLY ? 4 : 8));
}

void ipv4_options_note(uint8_t *header, const struct ipv4_stop *stop)
{
    unsigned end = ipv4_header_bytes(header);

    for (unsigned at = IPV4_HEADER; at < end && header[at] != OPTION_END;
         at += option_length(header, at, end)) {
        if (header[at] == OPTION_RECORD)
            record_note(header + at, stop);
        else if (header[at] == OPTION_TIMESTAMP)
            timestamp_note(header + at, stop);
    }
    ipv4_checksum_write(header);
}

uint32_t ipv4_fragment_header(uint8_t *to, const uint8_t *header)
{
    unsigned end = ipv4_header_bytes(header), length;
    uint32_t bytes = IPV4_HEADER;

    memcpy(to, header, IPV4_HEADER);
    for (unsigned at = IPV4_HEADER; at < end && header[at] != OPTION_END; at += length) {
        length = option_length(header, at, end);
        if (!length)
            break;
        if (header[at] & OPTION_COPIED) {
            memcpy(to + bytes, header + at, length);
            bytes += length;
        }
    }
    while (bytes & 3)
        to[bytes++] = OPTION_END;
    to[0] = (uint8_t)(0x40 | bytes / 4);
    return bytes;
}
