/*
 * Router advertisements (RFC 4861, 6.2): see router6.h. Hosts get one to all of them when one asks, at most every 3 s. Asking
 * much does not make more: it only sets the time of the next one. Where a host has asked, all are told again now and then, so
 * that what they were told does not expire; where nobody ever asked the link stays quiet.
 */
#include "apps/net/ethernet.h"
#include "apps/router/lane.h"
#include "apps/router/router6.h"

#define SECOND UINT64_C(1000000000)

/* 6.2.1 and 10. */
#define LIFETIME       1800           /* s */
#define INTERVAL_LEAST (200 * SECOND) /* between unasked ones */
#define INTERVAL_MOST  (600 * SECOND)
#define BETWEEN        (3 * SECOND) /* MIN_DELAY_BETWEEN_RAS */
#define DELAY          (SECOND / 2) /* MAX_RA_DELAY_TIME */

#define NEVER UINT64_MAX

static struct link {
    uint64_t next;     /* when, in ns */
    uint64_t earliest; /* the next may be sent */
} links[INTERFACES_MAX];

/* Routers that started together shall not all speak at once; secret it need not be. */
static uint64_t random_below(uint64_t limit)
{
    static uint64_t state = 1;

    state = (state ^ lane->now) * UINT64_C(0x9e3779b97f4a7c15);
    return (state >> 11) % limit;
}

void advertise6_init(void)
{
    for (unsigned i = 0; i < router.interfaces; i++)
        links[i] = (struct link){NEVER, 0};
}

void advertise6_solicit(unsigned interface)
{
    struct link *link = &links[interface];
    uint64_t when = lane->now + random_below(DELAY);

    if (when < link->earliest)
        when = link->earliest;
    if (when < link->next)
        link->next = when;
}

/* One frame; it carries one prefix at most, as it has no pages. */
static void send(unsigned interface, const struct subnet6 *subnet)
{
    struct nd_router fields = {router6.link_local[interface],
                               router.interface[interface].link,
                               LIFETIME,
                               router.interface[interface].mtu,
                               {0},
                               0};
    struct baton_message *message = router_message();

    if (!message) {
        router_count(interface, DROP_NO_MEMORY);
        return;
    }
    if (subnet) {
        fields.prefix = ipv6_prefix(subnet->address, subnet->length);
        fields.prefix_length = subnet->length;
    }
    message->length = message->inline_length = (uint8_t)nd_router_write(message->data, &fields);
    router_transmit(interface, message);
}

/* 6.2.3: the options may be spread over several advertisements. */
static void send_all(unsigned interface)
{
    bool prefixes = false;

    for (unsigned i = 0; i < router6.subnets; i++) {
        if (router6.subnet[i].interface == interface) {
            send(interface, &router6.subnet[i]);
            prefixes = true;
        }
    }
    if (!prefixes)
        send(interface, NULL);
}

void advertise6_tick(void)
{
    for (unsigned i = 0; i < router.interfaces; i++) {
        struct link *link = &links[i];
        if (lane->now < link->next)
            continue;
        send_all(i);
        link->earliest = lane->now + BETWEEN;
        link->next = lane->now + INTERVAL_LEAST + random_below(INTERVAL_MOST - INTERVAL_LEAST);
    }
}
