/* Stocks: see stock.h. */
#include "core/stock.h"
#include "core/layout.h"
#include "core/string.h"

#define BELOW   0 /* words of a bundle */
#define COUNT   1
#define NUMBERS 2

#define TOP(word)    ((uint32_t)(word))
#define POPPED_ONCE  (UINT64_C(1) << 32)
#define POPPED(word) ((word) & ~(uint64_t)UINT32_MAX)

static uint32_t bundles_for(uint32_t total, uint32_t size)
{
    return total / size + 1 + CPUS_MAX;
}

uint32_t stock_words(uint32_t total, uint32_t size)
{
    return bundles_for(total, size) * (NUMBERS + size);
}

/* By its number + 1, as the stacks have it. */
static uint32_t *bundle_at(const struct stock *stock, uint32_t name)
{
    return &stock->bundles[(name - 1) * (NUMBERS + stock->size)];
}

static void bundle_push(struct stock *stock, uint64_t *stack, uint32_t name)
{
    uint32_t *bundle = bundle_at(stock, name);
    uint64_t word = __atomic_load_n(stack, __ATOMIC_RELAXED);

    do {
        __atomic_store_n(&bundle[BELOW], TOP(word), __ATOMIC_RELAXED);
        /* Release: else who pops it may see what it held before */
    } while (!__atomic_compare_exchange_n(stack, &word, POPPED(word) | name, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
}

/* 0 when there is none. */
static uint32_t bundle_pop(struct stock *stock, uint64_t *stack)
{
    /* Acquire: else what is below it may be read before it, and what it holds before it is ours */
    uint64_t word = __atomic_load_n(stack, __ATOMIC_ACQUIRE), next;

    do {
        if (!TOP(word))
            return 0;
        next = (POPPED(word) + POPPED_ONCE) |
               __atomic_load_n(&bundle_at(stock, TOP(word))[BELOW], __ATOMIC_RELAXED);
    } while (!__atomic_compare_exchange_n(stack, &word, next, true, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE));
    return TOP(word);
}

void stock_init(struct stock *stock, uint32_t *memory, uint32_t total, uint32_t size, uint32_t step)
{
    *stock = (struct stock){.bundles = memory, .size = size, .bundle_count = bundles_for(total, size)};
    uint32_t full = step ? (total + size - 1) / size : 0;

    /* The last bundle first, so that number 0 is taken first */
    for (uint32_t i = stock->bundle_count; i-- > 0;) {
        uint32_t *bundle = bundle_at(stock, i + 1), first = i * size;

        bundle[COUNT] = i >= full ? 0 : total - first < size ? total - first : size;
        for (uint32_t k = 0; k < bundle[COUNT]; k++)
            bundle[NUMBERS + k] = (first + bundle[COUNT] - 1 - k) * step;
        bundle_push(stock, i < full ? &stock->full : &stock->empty, i + 1);
    }
}

uint32_t stock_take(struct stock *stock, uint32_t *numbers)
{
    uint32_t name = bundle_pop(stock, &stock->full);

    if (!name)
        return 0;
    uint32_t *bundle = bundle_at(stock, name), count = bundle[COUNT];
    memcpy(numbers, &bundle[NUMBERS], count * sizeof(uint32_t));
    __atomic_store_n(&bundle[COUNT], 0, __ATOMIC_RELAXED);
    bundle_push(stock, &stock->empty, name);
    return count;
}

bool stock_give(struct stock *stock, const uint32_t *numbers)
{
    uint32_t name = bundle_pop(stock, &stock->empty);

    if (!name)
        return false;
    uint32_t *bundle = bundle_at(stock, name);
    memcpy(&bundle[NUMBERS], numbers, stock->size * sizeof(uint32_t));
    __atomic_store_n(&bundle[COUNT], stock->size, __ATOMIC_RELAXED);
    bundle_push(stock, &stock->full, name);
    return true;
}

uint32_t stock_count(const struct stock *stock)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < stock->bundle_count; i++)
        sum += __atomic_load_n(&bundle_at(stock, i + 1)[COUNT], __ATOMIC_RELAXED);
    return sum;
}
