/*
 * The forwarder of the switch: a transparent learning bridge (IEEE 802.1D-2004, 7.5 to 7.9) between all
 * network interfaces.
 *
 * Each frame passes three stations here; 1 to 3 are the receiving interface's, 7 to 10 the sending one's:
 *   4 receive: up to 64 frames by one trap
 *   5 decide:  learn where the source is; look where the destination is; choose an interface's outbox
 *   6 send:    each outbox by one trap; nobody waits for an interface that is full
 * A frame's first 128 bytes arrive inline, the rest stays in its page, which is never mapped here.
 *
 * Unknown and group destinations go to all other interfaces, as duplicates of one page: nothing is copied.
 * The frames of one interface to another keep their order, or with several lanes those of one flow (drivers/flow.h).
 *
 * A lane is a thread with a port of its own, and with all that it needs for a batch in its struct lane. What lanes share is the
 * table of stations, which takes no lock (apps/switch/table.h), and counters of what is rare. So no lane ever waits for another.
 *
 * Settings: age=SECONDS until a silent station is forgotten (300), table=N stations at most (4096), forwarders=N lanes (1),
 * on the CPUs from LANES_CPU on.
 * Limits: VLAN tags pass untouched, and are not looked at: an address is learned once, whatever its VLAN.
 * There is no spanning tree: cabling a loop is a mistake.
 *
 * Counted as drops of the interface where it happened: runt (no whole Ethernet header), reserved (802.1D
 * Table 7-10, not to be forwarded), filtered (the destination is where the frame came from), and on the way
 * out queue_full, stopped (the driver is dead), refused (out of memory, or too many owners of the page).
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "apps/baton.h"
#include "apps/net/mirror.h"
#include "apps/switch/lanes.h"
#include "apps/switch/table.h"

#define HEADER_BYTES 14 /* destination, source, type */
#define PORTS_MAX    32
_Static_assert(PORTS_MAX <= TABLE_PORTS, "an entry of the table names a port by 6 bits");

/* Frames that leave by one interface, in order. */
struct outbox {
    unsigned count;
    uint64_t duplicates; /* bit i: message i goes as a duplicate, other outboxes have it too */
    struct baton_message *message[BATON_BATCH];
};

/* What can happen to a frame at an interface besides being forwarded. */
enum reason {
    RUNT,
    RESERVED,
    FILTERED,
    QUEUE_FULL,
    STOPPED,
    REFUSED,
    REASONS
};
static const char *const reason_name[REASONS] = {"runt",       "reserved", "filtered",
                                                 "queue_full", "stopped",  "refused"};

struct interface {
    int port;
    uint64_t *dropped[REASONS];
};

/* Where a frame goes: to one interface, by its number, or one of these. */
enum way {
    TO_ALL_OTHERS = PORTS_MAX,
    NOT_RESERVED,
    NOT_BACK
};

/* The last decision of this batch to send a frame to one interface: the next frame is often between the same two stations. */
struct recent {
    uint64_t first, second; /* bytes 0..7 and 4..11 of the frame */
    uint32_t ingress;       /* PORTS_MAX: there is none */
    struct outbox *outbox;
    struct baton_message **place; /* in the outbox, for the next one; its count is brought up to that later */
};

/* What a forwarding thread has for itself. */
struct lane {
    int port;
    unsigned dropped_count;
    struct baton_message frames[BATON_BATCH];
    struct baton_message *inbox[BATON_BATCH];
    struct baton_message *dropped[BATON_BATCH];
    struct outbox outboxes[PORTS_MAX];
};

static struct interface interfaces[PORTS_MAX];
static unsigned interface_count;
static struct table stations;
static uint64_t *count_flooded, *count_moved, *count_table_full, *count_stations;
static struct lane first_lane;

/* ---- Station 5: decide ---- */

static void count(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); /* another lane may count the same */
}

static void drop(struct lane *lane, struct baton_message *frame, unsigned interface, enum reason reason)
{
    count(interfaces[interface].dropped[reason]);
    mirror_drop(frame, interface, reason_name[reason]);
    lane->dropped[lane->dropped_count++] = frame;
}

static inline void outbox_add(struct outbox *outbox, struct baton_message *frame)
{
    outbox->message[outbox->count++] = frame;
}

/* Duplicates for all interfaces but the one it came from; the last of them gets the frame itself. */
static void flood(struct lane *lane, struct baton_message *frame)
{
    unsigned ingress = frame->source, last = interface_count - 1 - (ingress == interface_count - 1);

    count(count_flooded);
    for (unsigned i = 0; i <= last; i++) {
        if (i == ingress)
            continue;
        lane->outboxes[i].duplicates |= (uint64_t)(i != last) << lane->outboxes[i].count;
        outbox_add(&lane->outboxes[i], frame);
    }
}

/* All that does not simply go to one interface. */
static void deliver_otherwise(struct lane *lane, struct baton_message *frame, uint32_t way)
{
    if (way == TO_ALL_OTHERS)
        flood(lane, frame);
    else
        drop(lane, frame, frame->source, way == NOT_RESERVED ? RESERVED : FILTERED);
}

/* The way to all interfaces but one: simple when there are two, or only the one. */
static uint32_t way_to_others(uint32_t ingress)
{
    return interface_count > 2 ? TO_ALL_OTHERS : interface_count == 2 ? 1 - ingress : NOT_BACK;
}

/* 01:80:c2:00:00:00 to 0f, as a little-endian load gives them. */
static bool address_reserved(uint64_t destination)
{
    return (destination & UINT64_C(0xf0ffffffffff)) == UINT64_C(0x0000c28001);
}

static bool address_group(uint64_t address)
{
    return address & 1;
}

/* No whole Ethernet header; or it came by a wire that is no interface's, which the appliance's table does not have. */
static void refuse_irregular(struct lane *lane, struct baton_message *frame)
{
    drop(lane, frame, frame->source < interface_count ? frame->source : 0, RUNT);
}

/* The way of a frame that is not like the one before. Its first 12 bytes are in `first` and `second`. */
static inline uint32_t decide(uint32_t ingress, uint64_t first, uint64_t second)
{
    uint64_t destination = first & UINT64_C(0xffffffffffff), source = second >> 16;

    if (source != 0 && !address_group(source))
        table_learn(&stations, TABLE_KEY(source), ingress);
    if (address_group(destination))
        return address_reserved(destination) ? NOT_RESERVED : way_to_others(ingress);
    int port = table_lookup(&stations, TABLE_KEY(destination));
    return port == TABLE_NO_PORT       ? way_to_others(ingress)
           : (uint32_t)port == ingress ? NOT_BACK
                                       : (uint32_t)port;
}

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

static inline uint64_t load(const uint8_t *bytes)
{
    return *(const word *)bytes;
}

/* The outbox of the last decision is as others expect it. */
static inline void recent_end(const struct recent *recent)
{
    if (recent->ingress != PORTS_MAX)
        recent->outbox->count = (unsigned)(recent->place - recent->outbox->message);
}

/* No frame is like this; the place is one all the same. */
static inline struct recent recent_none(struct lane *lane)
{
    return (struct recent){.ingress = PORTS_MAX, .outbox = lane->outboxes, .place = lane->outboxes->message};
}

/* A frame that is not like the one before; returns what is recent now. */
static __attribute__((noinline)) struct recent decide_anew(struct lane *lane, struct recent recent,
                                                           struct baton_message *frame)
{
    const struct recent none = recent_none(lane);
    const uint8_t *header = frame->data + frame->inline_offset;
    uint64_t first = load(header), second = load(header + 4);

    recent_end(&recent);
    if (frame->inline_length < HEADER_BYTES || frame->source >= interface_count) {
        refuse_irregular(lane, frame);
        return none;
    }
    uint32_t way = decide(frame->source, first, second);
    if (way >= PORTS_MAX) {
        deliver_otherwise(lane, frame, way);
        return none;
    }
    struct outbox *outbox = &lane->outboxes[way];
    outbox_add(outbox, frame);
    return (struct recent){first, second, frame->source, outbox, outbox->message + outbox->count};
}

static void decide_all(struct lane *lane, unsigned count)
{
    struct recent recent = recent_none(lane);

    for (struct baton_message *const *inbox = lane->inbox, *const *end = inbox + count; inbox < end;
         inbox++) {
        struct baton_message *frame = *inbox;
        const uint8_t *header = frame->data + frame->inline_offset;
        uint64_t differs = (load(header) ^ recent.first) | (load(header + 4) ^ recent.second) |
                           (frame->source ^ recent.ingress);
        bool same = !differs && frame->inline_length >= HEADER_BYTES;

        if (__builtin_expect(same, 1))
            *recent.place++ = frame;
        else
            recent = decide_anew(lane, recent, frame);
    }
    recent_end(&recent);
}

/* ---- Station 6: send ---- */

/* How many messages from `start` on go the same way, as duplicates or themselves. */
static unsigned outbox_run(const struct outbox *outbox, unsigned start)
{
    uint64_t bits = outbox->duplicates >> start, other = bits & 1 ? ~bits : bits;
    unsigned rest = outbox->count - start, run = other ? (unsigned)__builtin_ctzll(other) : rest;

    return run < rest ? run : rest;
}

/* Frames that the interface did not take. Who is full or dead takes none of the others either. Returns how many. */
static unsigned refuse(struct lane *lane, unsigned egress, unsigned start, int error)
{
    struct outbox *outbox = &lane->outboxes[egress];
    enum reason reason = error == BATON_EFULL ? QUEUE_FULL : error == BATON_EDEAD ? STOPPED : REFUSED;
    unsigned refused = reason == REFUSED ? 1 : outbox->count - start;

    for (unsigned i = start; i < start + refused; i++) {
        if (outbox->duplicates >> i & 1)
            count(interfaces[egress].dropped[reason]); /* the frame itself is still on its way to others */
        else
            drop(lane, outbox->message[i], egress, reason);
    }
    return refused;
}

static void send_outbox(struct lane *lane, unsigned egress)
{
    struct outbox *outbox = &lane->outboxes[egress];

    for (unsigned done = 0; done < outbox->count;) {
        uint64_t flags = outbox->duplicates >> done & 1 ? BATON_DUPLICATE : 0;
        int sent = baton_send_batch(interfaces[egress].port, outbox->message + done, outbox_run(outbox, done),
                                    flags, BATON_NO_WAIT);
        done += sent > 0 ? (unsigned)sent : refuse(lane, egress, done, sent);
    }
    outbox->count = 0;
    outbox->duplicates = 0;
}

/* In the order of their numbers: a frame goes to its last interface itself, after all duplicates of it. */
static void send_all(struct lane *lane)
{
    for (unsigned i = 0; i < interface_count; i++)
        if (lane->outboxes[i].count)
            send_outbox(lane, i);
    if (lane->dropped_count)
        baton_message_free_batch(lane->dropped, lane->dropped_count);
    lane->dropped_count = 0;
}

/* ---- The service ---- */

static void copy_count(uint64_t *counter, const uint64_t *value)
{
    __atomic_store_n(counter, __atomic_load_n(value, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

/* Where frames are to go that are not lent: the last ones were, if the first of them was. */
static struct baton_message *const *inbox_reset(struct lane *lane)
{
    if (lane->inbox[0] != &lane->frames[0])
#pragma GCC unroll 8
        for (unsigned i = 0; i < BATON_BATCH; i++)
            lane->inbox[i] = &lane->frames[i];
    return lane->inbox;
}

/* A thread's work, for ever. */
static void forward(void *argument)
{
    struct lane *lane = argument;

    for (;;) {
        /* Station 4: receive */
        int count = baton_receive_batch(lane->port, inbox_reset(lane), BATON_BATCH,
                                        BATON_TRUST_SENDER | BATON_LEND, BATON_FOREVER);
        if (count < 0) {
            baton_log("receive: error %d", count);
            abort(); /* to be started again */
        }
        table_time_set(&stations, baton_time_ns());
        decide_all(lane, (unsigned)count);
        send_all(lane);
        copy_count(count_moved, &stations.moved);
        copy_count(count_table_full, &stations.refused);
        __atomic_store_n(count_stations, __atomic_load_n(&stations.used, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
    }
}

/* The lanes beside the first: their ports are there when the kernel has made them. False, with a line: no memory for them. */
static bool lanes_start(void)
{
    struct lane *lanes[BATON_THREADS];
    uint64_t cpus = 1;
    unsigned count = 1;
    char name[16];
    int port;

    baton_setting_number("cpus", 1, UINT64_MAX, &cpus);
    for (; count < BATON_THREADS; count++) {
        snprintf(name, sizeof name, "forward.%u", count);
        if ((port = baton_port_find(name)) < 0)
            break;
        lanes[count] = calloc(1, sizeof *lanes[count]);
        if (!lanes[count]) {
            baton_log("no memory for lane %u", count);
            while (--count)
                free(lanes[count]);
            return false;
        }
        lanes[count]->port = port;
    }
    for (unsigned i = 1; i < count; i++)
        if (baton_thread_start(forward, lanes[i], (unsigned)((LANES_CPU + i) % cpus)) < 0)
            abort();
    return true;
}

static uint64_t *counter(const char *name, int interface)
{
    static uint64_t unpublished; /* there are more interfaces than the statistics have rows for */
    uint64_t *value = baton_counter(name, interface);

    return value ? value : &unpublished;
}

/* All interfaces that a wire leads to: net0, net1, ... */
static void interfaces_find(void)
{
    char name[16];

    for (; interface_count < PORTS_MAX; interface_count++) {
        snprintf(name, sizeof name, "net%u", interface_count);
        interfaces[interface_count].port = baton_port_find(name);
        if (interfaces[interface_count].port < 0)
            return;
    }
}

static void counters_make(void)
{
    count_flooded = counter("flooded", -1);
    count_moved = counter("stations_moved", -1);
    count_table_full = counter("table_full", -1);
    count_stations = counter("stations", -1);
    for (unsigned i = 0; i < interface_count; i++)
        for (unsigned reason = 0; reason < REASONS; reason++)
            interfaces[i].dropped[reason] = counter(reason_name[reason], (int)i);
}

int main(void)
{
    uint64_t age = 300, limit = 4096;

    if (baton_setting_number("age", 1, 1000000, &age) < 0 ||
        baton_setting_number("table", 1, 8192, &limit) < 0)
        return 1;
    uint64_t *slots = malloc(table_words((unsigned)limit) * sizeof slots[0]);
    if (!slots) {
        baton_log("no memory for a table of %u stations", (unsigned)limit);
        return 1;
    }
    uint64_t now = baton_time_ns();
    table_init(&stations, slots, (unsigned)limit, age * UINT64_C(1000000000), now, now);
    interfaces_find();
    counters_make();
    if (!lanes_start())
        return 1;
    first_lane.port = baton_port_find("forward");
    forward(&first_lane);
    return 1; /* it does not come back */
}
