/*
 * host-route-threads: the table of routes on real threads, under the thread sanitizer. One thread adds and removes routes; the others
 * look up, and say before each batch how far they have seen the changes, as the lanes of a router do: what was removed is used again
 * only then. All prefixes cover others, so that every address has a route at every moment: none may be without one, and the route
 * that is found must be one that the address begins with.
 *
 *   route_threads [changes]      default 20000
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include "apps/net/route.h"

#define LANES 3u
#define BATCH 64u
#define LIMIT 2048u

/* All of it begins with 10.1, from a prefix of 8 bits to one of 32. A route's value is 1 + its length, + 256 * its address's last 16 bits. */
#define NET UINT32_C(0x0a010000)

struct actor {
    pthread_t host;
    uint64_t random;
    uint32_t passed; /* (atomic) */
};

static struct routes routes;
static uint32_t version; /* (atomic) complete changes */
static bool over;        /* (atomic) */
static unsigned wrong;   /* (atomic) */
static struct actor actors[LANES];

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % limit;
}

static struct prefix prefix_of(uint32_t address, unsigned length)
{
    return (struct prefix){address_of4(address & ~(uint32_t)(UINT64_C(0xffffffff) >> length)), length};
}

static uint32_t value_of(const struct prefix *prefix)
{
    return 1 + prefix->length + (address_to4(prefix->address) & 0xffff) * 256;
}

static void look_up(struct actor *actor)
{
    uint32_t low = random_below(&actor->random, 1 << 16), value = route_lookup4(&routes, NET | low);
    unsigned length = (value & 255) - 1;

    if (value && length <= 32 &&
        value == value_of(&(struct prefix){prefix_of(NET | low, length).address, length}))
        return;
    if (__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED) < 5)
        printf("oracle: 10.1.%u.%u has the route %u\n", low >> 8, low & 255, value);
}

static void *act(void *argument)
{
    struct actor *actor = argument;

    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        uint32_t seen = __atomic_load_n(&version, __ATOMIC_ACQUIRE);
        __atomic_store_n(&actor->passed, seen, __ATOMIC_RELEASE);
        for (unsigned i = 0; i < BATCH; i++)
            look_up(actor);
    }
    return NULL;
}

/* As lane 0 does: when all have passed, and not before; it goes on without, as long as there is room. */
static void settle(unsigned *removed)
{
    bool passed;

    do {
        passed = true;
        for (unsigned i = 0; i < LANES; i++)
            passed &= __atomic_load_n(&actors[i].passed, __ATOMIC_ACQUIRE) == version;
        if (!passed && *removed == ROUTE_REMOVALS)
            sched_yield();
    } while (!passed && *removed == ROUTE_REMOVALS);
    if (!passed)
        return;
    routes_settle(&routes);
    *removed = 0;
}

static bool change(const struct prefix *prefix, bool add)
{
    uint32_t value;
    enum route_result result =
        add ? route_insert(&routes, prefix, value_of(prefix)) : route_remove(&routes, prefix, &value);

    __atomic_store_n(&version, version + 1, __ATOMIC_RELEASE);
    return result == ROUTE_DONE;
}

/* A prefix of 8 to 16 bits in exchange for another, the new one first: one of them is always there. */
static unsigned cover_change(uint64_t *random, unsigned *length)
{
    unsigned next = 8 + (*length - 8 + 1 + random_below(random, 8)) % 9;
    const struct prefix old = prefix_of(NET, *length), new = prefix_of(NET, next);

    change(&new, true);
    *length = next;
    return change(&old, false);
}

/* The writer's own answers to all addresses, when nobody looks up any more: the table is whole. */
static void check_all(void)
{
    for (uint32_t low = 0; low < 1 << 16; low++) {
        uint32_t value = route_lookup4(&routes, NET | low), expected = 0;
        for (unsigned length = 32; length >= 8 && !expected; length--) {
            const struct prefix prefix = prefix_of(NET | low, length);
            expected = route_get(&routes, &prefix);
        }
        wrong += value != expected;
    }
}

int main(int argc, char **argv)
{
    uint64_t random = 1, changes = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
    unsigned length = 8, removed = 0;
    void *memory = malloc(routes_bytes(LIMIT));
    const struct prefix first = prefix_of(NET, 8);

    routes_init(&routes, memory, LIMIT);
    change(&first, true);
    for (unsigned i = 0; i < LANES; i++) {
        actors[i].random = i;
        pthread_create(&actors[i].host, NULL, act, &actors[i]);
    }
    for (uint64_t i = 0; i < changes; i++) {
        const struct prefix prefix = prefix_of(
            NET | random_below(&random, 16) << 12 | random_below(&random, 4), 17 + random_below(&random, 16));
        bool add = random_below(&random, 2);
        settle(&removed);
        if (random_below(&random, 4) == 0)
            removed += cover_change(&random, &length);
        else if (change(&prefix, add))
            removed += !add;
    }
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < LANES; i++)
        pthread_join(actors[i].host, NULL);
    check_all();
    printf("%u routes, %u nodes in use or free, %u changes\n", routes.count, routes.nodes_used, version);
    if (wrong || routes.nodes_used > routes.nodes_end) {
        printf("oracle: the table is not as it should be\n");
        return 3;
    }
    printf("done\n");
    return 0;
}
