/*
 * The router's loop: receives batches of frames, gives each to the part of its EtherType, sends what goes out, and looks at
 * the clock: see router.h.
 *
 * Counted as drops of the interface where a frame came in, or, for the last three reasons, was to go out: see
 * apps/net/packet.h.
 */
#include "apps/net/ethernet.h"
#include "apps/router/recent.h"
#include "apps/router/router.h"

static struct baton_message frames[BATON_BATCH];
static struct baton_message *inbox[BATON_BATCH];
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
    struct packet packet = {message->data + message->inline_offset, message->inline_length, message->length,
                            message->source, false};
    enum drop reason;

    if (__builtin_expect(packet.interface >= router.interfaces, 0)) {
        router_discard(message); /* from a wire that is no interface's: the appliance's table has none */
        return;
    }
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

    for (struct baton_message *frame = frames, *end = frames + count; frame < end; frame++) {
        if (__builtin_expect(recent_passes(&recent, frame), 1))
            continue;
        recent_end(&recent);
        router_recent.ingress = RECENT_NONE;
        input(frame);
        recent = router_recent;
    }
    recent_end(&recent);
}

/* What has come to router.control: one statement in each message. */
static void control_read(void)
{
    static struct baton_message message;
    char text[CONTROL_BYTES];

    while (control_port >= 0 && baton_receive(control_port, &message, 0, BATON_NO_WAIT) == 1) {
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
    control_read();
    resolve_tick();
    tick6();
}

static void route(int port)
{
    uint64_t next_tick = 0;

    for (;;) {
        /* Station 4: receive */
        int count = baton_receive_batch(port, inbox, BATON_BATCH, BATON_TRUST_SENDER, TICK_NS);
        if (count < 0 && count != BATON_ETIMEOUT) {
            baton_log("receive: error %d", count);
            return;
        }
        router.now = baton_time_ns();
        /* Station 5: decide */
        input_all(count > 0 ? (unsigned)count : 0);
        if (router.now >= next_tick) {
            tick();
            next_tick = router.now + TICK_NS;
        }
        /* Station 6: send */
        router_flush();
    }
}

int main(void)
{
    for (unsigned i = 0; i < BATON_BATCH; i++)
        inbox[i] = &frames[i];
    outbox_init();
    if (!setup())
        return 1;
    report_init();
    control_port = baton_port_find("router.control");
    baton_log("routing between %u interfaces", router.interfaces);
    route(baton_port_find("router"));
    return 1;
}
