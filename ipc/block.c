/* Small blocks on their way: see block.h. */
#include "ipc/block.h"
#include "core/abi.h"
#include "core/layout.h"
#include "core/pool.h"
#include "mm/frame.h"

static char *blocks;
static struct pool pool;
static uint8_t *senders;                 /* of each block: who sent it */
static uint32_t in_flight[SERVICES_MAX]; /* (atomic) */

void blocks_init(unsigned count)
{
    uint32_t total = count * BLOCKS_EACH;

    blocks = frame_alloc_bytes((uint64_t)total * BATON_BLOCK_BYTES, 64, "small blocks");
    senders = frame_alloc_bytes(total, 8, "the senders of small blocks");
    pool_init(&pool, frame_alloc_bytes(pool_bytes(total), 8, "the pool of small blocks"), total, 1);
}

int block_alloc(unsigned service, uint32_t *block)
{
    bool allowed = __atomic_fetch_add(&in_flight[service], 1, __ATOMIC_RELAXED) < BLOCKS_EACH;

    if (!allowed || !pool_take(&pool, block, 1)) {
        __atomic_fetch_sub(&in_flight[service], 1, __ATOMIC_RELAXED);
        return BATON_ENOMEM;
    }
    senders[*block] = (uint8_t)service;
    return 0;
}

void block_free(uint32_t block)
{
    __atomic_fetch_sub(&in_flight[senders[block]], 1, __ATOMIC_RELAXED);
    pool_give(&pool, &block, 1);
}

void *block_address(uint32_t block)
{
    return blocks + (uint64_t)block * BATON_BLOCK_BYTES;
}

unsigned blocks_used(void)
{
    return pool.total - pool_free(&pool);
}
