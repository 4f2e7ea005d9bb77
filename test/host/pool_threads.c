/*
 * host-pool-threads: a pool on real threads, under the thread sanitizer. Each CPU takes and gives numbers back, or leaves them to
 * another CPU to give back, as frames do that come in on one and go out on another. No number is with two at once, and all are
 * there in the end.
 *
 *   pool_threads [operations of each CPU]      default 300000
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "core/log.h"
#include "core/pool.h"
#include "mm/frame.h"
#include "test/host/machine_threads.h"

#define CPUS  4u
#define TOTAL 700u /* magazines of 21, bundles of 11: they go back and forth all the time */
#define HELD  100u

struct actor {
    pthread_t host;
    unsigned cpu;
    uint64_t random;
    uint32_t held[HELD], count;
};

static struct pool pool;
static bool taken[TOTAL];      /* (atomic) */
static uint32_t left[CPUS][8]; /* (atomic) number + 1, for another CPU to give back */
static uint64_t operations;

static unsigned random_below(struct actor *actor, unsigned limit)
{
    actor->random = actor->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(actor->random >> 33) % limit;
}

static void numbers_take(struct actor *actor)
{
    unsigned want = 1 + random_below(actor, 40);

    if (want > HELD - actor->count)
        want = HELD - actor->count;
    unsigned got = pool_take(&pool, &actor->held[actor->count], want);
    for (unsigned i = 0; i < got; i++) {
        uint32_t number = actor->held[actor->count++];
        if (number >= TOTAL || __atomic_exchange_n(&taken[number], true, __ATOMIC_RELAXED))
            panic("oracle: number %u is with two at once\n", number);
    }
}

static void numbers_give(struct actor *actor, unsigned count)
{
    if (count > actor->count)
        count = actor->count;
    for (unsigned i = actor->count - count; i < actor->count; i++)
        __atomic_store_n(&taken[actor->held[i]], false, __ATOMIC_RELAXED);
    actor->count -= count;
    pool_give(&pool, &actor->held[actor->count], count);
}

/* Leaves one of its numbers to the next CPU, and takes over what the one before has left there. */
static void numbers_exchange(struct actor *actor)
{
    unsigned place = random_below(actor, 8);
    uint32_t own = actor->count ? actor->held[--actor->count] + 1 : 0;
    uint32_t other = __atomic_exchange_n(&left[(actor->cpu + 1) % CPUS][place], own, __ATOMIC_ACQ_REL);

    if (other)
        actor->held[actor->count++] = other - 1;
    other = actor->count < HELD ? __atomic_exchange_n(&left[actor->cpu][place], 0, __ATOMIC_ACQ_REL) : 0;
    if (other)
        actor->held[actor->count++] = other - 1;
}

static void *act(void *argument)
{
    struct actor *actor = argument;

    machine_thread_is(actor->cpu);
    for (uint64_t i = 0; i < operations; i++)
        switch (random_below(actor, 3)) {
        case 0:
            numbers_take(actor);
            break;
        case 1:
            numbers_give(actor, 1 + random_below(actor, 40));
            break;
        default:
            numbers_exchange(actor);
        }
    numbers_give(actor, HELD);
    return NULL;
}

int main(int argc, char **argv)
{
    static struct actor actors[CPUS];
    uint64_t size, memory = machine_threads_memory(&size);
    uint32_t unclaimed = 0;

    operations = argc > 1 ? strtoull(argv[1], NULL, 10) : 300000;
    frame_range_add(memory, size);
    pool_init(&pool, frame_alloc_bytes(pool_bytes(TOTAL), 8, "a pool"), TOTAL, 1);
    for (unsigned i = 0; i < CPUS; i++) {
        actors[i].cpu = i;
        actors[i].random = i;
        pthread_create(&actors[i].host, NULL, act, &actors[i]);
    }
    for (unsigned i = 0; i < CPUS; i++)
        pthread_join(actors[i].host, NULL);
    for (unsigned i = 0; i < CPUS * 8; i++)
        unclaimed += left[i / 8][i % 8] != 0;
    if (pool_free(&pool) + unclaimed != TOTAL)
        panic("oracle: %u in the pool and %u left of %u\n", pool_free(&pool), unclaimed, TOTAL);
    printf("done\n");
    return 0;
}
