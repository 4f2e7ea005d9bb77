/*
 * What the reference model (ownership.h) knows of the bytes of a page: each grain of 64 bytes holds a tag at both ends,
 * written through somebody's translation or by a device, or zeros.
 */
#ifndef TEST_HOST_GRAINS_H
#define TEST_HOST_GRAINS_H

#include <stdint.h>
#include "core/abi.h"

struct reference;

#define GRAINS_WHOLE UINT64_MAX
#define EVERYBODY    UINT32_MAX

/* The grains that a piece covers, a bit each. */
uint64_t grains_of(const struct baton_piece *piece);

/* Those that somebody of `domains` may know. */
uint64_t grains_known(const struct reference *ref, uint32_t domains);

/* `domains` may know these from now on. */
void grains_learn(struct reference *ref, uint64_t mask, uint32_t domains);

/* The tag is written to the grain's memory; the reference stays as it is. */
void grain_put(uint32_t page, unsigned grain, uint32_t tag);

/* One grain as one of `domains` would read it now: what was written last, or zeros where that may be. */
void grain_check(uint32_t page, unsigned grain, uint32_t domains);

/* The grains of a page that a device reads to the end: nothing that it may not be shown. */
void grains_check_sent(uint32_t page, uint64_t piece, uint64_t visible);

/* The page is fresh: zeros, known to everybody. */
void grains_fresh(struct reference *ref);

#endif
