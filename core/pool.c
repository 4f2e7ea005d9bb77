/* Pools of numbered things: see pool.h. */
#include "core/pool.h"
#include "core/cpu.h"
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
    return stock_words(total, half(limit_for(total))) * sizeof(uint32_t);
}

void pool_init(struct pool *pool, uint32_t *memory, uint32_t total)
{
    pool->total = total;
    pool->limit = limit_for(total);
    stock_init(&pool->stock, memory, total, half(pool->limit));
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

unsigned pool_take(struct pool *pool, uint32_t *items, unsigned count)
{
    struct magazine *magazine = &pool->magazine[cpu_number()];
    uint32_t done = 0;

    while (done < count) {
        if (!magazine->count)
            magazine->count = stock_take(&pool->stock, magazine->items);
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
        if (magazine->count == pool->limit) {
            magazine->count -= half(pool->limit);
            stock_give(&pool->stock, &magazine->items[magazine->count]);
        }
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
