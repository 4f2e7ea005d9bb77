/*
 * What the parts of tester share, and the commands that partner obeys (message.type).
 */
#ifndef SELF_TEST_TESTER_H
#define SELF_TEST_TESTER_H

#include <stdbool.h>
#include "apps/baton.h"

enum command {
    ECHO = 1,  /* send it back as it is */
    ECHO_SIDE, /* the same, to tester.side */
    PAIR_SIDE, /* send it back to tester.side, and another like it, by one call */
    SUM,       /* rpc: the answer's tag is the sum of all bytes */
    HOLD,      /* keep it */
    HELD_SUM,  /* rpc: the sum of all bytes of all that is held, which is freed */
    OUTSIDE,   /* rpc: the answer's tag is how many bytes of its pages outside the message are not 0 */
    SCRIBBLE,  /* write 0xee over it, with copy-on-write, and send it back */
    STALL,     /* do nothing for `tag` nanoseconds */
    NO_ANSWER, /* rpc: forget it */
    STALE, /* rpc: answer it, and answer once more with the same token; the tag is the second one's result */
    OWN_DATA,   /* rpc: the tag is the address of a variable of partner's; malloc and printf work */
    BLOCK_BACK, /* send two small blocks of 600 bytes 0x11 */
    HOLD_TOKEN, /* request: keep its token; the message is freed */
    ANSWER_HELD, /* rpc: answer all those tokens, with the type 1000 and up; the tag is how many could be answered */
    FLOATING, /* rpc: computes with floating-point registers over and over, for `tag` rounds */
};

extern int own, side, partner, short_lived;

void check(bool good, const char *file, int line, const char *what);
#define CHECK(condition) check(condition, __FILE__, __LINE__, #condition)

/* rpc to partner; the answer's tag, or the error. `message` is used up. */
int64_t ask(struct baton_message *message, enum command command);

/* The byte that belongs at `offset` of test data number `seed`. */
static inline uint8_t pattern(uint32_t seed, uint32_t offset)
{
    return (uint8_t)((seed * 131 + offset * 7 + (offset >> 8) * 13) | 1);
}

/* A message of that length full of the pattern; some of it inline if `headroom` is 0 and it is short. */
/* The same with a duplicate: `message` stays. */
int64_t ask_kept(struct baton_message *message, enum command command);

void pattern_make(struct baton_message *message, uint32_t seed, uint32_t length);
bool pattern_holds(const struct baton_message *message, uint32_t seed, uint32_t length);
uint64_t pattern_sum(uint32_t seed, uint32_t length);

void test_messages(void);
void test_ports(void);
void test_pages(void);
void test_threads(void);
void test_books(void);
void test_lend(void);

#endif
