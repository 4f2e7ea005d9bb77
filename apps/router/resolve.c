/*
 * From next hop to Ethernet header: IPv4's neighbours, by ARP (RFC 1812, 3.3.2): see router.h. The table and its bounds are
 * those of apps/net/neighbor.h; here is what it asks for.
 */
#include "apps/net/arp.h"
#include "apps/net/ethernet.h"
#include "apps/net/icmp.h"
#include "apps/router/lane.h"

static void changes_note(void)
{
    lane_changes_note(&lane->neighbors4);
}

/* ---- What the table calls ---- */

static void arp_send(unsigned interface, uint64_t link, const struct arp *arp)
{
    struct baton_message *message = router_message();

    if (!message) {
        router_count(interface, DROP_NO_MEMORY);
        return;
    }
    arp_write(message->data, link, arp);
    message->length = message->inline_length = ARP_FRAME;
    router_transmit(interface, message);
}

static void ask(void *context, unsigned interface, struct address6 address, uint64_t link)
{
    uint32_t target = address_to4(address);
    const struct arp request = {ARP_REQUEST, router.interface[interface].link, 0,
                                subnet4_address(interface, target), target};

    (void)context;
    if (lane->flushing && router_messages_short())
        router_flush();
    if (lane->number)
        lane_ask(false, interface, address);
    else
        arp_send(interface, link ? link : ETHERNET_ADDRESS, &request);
}

static void send(void *context, unsigned interface, uint64_t link, void *packet)
{
    struct baton_message *message = packet;

    (void)context;
    router_release(message);
    if (lane_is_question(message)) {
        lane_answer(message, link);
        return;
    }
    ethernet_header_put(message->data + message->inline_offset, link, router.interface[interface].link,
                        ETHERNET_IPV4);
    router_transmit(interface, message);
}

/* 5.2.7.1: the sender of a packet that waited in vain is told. */
static void drop(void *context, unsigned interface, void *waited, enum drop reason)
{
    struct baton_message *message = waited;
    const struct packet packet = {message->data + message->inline_offset, message->inline_length,
                                  message->length, message->source, false};

    (void)context;
    (void)interface;
    router_release(message);
    if (lane_is_question(message)) {
        lane_refuse(message, reason);
        return;
    }
    bool before = lane->flushing;
    lane->flushing = false;
    if (reason == DROP_UNREACHABLE)
        report4(&packet, ICMP_UNREACHABLE, ICMP_HOST, 0);
    router_drop(message, packet.interface, reason);
    lane->flushing = before;
}

static const struct neighbor_calls calls = {ask, send, drop};

/* ---- The way out ---- */

uint64_t resolve4(unsigned interface, uint32_t next, struct baton_message *message, unsigned ingress)
{
    const struct address6 address = address_of4(next);
    uint64_t link = neighbor_link(&lane->neighbors4.table, interface, address, lane->now);

    changes_note();
    if (link) {
        ethernet_header_put(message->data + message->inline_offset, link, router.interface[interface].link,
                            ETHERNET_IPV4);
        router_transmit(interface, message);
        return link;
    }
    message->source = ingress;
    struct baton_message *kept = router_keep(message);
    if (kept)
        neighbor_wait(&lane->neighbors4.table, interface, address, kept, lane->now);
    else
        router_drop(message, ingress, DROP_NO_MEMORY);
    changes_note();
    return 0;
}

/* ---- Questions of other lanes, and answers to this one's ---- */

void question4(struct baton_message *question, unsigned interface, struct address6 address, uint8_t asker)
{
    uint64_t link = neighbor_link(&lane->neighbors4.table, interface, address, lane->now);
    struct baton_message *kept = link ? NULL : router_keep(question);

    if (link)
        lane_answer(question, link);
    else if (kept)
        neighbor_question(&lane->neighbors4.table, interface, address, kept, asker, lane->now);
    else
        router_discard(question);
    changes_note();
}

void answer4(unsigned interface, struct address6 address, uint64_t link)
{
    neighbor_told(&lane->neighbors4.table, interface, address, link, lane->now);
    changes_note();
}

/* ---- What neighbours say ---- */

/* Whether an address belongs to the network of the router's on that link, and whether it is the router's own there. */
static bool on_link(unsigned interface, uint32_t address, bool *own)
{
    bool there = false;

    *own = false;
    for (unsigned i = 0; i < router.subnets; i++) {
        const struct subnet *subnet = &router.subnet[i];
        if (subnet->interface != interface)
            continue;
        there |= ((address ^ subnet->address) & subnet->mask) == 0;
        *own |= address == subnet->address;
    }
    return there;
}

static void arp_heard(const struct packet *packet, const struct arp *arp)
{
    const struct interface *interface = &router.interface[packet->interface];
    bool sender_own, target_own;
    bool sender_here = on_link(packet->interface, arp->sender, &sender_own);

    on_link(packet->interface, arp->target, &target_own);
    if (sender_own || subnet4_broadcast(arp->sender)) {
        router_count(packet->interface,
                     DROP_OWN_SOURCE); /* somebody else says that he has the router's address */
        return;
    }
    if (sender_here)
        neighbor_heard(&lane->neighbors4.table, packet->interface, address_of4(arp->sender), arp->sender_link,
                       !target_own                     ? NEIGHBOR_GOSSIP
                       : arp->operation == ARP_REQUEST ? NEIGHBOR_ASKED
                                                       : NEIGHBOR_ANSWER,
                       lane->now);
    if (arp->operation == ARP_REQUEST && target_own && (sender_here || arp->sender == 0)) {
        const struct arp reply = {ARP_REPLY, interface->link, arp->sender_link, arp->target, arp->sender};
        arp_send(packet->interface, arp->sender_link, &reply);
    }
}

void input_arp(struct baton_message *message, const struct packet *packet)
{
    enum drop reason = router.interface[packet->interface].ipv4 ? DROP_NONE : DROP_NOT_CONFIGURED;
    struct arp arp;

    if (reason == DROP_NONE)
        reason = arp_read(packet, &arp);
    if (reason != DROP_NONE) {
        router_drop(message, packet->interface, reason);
        return;
    }
    if (lane->number) {
        lane_pass_on(message, packet->interface);
        return;
    }
    arp_heard(packet, &arp);
    changes_note();
    router_discard(message);
}

/* ---- Beginning, and time ---- */

bool resolve_setup(void)
{
    return lane_neighbors_make(&lane->neighbors4, CONFIG_IPV4, &calls);
}

void resolve_tick(bool doubt)
{
    lane->flushing = true; /* there may be more to ask for than messages */
    if (doubt)
        neighbors_doubt(&lane->neighbors4.table, lane->now);
    neighbors_tick(&lane->neighbors4.table, lane->now);
    lane->flushing = false;
    changes_note();
    router_changed(); /* whatever is still in use is seen by the table again */
}
