/* The messages' content: see content.h. */
#include <stdlib.h>
#include "apps/bench-ipc/content.h"

#define WORDS (CONTENT_BLOCK / 8)

typedef uint64_t pair __attribute__((vector_size(16), aligned(8)));

static void block_make(uint64_t *word, uint32_t key, uint32_t offset)
{
    word[0] = offset ? 0 : key;
    for (unsigned i = 1; i < WORDS; i++) {
        word[i] = ((uint64_t)key << 32 | (offset + i)) * UINT64_C(0x9e3779b97f4a7c15);
        word[0] ^= word[i];
    }
}

int content_fill(struct baton_message *message, uint32_t key)
{
    uint64_t block[WORDS];

    for (uint32_t offset = 0; offset < message->length; offset += CONTENT_BLOCK) {
        block_make(block, key, offset);
        int result = baton_message_write(message, offset, block, CONTENT_BLOCK);
        if (result < 0)
            return result;
    }
    return 0;
}

bool content_good(const struct baton_message *message, uint32_t key)
{
    uint64_t expected[WORDS], found[WORDS], wrong = 0;

    for (uint32_t offset = 0; offset < message->length; offset += CONTENT_BLOCK) {
        block_make(expected, key, offset);
        if (baton_message_read(message, offset, found, CONTENT_BLOCK) < 0)
            return false;
        for (unsigned i = 0; i < WORDS; i++)
            wrong |= expected[i] ^ found[i];
    }
    return !wrong;
}

static uint64_t block_read(const uint64_t *word)
{
    return word[0] ^ word[1] ^ word[2] ^ word[3] ^ word[4] ^ word[5] ^ word[6] ^ word[7];
}

/* Whole blocks; several accumulators, as a reader would have who wants to be fast. */
static uint64_t blocks_read(const void *from, uint32_t bytes)
{
    const pair *at = from;
    const pair *end = at + bytes / sizeof *at;
    pair a = {0}, b = {0}, c = {0}, d = {0};

    for (; end - at >= 16; at += 16) {
        a ^= at[0] ^ at[4] ^ at[8] ^ at[12];
        b ^= at[1] ^ at[5] ^ at[9] ^ at[13];
        c ^= at[2] ^ at[6] ^ at[10] ^ at[14];
        d ^= at[3] ^ at[7] ^ at[11] ^ at[15];
    }
    for (; at < end; at++)
        a ^= at[0];
    a ^= b ^ c ^ d;
    return a[0] ^ a[1];
}

static uint64_t prefix_read(const struct baton_message *message, uint32_t bytes)
{
    uint64_t sum = 0;
    uint32_t run;

    for (uint32_t offset = 0; offset < bytes; offset += run) {
        const void *from = baton_message_peek(message, offset, &run);
        if (run > bytes - offset)
            run = bytes - offset;
        sum ^= blocks_read(from, run);
    }
    return sum;
}

bool content_touch(const struct baton_message *message, uint32_t bytes)
{
    uint32_t run;

    if (!bytes)
        return true;
    uint64_t key = bytes > CONTENT_BLOCK ? prefix_read(message, bytes)
                                         : block_read(baton_message_peek(message, 0, &run));
    return key == message->type;
}

static void sleeper(void *argument)
{
    (void)argument;
    for (;;)
        baton_sleep(UINT64_C(1000000000) * 3600);
}

void content_wide(void)
{
    char value[4];

    if (baton_setting("wide", value, sizeof value) > 0 &&
        (baton_thread_start(sleeper, NULL, 0) < 0 || baton_thread_start(sleeper, NULL, 1) < 0))
        abort();
}
