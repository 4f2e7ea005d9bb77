/* The headers of the traffic generator's frames: see frames.h. */
#include "tools/native/frames.h"

#include <stdio.h>
#include <string.h>

#define HOPS 64

int frames_routed, frames_routers;
static uint8_t routers[PORTS][6];

bool frames_router_add(const char *text)
{
    uint8_t *mac = routers[frames_routers];

    if (frames_routers == PORTS)
        return false;
    frames_routers++;
    return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) ==
           6;
}

void frames_put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

void frames_station(uint8_t address[6], int port)
{
    const uint8_t bytes[6] = {2, 0, 0, 0, 0, (uint8_t)(port + 1)};

    memcpy(address, bytes, 6);
}

uint32_t frames_head_size(void)
{
    return ETHERNET + (frames_routed == 4 ? 20 : frames_routed == 6 ? 40 : 0);
}

/* 10.0.A.2 to 10.0.B.2 */
static void head_ipv4(uint8_t *ip, int from, int to, uint32_t size, uint64_t sequence, int hops)
{
    const uint8_t bytes[20] = {
        [0] = 0x45,           [1] = 0x28, [8] = (uint8_t)hops, [9] = 253,          [12] = 10,
        [14] = (uint8_t)from, [15] = 2,   [16] = 10,           [18] = (uint8_t)to, [19] = 2};
    uint32_t sum = 0;

    memcpy(ip, bytes, sizeof(bytes));
    frames_put16(ip + 2, size - ETHERNET);
    frames_put16(ip + 4, (uint32_t)sequence & 0xffff);
    for (int i = 0; i < 20; i += 2)
        sum += (uint32_t)ip[i] << 8 | ip[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    frames_put16(ip + 10, ~sum & 0xffff);
}

/* 2001:db8:A::2 to 2001:db8:B::2 */
static void head_ipv6(uint8_t *ip, int from, int to, uint32_t size, uint64_t sequence, int hops)
{
    const uint8_t prefix[4] = {0x20, 0x01, 0x0d, 0xb8};

    memset(ip, 0, 40);
    ip[0] = 0x62;
    frames_put16(ip + 2, (uint32_t)sequence & 0xffff);
    frames_put16(ip + 4, size - ETHERNET - 40);
    ip[6] = 253;
    ip[7] = (uint8_t)hops;
    memcpy(ip + 8, prefix, 4);
    memcpy(ip + 24, prefix, 4);
    ip[13] = (uint8_t)from;
    ip[29] = (uint8_t)to;
    ip[23] = ip[39] = 2;
}

void frames_head(uint8_t *head, int from, int to, uint32_t size, uint64_t sequence, bool arrives)
{
    frames_station(head, to);
    frames_station(head + 6, from);
    frames_put16(head + 12, frames_routed == 4 ? 0x0800 : frames_routed == 6 ? 0x86dd : 0x88b5);
    if (frames_routed && arrives)
        memcpy(head + 6, routers[to], 6);
    else if (frames_routed)
        memcpy(head, routers[from], 6);
    if (frames_routed == 4)
        head_ipv4(head + ETHERNET, from, to, size, sequence, HOPS - arrives);
    if (frames_routed == 6)
        head_ipv6(head + ETHERNET, from, to, size, sequence, HOPS - arrives);
}
