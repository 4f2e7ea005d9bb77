/*
 * Neighbours: which link-layer address a station on a link has, and what waits until that is known. For ARP (RFC 826, as RFC
 * 1122, 2.3.2 and RFC 1812, 3.3.2 want it) and neighbour discovery (RFC 4861, 7); a table serves one of them.
 *
 * Model: a station's state is
 *   WAITING  it was asked for, by broadcast or multicast; packets wait. Answered: REACHABLE; not after all tries: FAILED
 *   FAILED   packets are dropped at once, for a while; then it is forgotten
 *   REACHABLE it has answered not long ago
 *   STALE    it has answered once, or has been heard asking. The address is used, and the first use begins to
 *   PROBE    ask for it at that very address. Answered: REACHABLE; not after all tries: WAITING
 *   STATIC   told by the configuration
 *
 * Owns: the memory that the caller gives to neighbors_init, which stays the caller's. Packets are pointers of the caller's,
 * never looked into: the table has one from neighbor_wait until it gives it back by `send` or `drop`, exactly once.
 *
 * Invariants
 *   1. Bounded: at most `stations` dynamic entries, of which an eighth may be WAITING, an eighth FAILED, and a quarter heard of
 *      but never used; at most `waiting` packets wait in all, `waiting_each` for one station. What is beyond takes the place
 *      of the oldest of its own kind; so a flood of one kind pushes out its like. A station that has answered and was used
 *      within `active_ns` is never pushed out: then the new one is not remembered.
 *   2. Static entries change by neighbor_set_static alone.
 *   3. Only an answer to what was asked makes a station REACHABLE, and only one that fits what is believed: a message
 *      that names another link-layer address for a station makes the table ask the old one (PROBE), and the new one is
 *      believed when it answers after the old one has not. So no single message redirects traffic; a station that has moved to
 *      another interface card is cut off for `tries` times `retry_ns` at most.
 *   4. Messages of the kind NEIGHBOR_GOSSIP make no entry.
 *
 * Time is the caller's, in ns, never going back. One thread uses a table. Callbacks: `ask` and `send` must not call the table;
 * `drop` may.
 */
#ifndef APPS_NET_NEIGHBOR_H
#define APPS_NET_NEIGHBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "apps/net/address.h"
#include "apps/net/packet.h"

enum neighbor_state {
    NEIGHBOR_FREE,
    NEIGHBOR_WAITING,
    NEIGHBOR_FAILED,
    NEIGHBOR_REACHABLE,
    NEIGHBOR_STALE,
    NEIGHBOR_PROBE,
    NEIGHBOR_STATIC,
};

/* How a link-layer address became known. */
enum neighbor_heard {
    NEIGHBOR_ANSWER, /* ARP reply to an address of ours; NA with the solicited flag */
    NEIGHBOR_ASKED,  /* the station asked for an address of ours: it will want to be answered (RFC 826; NS) */
    NEIGHBOR_GOSSIP, /* all else: gratuitous ARP, requests for others, unsolicited NA */
};

struct neighbor_limits {
    uint32_t stations; /* dynamic entries, at least 16 */
    uint32_t fixed;    /* static entries */
    uint32_t waiting;  /* packets in all */
    uint32_t
        waiting_each; /* packets for one station; when another comes the oldest is dropped (RFC 4861, 7.2.2) */
    uint32_t tries;   /* requests before a station counts as silent */
    uint64_t retry_ns;     /* between two requests, at least 1 s for RFC 1122, 2.3.2.1 */
    uint64_t reachable_ns; /* how long an answer is good */
    uint64_t stale_ns;     /* how long an entry that nobody uses is remembered */
    uint64_t failed_ns;    /* how long a silent station is not asked again */
    uint64_t active_ns;    /* see invariant 1 */
};

/* Times of RFC 4861, 10, and sizes that do for a link of thousands; a caller may change them. */
extern const struct neighbor_limits neighbor_limits_usual;

struct neighbor_calls {
    /* Send a request; to `link`, or to all if that is 0. */
    void (*ask)(void *context, unsigned interface, struct address6 address, uint64_t link);
    /* A packet that waited goes to `link`. */
    void (*send)(void *context, unsigned interface, uint64_t link, void *packet);
    /* DROP_UNREACHABLE: nobody answered. DROP_WAITING_FULL: there was no room for it any more. */
    void (*drop)(void *context, unsigned interface, void *packet, enum drop reason);
};

struct neighbor {
    struct address6 address;
    uint64_t link;
    uint64_t used_ns;  /* the last use, or when it was made */
    uint64_t until_ns; /* when the state ends, or the next request is due */
    uint32_t chain;    /* next of the same bucket, or of the free ones; 0: none */
    uint32_t older, newer;
    uint32_t first, last; /* what waits */
    uint16_t waiting;     /* packets of that: questions do not count */
    uint8_t interface, state, kind, tries;
};

struct neighbor_kind {
    uint32_t oldest, newest, count, limit;
};

struct neighbor_slot {
    void *packet;
    uint32_t next;
    uint8_t interface, reason, asker; /* 0: no question, a packet */
};

#define NEIGHBOR_KINDS 5 /* waiting, failed, heard of, known, static */

struct neighbors {
    struct neighbor_limits limits;
    const struct neighbor_calls *calls;
    void *context;
    struct neighbor *entries; /* from 1 on */
    struct neighbor_slot *slots;
    uint32_t *buckets;
    uint32_t mask, free, slots_free,
        dropped; /* `dropped`: the first of the slots that `drop` is still to be called for */
    uint64_t seed;
    struct neighbor_kind kind[NEIGHBOR_KINDS];
    uint32_t waiting;      /* packets, and questions */
    uint64_t contradicted; /* messages that named another link-layer address than what is believed */
    uint64_t refused;      /* stations for which there was no room */
    uint64_t changes; /* grows whenever a link-layer address that neighbor_link has told is no longer right */
};

size_t neighbors_bytes(const struct neighbor_limits *limits);

/* Makes an empty table. `memory`: neighbors_bytes(limits), aligned as malloc aligns. `seed` is hard to guess. */
void neighbors_init(struct neighbors *table, void *memory, const struct neighbor_limits *limits,
                    const struct neighbor_calls *calls, void *context, uint64_t seed);

/*
 * False: there are `fixed` of them already. An entry that is there becomes static, and what waits for it is sent. Before the
 * first packet, or between packets: may call `send`.
 */
bool neighbor_set_static(struct neighbors *table, unsigned interface, struct address6 address, uint64_t link);

/*
 * The link-layer address of a station, and notes that it is used; 0 when that is not known: then the caller has neighbor_wait.
 * May call `ask`. Who remembers the result longer than a second or two, or beyond a change of `changes`, does so on his own
 * account: uses must be seen here for the station to be probed and kept.
 */
uint64_t neighbor_link(struct neighbors *table, unsigned interface, struct address6 address, uint64_t now_ns);

/* Gives a packet to the table, to wait for the station; may call `ask`, and `drop` for this packet or another. */
void neighbor_wait(struct neighbors *table, unsigned interface, struct address6 address, void *packet,
                   uint64_t now_ns);

/*
 * As neighbor_wait, but what waits is another table's question, which `send` or `drop` answers; `asker`, 1 and up, says whose. An
 * asker who asks again takes back what he asked before. Packets do not push questions out: who asked for many packets would
 * wait until he asks again, when the station has answered long ago.
 */
void neighbor_question(struct neighbors *table, unsigned interface, struct address6 address, void *question,
                       uint8_t asker, uint64_t now_ns);

/* A message of ARP or ND named a station's link-layer address (not 0, no group). May call `ask`, `send` and `drop`. */
void neighbor_heard(struct neighbors *table, unsigned interface, struct address6 address, uint64_t link,
                    enum neighbor_heard how, uint64_t now_ns);

/*
 * For a table whose `ask` asks another table, which is believed whatever it says: it has answered that a station is at `link`; 0:
 * that there is none. Nothing happens to what nobody has asked for. May call `send` and `drop`.
 */
void neighbor_told(struct neighbors *table, unsigned interface, struct address6 address, uint64_t link,
                   uint64_t now_ns);

/* The other table has changed its mind about somebody: each station is asked for again at its next use. */
void neighbors_doubt(struct neighbors *table, uint64_t now_ns);

/* Every quarter of a second or so: requests again, expiry. Cost: a few instructions for each entry. */
void neighbors_tick(struct neighbors *table, uint64_t now_ns);

/* What is known of a station, for tests and reports; NULL: nothing. Changes nothing. */
const struct neighbor *neighbor_find(const struct neighbors *table, unsigned interface,
                                     struct address6 address);

#endif
