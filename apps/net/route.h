/*
 * Routes: the longest of the prefixes that an address begins with (RFC 1812, 5.2.4.3), for IPv4 and IPv6 alike.
 *
 * Model: a table maps prefixes to numbers of the caller's (not 0), for instance of a next hop (apps/net/next_hop.h). Prefixes
 * of up to 16 bits lie in an array that is addressed by their bits; for each value of an address's first 16 bits there is
 * noted which of them is the longest, and where the tree begins that has the longer ones. The tree is binary; a node
 * stands where a prefix ends or two of them part, and nowhere else.
 *
 * Owns: the memory that the caller gives to routes_init, which stays the caller's. One thread changes a table; any number of others
 * look up meanwhile, and none of them waits: words that may change are stored by release, when all is ready that they lead to, and
 * loaded by acquire. `version` grows before each change, and who sees that it did looks up again, so that the answer is that of one
 * moment. What a change takes out of a tree may still be looked at, and stays as it is until the caller knows that all look-ups
 * which began before are over, and says so by routes_settle. test/model/routes.pml, host-route-threads.
 *
 * Invariants
 *   1. A node of a tree has a value or two children: so N routes take at most 2N - 1 nodes, and routes_bytes(N) is enough for
 *      any N routes, whatever came and went before, as long as at most ROUTE_REMOVALS go from one routes_settle to the next.
 *   2. A node's prefix is the beginning of its children's, which are longer.
 *   3. After every call the table answers as one that was made anew of the routes in it.
 *
 * Cost: a look-up about 15 instructions, and 12 for each node on its way (random tables of 10^5 routes: 1 to 3; a tree can be
 * at most 112 deep). Inserting and removing: the same, and a pass over the part of the array that a short prefix covers
 * (65536 places for a prefix of length 0). Memory: 1 MiB and 64 bytes a route.
 */
#ifndef APPS_NET_ROUTE_H
#define APPS_NET_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "apps/net/address.h"

#define ROUTE_TOP    16 /* bits that are looked up in the array */
#define ROUTE_PLACES (1u << ROUTE_TOP)

#define ROUTE_REMOVALS 128                  /* between two calls of routes_settle */
#define ROUTE_LIMBO    (2 * ROUTE_REMOVALS) /* nodes that they take out */

/* An address, and how many of its bits count: the others are 0. IPv4 as address_of4() has it, length up to 32. */
struct prefix {
    struct address6 address;
    unsigned length;
};

struct route_node {
    struct address6 address;
    uint32_t child[2]; /* (atomic) by the bit behind the prefix; 0: none */
    uint32_t value;    /* (atomic) 0: two prefixes part here, and that is all */
    uint32_t length;
};

struct route_place {
    uint32_t best; /* (atomic) where in `shorts` the longest prefix of up to 16 bits is; 0: none */
    uint32_t tree; /* (atomic) 0: none */
};

struct routes {
    struct route_place *places; /* ROUTE_PLACES, by the first bits */
    uint32_t
        *shorts; /* (atomic) values: a prefix of `length` is at (1 << length) + its bits; 2 * ROUTE_PLACES */
    struct route_node *nodes; /* from 1 on */
    uint32_t nodes_used, nodes_end, nodes_free;
    uint32_t limbo[ROUTE_LIMBO]; /* nodes that are in no tree any more, but may be looked at */
    uint32_t limbo_count;
    uint32_t count, limit; /* routes */
    uint32_t version;      /* (atomic) changes that were begun */
};

enum route_result {
    ROUTE_DONE,
    ROUTE_EXISTS, /* insert: there is a route for this prefix, unchanged */
    ROUTE_FULL,   /* insert: `limit` routes are there */
    ROUTE_NONE,   /* remove: there is none for this prefix */
};

/* Bytes for a table of at most `limit` routes. */
size_t routes_bytes(uint32_t limit);

/* Makes an empty table. `memory`: routes_bytes(limit), aligned as malloc aligns. */
void routes_init(struct routes *routes, void *memory, uint32_t limit);

/* `value` is not 0. The prefix has no bits beyond its length. */
enum route_result route_insert(struct routes *routes, const struct prefix *prefix, uint32_t value);

/* Takes the route away; *value is what it had. */
enum route_result route_remove(struct routes *routes, const struct prefix *prefix, uint32_t *value);

/* All look-ups that began before the last change are over: what it took out can be used again. */
void routes_settle(struct routes *routes);

/* The value of exactly this prefix, or 0; for the thread that changes the table. */
uint32_t route_get(const struct routes *routes, const struct prefix *prefix);

/* Whether an address begins with a node's prefix, which is not shorter than ROUTE_TOP. */
static inline bool route_begins(const struct route_node *node, struct address6 address)
{
    if (node->length <= 64)
        return (node->address.high ^ address.high) >> (64 - node->length) == 0;
    return node->address.high == address.high &&
           (node->length > 64 ? (node->address.low ^ address.low) >> (128 - node->length) : 0) == 0;
}

/* A word that may change meanwhile: what it leads to is ready. */
static inline uint32_t route_word(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* The value of the longest of the short prefixes. */
static inline uint32_t route_short(const struct routes *routes, const struct route_place *place)
{
    uint32_t best, value;

    do {
        best = route_word(&place->best);
        value = best ? route_word(&routes->shorts[best]) : 0;
    } while (best && !value); /* it was just taken away: the place has another one by now */
    return value;
}

/* One way down, while at most one change is made. */
static inline uint32_t route_descend(const struct routes *routes, struct address6 address)
{
    const struct route_place *place = &routes->places[address.high >> (64 - ROUTE_TOP)];
    uint32_t value = route_short(routes, place);

    for (uint32_t index = route_word(&place->tree); index;) {
        const struct route_node *node = &routes->nodes[index];
        if (!route_begins(node, address))
            break;
        uint32_t own = route_word(&node->value);
        value = own ? own : value;
        if (node->length < 64)
            index = route_word(&node->child[address.high >> (63 - node->length) & 1]);
        else
            index =
                node->length < 128 ? route_word(&node->child[address.low >> (127 - node->length) & 1]) : 0;
    }
    return value;
}

/*
 * The value of the longest prefix that the address begins with; 0: there is none. Repeats itself when a change has begun meanwhile:
 * of two changes it might see the second and not the first.
 */
static inline uint32_t route_lookup(const struct routes *routes, struct address6 address)
{
    uint32_t version, value;

    do {
        version = route_word(&routes->version);
        value = route_descend(routes, address);
    } while (__builtin_expect(route_word(&routes->version) != version, 0));
    return value;
}

static inline uint32_t route_lookup4(const struct routes *routes, uint32_t address)
{
    return route_lookup(routes, address_of4(address));
}

#endif
