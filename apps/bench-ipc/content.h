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

#define STAGES_MAX 8

/* What comes in a message's type: its key; or, with ORDER, that it is an order to the stage. */
#define KEY_MASK UINT32_C(0x7fffffff)
#define ORDER    UINT32_C(0x80000000)

enum order {
    ORDER_BEGIN = 1, /* tag: see below; forgets what was counted */
    ORDER_REPORT,    /* the answer's tag: messages seen in 31:0, wrong ones in 63:32 */
};
#define ORDER_FREE      (UINT64_C(1) << 8)  /* do not send it on: free it */
#define ORDER_BATCH     (UINT64_C(1) << 9)  /* as many in one call as there are */
#define ORDER_ON        (UINT64_C(1) << 10) /* send it to the next stage, not to the sender */
#define ORDER_IMMEDIATE (UINT64_C(1) << 11) /* receive with BATON_IMMEDIATE_ACCESS */
#define ORDER_CPU(cpu)  ((uint64_t)(cpu) << 16)
#define ORDER_READ(bytes)                                                                                    \
    ((uint64_t)(bytes) << 32) /* of each message, from its beginning: a multiple of 64 */

/* Writes the content for `key`. The length is a multiple of 64. Returns 0 or an error of the message. */
int content_fill(struct baton_message *message, uint32_t key);

/* True when every byte is as content_fill wrote it. */
bool content_good(const struct baton_message *message, uint32_t key);

/* Reads the first `bytes` bytes; true when they told the key that the message names. */
bool content_touch(const struct baton_message *message, uint32_t bytes);

/*
 * With the setting wide=yes: two more threads of this service sleep, one on CPU 0 and one on CPU 1. So wherever the service runs, its
 * table has been live on both, and what is unmapped there has to be invalidated on both. Else nothing.
 */
void content_wide(void);

#endif
