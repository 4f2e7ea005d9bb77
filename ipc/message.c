/* Message objects: see message.h. */
#include "ipc/message.h"
#include "ipc/block.h"
#include "core/arch.h"
#include "core/log.h"
#include "core/pool.h"
#include "ipc/page.h"
#include "ipc/rpc.h"
#include "mm/frame.h"
#include "mm/space.h"

struct message *message_objects;
struct pool message_pool;

_Static_assert(sizeof(struct message) == 320 && !(sizeof(struct message) % 32),
               "objects share no half cache line");

void message_pool_init(unsigned count)
{
    message_objects = frame_alloc_bytes(count * sizeof(struct message), 64, "message objects");
    pool_init(&message_pool, frame_alloc_bytes(pool_bytes(count), 8, "the pool of message objects"), count,
              sizeof(struct message));
}

unsigned message_pool_free(void)
{
    return pool_free(&message_pool);
}

unsigned message_pool_total(void)
{
    return message_pool.total;
}

unsigned message_alloc(struct message **messages, unsigned count)
{
    struct message *objects = message_objects;
    unsigned done = 0, there;

    while (done < count) {
        unsigned want = count - done < POOL_BATCH ? count - done : POOL_BATCH;
        const uint32_t *end = pool_peek(&message_pool, want, &there);
        if (there < want)
            want = there;
        if (!want)
            break;
        for (const uint32_t *number = end; number > end - want;)
            messages[done++] = message_at(objects, *--number);
        pool_taken(&message_pool, want);
    }
    return done;
}

void message_free(struct message *const *messages, unsigned count)
{
    struct message *objects = message_objects;

    while (count) {
        unsigned n = count < POOL_BATCH ? count : POOL_BATCH;
        invariant(pool_has_room(&message_pool, n), "message 1");
        uint32_t *room = pool_room(&message_pool);
        for (unsigned i = 0; i < n; i++) {
            messages[i]->special = 0;
            room[i] = message_number(objects, messages[i]);
        }
        pool_given(&message_pool, n);
        messages += n;
        count -= n;
    }
}

void message_drop(struct message *message)
{
    uint32_t pages[BATON_PIECES];

    unsigned count = 0;

    for (unsigned i = 0; i < message->abi.pieces; i++)
        if (message->special & MESSAGE_BLOCKS && message->abi.piece[i].offset & BATON_PIECE_BLOCK)
            block_free(message->abi.piece[i].page);
        else
            pages[count++] = message->abi.piece[i].page;
    int released = page_release_batch(space_at(0), pages, count);
    invariant((unsigned)released == count, "message 3");
    if (message->special)
        rpc_abort(message);
    message_free(&message, 1);
}
