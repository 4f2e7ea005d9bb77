/*
 * Pools: a fixed set of numbered things, free or taken. IPC pages and message objects are handed out by one of these.
 *
 * Owns: the numbers that are free. Model: each CPU has a magazine that only it touches, with interrupts masked; a
 * full or empty magazine exchanges half with the stock (core/stock.h), without a lock. So where frames come in on one CPU and
 * go out on another, their pages and message objects go back by half magazines.
 * Invariant 1: a number is in the stock, in one magazine, or taken; the caller keeps it from being given back
 * twice.
 */
#ifndef CORE_POOL_H
#define CORE_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include "core/cpu.h"
#include "core/layout.h"
#include "core/stock.h"

#define POOL_MAGAZINE 128

struct magazine {
    uint32_t count;
    uint32_t items[POOL_MAGAZINE];
};

struct pool {
    struct stock stock;
    uint32_t total;
    uint32_t limit; /* what a magazine holds at most: little when there is little */
    struct magazine magazine[CPUS_MAX];
};

/* Bytes of memory for a pool of that many numbers, and makes one of the numbers 0 .. total - 1, all free, with that memory. */
uint64_t pool_bytes(uint32_t total);
void pool_init(struct pool *pool, uint32_t *memory, uint32_t total);

/* Takes up to `count`; returns how many. What lies in other CPUs' magazines is not to be had. Interrupts masked. */
unsigned pool_take(struct pool *pool, uint32_t *items, unsigned count);

/* Gives numbers back. Interrupts masked. */
void pool_give(struct pool *pool, const uint32_t *items, unsigned count);

/* One, from this CPU's magazine when there is any; false when there is none. Gives one back. Interrupts masked. */
static inline bool pool_take_one(struct pool *pool, uint32_t *item)
{
    struct magazine *magazine = &pool->magazine[cpu_number()];

    if (__builtin_expect(!magazine->count, 0))
        return pool_take(pool, item, 1);
    *item = magazine->items[--magazine->count];
    return true;
}

static inline void pool_give_one(struct pool *pool, uint32_t item)
{
    struct magazine *magazine = &pool->magazine[cpu_number()];

    if (__builtin_expect(magazine->count >= pool->limit, 0))
        pool_give(pool, &item, 1);
    else
        magazine->items[magazine->count++] = item;
}

/* Free ones, exact at a quiet point. */
uint32_t pool_free(const struct pool *pool);

#endif
