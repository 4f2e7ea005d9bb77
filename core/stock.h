/*
 * A stock: numbered things that no CPU has in its magazine (core/pool.h), in bundles. A CPU takes or leaves a whole bundle at a
 * time, without a lock: no CPU ever waits for another one here, wherever that one is held up.
 *
 * Owns: the bundles, and the numbers in those that are full. Model: two stacks, of full bundles and of empty ones; a bundle is
 * on one of them, or in the hands of one CPU that fills or empties it. A stack is one word: its top, and how often it was
 * popped. Who pops reads the top and what lies below it, and exchanges the one for the other; in between others may have
 * popped both and pushed the first again, which the count tells. Model-checked: test/model/stock.pml.
 *
 * Invariants
 *   1. A bundle is on one stack or in one CPU's hands; there is one for each CPU beyond what the numbers fill, so an empty one
 *      is always to be had.
 *   2. All full bundles but one hold `size` numbers: that one is what was left over at the beginning.
 *
 * The count has 32 bits: a CPU would have to be held up for 2^32 pops of others between two instructions to be deceived.
 * Interrupts masked in every call but stock_init. Nobody waits.
 */
#ifndef CORE_STOCK_H
#define CORE_STOCK_H

#include <stdbool.h>
#include <stdint.h>

struct stock {
    uint64_t full, empty; /* (atomic) tops: 0, or the bundle's number + 1; above, how often it was popped */
    uint32_t *bundles;    /* each: below (atomic), count (atomic), the numbers */
    uint32_t size;        /* numbers in a bundle */
    uint32_t bundle_count;
};

/* How many words of memory a stock of that many numbers needs. */
uint32_t stock_words(uint32_t total, uint32_t size);

/*
 * Makes a stock of `total` numbers, 0, step, 2 * step and so on, of which the low ones are taken first; with step 0, one for so many,
 * of which none is in it yet. `memory` has stock_words().
 */
void stock_init(struct stock *stock, uint32_t *memory, uint32_t total, uint32_t size, uint32_t step);

/* Takes a bundle of numbers out; returns how many, at most `size`; 0 when there is none. */
uint32_t stock_take(struct stock *stock, uint32_t *numbers);

/* Puts `size` numbers in. False: every bundle is full; never so while there are no more numbers than it was made for (stock 1). */
bool stock_give(struct stock *stock, const uint32_t *numbers);

/* Numbers in it, exact at a quiet point. */
uint32_t stock_count(const struct stock *stock);

#endif
