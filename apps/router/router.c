/*
 * The router's loop, of each lane: receives batches of frames, gives each to the part of its EtherType, sends what goes out, and
 * looks at the clock: see router.h and lane.h.
 *
 * Counted as drops of the interface where a frame came in, or, for the last three reasons, was to go out: see
 * apps/net/packet.h.
 */
#include "apps/net/ethernet.h"
#include "apps/router/lane.h"
#include "apps/router/router6.h"

static int control_port;

/* Who is meant at the link layer; a frame that the router should see has nothing to hide. */
static enum drop link_check(const struct interface *interface, struct packet *packet)
{
    uint64_t destination = ethernet_destination(packet->frame), source = ethernet_source(packet->frame);

    packet->group = ethernet_group(destination);
    if (destination != interface->link && !packet->group)
        return DROP_OTHER_STATION;
    if (source == 0 || ethernet_group(source) || source == interface->link)
        return DROP_LINK_SOURCE;
    return DROP_NONE;
}

static void input(struct baton_message *message)
{
    enum drop reason;

    if (__builtin_expect(message->source >= router.interfaces, 0) && !lane_received(message))
        return;
    struct packet packet = {message->data + message->inline_offset, message->inline_length, message->length,
                            message->source, false};
    if (__builtin_expect(packet.visible < ETHERNET_HEADER, 0))
        reason = DROP_RUNT;
    else
        reason = link_check(&router.interface[packet.interface], &packet);
    if (__builtin_expect(reason != DROP_NONE, 0)) {
        router_drop(message, packet.interface, reason);
        return;
    }
    switch (ethernet_type(packet.frame)) {
    case ETHERNET_IPV4:
        input4(message, &packet);
        break;
    case ETHERNET_IPV6:
        input6(message, &packet);
        break;
    case ETHERNET_ARP:
        input_arp(message, &packet);
        break;
    case ETHERNET_VLAN:
    case ETHERNET_PROVIDER:
        router_drop(message, packet.interface, DROP_VLAN);
        break;
    default:
        router_drop(message, packet.interface, DROP_ETHERTYPE);
    }
}

static void input_all(unsigned count)
{
    struct recent recent = {.ingress = RECENT_NONE};
    struct lane *self = lane;

    for (struct baton_message *frame = self->frames, *end = frame + count; frame < end; frame++) {
        if (__builtin_expect(recent_passes(&recent, frame), 1))
            continue;
        recent_end(&recent);
        self->recent.ingress = RECENT_NONE;
        input(frame);
        recent = self->recent;
    }
    recent_end(&recent);
}

/* What has come to router.control: one statement in each message. What is more than a few waits there for the next tick. */
static void control_read(void)
{
    static struct baton_message message;
    char text[CONTROL_BYTES];

    while (control_port >= 0 && control_ready() &&
           baton_receive(control_port, &message, 0, BATON_NO_WAIT) == 1) {
        uint32_t length = message.length;
        if (length > sizeof text || baton_message_read(&message, 0, text, length) < 0)
            baton_log("control: a statement is at most %u bytes", (unsigned)sizeof text);
        else
            control(text, length);
        baton_message_free(&message);
    }
}

/* Every TICK_NS: the neighbours' timers, and statements. */
static void tick(void)
{
    uint32_t doubts = __atomic_load_n(&router.doubts, __ATOMIC_RELAXED);

    if (lane->number == 0)
        control_read();
    resolve_tick(doubts != lane->doubts_seen);
    tick6(doubts != lane->doubts_seen);
    lane->doubts_seen = doubts;
}

/* Looks what has become of the routes; and lets lane 0 know that nothing is under way that was looked up before. */
static void routes_look(void)
{
    uint32_t version = __atomic_load_n(&router.version, __ATOMIC_ACQUIRE); /* and the routes of that moment */

    if (version != lane->passed)
        router_changed();
    __atomic_store_n(&lane->passed, version, __ATOMIC_RELEASE); /* see lanes_passed */
}

/* A lane's work, for ever. */
static void route(void *argument)
{
    uint64_t next_tick = 0;

    lane = argument;
    for (;;) {
        /* Station 4: receive */
        int count = baton_receive_batch(lane->port, lane->inbox, BATON_BATCH, BATON_TRUST_SENDER, TICK_NS);
        if (count < 0 && count != BATON_ETIMEOUT) {
            baton_log("receive: error %d", count);
            abort(); /* to be started again */
        }
        lane->now = baton_time_ns();
        routes_look();
        /* Station 5: decide */
        input_all(count > 0 ? (unsigned)count : 0);
        if (lane->now >= next_tick) {
            tick();
            next_tick = lane->now + TICK_NS;
        }
        /* Station 6: send */
        router_flush();
    }
}

static bool neighbors_make(void)
{
    return resolve_setup() && resolve6_setup();
}

int main(void)
{
    if (!lanes_make() || !setup() || !lanes_start(neighbors_make, route))
        return 1;
    control_port = baton_port_find("router.control");
    baton_log("routing between %u interfaces", router.interfaces);
    route(lane);
    return 1; /* it does not come back */
}
