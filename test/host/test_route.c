/*
 * The table of routes against a plain list: random and nested prefixes of both families, inserted, removed and replaced; every
 * answer is compared, and the invariants of apps/net/route.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "apps/net/next_hop.h"
#include "apps/net/route.h"

#define MANY 100000

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void routes_make(struct routes *routes, uint32_t limit)
{
    void *memory = malloc(routes_bytes(limit));

    assert_non_null(memory);
    routes_init(routes, memory, limit);
}

/* ---- The reference: for each length a hash of the prefixes that are there, asked from the longest on ---- */

#define REFERENCE_PLACES (1u << 19)

struct reference {
    struct {
        struct prefix prefix;
        uint32_t value; /* 0: free, or removed */
        bool taken;
    } place[REFERENCE_PLACES];
    unsigned count[129];
};

static struct reference *reference;

static uint32_t *reference_of(const struct prefix *prefix, bool make)
{
    uint64_t hash =
        (prefix->address.high * 31 + prefix->address.low + prefix->length) * UINT64_C(0x9e3779b97f4a7c15);

    for (uint64_t i = hash >> 45;; i = (i + 1) % REFERENCE_PLACES) {
        if (!reference->place[i].taken) {
            if (!make)
                return NULL;
            reference->place[i].taken = true;
            reference->place[i].prefix = *prefix;
        }
        if (address6_equal(reference->place[i].prefix.address, prefix->address) &&
            reference->place[i].prefix.length == prefix->length)
            return &reference->place[i].value;
    }
}

static struct prefix prefix_of(struct address6 address, unsigned length)
{
    struct address6 mask = address6_mask(length);

    return (struct prefix){{address.high & mask.high, address.low & mask.low}, length};
}

static uint32_t reference_lookup(struct address6 address)
{
    for (int length = 128; length >= 0; length--) {
        struct prefix prefix = prefix_of(address, (unsigned)length);
        const uint32_t *value = reference->count[length] ? reference_of(&prefix, false) : NULL;
        if (value && *value)
            return *value;
    }
    return 0;
}

static void both_insert(struct routes *routes, const struct prefix *prefix, uint32_t value)
{
    uint32_t *there = reference_of(prefix, true);

    assert_int_equal(route_get(routes, prefix), *there);
    assert_int_equal(route_insert(routes, prefix, value), *there ? ROUTE_EXISTS : ROUTE_DONE);
    reference->count[prefix->length] += !*there;
    *there = *there ? *there : value;
}

static void both_remove(struct routes *routes, const struct prefix *prefix)
{
    uint32_t *there = reference_of(prefix, true), value;

    assert_int_equal(route_remove(routes, prefix, &value), *there ? ROUTE_DONE : ROUTE_NONE);
    assert_int_equal(value, *there);
    if (random_next() % 8 == 0 || routes->limbo_count > ROUTE_LIMBO - 2)
        routes_settle(routes); /* nobody looks up meanwhile */
    reference->count[prefix->length] -= *there != 0;
    *there = 0;
}

/* Invariants 1 and 2; returns how many routes there are. */
static unsigned tree_check(const struct routes *routes, uint32_t index, unsigned least, unsigned *nodes)
{
    const struct route_node *node = &routes->nodes[index];
    unsigned found = node->value != 0;

    ++*nodes;
    assert_true(node->length >= least);
    assert_true(node->value || (node->child[0] && node->child[1]));
    for (unsigned i = 0; i < 2; i++) {
        if (!node->child[i])
            continue;
        const struct route_node *child = &routes->nodes[node->child[i]];
        assert_true(address6_within(node->address, child->address, node->length));
        assert_int_equal(node->length < 64 ? child->address.high >> (63 - node->length) & 1
                                           : child->address.low >> (127 - node->length) & 1,
                         i);
        found += tree_check(routes, node->child[i], node->length + 1, nodes);
    }
    return found;
}

static void routes_check(const struct routes *routes)
{
    unsigned found = 0, nodes = 0, unused = 0;

    for (uint32_t i = 1; i < 2 * ROUTE_PLACES; i++)
        found += routes->shorts[i] != 0;
    for (uint32_t i = 0; i < ROUTE_PLACES; i++)
        if (routes->places[i].tree)
            found += tree_check(routes, routes->places[i].tree, ROUTE_TOP, &nodes);
    for (uint32_t i = routes->nodes_free; i; i = routes->nodes[i].child[0])
        unused++;
    assert_int_equal(found, routes->count);
    assert_int_equal(nodes + unused + routes->limbo_count + 1, routes->nodes_used);
    assert_true(routes->nodes_used <= routes->nodes_end);
}

/* A prefix of the family: `bits` is 32 or 128. Half of them lie within one that was made before, or around it. */
static struct prefix prefix_random(unsigned bits)
{
    static struct address6 recent[64];
    struct address6 address = {random_next(), bits == 32 ? 0 : random_next()};
    uint64_t choice = random_next();
    unsigned length = (unsigned)(choice >> 32) % (bits + 1);

    if (choice & 1) {
        struct address6 near = recent[choice >> 1 & 63],
                        mask = address6_mask((unsigned)(choice >> 8) % (bits + 1));
        address.high = (near.high & mask.high) | (address.high & ~mask.high);
        address.low = (near.low & mask.low) | (address.low & ~mask.low);
    }
    if (bits == 32)
        address = (struct address6){address.high & UINT64_C(0xffffffff00000000), 0};
    recent[random_next() & 63] = address;
    if (length < 9 && (choice >> 20 & 15)) /* fewer short ones: they are few in the world, and take long */
        length += 16;
    return prefix_of(address, length);
}

static struct address6 address_near(struct prefix prefix, unsigned bits)
{
    struct address6 mask = address6_mask(prefix.length), address = {random_next(), random_next()};
    uint64_t choice = random_next();

    address.high = (prefix.address.high & mask.high) | (address.high & ~mask.high);
    address.low = (prefix.address.low & mask.low) | (address.low & ~mask.low);
    if (choice & 1) /* one bit beside */
        *(choice & 2 && bits == 128 ? &address.low : &address.high) ^= UINT64_C(1) << (choice >> 8 & 63);
    if (bits == 32)
        address = (struct address6){address.high & UINT64_C(0xffffffff00000000), 0};
    return address;
}

static void family_check(unsigned bits)
{
    struct routes routes;
    struct prefix *prefix = malloc(MANY * sizeof prefix[0]);

    reference = calloc(1, sizeof *reference);
    assert_non_null(reference);
    assert_non_null(prefix);
    routes_make(&routes, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        prefix[i] = prefix_random(bits);
        both_insert(&routes, &prefix[i], i + 1);
    }
    routes_check(&routes);
    for (unsigned i = 0; i < MANY; i++) {
        struct address6 address = address_near(prefix[random_next() % MANY], bits);
        assert_int_equal(route_lookup(&routes, address), reference_lookup(address));
    }
    for (unsigned i = 0; i < MANY; i++) { /* changes at run time */
        unsigned which = (unsigned)(random_next() % MANY);
        if (random_next() & 1)
            both_remove(&routes, &prefix[which]);
        else
            both_insert(&routes, &prefix[which], i + 1);
        struct address6 address =
            address_near(prefix[random_next() & 1 ? which : random_next() % MANY], bits);
        assert_int_equal(route_lookup(&routes, address), reference_lookup(address));
    }
    routes_check(&routes);
    for (unsigned i = 0; i < MANY; i++)
        both_remove(&routes, &prefix[i]);
    routes_check(&routes);
    assert_int_equal(routes.count, 0);
    for (uint32_t i = 0; i < ROUTE_PLACES; i++)
        assert_int_equal(routes.places[i].best | routes.places[i].tree, 0);
    free(reference);
    free(prefix);
    free(routes.nodes);
}

static void test_ipv4_as_a_list_would(void **state)
{
    (void)state;
    family_check(32);
}

static void test_ipv6_as_a_list_would(void **state)
{
    (void)state;
    family_check(128);
}

/* Prefixes of all lengths, each within the last: the deepest tree. */
static void test_nested_prefixes(void **state)
{
    struct routes routes;
    struct address6 ones = {UINT64_MAX, UINT64_MAX};
    uint32_t value;

    (void)state;
    routes_make(&routes, 129);
    for (unsigned length = 0; length <= 128; length++) {
        struct prefix prefix = prefix_of(ones, 128 - length);
        assert_int_equal(route_insert(&routes, &prefix, 129 - length), ROUTE_DONE);
    }
    routes_check(&routes);
    for (unsigned bit = 0; bit < 128; bit++) {
        struct address6 address = ones;
        *(bit < 64 ? &address.high : &address.low) ^= UINT64_C(1) << (63 - bit % 64);
        assert_int_equal(route_lookup(&routes, address), bit + 1);
    }
    assert_int_equal(route_lookup(&routes, ones), 129);
    for (unsigned length = 0; length <= 128; length++) {
        struct prefix prefix = prefix_of(ones, length);
        assert_int_equal(route_lookup(&routes, (struct address6){0, 0}), length ? 0 : 1);
        assert_int_equal(route_remove(&routes, &prefix, &value), ROUTE_DONE);
        assert_int_equal(value, length + 1);
        routes_settle(&routes);
        assert_int_equal(route_lookup(&routes, ones), length < 128 ? 129 : 0);
    }
    routes_check(&routes);
    free(routes.nodes);
}

/* A full table says so, changes nothing, and takes others when some have gone: with any shape of tree. */
static void test_a_full_table(void **state)
{
    struct routes routes;
    struct prefix prefix[64];
    uint32_t value;

    (void)state;
    routes_make(&routes, 64);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 64; i++) {
            do
                prefix[i] = prefix_random(128);
            while (route_insert(&routes, &prefix[i], 1) != ROUTE_DONE);
        }
        struct prefix other = prefix_of((struct address6){UINT64_C(0x1234567800000000) + round, 0}, 64);
        assert_int_equal(route_insert(&routes, &other, 1), ROUTE_FULL);
        assert_int_equal(route_get(&routes, &other), 0);
        routes_check(&routes);
        for (unsigned i = 0; i < 64; i++) {
            assert_int_equal(route_remove(&routes, &prefix[i], &value), ROUTE_DONE);
            routes_settle(&routes);
        }
    }
    free(routes.nodes);
}

static void test_next_hops(void **state)
{
    struct next_hops table;
    void *memory = malloc(next_hops_bytes(100));
    uint32_t number[100];

    (void)state;
    assert_non_null(memory);
    next_hops_init(&table, memory, 100);
    for (unsigned round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 100; i++) {
            number[i] = next_hop_take(&table, i & 1, address_of4(i / 2 + round));
            assert_true(number[i] != 0);
            assert_int_equal(next_hop_take(&table, i & 1, address_of4(i / 2 + round)), number[i]);
            assert_int_equal(next_hop_of(&table, number[i])->interface, i & 1);
            assert_int_equal(address_to4(next_hop_of(&table, number[i])->gateway), i / 2 + round);
        }
        assert_int_equal(next_hop_take(&table, 9, address_of4(1)), 0);
        for (uint32_t i = 0; i < 100; i++) {
            next_hop_release(&table, number[i]);
            assert_int_equal(next_hop_take(&table, i & 1, address_of4(i / 2 + round)), number[i]);
            next_hop_release(&table, number[i]);
            next_hop_release(&table, number[i]);
        }
    }
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4_as_a_list_would),
        cmocka_unit_test(test_ipv6_as_a_list_would),
        cmocka_unit_test(test_nested_prefixes),
        cmocka_unit_test(test_a_full_table),
        cmocka_unit_test(test_next_hops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
