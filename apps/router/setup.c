/* The configuration file becomes tables: see router.h. Nothing is sent or received before all of it was found good. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/net/ethernet.h"
#include "apps/router/lane.h"

#define ROUTES_SPARE 4096 /* that can be added at run time, of each family */

static uint64_t *counter(const char *name)
{
    static uint64_t unpublished;
    uint64_t *value = baton_counter(name, -1);

    return value ? value : &unpublished;
}

/* All that a wire leads to: net0, net1, ... with their addresses; a device without one gets one of the local kind. */
static void interfaces_find(void)
{
    char name[16], text[32];

    for (; router.interfaces < INTERFACES_MAX; router.interfaces++) {
        struct interface *interface = &router.interface[router.interfaces];
        snprintf(name, sizeof name, "net%u", router.interfaces);
        interface->port = baton_port_find(name);
        if (interface->port < 0)
            return;
        snprintf(name, sizeof name, "net%u.mac", router.interfaces);
        int length = baton_setting(name, text, sizeof text);
        if (length < 0 || !link_parse(text, (size_t)length, &interface->link) || !interface->link)
            interface->link = UINT64_C(0x0000006274614202) | (uint64_t)router.interfaces << 40;
    }
}

static bool config_load(void)
{
    size_t size = 0;
    const char *text = baton_config(&size);
    void *memory = text ? malloc(config_bytes()) : NULL;

    if (!text) {
        baton_log("config: there is none, expected a file as initrd (./baton run: --config FILE)");
        return false;
    }
    if (!memory) {
        baton_log("config: no memory to read it");
        return false;
    }
    if (config_read(&router.config, memory, text, size, router.interfaces))
        return true;
    for (unsigned i = 0; i < router.config.mistakes && i < CONFIG_MISTAKES; i++)
        baton_log("config:%u: %s", router.config.mistake[i].line, router.config.mistake[i].text);
    if (router.config.mistakes > CONFIG_MISTAKES)
        baton_log("config: and %u mistakes more", router.config.mistakes - CONFIG_MISTAKES);
    return false;
}

static bool routes_make(struct routes *routes, unsigned count)
{
    uint32_t limit = count + router.config.addresses + ROUTES_SPARE;
    void *memory = malloc(routes_bytes(limit));

    if (memory)
        routes_init(routes, memory, limit);
    return memory != NULL;
}

static bool route_put(unsigned family, const struct prefix *prefix, uint32_t hop)
{
    return hop &&
           route_insert(family == CONFIG_IPV4 ? &router.routes4 : &router.routes6, prefix, hop) == ROUTE_DONE;
}

/* An address of an interface, and with it the network on its link. */
static bool address_put(const struct config_address *address)
{
    const struct address6 mask = address6_mask(address->length), none = {0, 0};
    const struct prefix prefix = {{address->address.high & mask.high, address->address.low & mask.low},
                                  address->length};
    struct interface *interface = &router.interface[address->interface];

    if (address->family == CONFIG_IPV4) {
        interface->ipv4 = true;
        router.subnet[router.subnets++] =
            (struct subnet){address_to4(address->address), address_to4(mask), address->interface};
    } else {
        interface->ipv6 = true;
    }
    return route_put(address->family, &prefix, next_hop_take(&router.config.hops, address->interface, none));
}

static bool tables_make(void)
{
    const struct config *config = &router.config;
    bool good =
        routes_make(&router.routes4, config->routes4) && routes_make(&router.routes6, config->routes6);

    for (unsigned i = 0; i < router.interfaces; i++)
        router.interface[i].mtu = config->interface[i].mtu ? config->interface[i].mtu : CONFIG_MTU_MAX;
    for (unsigned i = 0; i < config->addresses && good; i++)
        good = address_put(&config->address[i]);
    for (unsigned i = 0; i < config->routes && good; i++)
        good = route_put(config->route[i].family, &config->route[i].prefix, config->route[i].hop);
    if (!good)
        baton_log("config: no memory for %u routes", config->routes);
    return good;
}

bool setup(void)
{
    lane->now = baton_time_ns();
    interfaces_find();
    if (!config_load() || !tables_make())
        return false;
    router.count_echoes = counter("echoes");
    router.count_reports = counter("icmp_errors");
    router.count_limited = counter("icmp_limited");
    router.count_fragmented = counter("fragmented");
    report_init();
    setup6();
    return true;
}
