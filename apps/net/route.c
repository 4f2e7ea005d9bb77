/* The table of routes: what changes it. See route.h. */
#include <string.h>
#include "apps/net/route.h"

static size_t shorts_bytes(void)
{
    return 2 * ROUTE_PLACES * sizeof(uint32_t);
}

/* Invariant 1, and a place 0 that nobody uses. */
static size_t nodes_for(uint32_t limit)
{
    return 2 * (size_t)limit + 1 + ROUTE_LIMBO;
}

/* What it leads to is ready: others may follow it from now on. */
static void word_set(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/*
 * Who sees anything of the change that follows sees the new version: the stores of a change are releases. Who sees the new version
 * sees all of the changes before: so is this one.
 */
static void change_begin(struct routes *routes)
{
    word_set(&routes->version, routes->version + 1);
}

size_t routes_bytes(uint32_t limit)
{
    return nodes_for(limit) * sizeof(struct route_node) + ROUTE_PLACES * sizeof(struct route_place) +
           shorts_bytes();
}

void routes_init(struct routes *routes, void *memory, uint32_t limit)
{
    struct route_node *nodes = memory;
    struct route_place *places = (struct route_place *)(nodes + nodes_for(limit));

    *routes = (struct routes){.places = places,
                              .shorts = (uint32_t *)(places + ROUTE_PLACES),
                              .nodes = nodes,
                              .nodes_used = 1,
                              .nodes_end = (uint32_t)nodes_for(limit),
                              .limit = limit};
    memset(places, 0, ROUTE_PLACES * sizeof places[0]);
    memset(routes->shorts, 0, shorts_bytes());
}

/* ---- Prefixes of up to ROUTE_TOP bits ---- */

/* Where a short prefix is in `shorts`; the one that is a bit shorter is at half of that. */
static uint32_t short_of(const struct prefix *prefix)
{
    return (1u << prefix->length) +
           (prefix->length ? (uint32_t)(prefix->address.high >> (64 - prefix->length)) : 0);
}

/* The places that a short prefix covers. */
static struct route_place *places_of(const struct routes *routes, const struct prefix *prefix,
                                     uint32_t *count)
{
    unsigned rest = ROUTE_TOP - prefix->length;

    *count = 1u << rest;
    return &routes->places[(short_of(prefix) - (1u << prefix->length)) << rest];
}

static void short_insert(struct routes *routes, const struct prefix *prefix, uint32_t value)
{
    uint32_t slot = short_of(prefix), count;
    struct route_place *place = places_of(routes, prefix, &count);

    word_set(&routes->shorts[slot], value);
    for (; count; count--, place++)
        if (place->best < slot) /* a shorter one, or none: longer prefixes have higher numbers */
            word_set(&place->best, slot);
}

static void short_remove(struct routes *routes, const struct prefix *prefix)
{
    uint32_t slot = short_of(prefix), cover = slot / 2, count;
    struct route_place *place = places_of(routes, prefix, &count);

    while (cover && !routes->shorts[cover])
        cover /= 2;
    for (; count; count--, place++)
        if (place->best == slot)
            word_set(&place->best, cover);
    word_set(&routes->shorts[slot], 0); /* last: route_short */
}

/* ---- Trees ---- */

static unsigned bit_of(struct address6 address, unsigned number)
{
    return number < 64 ? address.high >> (63 - number) & 1 : address.low >> (127 - number) & 1;
}

/* How many bits two addresses have in common. */
static unsigned common_bits(struct address6 a, struct address6 b)
{
    if (a.high != b.high)
        return (unsigned)__builtin_clzll(a.high ^ b.high);
    return a.low != b.low ? 64 + (unsigned)__builtin_clzll(a.low ^ b.low) : 128;
}

/* Of an address that has no bits behind its prefix. */
static uint32_t node_make(struct routes *routes, struct address6 address, unsigned length, uint32_t value)
{
    uint32_t index = routes->nodes_free;

    if (index)
        routes->nodes_free = routes->nodes[index].child[0];
    else
        index = routes->nodes_used++; /* invariant 1: it is there */
    routes->nodes[index] = (struct route_node){address, {0, 0}, value, length};
    return index;
}

/* Out of its tree. More than the limbo holds would be used never again: ROUTE_REMOVALS. */
static void node_free(struct routes *routes, uint32_t index)
{
    if (routes->limbo_count < ROUTE_LIMBO)
        routes->limbo[routes->limbo_count++] = index;
}

void routes_settle(struct routes *routes)
{
    while (routes->limbo_count) {
        uint32_t index = routes->limbo[--routes->limbo_count];
        routes->nodes[index].child[0] = routes->nodes_free;
        routes->nodes_free = index;
    }
}

/* Puts a new node where *link points to one whose prefix is not the beginning of the new one: they part after `common` bits. */
static void node_split(struct routes *routes, uint32_t *link, unsigned common, const struct prefix *prefix,
                       uint32_t value)
{
    struct address6 address = prefix->address, mask = address6_mask(common),
                    old = routes->nodes[*link].address;
    uint32_t upper = node_make(routes, (struct address6){address.high & mask.high, address.low & mask.low},
                               common, common == prefix->length ? value : 0);

    routes->nodes[upper].child[bit_of(old, common)] = *link;
    if (common < prefix->length)
        routes->nodes[upper].child[bit_of(address, common)] =
            node_make(routes, address, prefix->length, value);
    word_set(link, upper);
}

static enum route_result tree_insert(struct routes *routes, uint32_t *link, const struct prefix *prefix,
                                     uint32_t value)
{
    struct route_node *node = NULL;

    for (; *link; link = &node->child[bit_of(prefix->address, node->length)]) {
        node = &routes->nodes[*link];
        if (node->length >= prefix->length || !route_begins(node, prefix->address))
            break;
    }
    if (!*link) {
        word_set(link, node_make(routes, prefix->address, prefix->length, value));
        return ROUTE_DONE;
    }
    unsigned common = common_bits(node->address, prefix->address);
    if (common < node->length || prefix->length < node->length) {
        node_split(routes, link, common < prefix->length ? common : prefix->length, prefix, value);
        return ROUTE_DONE;
    }
    if (node->value) /* the prefix itself */
        return ROUTE_EXISTS;
    word_set(&node->value, value);
    return ROUTE_DONE;
}

/* The node of exactly this prefix has lost its value: *link points to it, *above to its parent (NULL: it has none). */
static void node_tidy(struct routes *routes, uint32_t *above, uint32_t *link)
{
    uint32_t index = *link;
    const struct route_node *node = &routes->nodes[index];

    if (node->child[0] && node->child[1])
        return;
    word_set(link, node->child[0] ? node->child[0] : node->child[1]);
    node_free(routes, index);
    if (*link || !above)
        return;
    uint32_t parent = *above;
    node = &routes->nodes[parent];
    if (!node->value) {
        word_set(above, node->child[0] ? node->child[0] : node->child[1]);
        node_free(routes, parent);
    }
}

/* The node of exactly this prefix, 0 when there is none, and the links that lead there. */
static uint32_t tree_find(const struct routes *routes, uint32_t **above, uint32_t **link,
                          const struct prefix *prefix)
{
    *above = NULL;
    while (**link) {
        struct route_node *node = &routes->nodes[**link];
        if (node->length > prefix->length || !address6_within(node->address, prefix->address, node->length))
            return 0;
        if (node->length == prefix->length)
            return node->value ? **link : 0;
        *above = *link;
        *link = &node->child[bit_of(prefix->address, node->length)];
    }
    return 0;
}

/* ---- Both ---- */

static uint32_t *tree_of(const struct routes *routes, const struct prefix *prefix)
{
    return &routes->places[prefix->address.high >> (64 - ROUTE_TOP)].tree;
}

enum route_result route_insert(struct routes *routes, const struct prefix *prefix, uint32_t value)
{
    if (routes->count == routes->limit)
        return route_get(routes, prefix) ? ROUTE_EXISTS : ROUTE_FULL;
    change_begin(routes);
    if (prefix->length > ROUTE_TOP) {
        enum route_result result = tree_insert(routes, tree_of(routes, prefix), prefix, value);
        routes->count += result == ROUTE_DONE;
        return result;
    }
    if (routes->shorts[short_of(prefix)])
        return ROUTE_EXISTS;
    short_insert(routes, prefix, value);
    routes->count++;
    return ROUTE_DONE;
}

enum route_result route_remove(struct routes *routes, const struct prefix *prefix, uint32_t *value)
{
    uint32_t *above, *link = tree_of(routes, prefix);

    *value = route_get(routes, prefix);
    if (!*value)
        return ROUTE_NONE;
    routes->count--;
    change_begin(routes);
    if (prefix->length <= ROUTE_TOP) {
        short_remove(routes, prefix);
        return ROUTE_DONE;
    }
    word_set(&routes->nodes[tree_find(routes, &above, &link, prefix)].value, 0);
    node_tidy(routes, above, link);
    return ROUTE_DONE;
}

uint32_t route_get(const struct routes *routes, const struct prefix *prefix)
{
    uint32_t *above, *link = tree_of(routes, prefix);

    if (prefix->length <= ROUTE_TOP)
        return routes->shorts[short_of(prefix)];
    uint32_t index = tree_find(routes, &above, &link, prefix);
    return index ? routes->nodes[index].value : 0;
}
