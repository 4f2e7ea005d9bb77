/*
 * The table of routes against a list: the input is a sequence of insertions and removals, of one family, and after each of them the table
 * must answer as the list does, about what was changed. Prefixes are made of few bits of the input, so that they meet.
 *
 * A step is five bytes: what is done, the prefix's length, and three for its address; the first byte of all says which family.
 */
#include <stdbool.h>
#include "apps/net/route.h"
#include "test/fuzz/frame.h"

#define LIMIT 24u
#define STEP  5u

struct listed {
    struct prefix prefix;
    uint32_t value;
};

static struct routes routes;
static struct listed list[LIMIT];
static unsigned listed;

/* The first bits decide the place in the array, the next ones and the last the shape of the tree; the others say nothing new. */
static struct address6 address_of(const uint8_t *step, bool six)
{
    struct address6 address = {
        (uint64_t)step[2] << 56 | (uint64_t)(step[3] & 3) << 48 | (uint64_t)step[4] << 40, 0};

    address.high |= (uint64_t)(step[3] >> 4) << 32;
    if (six) {
        address.high |= step[3] >> 2 & 3;
        address.low = (uint64_t)step[4] << 56 | step[3];
    }
    return address;
}

static bool begins(const struct prefix *prefix, struct address6 address)
{
    struct address6 mask = address6_mask(prefix->length);

    return prefix->address.high == (address.high & mask.high) &&
           prefix->address.low == (address.low & mask.low);
}

static struct listed *list_find(const struct prefix *prefix)
{
    for (unsigned i = 0; i < listed; i++)
        if (list[i].prefix.length == prefix->length &&
            address6_equal(list[i].prefix.address, prefix->address))
            return &list[i];
    return NULL;
}

static uint32_t list_lookup(struct address6 address)
{
    const struct listed *best = NULL;

    for (unsigned i = 0; i < listed; i++)
        if (begins(&list[i].prefix, address) && (!best || list[i].prefix.length > best->prefix.length))
            best = &list[i];
    return best ? best->value : 0;
}

static void insert(const struct prefix *prefix, uint32_t value)
{
    enum route_result expected = list_find(prefix) ? ROUTE_EXISTS : listed == LIMIT ? ROUTE_FULL : ROUTE_DONE;

    must(route_insert(&routes, prefix, value) == expected);
    if (expected == ROUTE_DONE)
        list[listed++] = (struct listed){*prefix, value};
}

static void take_away(const struct prefix *prefix)
{
    struct listed *found = list_find(prefix);
    uint32_t value;

    must(route_remove(&routes, prefix, &value) == (found ? ROUTE_DONE : ROUTE_NONE));
    must(value == (found ? found->value : 0));
    if (found)
        *found = list[--listed];
}

/* At an address, and at both ends of a prefix, where a wrong answer would be. */
static void compare(const struct prefix *prefix, struct address6 address)
{
    const struct address6 mask = address6_mask(prefix->length);
    const struct address6 last = {prefix->address.high | ~mask.high, prefix->address.low | ~mask.low};
    const struct listed *found = list_find(prefix);

    must(routes.count == listed);
    must(route_get(&routes, prefix) == (found ? found->value : 0));
    must(route_lookup(&routes, address) == list_lookup(address));
    must(route_lookup(&routes, prefix->address) == list_lookup(prefix->address));
    must(route_lookup(&routes, last) == list_lookup(last));
}

static void step_take(const uint8_t *step, bool six, uint32_t value)
{
    const struct address6 address = address_of(step, six);
    unsigned length = step[1] % (six ? 129u : 33u);

    if (length < 10 && step[0] & 0xf0) /* a pass over the array takes long: seldom */
        length += 12;
    const struct address6 mask = address6_mask(length);
    const struct prefix prefix = {{address.high & mask.high, address.low & mask.low}, length};

    switch (step[0] & 3) {
    case 0:
    case 1:
        insert(&prefix, value);
        break;
    case 2:
        take_away(&prefix);
        break;
    default:
        if (listed && step[0] & 4) { /* one that is there */
            const struct prefix there = list[step[1] % listed].prefix;
            take_away(&there);
            compare(&there, address);
        }
    }
    if (step[0] & 8 || routes.limbo_count > ROUTE_LIMBO - 2)
        routes_settle(&routes);
    compare(&prefix, address);
}

/* Invariant 1. */
static void nodes_count(void)
{
    uint32_t unused = routes.limbo_count;

    for (uint32_t i = routes.nodes_free; i; i = routes.nodes[i].child[0])
        unused++;
    must(routes.nodes_used - 1 - unused <= 2 * listed);
}

/* All away again: as it was made. The table is kept, since to make one clears a megabyte. */
static void empty(void)
{
    while (listed) {
        const struct prefix first = list[0].prefix;
        take_away(&first);
        compare(&first, first.address);
    }
    routes_settle(&routes);
    nodes_count();
    must(routes.count == 0 && routes.nodes_used <= routes.nodes_end);
    must(route_lookup(&routes, (struct address6){0, 0}) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    static void *memory;

    if (!memory) {
        memory = malloc(routes_bytes(LIMIT));
        must(memory);
        routes_init(&routes, memory, LIMIT);
    }
    if (!size)
        return 0;
    for (size_t at = 1, number = 1; at + STEP <= size; at += STEP, number++)
        step_take(input + at, input[0] & 1, (uint32_t)number);
    nodes_count();
    empty();
    return 0;
}
