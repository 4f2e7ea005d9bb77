/*
 * The router's parts, and what they share.
 *
 *   router.c     the loop of each lane: receive a batch, give each frame to the part of its EtherType, send what goes out, timers
 *   lane.h       lanes: what each thread has for itself, and what they tell each other
 *   recent.h     a packet like the one before
 *   outbox.c     frames on their way out, frames that the router makes itself, drops and their counters
 *   resolve.c    from next hop to Ethernet header: neighbours, what waits for them, what they say (ARP)
 *   forward4.c   IPv4: what is for the router, what goes where
 *   fragment.c   IPv4 packets that are too long for the next link
 *   report.c     ICMP errors and redirects
 *   router6.h    IPv6, the same: forward6.c, local6.c, resolve6.c, advertise6.c, report6.c, setup6.c
 *   setup.c      the configuration file becomes tables
 *   control.c    routes, and statements about them at run time
 *
 * Owns: struct router, what all lanes share. All that changes with frames is a lane's own, in struct lane.
 *
 * A frame's way: input4, input6 or input_arp gets it with the invariants of apps/net/packet.h, and must do one of three
 * things with the message: router_drop (it is freed at the end of the batch), router_transmit (it is sent at the end of
 * the batch; its Ethernet header is complete), or resolve4 and its like (either, or it is kept and waits). Whoever makes a
 * frame of its own takes a message from router_message and does the same.
 *
 * Invariants
 *   1. A message that came in is dropped, sent or kept waiting exactly once; each drop is counted, by reason and interface.
 *   2. What waits, and what the router makes in one batch, is bounded by MESSAGES_MAX in each lane: beyond it frames are dropped, and
 *      counted.
 *   3. No page is ever mapped: the parts read and write inline bytes only.
 *   4. `generation` changes whenever a route or a neighbour changes, and at each tick: what was decided under another one
 *      is not used.
 *
 * Limits: no reassembly, so fragments and long messages to the router itself are dropped; no multicast routing.
 */
#ifndef APPS_ROUTER_ROUTER_H
#define APPS_ROUTER_ROUTER_H

#include <stdbool.h>
#include <stdint.h>
#include "apps/baton.h"
#include "apps/net/config.h"
#include "apps/net/limiter.h"
#include "apps/net/packet.h"

#define INTERFACES_MAX CONFIG_INTERFACES
#define SUBNETS_MAX    CONFIG_ADDRESSES
#define MESSAGES_MAX   512 /* waiting, and the router's own in one batch, together */
#define CONTROL_BYTES  256
#define TICK_NS        UINT64_C(250000000)

struct interface {
    int port;
    bool ipv4, ipv6; /* it has an address of that family */
    uint16_t mtu;    /* bytes of an IP packet */
    uint64_t link;   /* its own address, as apps/net/ethernet.h has it */
    struct limiter reports;
    uint64_t *dropped[DROPS]; /* (atomic) made at the first drop of that kind; NULL before */
};

/* An IPv4 address of the router, and the network on that link. */
struct subnet {
    uint32_t address, mask;
    unsigned interface;
};

/* Where a packet goes next: a station on the link of an interface. */
struct hop {
    unsigned interface;
    uint32_t address;
};

/* What all lanes see. Nothing of it changes after the start but what is marked. */
struct router {
    struct interface interface[INTERFACES_MAX];
    unsigned interfaces;
    struct config config;           /* `hops` is what the values of both tables of routes are numbers of */
    struct routes routes4, routes6; /* lane 0 changes them while others look up */
    uint32_t version; /* (atomic, lane 0 writes) grows when a statement has changed the routes */
    uint32_t
        doubts; /* (atomic, lane 0 writes) grows when what was answered about a neighbour may be wrong now */
    struct subnet subnet[SUBNETS_MAX];
    unsigned subnets;
    uint64_t *count_echoes, *count_reports, *count_limited, *count_fragmented; /* by router_tally */
};
extern struct router router;

/* One more, of what several lanes count. */
static inline void router_tally(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* ---- outbox.c ---- */

/* Counts a drop, and gives the message up at the end of the batch. */
void router_drop(struct baton_message *message, unsigned interface, enum drop reason);

/* Counts a drop of something that has no message any more. */
void router_count(unsigned interface, enum drop reason);

/* Gives the message up at the end of the batch, as nothing was lost. */
void router_discard(struct baton_message *message);

/* The frame is ready: it goes out by `interface` at the end of the batch. */
void router_transmit(unsigned interface, struct baton_message *message);

/*
 * An empty message for a frame of the router's own, 128 bytes inline; NULL when all are in use. It must go to
 * router_transmit, resolve4 or its like, or router_drop.
 */
struct baton_message *router_message(void);

/* Few of them are left. Who sends many without holding one calls router_flush then. */
bool router_messages_short(void);

/*
 * Keeps a message beyond this batch: returns where it is from now on, or NULL when all are in use (it is still where it
 * was). router_release before it goes to router_transmit or router_drop.
 */
struct baton_message *router_keep(const struct baton_message *message);
void router_release(struct baton_message *message);

/* Frames were put into the outbox of `interface` by hand, up to `place`: it goes out now if it is full. */
void router_outbox_taken(unsigned interface, struct baton_message **place);

/* Sends all outboxes and frees all that was dropped. */
void router_flush(void);

/* ---- The parts by EtherType. `packet` describes `message`. ---- */

void input4(struct baton_message *message, const struct packet *packet);
void input6(struct baton_message *message, const struct packet *packet);
void input_arp(struct baton_message *message, const struct packet *packet);

/* At the start, when config, routes and interfaces are there: the lane's neighbours. False, with a line on the console: no memory. */
bool resolve_setup(void);
void setup6(void);

/* Every TICK_NS or so. `doubt`: lane 0 has changed its mind about a neighbour. */
void resolve_tick(bool doubt);
void tick6(bool doubt);

/* ---- IPv4 ---- */

/* Whether an address is the router's own, or a broadcast address of one of its networks. */
bool subnet4_own(uint32_t address);
bool subnet4_broadcast(uint32_t address);

/* The router's address on a link, in the network of `to` if there is one; 0: none. */
uint32_t subnet4_address(unsigned interface, uint32_t to);

/* The longest match. False: there is no route. */
bool route4_find(uint32_t destination, struct hop *hop);

/*
 * Sends a frame whose packet goes to `next` on the link of `interface`: writes its Ethernet header when the neighbour is
 * known, and returns the neighbour's link-layer address; else keeps it, or drops it, and returns 0. `ingress` is where it
 * came in, for the counters.
 */
uint64_t resolve4(unsigned interface, uint32_t next, struct baton_message *message, unsigned ingress);

/* Sends the packet, which is longer than the MTU, in fragments. */
void fragment4(struct baton_message *message, const struct packet *packet, const struct hop *hop);

void report_init(void);

/* Tells the sender of a packet what became of it (RFC 1812, 4.3), if it may be told. The packet is as it came. */
void report4(const struct packet *packet, uint8_t type, uint8_t code, uint32_t word);

/* ---- Configuration ---- */

/* Reads the configuration, and makes the tables. False, with a line on the console for each mistake. */
bool setup(void);

/* Whether there is room for one more change of the routes, all of which other lanes may not have seen yet. */
bool control_ready(void);

/* A statement at run time: `route add ...` or `route del ...`, as in the configuration file. After control_ready. */
void control(const char *text, uint32_t length);

#endif
