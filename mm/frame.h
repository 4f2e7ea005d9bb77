/*
 * Kernel memory: frames and smaller pieces, taken once at boot and never given back.
 *
 * Owns: RAM that is neither the image nor the IPC block nor reserved by firmware. Everything with a life
 * shorter than the machine's lives in a pool of fixed size made from it, so nothing can run out after the
 * boot. Invariant 1: what is handed out is zeroed, mapped in the linear map, and handed out once.
 */
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include <stdint.h>

/* Adds a range of RAM, page aligned. A few ranges at most. */
void frame_range_add(uint64_t phys, uint64_t size);

/* Contiguous frames; panics when there are none, naming `what` for. Boot only. */
uint64_t frame_alloc(unsigned count, const char *what);

/* Bytes in the linear map, aligned to `align` (a power of two up to a page). */
void *frame_alloc_bytes(uint64_t size, uint64_t align, const char *what);

/* As frame_alloc, but 0 instead of a panic; aligned to `align` bytes. For the IPC block, which is not zeroed.
 */
uint64_t frame_alloc_block(uint64_t size, uint64_t align);

uint64_t frame_free_bytes(void);

#endif
