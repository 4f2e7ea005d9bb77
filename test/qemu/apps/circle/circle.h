/* What the three services of the circle agree on: the bytes of a message, and what is sent on of them. */
#ifndef TEST_CIRCLE_H
#define TEST_CIRCLE_H

#include <stdbool.h>
#include "apps/baton.h"

#define CIRCLE_PAGES 2
#define CIRCLE_BYTES (CIRCLE_PAGES * BATON_PAGE_BYTES)
#define CIRCLE_WORDS 64 /* that are written and looked at, spread over the message */
#define CIRCLE_FRONT 256
#define CIRCLE_BACK  512 /* bytes at both ends that stranger is not sent */

/* Word `i` of the message with this tag, as first writes it; second inverts all. */
static inline uint64_t circle_word(uint64_t tag, unsigned i)
{
    return (tag + 1) * UINT64_C(0x9e3779b97f4a7c15) + i;
}

static inline uint32_t circle_offset(unsigned i)
{
    return i * (CIRCLE_BYTES / CIRCLE_WORDS);
}

/* True when all words but those of the first and last bytes are as they should be. */
static inline bool circle_check(const struct baton_message *message, bool inverted, uint32_t front,
                                uint32_t back)
{
    for (unsigned i = 0; i < CIRCLE_WORDS; i++) {
        uint64_t word = 0, expected = circle_word(message->tag, i);
        if (circle_offset(i) < front || circle_offset(i) >= CIRCLE_BYTES - back)
            continue;
        baton_message_read(message, circle_offset(i) - front, &word, sizeof word);
        if (word != (inverted ? ~expected : expected)) {
            baton_log("FAILED: message %lu, word %u is 0x%lx", (unsigned long)message->tag, i,
                      (unsigned long)word);
            return false;
        }
    }
    return true;
}

static inline bool circle_write(struct baton_message *message, bool inverted)
{
    for (unsigned i = 0; i < CIRCLE_WORDS; i++) {
        uint64_t word = circle_word(message->tag, i);
        word = inverted ? ~word : word;
        if (baton_message_write(message, circle_offset(i), &word, sizeof word) < 0)
            return false;
    }
    return true;
}

#endif
