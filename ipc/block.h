/*
 * Small blocks on their way (DASH 3.2: a descriptor may point to a "random-size small-block"): data that is too long for the
 * inline part of a message and too short to be worth a page. It is copied at send and at receive.
 *
 * Owns: a pool of blocks of BATON_BLOCK_BYTES, in the linear map. A service may have BLOCKS_EACH in flight and there are as many for
 * each, so nobody can take the others'. A block is held by one message object, as its page would be; whoever drops the message
 * gives it back.
 *
 * Errors: enum baton_error. Interrupts are masked in every call. None waits.
 */
#ifndef IPC_BLOCK_H
#define IPC_BLOCK_H

#include <stdint.h>

#define BLOCKS_EACH 32u

/* Boot: blocks for services 0 .. count - 1. */
void blocks_init(unsigned count);

/* A block for a message that the service sends. BATON_ENOMEM: it has as many in flight as it may. */
int block_alloc(unsigned service, uint32_t *block);
void block_free(uint32_t block);

/* Where it lies. */
void *block_address(uint32_t block);

/* Blocks in flight, when nothing moves. */
unsigned blocks_used(void);

#endif
