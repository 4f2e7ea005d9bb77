/* Pools of numbered things: see pool.h. */
#include "core/pool.h"
#include "core/cpu.h"
#include "core/log.h"
#include "core/string.h"

/* What a magazine holds at most. */
static uint32_t limit_for(uint32_t total)
{
    uint32_t limit = total / (4 * CPUS_MAX);

    return limit > POOL_MAGAZINE ? POOL_MAGAZINE : limit < 2 ? 2 : limit;
}

/* What a magazine takes when it is empty, and leaves when it is full. */
static uint32_t half(uint32_t limit)
{
    return (limit + 1) / 2;
}

uint64_t pool_bytes(uint32_t total)
{
    return pool_bytes_empty(total, total);
}

uint64_t pool_bytes_empty(uint32_t total, uint32_t most)
{
    return stock_words(most, half(limit_for(total))) * sizeof(uint32_t);
}

void pool_init_empty(struct pool *pool, uint32_t *memory, uint32_t total, uint32_t most)
{
    pool->total = total;
    pool->limit = limit_for(total);
    stock_init(&pool->stock, memory, most, half(pool->limit), 0);
}

void pool_init(struct pool *pool, uint32_t *memory, uint32_t total, uint32_t step)
{
    pool->total = total;
    pool->limit = limit_for(total);
    stock_init(&pool->stock, memory, total, half(pool->limit), step);
}

/* Others may look at a count at any time: at one that was right in the meantime. */
static void count_set(uint32_t *count, uint32_t value)
{
    __atomic_store_n(count, value, __ATOMIC_RELAXED);
}

/* Moves the last `count` numbers of one stack on top of another. In one block: this is on every frame's path. */
static void numbers_move(uint32_t *to, uint32_t *to_count, const uint32_t *from, uint32_t *from_count,
                         uint32_t count)
{
    count_set(from_count, *from_count - count);
    memcpy(&to[*to_count], &from[*from_count], count * sizeof(uint32_t));
    count_set(to_count, *to_count + count);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* A bundle of numbers, from the top of the magazine, to the stock. */
static bool bundle_leave(struct pool *pool, struct magazine *magazine)
{
    uint32_t left = magazine->count - half(pool->limit);

    if (!stock_give(&pool->stock, &magazine->items[left]))
        return false;
    count_set(&magazine->count, left);
    return true;
}

void pool_bring(struct pool *pool, struct magazine *magazine, unsigned count)
{
    uint32_t got;

    /* Less than a batch and a bundle: the magazine has room for both */
    while (magazine->count < count && (got = stock_take(&pool->stock, &magazine->items[magazine->count])) > 0)
        count_set(&magazine->count, magazine->count + got);
}

bool pool_make_room(struct pool *pool, struct magazine *magazine, unsigned count)
{
    /* Of a small pool: what is left, less than a bundle, and a batch have room in any magazine */
    while (magazine->count + count > pool->limit && magazine->count >= half(pool->limit))
        if (!bundle_leave(pool, magazine))
            return false;
    return true;
}

unsigned pool_take(struct pool *pool, uint32_t *items, unsigned count)
{
    struct magazine *magazine = &pool->magazine[cpu_number()];
    uint32_t done = 0;

    while (done < count) {
        if (!magazine->count)
            pool_bring(pool, magazine, 1);
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
        while (magazine->count >= pool->limit)
            invariant(bundle_leave(pool, magazine), "stock 1");
        numbers_move(magazine->items, &magazine->count, items, &count,
                     least(count, pool->limit - magazine->count));
    }
}

uint32_t pool_free(const struct pool *pool)
{
    uint32_t sum = stock_count(&pool->stock);

    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
        sum += __atomic_load_n(&pool->magazine[cpu].count, __ATOMIC_RELAXED);
    return sum;
}
