/*
 * The headers of the traffic generator's frames (generator.c): plain ones for a switch, or with IP for a router.
 */
#ifndef TOOLS_NATIVE_FRAMES_H
#define TOOLS_NATIVE_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#define PORTS    8
#define ETHERNET 14
#define HEAD_MAX (ETHERNET + 44)

/* What follows the headers of Ethernet and IP. */
struct tag {
    uint16_t flow;
    uint32_t magic;
    uint64_t sequence;
} __attribute__((packed));

extern int frames_routed;  /* 0: through a switch; else the version of IP */
extern int frames_routers; /* addresses that frames_router_add has taken */
extern int
    frames_conversations; /* so many between each two ports; 0: one, without headers beyond Ethernet's, or IP's with a router */

/* The router's address at the next port; false when it is none, or there are enough. */
bool frames_router_add(const char *text);

void frames_put16(uint8_t *bytes, uint32_t value);

/* The link-layer address of the station at a port. */
void frames_station(uint8_t address[6], int port);

uint32_t frames_head_size(void);

/*
 * The headers of a frame of `size` bytes between two stations, as it is sent or as it must arrive. Conversations, of which each
 * has its number, differ in Ethernet addresses, in UDP ports over IPv4, in TCP ports over IPv6, or in IPv4 addresses with all
 * datagrams in fragments, by turns; the opposite direction has the same ends. Through a router they differ in addresses, in UDP ports, or
 * in addresses with all datagrams in fragments (IPv6: as the first); conversation N has stations 2 + N where it has its own.
 */
void frames_head(uint8_t *head, int from, int to, int conversation, uint32_t size, uint64_t sequence,
                 bool arrives);

#endif
