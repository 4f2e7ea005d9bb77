/* Pools of numbered things: see pool.h. */
#include "core/pool.h"
#include "core/cpu.h"
#include "core/string.h"

void pool_init(struct pool *pool, uint32_t *stock, uint32_t total)
{
    pool->stock = stock;
    pool->total = total;
    pool->stocked = total;
    pool->limit = total / (4 * CPUS_MAX);
    if (pool->limit > POOL_MAGAZINE)
        pool->limit = POOL_MAGAZINE;
    if (pool->limit < 2)
        pool->limit = 2;
    for (uint32_t i = 0; i < total; i++)
        stock[i] = total - 1 - i; /* low numbers go first */
}

/* Moves the last `count` numbers of one stack on top of another. In one block: this is on every frame's path. */
static void numbers_move(uint32_t *to, uint32_t *to_count, const uint32_t *from, uint32_t *from_count,
                         uint32_t count)
{
    *from_count -= count;
    memcpy(&to[*to_count], &from[*from_count], count * sizeof(uint32_t));
    *to_count += count;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void magazine_fill(struct pool *pool, struct magazine *magazine)
{
    spin_lock(&pool->lock);
    numbers_move(magazine->items, &magazine->count, pool->stock, &pool->stocked,
                 least((pool->limit + 1) / 2, pool->stocked));
    spin_unlock(&pool->lock);
}

static void magazine_empty(struct pool *pool, struct magazine *magazine)
{
    spin_lock(&pool->lock);
    numbers_move(pool->stock, &pool->stocked, magazine->items, &magazine->count,
                 magazine->count - pool->limit / 2);
    spin_unlock(&pool->lock);
}

unsigned pool_take(struct pool *pool, uint32_t *items, unsigned count)
{
    struct magazine *magazine = &pool->magazine[cpu_number()];
    uint32_t done = 0;

    while (done < count) {
        if (!magazine->count)
            magazine_fill(pool, magazine);
        if (!magazine->count)
            break;
        numbers_move(items, &done, magazine->items, &magazine->count, least(count - done, magazine->count));
    }
    return done;
}

void pool_give(struct pool *pool, const uint32_t *items, unsigned count)
{
    struct magazine *magazine = &pool->magazine[cpu_number()];

    while (count) {
        if (magazine->count == pool->limit)
            magazine_empty(pool, magazine);
        numbers_move(magazine->items, &magazine->count, items, &count,
                     least(count, pool->limit - magazine->count));
    }
}

uint32_t pool_free(const struct pool *pool)
{
    uint32_t sum = __atomic_load_n(&pool->stocked, __ATOMIC_RELAXED);

    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
        sum += __atomic_load_n(&pool->magazine[cpu].count, __ATOMIC_RELAXED);
    return sum;
}
