/* The headers of the traffic generator's frames: see frames.h. */
#include "tools/native/frames.h"

#include <stdio.h>
#include <string.h>

#define HOPS 64

int frames_routed, frames_routers, frames_conversations;
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
    uint32_t ports = frames_conversations ? 4 : 0;

    return ETHERNET + (frames_routed == 4 ? 20 + ports : frames_routed == 6 ? 40 + ports : ports ? 44 : 0);
}

/* What is different in a conversation through a router: addresses, or ports, or addresses with all in fragments, by turns. */
enum routed {
    ROUTED_ADDRESSES,
    ROUTED_PORTS,
    ROUTED_FRAGMENTS,
    ROUTED_KINDS
};

static void ports_put(uint8_t *bytes, int from, int to, int conversation)
{
    frames_put16(bytes, 1000 + (uint32_t)(conversation * 8 + from));
    frames_put16(bytes + 2, 1000 + (uint32_t)(conversation * 8 + to));
}

/* 10.0.A.2 to 10.0.B.2, or others there, before its checksum is made. */
static void conversation_ipv4(uint8_t *ip, int from, int to, int conversation, uint64_t sequence)
{
    enum routed kind = (enum routed)(conversation % ROUTED_KINDS);

    if (kind != ROUTED_PORTS)
        ip[15] = ip[19] = (uint8_t)(2 + conversation);
    if (kind != ROUTED_ADDRESSES)
        ip[9] = 17;
    if (kind == ROUTED_FRAGMENTS)
        frames_put16(ip + 6, sequence % 2 ? 2 : 0x2000);
    if (kind == ROUTED_FRAGMENTS && sequence % 2)
        memset(ip + 20, 0x77, 4);
    else
        ports_put(ip + 20, from, to, conversation);
}

/* 10.0.A.2 to 10.0.B.2 */
static void head_ipv4(uint8_t *ip, int from, int to, int conversation, uint32_t size, uint64_t sequence,
                      int hops)
{
    const uint8_t bytes[20] = {
        [0] = 0x45,           [1] = 0x28, [8] = (uint8_t)hops, [9] = 253,          [12] = 10,
        [14] = (uint8_t)from, [15] = 2,   [16] = 10,           [18] = (uint8_t)to, [19] = 2};
    uint32_t sum = 0;

    memcpy(ip, bytes, sizeof(bytes));
    frames_put16(ip + 2, size - ETHERNET);
    frames_put16(ip + 4, (uint32_t)sequence & 0xffff);
    if (frames_conversations)
        conversation_ipv4(ip, from, to, conversation, sequence);
    for (int i = 0; i < 20; i += 2)
        sum += (uint32_t)ip[i] << 8 | ip[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    frames_put16(ip + 10, ~sum & 0xffff);
}

/* 2001:db8:A::2 to 2001:db8:B::2 */
static void head_ipv6(uint8_t *ip, int from, int to, int conversation, uint32_t size, uint64_t sequence,
                      int hops)
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
    if (!frames_conversations)
        return;
    if (conversation % ROUTED_KINDS == ROUTED_PORTS)
        ip[6] = 17;
    else
        ip[23] = ip[39] = (uint8_t)(2 + conversation);
    ports_put(ip + 40, from, to, conversation);
}

/* UDP from 10.0.0.A to 10.0.0.B, or fragments: of two of them the first one has the ports. */
static void head_udp(uint8_t *ip, int from, int to, int conversation, uint64_t sequence, bool fragments)
{
    uint8_t address = fragments ? (uint8_t)conversation : 0;

    ip[0] = 0x45;
    ip[8] = HOPS;
    ip[9] = 17;
    memcpy(ip + 12, (uint8_t[]){10, 0, address, (uint8_t)from, 10, 0, address, (uint8_t)to}, 8);
    if (fragments)
        frames_put16(ip + 6, sequence % 2 ? 2 : 0x2000);
    if (sequence % 2 && fragments)
        memset(ip + 20, 0x77, 4);
    else
        ports_put(ip + 20, from, to, conversation);
}

static void head_tcp6(uint8_t *ip, int from, int to, int conversation)
{
    ip[0] = 0x60;
    ip[6] = 6;
    ip[7] = HOPS;
    ip[8] = ip[24] = 0x20;
    ip[23] = (uint8_t)from;
    ip[39] = (uint8_t)to;
    frames_put16(ip + 40, 5000 + (uint32_t)(conversation * 8 + from));
    frames_put16(ip + 42, 5000 + (uint32_t)(conversation * 8 + to));
}

static void head_conversation(uint8_t *head, int from, int to, int conversation, uint64_t sequence)
{
    int kind = conversation % 4;

    memset(head + ETHERNET, 0, 44);
    if (kind == 0)
        head[4] = head[10] = (uint8_t)(conversation + 1);
    frames_put16(head + 12, kind == 0 ? 0x88b5 : kind == 2 ? 0x86dd : 0x0800);
    if (kind == 2)
        head_tcp6(head + ETHERNET, from, to, conversation);
    else if (kind)
        head_udp(head + ETHERNET, from, to, conversation, sequence, kind == 3);
}

void frames_head(uint8_t *head, int from, int to, int conversation, uint32_t size, uint64_t sequence,
                 bool arrives)
{
    frames_station(head, to);
    frames_station(head + 6, from);
    frames_put16(head + 12, frames_routed == 4 ? 0x0800 : frames_routed == 6 ? 0x86dd : 0x88b5);
    if (frames_routed && arrives)
        memcpy(head + 6, routers[to], 6);
    else if (frames_routed)
        memcpy(head, routers[from], 6);
    if (frames_conversations && !frames_routed)
        head_conversation(head, from, to, conversation, sequence);
    if (frames_routed == 4)
        head_ipv4(head + ETHERNET, from, to, conversation, size, sequence, HOPS - arrives);
    if (frames_routed == 6)
        head_ipv6(head + ETHERNET, from, to, conversation, size, sequence, HOPS - arrives);
}
