/* Routes: finding one, and statements about them at run time (see router.h). */
#include "apps/router/lane.h"

/* Next hops of routes that were deleted: lanes may still look at them, as at what the tables have taken out. */
static uint32_t removed[ROUTE_REMOVALS];
static unsigned removed_count;

bool route4_find(uint32_t destination, struct hop *hop)
{
    uint32_t value = route_lookup4(&router.routes4, destination);

    if (!value)
        return false;
    const struct next_hop *next = next_hop_of(&router.config.hops, value);
    hop->interface = next->interface;
    hop->address = next->gateway.high ? address_to4(next->gateway) : destination;
    return true;
}

/* NULL when it was done, or why not. */
static const char *route_add(struct routes *routes, const struct config_change *change)
{
    uint32_t hop = next_hop_take(&router.config.hops, change->interface, change->gateway);

    if (!hop)
        return "too many gateways";
    enum route_result result = route_insert(routes, &change->prefix, hop);
    if (result == ROUTE_DONE)
        return NULL;
    next_hop_release(&router.config.hops, hop);
    return result == ROUTE_EXISTS
               ? "there is such a route already, expected another prefix, or `route del` first"
               : "too many routes";
}

static const char *route_delete(struct routes *routes, const struct config_change *change)
{
    uint32_t hop = route_get(routes, &change->prefix);

    if (!hop)
        return "there is no such route";
    const struct next_hop *next = next_hop_of(&router.config.hops, hop);
    if (!(next->gateway.high | next->gateway.low))
        return "that is the network of an interface, expected the prefix of a route";
    route_remove(routes, &change->prefix, &hop);
    removed[removed_count++] = hop;
    return NULL;
}

bool control_ready(void)
{
    if (lanes_passed()) {
        routes_settle(&router.routes4);
        routes_settle(&router.routes6);
        while (removed_count)
            next_hop_release(&router.config.hops, removed[--removed_count]);
    }
    return removed_count < ROUTE_REMOVALS;
}

void control(const char *text, uint32_t length)
{
    char mistake[CONFIG_TEXT];
    struct config_change change;
    const char *why = mistake;

    if (config_change_read(&router.config, text, length, &change, mistake)) {
        struct routes *routes = change.family == CONFIG_IPV4 ? &router.routes4 : &router.routes6;
        why = change.add ? route_add(routes, &change) : route_delete(routes, &change);
        __atomic_store_n(&router.version, router.version + 1,
                         __ATOMIC_RELEASE); /* after the routes: routes_look */
    }
    baton_log("control: %.*s: %s", (int)(length < 80 ? length : 80), text, why ? why : "done");
}
