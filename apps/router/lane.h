/*
 * Lanes: the router's forwarding threads, one for each port that the interfaces spread their frames over by flow
 * (drivers/spread.h, docs/cores.md).
 *
 * Model: every lane is a router by itself. It decides, answers, reports and fragments what comes to its port, and it alone holds the
 * packets that wait for a neighbour; so a flow, which always comes to one lane, never leaves its thread and stays in order. Lane 0
 * is the one that speaks for all: ARP, neighbour discovery, router advertisements, and statements at run time.
 * What lanes need from each other goes by messages, for which the appliance has a wire from the router to itself, and which are known
 * by their source: so the router is the first row of the appliance's table. These messages are
 *   a frame     any lane to lane 0: ARP and neighbour discovery, looked at and found good
 *   a question  any lane to lane 0: which link-layer address has this neighbour? It waits in lane 0's table (neighbor_question)
 *   an answer   lane 0 to who asked: this one, or none
 * A lane asks when it meets a neighbour, and again while it uses him, every LANE_KNOWN_NS at least: so lane 0's table sees who is in
 * use, and a lane's own table (apps/net/neighbor.h) hears what has become of him. It goes on using what it was told meanwhile.
 * Questions and answers that find a port full are lost, and asked again.
 *
 * Owns: struct lane, all that one thread has for itself. `lane` is the calling thread's.
 *
 * What lanes share, in struct router, and how, without any of them ever waiting for another:
 *   the tables of routes   lane 0 changes them while others look up (apps/net/route.h); what it takes out is used again only when
 *                          each lane has begun a batch since (`passed`)
 *   `version`, `doubts`    lane 0 writes, the others look: at each batch, and at each tick
 *   counters, and the limits on reports: one addition or exchange, where a packet is not simply forwarded
 * A counter is made under a lock, once.
 */
#ifndef APPS_ROUTER_LANE_H
#define APPS_ROUTER_LANE_H

#include "apps/net/neighbor.h"
#include "apps/router/lanes.h"
#include "apps/router/recent.h"
#include "apps/router/router.h"

#define LANE_FLOWS    512 /* a power of two */
#define LANE_WAITING  192 /* of the messages of MESSAGES_MAX, for each family; of all lanes together */
#define LANE_KNOWN_NS UINT64_C(5000000000) /* less than the time that a neighbour counts as in use */

/* Messages that go to one port, in order. */
struct outbox {
    unsigned count;
    struct baton_message *message[BATON_BATCH];
};

/* A message of the router's own: it made it for this batch, or keeps it until a neighbour has answered. */
struct slot {
    struct baton_message message; /* first: the one is found by the other */
    bool lent, waits;             /* in the list of this batch; kept beyond it */
};

/* A decision: packets from this source to this destination go on by `egress`, to the station `link`. */
struct flow4 {
    uint64_t pair; /* source << 32 | destination */
    uint64_t link;
    uint32_t generation; /* good while it is the lane's */
    uint16_t mtu;
    uint8_t ingress, egress;
};

struct flow6 {
    struct address6 source, destination;
    uint64_t link;
    uint32_t generation; /* good while it is the lane's */
    uint16_t mtu;
    uint8_t ingress, egress;
};

/* The neighbours of one family. */
struct neighborhood {
    struct neighbors table;
    uint64_t changes_seen;
};

struct lane {
    unsigned number;
    int port;
    uint64_t now;        /* ns: the time of this batch */
    uint32_t generation; /* router.h, invariant 4; never 0 */
    uint32_t doubts_seen;
    uint32_t passed; /* (atomic) router.version at the beginning of this batch */
    bool flushing;   /* nobody holds a message that is not on its way: outboxes may be sent to get more */
    struct recent recent; /* what the parts have decided last */
    struct neighborhood neighbors4, neighbors6;

    struct baton_message frames[BATON_BATCH];
    struct baton_message *inbox[BATON_BATCH];
    struct outbox outbox[INTERFACES_MAX];
    struct outbox to_lane[BATON_THREADS];
    bool speaks; /* there is something in to_lane */
    struct baton_message *dropped[BATON_BATCH];
    unsigned dropped_count;
    struct slot slots[MESSAGES_MAX];
    struct slot *pool[MESSAGES_MAX]; /* those that are free */
    unsigned pool_count;
    struct slot *lent[MESSAGES_MAX]; /* those of this batch; what waits is in neither */
    unsigned lent_count;

    struct flow4 flows4[LANE_FLOWS];
    struct flow6 flows6[LANE_FLOWS];
};
extern _Thread_local struct lane *lane;

/* What the lane has decided so far is decided anew. */
static inline void router_changed(void)
{
    lane->generation += lane->generation == UINT32_MAX ? 2 : 1;
}

/* ---- lane.c: beginning ---- */

/*
 * At the start, one after the other: makes as many lanes as the router has ports, the calling thread being lane 0; and, when the
 * tables are there, calls `prepare` for each (`lane` being that one) and starts the further ones on CPUs of their own. False, with a
 * line on the console: no memory.
 */
bool lanes_make(void);
bool lanes_start(bool (*prepare)(void), void (*entry)(void *lane));

/* outbox.c: the part of lanes_make that is its own. */
void outbox_init(struct lane *self);

/* Whether all lanes have begun a batch since router.version was as it is now: lane 0 asks. */
bool lanes_passed(void);

/* ---- lane.c: messages between lanes ---- */

/* A frame that came in by `interface`, for lane 0. */
void lane_pass_on(struct baton_message *message, unsigned interface);

/* Asks lane 0 for a neighbour, of IPv6 or IPv4. */
void lane_ask(bool six, unsigned interface, struct address6 address);

/* Sends all of them. At the end of a batch. */
void lanes_send(void);

/* Whether a message that waits for a neighbour is a question. */
bool lane_is_question(const struct baton_message *message);

/* The answer; 0: there is no such neighbour. The message was received, or has been released (router_release). */
void lane_answer(struct baton_message *question, uint64_t link);

/* There will be none: of a question that waited, and was given back for that reason. */
void lane_refuse(struct baton_message *question, enum drop reason);

/*
 * Something that no interface has received. True: it was passed on by another lane, and is a frame now as if it had been
 * received. False: it is done with.
 */
bool lane_received(struct baton_message *message);

/* ---- Their ends of questions: resolve.c and resolve6.c ---- */

/* Another lane asks; the question is kept, answered, or done with. */
void question4(struct baton_message *question, unsigned interface, struct address6 address, uint8_t asker);
void question6(struct baton_message *question, unsigned interface, struct address6 address, uint8_t asker);

/* Lane 0 has answered. */
void answer4(unsigned interface, struct address6 address, uint64_t link);
void answer6(unsigned interface, struct address6 address, uint64_t link);

/* What both of these have in common: a table with the static ones of the configuration; false, with a line: no memory. */
bool lane_neighbors_make(struct neighborhood *neighbors, unsigned family, const struct neighbor_calls *calls);

/* After whatever may have changed the table: decisions rest on what neighbours were known to be. */
void lane_changes_note(struct neighborhood *neighbors);

#endif
