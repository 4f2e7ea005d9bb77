/*
 * What the measured messages hold, and what a receiver does with it.
 *
 * A message has a key. In its first 64 bytes the words' exclusive or is the key, in every further block of 64 it is 0:
 * so reading the first block or all of it tells the same, and a changed bit changes what is told. Each word also depends on
 * its place, so content_good finds what was exchanged.
 */
#ifndef BENCH_IPC_CONTENT_H
#define BENCH_IPC_CONTENT_H

#include <stdbool.h>
#include <stdint.h>
#include "apps/baton.h"

#define CONTENT_BLOCK 64

/* What a receiver reads of a message. */
enum touch {
    TOUCH_NONE,
    TOUCH_HEADER, /* the first 64 bytes */
    TOUCH_ALL,
};

/* What comes in a message's type: its key; or, with ORDER, that it is an order to the echo. */
#define KEY_MASK UINT32_C(0x7fffffff)
#define ORDER    UINT32_C(0x80000000)

enum order {
    ORDER_TOUCH = 1, /* tag 15:8: what to read of each message, and the two below; forgets what was counted */
    ORDER_REPORT,    /* the answer's tag: messages seen in 31:0, wrong ones in 63:32 */
};
#define ORDER_FREE  (UINT64_C(1) << 16) /* do not send it back: free it */
#define ORDER_BATCH (UINT64_C(1) << 17) /* as many in one call as there are */

/* Writes the content for `key`. The length is a multiple of 64. Returns 0 or an error of the message. */
int content_fill(struct baton_message *message, uint32_t key);

/* True when every byte is as content_fill wrote it. */
bool content_good(const struct baton_message *message, uint32_t key);

/* Reads what is to be read; true when it told the key that the message names. */
bool content_touch(const struct baton_message *message, enum touch touch);

/* The flags to receive with: whoever reads all of it has it mapped at once. */
uint64_t content_flags(enum touch touch, uint32_t bytes);

#endif
