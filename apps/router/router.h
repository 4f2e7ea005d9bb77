/*
 * The router's parts, and what they share.
 *
 *   router.c     the loop: receive a batch, give each frame to the part of its EtherType, send what goes out, timers
 *   outbox.c     frames on their way out, frames that the router makes itself, drops and their counters
 *   resolve.c    from next hop to Ethernet header: neighbours, what waits for them, what they say (ARP)
 *   forward4.c   IPv4: what is for the router, what goes where
 *   fragment.c   IPv4 packets that are too long for the next link
 *   report.c     ICMP errors and redirects
 *   forward6.c   IPv6, the same
 *   setup.c      the configuration file becomes tables
 *   control.c    route statements at run time
 *
 * Owns: all state of the service, in the one struct router. One thread uses it.
 *
 * A frame's way: input4, input6 or input_arp gets it with invariant 1 of apps/net/packet.h, and must do one of three
 * things with the message: router_drop (it is freed at the end of the batch), router_transmit (it is sent at the end of
 * the batch; its Ethernet header is complete), or router_resolve (either, or it is copied and waits). Whoever makes a
 * frame of its own takes a message from router_message and hands it to router_transmit or router_resolve.
 *
 * Invariants
 *   1. A message that came in is dropped, sent or kept waiting exactly once; each drop is counted, by reason and interface.
 *   2. What waits, and what the router makes in one batch, is bounded: beyond it frames are dropped, and counted.
 *   3. No page is ever mapped: the parts read and write inline bytes only.
 *   4. `generation` changes whenever a route or a neighbour changes: what was decided under another one is not used.
 */
#ifndef APPS_ROUTER_ROUTER_H
#define APPS_ROUTER_ROUTER_H

#include <stdbool.h>
#include <stdint.h>
#include "apps/baton.h"
#include "apps/net/packet.h"

#define INTERFACES_MAX 32
#define TICK_NS        UINT64_C(250000000)

/* Frames that leave by one interface, in order. */
struct outbox {
    unsigned count;
    struct baton_message *message[BATON_BATCH];
};

struct interface {
    int port;
    bool ipv4, ipv6; /* it has an address of that family */
    uint8_t mac[6];
    uint16_t mtu; /* bytes of an IP packet */
    struct outbox outbox;
    uint64_t *dropped[DROPS]; /* made at the first drop of that kind; NULL before */
};

struct router {
    struct interface interface[INTERFACES_MAX];
    unsigned interfaces;
    uint64_t now;        /* ns: the time of this batch */
    uint32_t generation; /* see invariant 4 */
};
extern struct router router;

/* ---- outbox.c ---- */

/* Counts a drop, and gives the message up at the end of the batch. */
void router_drop(struct baton_message *message, unsigned interface, enum drop reason);

/* Counts a drop of something that has no message any more. */
void router_count(unsigned interface, enum drop reason);

/* The frame is ready: it goes out by `interface` at the end of the batch. */
void router_transmit(unsigned interface, struct baton_message *message);

/*
 * An empty message for a frame of the router's own, 128 bytes inline; NULL when this batch has had its share (counted as
 * no_memory by the caller). It must go to router_transmit, router_resolve or router_drop.
 */
struct baton_message *router_message(void);

/* Sends all outboxes and frees all that was dropped. */
void router_flush(void);

/* ---- The parts by EtherType. `packet` describes `message`. ---- */

void input4(struct baton_message *message, const struct packet *packet);
void input6(struct baton_message *message, const struct packet *packet);
void input_arp(struct baton_message *message, const struct packet *packet);

#endif
