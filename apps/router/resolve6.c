/*
 * From next hop to Ethernet header: IPv6's neighbours, by neighbour discovery (RFC 4861, 7), and the router's answers to others'
 * (see router6.h). The table and its bounds are those of apps/net/neighbor.h; here is what it asks for.
 */
#include "apps/net/ethernet.h"
#include "apps/router/lane.h"
#include "apps/router/router6.h"

static void changes_note(void)
{
    lane_changes_note(&lane->neighbors6);
}

/* ---- What the table calls ---- */

static struct baton_message *nd_message(unsigned interface, uint64_t link, const struct nd *nd)
{
    struct baton_message *message = router_message();

    if (!message) {
        router_count(interface, DROP_NO_MEMORY);
        return NULL;
    }
    nd_write(message->data, link, nd);
    message->length = message->inline_length = ND_NEIGHBOR_FRAME;
    return message;
}

static void nd_send(unsigned interface, uint64_t link, const struct nd *nd)
{
    struct baton_message *message = nd_message(interface, link, nd);

    if (message)
        router_transmit(interface, message);
}

/* 7.2.2; and 7.3.3, when an address is known that may still be right. */
static void ask(void *context, unsigned interface, struct address6 address, uint64_t link)
{
    const struct nd nd = {.type = ICMP6_NEIGHBOR_SOLICITATION,
                          .source = subnet6_address(interface, address),
                          .destination = link ? address : ipv6_solicited_node(address),
                          .target = address,
                          .link = router.interface[interface].link};

    (void)context;
    if (lane->number)
        lane_ask(true, interface, address);
    else
        nd_send(interface, link ? link : ipv6_group_link(nd.destination), &nd);
}

static void send_now(unsigned interface, uint64_t link, struct baton_message *message)
{
    ethernet_header_put(message->data + message->inline_offset, link, router.interface[interface].link,
                        ETHERNET_IPV6);
    router_transmit(interface, message);
}

static void send(void *context, unsigned interface, uint64_t link, void *packet)
{
    (void)context;
    router_release(packet);
    if (lane_is_question(packet))
        lane_answer(packet, link);
    else
        send_now(interface, link, packet);
}

/* 7.2.2: the sender of a packet that waited in vain is told. */
static void drop(void *context, unsigned interface, void *waited, enum drop reason)
{
    const struct icmp6_error error = {ICMP6_UNREACHABLE, ICMP6_ADDRESS, 0, false};
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
    if (reason == DROP_UNREACHABLE)
        report6(&packet, &error);
    router_drop(message, packet.interface, reason);
}

static const struct neighbor_calls calls = {ask, send, drop};

/* ---- The way out ---- */

bool route6_find(struct address6 destination, struct hop6 *hop)
{
    const struct address6 none = {0, 0};
    uint32_t value = route_lookup(&router.routes6, destination);

    if (!value)
        return false;
    const struct next_hop *next = next_hop_of(&router.config.hops, value);
    hop->interface = next->interface;
    hop->address = address6_equal(next->gateway, none) ? destination : next->gateway;
    return true;
}

uint64_t resolve6(const struct hop6 *hop, struct baton_message *message, unsigned ingress)
{
    uint64_t link = neighbor_link(&lane->neighbors6.table, hop->interface, hop->address, lane->now);

    changes_note();
    if (link) {
        send_now(hop->interface, link, message);
        return link;
    }
    message->source = ingress;
    struct baton_message *kept = router_keep(message);
    if (kept)
        neighbor_wait(&lane->neighbors6.table, hop->interface, hop->address, kept, lane->now);
    else
        router_drop(message, ingress, DROP_NO_MEMORY);
    changes_note();
    return 0;
}

/* ---- Questions of other lanes, and answers to this one's ---- */

void question6(struct baton_message *question, unsigned interface, struct address6 address, uint8_t asker)
{
    uint64_t link = neighbor_link(&lane->neighbors6.table, interface, address, lane->now);
    struct baton_message *kept = link ? NULL : router_keep(question);

    if (link)
        lane_answer(question, link);
    else if (kept)
        neighbor_question(&lane->neighbors6.table, interface, address, kept, asker, lane->now);
    else
        router_discard(question);
    changes_note();
}

void answer6(unsigned interface, struct address6 address, uint64_t link)
{
    neighbor_told(&lane->neighbors6.table, interface, address, link, lane->now);
    changes_note();
}

/* ---- What neighbours say ---- */

static void heard(unsigned interface, struct address6 address, uint64_t link, enum neighbor_heard how)
{
    if (link)
        neighbor_heard(&lane->neighbors6.table, interface, address, link, how, lane->now);
}

/* 7.2.4: the answer to a neighbour that has asked for one of the router's addresses. */
static void answer(unsigned interface, const struct nd *asked)
{
    bool trying = ipv6_unspecified(asked->source); /* it would like to have the address: RFC 4862, 5.4 */
    const struct hop6 hop = {interface, asked->source};
    const struct nd nd = {.type = ICMP6_NEIGHBOR_ADVERTISEMENT,
                          .source = asked->target,
                          .destination = trying ? IPV6_ALL_NODES : asked->source,
                          .target = asked->target,
                          .link = router.interface[interface].link,
                          .solicited = !trying,
                          .override = true};

    if (trying || asked->link) {
        nd_send(interface, trying ? ipv6_group_link(nd.destination) : asked->link, &nd);
        return;
    }
    struct baton_message *message = nd_message(interface, 0, &nd);
    if (message)
        resolve6(&hop, message, interface);
}

/* 7.2.5. An answer may leave out the address that was asked at. */
static void advertised(unsigned interface, const struct nd *nd)
{
    const struct neighbor *known = neighbor_find(&lane->neighbors6.table, interface, nd->target);
    uint64_t link = nd->link ? nd->link : known ? known->link : 0;

    heard(interface, nd->target, link, nd->solicited ? NEIGHBOR_ANSWER : NEIGHBOR_GOSSIP);
}

/* What a message means; or why it means nothing. */
static enum drop nd_act(unsigned interface, const struct nd *nd)
{
    struct address6 about = nd->type == ICMP6_NEIGHBOR_ADVERTISEMENT ? nd->target : nd->source;

    if (subnet6_own(interface, about))
        return DROP_OWN_SOURCE; /* somebody else says that he has the router's address */
    if (!ipv6_unspecified(about) && !subnet6_on_link(interface, about))
        return DROP_MARTIAN_SOURCE;
    switch (nd->type) {
    case ICMP6_ROUTER_SOLICITATION:
        heard(interface, about, nd->link, NEIGHBOR_ASKED);
        advertise6_solicit(interface);
        return DROP_NONE;
    case ICMP6_NEIGHBOR_SOLICITATION:
        if (!subnet6_own_here(interface, nd->target))
            return DROP_LOCAL;
        heard(interface, about, nd->link, NEIGHBOR_ASKED);
        answer(interface, nd);
        return DROP_NONE;
    default:
        advertised(interface, nd);
        return DROP_NONE;
    }
}

void input_nd(struct baton_message *message, const struct packet *packet, uint32_t offset)
{
    struct nd nd;
    enum drop reason = nd_read(packet, offset, &nd);

    if (reason == DROP_NONE && lane->number) {
        lane_pass_on(message, packet->interface);
        return;
    }
    if (reason == DROP_NONE)
        reason = nd_act(packet->interface, &nd);
    changes_note();
    if (reason == DROP_NONE)
        router_discard(message);
    else
        router_drop(message, packet->interface, reason);
}

/* ---- Beginning, and time ---- */

bool resolve6_setup(void)
{
    return lane_neighbors_make(&lane->neighbors6, CONFIG_IPV6, &calls);
}

void resolve6_tick(bool doubt)
{
    if (doubt)
        neighbors_doubt(&lane->neighbors6.table, lane->now);
    neighbors_tick(&lane->neighbors6.table, lane->now);
    changes_note();
}
