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

/* As little-endian loads give them. Bytes 12 to 14: the type, and what the packet begins with, the version and IPv4's length. */
#define FLOW_FIRST_MASK  UINT32_C(0xf0ffff)
#define FLOW_FIRST_IPV4  UINT32_C(0x400008)
#define FLOW_FIRST_IPV6  UINT32_C(0x60dd86)
#define FLOW_FIRST_USUAL UINT32_C(0x450008) /* with the length: 20 bytes */

/* Bytes 20 to 23 of a frame with IPv4: more fragments, or an offset; time to live; protocol. */
#define FLOW_FRAGMENT       UINT32_C(0xff3f)
#define FLOW_KIND(protocol) ((uint32_t)(protocol) << 24)

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

/* Both ends, and what else tells it from others. */
struct flow {
    uint64_t one, other;
    uint32_t kind;
};

static inline uint64_t flow_mix(uint64_t value, uint64_t seed)
{
    value *= seed;
    return value ^ value >> 32;
}

/* Of the sum of what the ends make, which is the same the other way round. */
static inline uint64_t flow_sum(struct flow flow, uint64_t seed)
{
    uint64_t ends = flow_mix(flow.one, seed) + flow_mix(flow.other, seed);

    return (ends * seed + flow.kind) * seed;
}

/* By a bit for each protocol: TCP 6, UDP 17, DCCP 33, SCTP 132, UDP-Lite 136. */
static inline bool flow_has_ports(uint8_t protocol)
{
    static const uint64_t protocols[4] = {1ull << 6 | 1ull << 17 | 1ull << 33, 0,
                                          1ull << (132 - 128) | 1ull << (136 - 128), 0};

    return protocols[protocol / 64] >> protocol % 64 & 1;
}

/*
 * IPv4 without options, no fragment, ports visible: most packets. With the same result as flow_of, by fewer steps. False: it is none, or
 * one of the protocols that are rare.
 */
static inline bool flow_usual(const uint8_t *frame, uint32_t visible, uint64_t seed, struct flow *flow)
{
    if (visible < FLOW_ETHERNET + FLOW_IPV4 + 4 || flow_load32(frame + 12) << 8 != FLOW_FIRST_USUAL << 8)
        return false;
    flow->kind = flow_load32(frame + 20) & (FLOW_KIND(255) | FLOW_FRAGMENT);
    flow->one = flow_load32(frame + 26);
    flow->other = flow_load32(frame + 30);
    if (flow->kind != FLOW_KIND(6) && flow->kind != FLOW_KIND(17))
        return !(flow->kind & FLOW_FRAGMENT) && !flow_has_ports((uint8_t)(flow->kind >> 24));
    flow->one = flow->one * seed + flow_load16(frame + 34);
    flow->other = flow->other * seed + flow_load16(frame + 36);
    return true;
}

/* The last bytes, in which neighbours differ, must not be the upper ones: no product brings those down. */
static inline uint64_t flow_address6(const uint8_t *address, uint64_t seed)
{
    uint64_t interface = flow_load64(address + 8);

    return flow_mix(flow_load64(address), seed) ^ (interface >> 32 | interface << 32);
}

static inline struct flow flow_of(const uint8_t *frame, uint32_t visible, uint64_t seed)
{
    const uint8_t *packet = frame + FLOW_ETHERNET;
    uint32_t rest = visible - FLOW_ETHERNET, header;
    uint32_t first = rest < FLOW_IPV4 ? 0 : flow_load32(frame + 12) & FLOW_FIRST_MASK;
    uint8_t protocol;
    struct flow flow;

    if (first == FLOW_FIRST_IPV6 && rest >= FLOW_IPV6) {
        flow.one = flow_address6(packet + 8, seed);
        flow.other = flow_address6(packet + 24, seed);
        header = FLOW_IPV6;
        protocol = packet[6];
    } else if (first == FLOW_FIRST_IPV4 && (packet[0] & 15) >= 5) {
        flow.one = flow_load32(packet + 12);
        flow.other = flow_load32(packet + 16);
        header = flow_load16(packet + 6) & FLOW_FRAGMENT ? rest : (packet[0] & 15) * 4u;
        protocol = packet[9];
    } else {
        return (struct flow){flow_load64(frame) << 16 >> 16, flow_load64(frame + 4) >> 16, 0};
    }
    if (flow_has_ports(protocol) && rest >= header + 4) {
        flow.one = flow.one * seed + flow_load16(packet + header);
        flow.other = flow.other * seed + flow_load16(packet + header + 2);
    }
    flow.kind = FLOW_KIND(protocol);
    return flow;
}

/*
 * 64 bits for the flow of a frame of which the first `visible` bytes are given, 14 at least; no byte beyond is looked at. The upper ones
 * depend on all that tells flows apart. `seed` is odd, and another one for each boot, or anyone could choose addresses that all share a lane.
 */
static inline uint64_t flow_hash(const uint8_t *frame, uint32_t visible, uint64_t seed)
{
    struct flow flow;

    if (__builtin_expect(!flow_usual(frame, visible, seed, &flow), 0))
        flow = flow_of(frame, visible, seed);
    return flow_sum(flow, seed);
}

/* Which of `lanes`: the hash is a fraction of 2^64. */
static inline uint64_t flow_lane(uint64_t hash, uint64_t lanes)
{
    return (uint64_t)((unsigned __int128)hash * lanes >> 64);
}

#endif
