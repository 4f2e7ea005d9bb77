/* The hash of a frame's flow: see flow.h. */
#include "drivers/flow.h"

#include <stdbool.h>
#include "core/string.h"

#define ETHERNET_HEADER 14u
#define IPV4_HEADER     20u
#define IPV6_HEADER     40u

/* As little-endian loads give them. */
#define TYPE_IPV4     0x0008
#define TYPE_IPV6     0xdd86
#define IPV4_FRAGMENT 0xff3f /* more fragments, or an offset */

#define ODD UINT64_C(0x9e3779b97f4a7c15)

static inline uint16_t load16(const uint8_t *bytes)
{
    uint16_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline uint32_t load32(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline uint64_t load64(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline uint64_t mix(uint64_t value)
{
    value *= ODD;
    return (value ^ value >> 32) * ODD;
}

/* Of two ends: a sum, which is the same the other way round. */
static inline uint32_t pair_hash(uint64_t one, uint64_t other, uint32_t kind, uint64_t seed)
{
    return (uint32_t)(mix(mix(one ^ seed) + mix(other ^ seed) + kind) >> 32);
}

static bool has_ports(uint8_t protocol)
{
    switch (protocol) {
    case 6:   /* TCP */
    case 17:  /* UDP */
    case 33:  /* DCCP */
    case 132: /* SCTP */
    case 136: /* UDP-Lite */
        return true;
    default:
        return false;
    }
}

/* Two ports to the ends of a flow: above 48 bits nothing else is. */
static inline void ports_add(const uint8_t *ports, uint64_t *source, uint64_t *destination)
{
    *source ^= (uint64_t)load16(ports) << 48;
    *destination ^= (uint64_t)load16(ports + 2) << 48;
}

static uint32_t ipv4_hash(const uint8_t *packet, uint32_t visible, uint64_t seed)
{
    uint64_t source = load32(packet + 12), destination = load32(packet + 16);
    uint32_t header = (packet[0] & 15) * 4u;

    if (!(load16(packet + 6) & IPV4_FRAGMENT) && has_ports(packet[9]) && visible >= header + 4)
        ports_add(packet + header, &source, &destination);
    return pair_hash(source, destination, packet[9], seed);
}

static uint32_t ipv6_hash(const uint8_t *packet, uint32_t visible, uint64_t seed)
{
    uint64_t source = mix(load64(packet + 8)) ^ load64(packet + 16);
    uint64_t destination = mix(load64(packet + 24)) ^ load64(packet + 32);

    if (has_ports(packet[6]) && visible >= IPV6_HEADER + 4)
        ports_add(packet + IPV6_HEADER, &source, &destination);
    return pair_hash(source, destination, packet[6], seed);
}

uint32_t flow_hash(const uint8_t *frame, uint32_t visible, uint64_t seed)
{
    const uint8_t *packet = frame + ETHERNET_HEADER;
    uint16_t type = load16(frame + 12);
    uint32_t rest = visible - ETHERNET_HEADER;

    if (type == TYPE_IPV4 && rest >= IPV4_HEADER && packet[0] >> 4 == 4 && (packet[0] & 15) >= 5)
        return ipv4_hash(packet, rest, seed);
    if (type == TYPE_IPV6 && rest >= IPV6_HEADER && packet[0] >> 4 == 6)
        return ipv6_hash(packet, rest, seed);
    uint64_t destination = load32(frame) | (uint64_t)load16(frame + 4) << 32;
    uint64_t source = load32(frame + 6) | (uint64_t)load16(frame + 10) << 32;
    return pair_hash(source, destination, 0, seed);
}
