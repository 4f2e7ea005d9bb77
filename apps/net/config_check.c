/* Whether the statements of a configuration file fit together: see config.h. Each line by itself is good by now. */
#include <stdio.h>
#include <string.h>
#include "apps/net/config_parts.h"
#include "apps/net/ipv4.h"
#include "apps/net/ipv6.h"

/* ---- Names and places ---- */

const char *config_name(char *to, unsigned family, struct address6 address, int length)
{
    if (family == CONFIG_IPV4)
        ipv4_print(to, address_to4(address));
    else
        ipv6_print(to, address);
    if (length >= 0)
        snprintf(to + strlen(to), 5, "/%u", (uint8_t)length);
    return to;
}

uint32_t *config_seen(const struct config *config, unsigned family, const struct prefix *prefix)
{
    uint64_t key = prefix->address.high ^ (prefix->address.low * UINT64_C(0xd6e8feb86659fd93)) ^
                   prefix->length ^ (uint64_t)family << 8;

    for (uint64_t place = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 46;;
         place = (place + 1) & (CONFIG_SEEN - 1)) {
        const struct config_route *route = &config->route[config->seen[place] - 1];
        if (!config->seen[place] || (address6_equal(route->prefix.address, prefix->address) &&
                                     route->prefix.length == prefix->length && route->family == family))
            return &config->seen[place];
    }
}
_Static_assert(CONFIG_SEEN == 1u << (64 - 46), "the number of a place is the upper bits of the product");

uint32_t *config_met(const struct config *config, const struct config_neighbor *neighbor)
{
    uint32_t *met = config->seen + CONFIG_SEEN;
    uint64_t key = neighbor->address.high ^ neighbor->address.low * UINT64_C(0xd6e8feb86659fd93) ^
                   neighbor->interface ^ (uint64_t)neighbor->family << 8;

    for (uint64_t place = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 51;;
         place = (place + 1) & (CONFIG_MET - 1)) {
        const struct config_neighbor *other = &config->neighbor[met[place] - 1];
        if (!met[place] || (address6_equal(other->address, neighbor->address) &&
                            other->interface == neighbor->interface && other->family == neighbor->family))
            return &met[place];
    }
}
_Static_assert(CONFIG_MET == 1u << (64 - 51), "the number of a place is the upper bits of the product");

/* A link-local network is on every link, and each of them is another one. */
static bool shared(const struct config_address *one)
{
    return one->family == CONFIG_IPV6 && ipv6_link_local(one->address);
}

/* The network or broadcast address of an IPv4 network. */
static bool network_own(const struct config_address *network, struct address6 address)
{
    uint32_t mask = address_to4(address6_mask(network->length)), host = address_to4(address) & ~mask;

    return network->family == CONFIG_IPV4 && network->length < 31 && (host == 0 || host == ~mask);
}

/* ---- Interfaces ---- */

static void pair_check(struct config *config, const struct config_address *earlier,
                       const struct config_address *later)
{
    unsigned shorter = earlier->length < later->length ? earlier->length : later->length;
    bool same = earlier->interface == later->interface;
    char name[CONFIG_NAMES], other[CONFIG_NAMES];

    if (earlier->family != later->family || !address6_within(earlier->address, later->address, shorter) ||
        (shared(earlier) && shared(later) && !same))
        return;
    config_name(name, later->family, later->address, later->length);
    config_name(other, earlier->family, earlier->address, earlier->length);
    if (address6_equal(earlier->address, later->address))
        config_mistake(config, later->line, "%s is told already (line %u), expected each address once", name,
                       (unsigned)earlier->line);
    else if (!same)
        config_mistake(config, later->line,
                       "%s overlaps %s of net%u (line %u), expected networks that do not", name, other,
                       earlier->interface, (unsigned)earlier->line);
    else if (earlier->length != later->length)
        config_mistake(config, later->line, "%s overlaps %s (line %u), expected the same prefix length", name,
                       other, (unsigned)earlier->line);
}

static void addresses_check(struct config *config)
{
    for (unsigned i = 0; i < config->addresses; i++)
        for (unsigned j = 0; j < i; j++)
            pair_check(config, &config->address[j], &config->address[i]);
}

static void mtu_check(struct config *config)
{
    for (unsigned i = 0; i < config->addresses; i++) {
        const struct config_interface *interface = &config->interface[config->address[i].interface];
        if (config->address[i].family == CONFIG_IPV6 && interface->mtu && interface->mtu < IPV6_MTU_MIN) {
            config_mistake(config, interface->mtu_line,
                           "an MTU of %u is too small for IPv6, expected %u to %u", interface->mtu,
                           IPV6_MTU_MIN, CONFIG_MTU_MAX);
            return;
        }
    }
}

/* ---- Who is on which link ---- */

static const struct config_address *own_find(const struct config *config, unsigned family,
                                             struct address6 address)
{
    for (unsigned i = 0; i < config->addresses; i++)
        if (config->address[i].family == family && address6_equal(config->address[i].address, address))
            return &config->address[i];
    return NULL;
}

/* The network of an interface, any if `told` is negative, in which an address is. */
static const struct config_address *network_find(const struct config *config, unsigned family,
                                                 struct address6 address, int told)
{
    for (unsigned i = 0; i < config->addresses; i++) {
        const struct config_address *network = &config->address[i];
        if (network->family == family && (told < 0 || network->interface == told) &&
            address6_within(network->address, address, network->length))
            return network;
    }
    return NULL;
}

/* Whether an interface has an address of that family. */
static bool speaks(const struct config *config, unsigned family, unsigned interface)
{
    for (unsigned i = 0; i < config->addresses; i++)
        if (config->address[i].family == family && config->address[i].interface == interface)
            return true;
    return false;
}

static bool unicast(unsigned family, struct address6 address)
{
    if (family == CONFIG_IPV4)
        return !ipv4_martian_source(address_to4(address));
    return !ipv6_unspecified(address) && !ipv6_loopback(address) && !ipv6_multicast(address);
}

/* Another station's address; `who` is what the statement calls it. */
static bool station_check(const struct config *config, const char *who, unsigned family,
                          struct address6 address, char *text)
{
    const struct config_address *own = own_find(config, family, address);
    char name[CONFIG_NAMES];

    config_name(name, family, address, -1);
    if (!unicast(family, address))
        snprintf(text, CONFIG_TEXT, "%s %s is nobody's address, expected a unicast address", who, name);
    else if (own)
        snprintf(text, CONFIG_TEXT, "%s %s is the address of net%u (line %u), expected another station's",
                 who, name, own->interface, (unsigned)own->line);
    else
        return true;
    return false;
}

/* A station's interface, told or not. */
static bool link_find(const struct config *config, const char *who, unsigned family, struct address6 address,
                      int told, unsigned *interface, char *text)
{
    const struct config_address *network = network_find(config, family, address, told);
    char name[CONFIG_NAMES];

    config_name(name, family, address, -1);
    if (family == CONFIG_IPV6 && ipv6_link_local(address)) {
        if (told >= 0 && speaks(config, family, (unsigned)told)) {
            *interface = (unsigned)told;
            return true;
        }
        if (told < 0)
            snprintf(text, CONFIG_TEXT, "%s %s is link-local, expected an interface behind it: %s net0", who,
                     name, name);
        else
            snprintf(text, CONFIG_TEXT, "%s %s is on net%d, which has no IPv6 address, expected one that has",
                     who, name, told);
        return false;
    }
    if (network && !network_own(network, address)) {
        *interface = network->interface;
        return true;
    }
    if (network)
        snprintf(text, CONFIG_TEXT, "%s %s is a network's own or broadcast address, expected a station's",
                 who, name);
    else if (told >= 0)
        snprintf(text, CONFIG_TEXT, "%s %s is not on a network of net%d, expected an address in one", who,
                 name, told);
    else
        snprintf(text, CONFIG_TEXT, "%s %s is on no interface's network, expected an address in one", who,
                 name);
    return false;
}

bool config_gateway(const struct config *config, unsigned family, struct address6 gateway, int told,
                    unsigned *interface, char *text)
{
    return station_check(config, "gateway", family, gateway, text) &&
           link_find(config, "gateway", family, gateway, told, interface, text);
}

/* ---- Routes and neighbours ---- */

/* Each gateway is looked at once, at the first route that leads there. */
static void routes_check(struct config *config)
{
    char text[CONFIG_TEXT];

    for (unsigned i = 0; i < config->routes; i++) {
        const struct config_route *route = &config->route[i];
        struct next_hop *hop = &config->hops.hops[route->hop];
        unsigned interface = 0;
        if (!(hop->interface & CONFIG_OPEN))
            continue;
        int told = hop->interface & CONFIG_TOLD ? (int)(hop->interface & 255) : -1;
        if (!config_gateway(config, route->family, hop->gateway, told, &interface, text))
            config_mistake(config, route->line, "%s", text);
        hop->interface = interface;
    }
}

/* The networks of the interfaces are routes too. */
static void networks_check(struct config *config)
{
    char name[CONFIG_NAMES];

    for (unsigned i = 0; i < config->addresses; i++) {
        const struct config_address *network = &config->address[i];
        struct address6 mask = address6_mask(network->length);
        const struct prefix prefix = {{network->address.high & mask.high, network->address.low & mask.low},
                                      network->length};
        uint32_t number = *config_seen(config, network->family, &prefix);
        if (number)
            config_mistake(config, config->route[number - 1].line,
                           "%s is the network of net%u (line %u), expected no route for it",
                           config_name(name, network->family, prefix.address, network->length),
                           network->interface, (unsigned)network->line);
    }
}

static void neighbors_check(struct config *config)
{
    char text[CONFIG_TEXT];
    unsigned interface;

    for (unsigned i = 0; i < config->neighbors; i++) {
        const struct config_neighbor *neighbor = &config->neighbor[i];
        if (!station_check(config, "neighbor", neighbor->family, neighbor->address, text) ||
            !link_find(config, "neighbor", neighbor->family, neighbor->address, neighbor->interface,
                       &interface, text))
            config_mistake(config, neighbor->line, "%s", text);
    }
}

void config_check(struct config *config)
{
    addresses_check(config);
    mtu_check(config);
    routes_check(config);
    networks_check(config);
    neighbors_check(config);
}
