/* Pools of numbered things: see pool.h. */
#include "core/pool.h"
#include "core/cpu.h"

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

static void magazine_fill(struct pool *pool, unsigned cpu)
{
    spin_lock(&pool->lock);
    while (pool->magazine[cpu].count < (pool->limit + 1) / 2 && pool->stocked)
        pool->magazine[cpu].items[pool->magazine[cpu].count++] = pool->stock[--pool->stocked];
    spin_unlock(&pool->lock);
}

static void magazine_empty(struct pool *pool, unsigned cpu)
{
    spin_lock(&pool->lock);
    while (pool->magazine[cpu].count > pool->limit / 2)
        pool->stock[pool->stocked++] = pool->magazine[cpu].items[--pool->magazine[cpu].count];
    spin_unlock(&pool->lock);
}

unsigned pool_take(struct pool *pool, uint32_t *items, unsigned count)
{
    unsigned cpu = cpu_number(), done = 0;

    while (done < count) {
        if (!pool->magazine[cpu].count)
            magazine_fill(pool, cpu);
        uint32_t left = pool->magazine[cpu].count;
        if (!left)
            break;
        while (done < count && left)
            items[done++] = pool->magazine[cpu].items[--left];
        pool->magazine[cpu].count = left;
    }
    return done;
}

void pool_give(struct pool *pool, const uint32_t *items, unsigned count)
{
    unsigned cpu = cpu_number();

    for (unsigned done = 0; done < count;) {
        if (pool->magazine[cpu].count == pool->limit)
            magazine_empty(pool, cpu);
        uint32_t held = pool->magazine[cpu].count;
        while (done < count && held < pool->limit)
            pool->magazine[cpu].items[held++] = items[done++];
        pool->magazine[cpu].count = held;
    }
}

uint32_t pool_free(const struct pool *pool)
{
    uint32_t sum = __atomic_load_n(&pool->stocked, __ATOMIC_RELAXED);

    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
        sum += __atomic_load_n(&pool->magazine[cpu].count, __ATOMIC_RELAXED);
    return sum;
}
