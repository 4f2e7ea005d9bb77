/*
 * Pools: a fixed set of things, each with a number, free or taken. IPC pages and message objects are handed out by one of these.
 *
 * Owns: the numbers that are free. Model: each CPU has a magazine that only it touches, with interrupts masked; a
 * full or empty magazine exchanges half with the stock (core/stock.h), without a lock. So where frames come in on one CPU and
 * go out on another, their pages and message objects go back by half magazines.
 * On the path of frames a batch is taken where it lies: pool_peek() and pool_taken(), pool_room() and pool_given() hand out
 * places in the magazine itself, so that no number is copied twice.
 *
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
    uint32_t
        limit; /* what a magazine holds at most, but for the rest of a batch: little when there is little */
    struct magazine magazine[CPUS_MAX];
};

/* Bytes of memory for a pool of that many numbers, and makes one of 0, step, 2 * step and so on, all free, with that memory. */
uint64_t pool_bytes(uint32_t total);
void pool_init(struct pool *pool, uint32_t *memory, uint32_t total, uint32_t step);

/*
 * A pool that begins empty, with magazines as one of `total` numbers has them, and a stock of `most`: what comes to be in it is
 * the user's to say, and what it has no room for (pool_has_room) the user's to keep.
 */
uint64_t pool_bytes_empty(uint32_t total, uint32_t most);
void pool_init_empty(struct pool *pool, uint32_t *memory, uint32_t total, uint32_t most);

/* Takes up to `count`; returns how many. What lies in other CPUs' magazines is not to be had. Interrupts masked. */
unsigned pool_take(struct pool *pool, uint32_t *items, unsigned count);

/* Gives numbers back. Interrupts masked. */
void pool_give(struct pool *pool, const uint32_t *items, unsigned count);

#define POOL_BATCH 64 /* what can be peeked at, or have room, at once */

/* Brings numbers to this CPU's magazine until there are `count`, or makes room for as many; false: the stock is full. */
void pool_bring(struct pool *pool, struct magazine *magazine, unsigned count);
bool pool_make_room(struct pool *pool, struct magazine *magazine, unsigned count);

/*
 * The end of this CPU's magazine: end[-1], end[-2] and so on are the next numbers, *there of them, which are `count` as far as
 * the pool has so many. They are the caller's as soon as pool_taken() says how many it took. Both with interrupts masked, and no
 * other use of the pool between the two.
 */
static inline const uint32_t *pool_peek(struct pool *pool, unsigned count, unsigned *there)
{
    struct magazine *magazine = &pool->magazine[cpu_number()];

    if (__builtin_expect(magazine->count < count, 0))
        pool_bring(pool, magazine, count);
    *there = magazine->count;
    return &magazine->items[magazine->count];
}

static inline void pool_taken(struct pool *pool, unsigned count)
{
    struct magazine *magazine = &pool->magazine[cpu_number()];

    __atomic_store_n(&magazine->count, magazine->count - count, __ATOMIC_RELAXED);
}

/* Whether there is a place for `count` numbers more. Always, in a pool that is not one of pool_init_empty(). */
static inline bool pool_has_room(struct pool *pool, unsigned count)
{
    struct magazine *magazine = &pool->magazine[cpu_number()];

    return __builtin_expect(magazine->count + count <= pool->limit, 1) ||
           pool_make_room(pool, magazine, count);
}

/* Where these places are; the numbers are given back when pool_given() says how many were written. Likewise. */
static inline uint32_t *pool_room(struct pool *pool)
{
    struct magazine *magazine = &pool->magazine[cpu_number()];

    return &magazine->items[magazine->count];
}

static inline void pool_given(struct pool *pool, unsigned count)
{
    struct magazine *magazine = &pool->magazine[cpu_number()];

    __atomic_store_n(&magazine->count, magazine->count + count, __ATOMIC_RELAXED);
}

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
