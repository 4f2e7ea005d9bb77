/*
 * Flows: by which a driver spreads frames over the lanes of a forwarder (drivers/spread.h).
 *
 * Owns: nothing. A frame's flow is
 *   - IPv4 and IPv6: both addresses, the protocol, and for TCP, UDP, SCTP, DCCP and UDP-Lite both ports;
 *   - a fragment, and what has IPv6 extension headers: both addresses and the protocol that the IP header names. So all
 *     fragments of one datagram are one flow, though only the first has ports;
 *   - all others, also what has a VLAN tag or an IP header that is none: both Ethernet addresses.
 * The hash of a flow is that of the opposite direction too, whichever side a router changed the Ethernet addresses on.
 *
 * All in one header, as it is done for every frame: a load of each word, a product for each end, and one for their sum.
 *
 * Limits: of a UDP flow some of whose datagrams are fragments, those and the others are two flows here, as with the hashes of
 * network cards.
 */
#ifndef DRIVERS_FLOW_H
#define DRIVERS_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#define FLOW_ETHERNET 14u
#define FLOW_IPV4     20u
#define FLOW_IPV6     40u

/* As little-endian loads give them. */
#define FLOW_TYPE_IPV4 0x0008
#define FLOW_TYPE_IPV6 0xdd86
#define FLOW_FRAGMENT  0xff3f /* more fragments, or an offset */

static inline uint16_t flow_load16(const uint8_t *bytes)
{
    uint16_t value;

    __builtin_memcpy(&value, bytes, sizeof value);
    return value;
}

static inline uint32_t flow_load32(const uint8_t *bytes)
{
    uint32_t value;

    __builtin_memcpy(&value, bytes, sizeof value);
    return value;
}

static inline uint64_t flow_load64(const uint8_t *bytes)
{
    uint64_t value;

    __builtin_memcpy(&value, bytes, sizeof value);
    return value;
}

static inline uint64_t flow_mix(uint64_t value, uint64_t seed)
{
    value *= seed;
    return value ^ value >> 32;
}

/* Of two ends: a sum, which is the same the other way round. */
static inline uint32_t flow_pair(uint64_t one, uint64_t other, uint32_t kind, uint64_t seed)
{
    return (uint32_t)(flow_mix((flow_mix(one, seed) + flow_mix(other, seed)) * seed + kind, seed) >> 32);
}

/* TCP 6, UDP 17, DCCP 33, SCTP 132, UDP-Lite 136 */
static inline bool flow_has_ports(uint8_t protocol)
{
    return protocol < 64 ? (UINT64_C(1) << 6 | UINT64_C(1) << 17 | UINT64_C(1) << 33) >> protocol & 1
                         : protocol == 132 || protocol == 136;
}

static inline uint32_t flow_ipv4(const uint8_t *packet, uint32_t visible, uint64_t seed)
{
    uint64_t source = flow_load32(packet + 12), destination = flow_load32(packet + 16);
    uint32_t header = (packet[0] & 15) * 4u;

    if (!(flow_load16(packet + 6) & FLOW_FRAGMENT) && flow_has_ports(packet[9]) && visible >= header + 4) {
        source |= (uint64_t)flow_load16(packet + header) << 32;
        destination |= (uint64_t)flow_load16(packet + header + 2) << 32;
    }
    return flow_pair(source, destination, packet[9], seed);
}

static inline uint32_t flow_ipv6(const uint8_t *packet, uint32_t visible, uint64_t seed)
{
    uint64_t source = flow_mix(flow_load64(packet + 8), seed) + flow_load64(packet + 16);
    uint64_t destination = flow_mix(flow_load64(packet + 24), seed) + flow_load64(packet + 32);

    if (flow_has_ports(packet[6]) && visible >= FLOW_IPV6 + 4) {
        source = flow_mix(source, seed) + flow_load16(packet + FLOW_IPV6);
        destination = flow_mix(destination, seed) + flow_load16(packet + FLOW_IPV6 + 2);
    }
    return flow_pair(source, destination, packet[6], seed);
}

/*
 * 32 bits for the flow of a frame of which the first `visible` bytes are given, 14 at least; no byte beyond is looked at.
 * `seed` is odd, and another one for each boot, or anyone could choose addresses that all share a lane.
 */
static inline uint32_t flow_hash(const uint8_t *frame, uint32_t visible, uint64_t seed)
{
    const uint8_t *packet = frame + FLOW_ETHERNET;
    uint16_t type = flow_load16(frame + 12);
    uint32_t rest = visible - FLOW_ETHERNET;

    if (type == FLOW_TYPE_IPV4 && rest >= FLOW_IPV4 && packet[0] >> 4 == 4 && (packet[0] & 15) >= 5)
        return flow_ipv4(packet, rest, seed);
    if (type == FLOW_TYPE_IPV6 && rest >= FLOW_IPV6 && packet[0] >> 4 == 6)
        return flow_ipv6(packet, rest, seed);
    return flow_pair(flow_load64(frame) << 16, flow_load64(frame + 4) >> 16 << 16, 0, seed);
}

#endif
