/*
 * The Ethernet header: destination, source, type. Addresses are 6 bytes as they stand in a frame, or a number as a
 * little-endian load of 8 bytes gives them, of which the upper 16 bits do not count (ETHERNET_ADDRESS takes them away).
 */
#ifndef APPS_NET_ETHERNET_H
#define APPS_NET_ETHERNET_H

#include <stdbool.h>
#include <stdint.h>

#define ETHERNET_HEADER  14
#define ETHERNET_ADDRESS UINT64_C(0xffffffffffff)
#define ETHERNET_LEAST   60 /* bytes of a frame without its FCS; shorter ones are filled up */

/* As a little-endian load of the two bytes gives them. */
enum ethernet_type {
    ETHERNET_IPV4 = 0x0008,
    ETHERNET_ARP = 0x0608,
    ETHERNET_IPV6 = 0xdd86,
    ETHERNET_VLAN = 0x0081,     /* 802.1Q */
    ETHERNET_PROVIDER = 0xa888, /* 802.1ad */
};

typedef uint64_t __attribute__((may_alias, aligned(1))) ethernet_word;
typedef uint32_t __attribute__((may_alias, aligned(1))) ethernet_upper;
typedef uint16_t __attribute__((may_alias, aligned(1))) ethernet_lower;

/* Six bytes from an address as a number; up to two bytes behind them are read and not used. */
static inline uint64_t ethernet_destination(const uint8_t *frame)
{
    return *(const ethernet_word *)frame & ETHERNET_ADDRESS;
}

static inline uint64_t ethernet_source(const uint8_t *frame)
{
    return *(const ethernet_word *)(frame + 4) >> 16;
}

static inline uint16_t ethernet_type(const uint8_t *frame)
{
    return *(const ethernet_lower *)(frame + 12);
}

/* Reads exactly six bytes. */
static inline uint64_t ethernet_address(const uint8_t *bytes)
{
    return *(const ethernet_upper *)bytes | (uint64_t) * (const ethernet_lower *)(bytes + 4) << 32;
}

/* Broadcast or multicast. */
static inline bool ethernet_group(uint64_t address)
{
    return address & 1;
}

/* Writes exactly six bytes. */
static inline void ethernet_address_put(uint8_t *bytes, uint64_t address)
{
    *(ethernet_upper *)bytes = (uint32_t)address;
    *(ethernet_lower *)(bytes + 4) = (uint16_t)(address >> 32);
}

static inline void ethernet_header_put(uint8_t *frame, uint64_t destination, uint64_t source,
                                       enum ethernet_type type)
{
    ethernet_address_put(frame, destination);
    ethernet_address_put(frame + 6, source);
    *(ethernet_lower *)(frame + 12) = (uint16_t)type;
}

#endif
