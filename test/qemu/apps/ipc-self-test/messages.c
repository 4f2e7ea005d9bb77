/*
 * Messages: making, changing, reading; what is copied, and what is counted of it.
 */
#include <string.h>
#include "test/qemu/apps/ipc-self-test/tester.h"

static void make_and_free(void)
{
    struct baton_message message;

    baton_message_init(&message, 10);
    CHECK(baton_message_length(&message) == 0 && message.inline_offset == 10);
    CHECK(baton_message_alloc(&message, 129, 0) == BATON_EINVAL);
    CHECK(baton_message_alloc(&message, 28, 100) == 0 && message.pieces == 0);
    CHECK(baton_message_alloc(&message, 0, 65536) == 0 && message.pieces == BATON_PIECES);
    CHECK(baton_message_append(&message, "x", 1) == 0 && message.pieces < BATON_PIECES);
    CHECK(baton_message_free(&message) == 0 && baton_message_free(&message) == 0);
    CHECK(baton_message_length(&message) == 0);
}

static void grow_and_shrink(void)
{
    struct baton_message message;
    static uint8_t bytes[6000], back[6200];

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = pattern(5, i);
    baton_message_init(&message, 14);
    CHECK(baton_message_append(&message, bytes, 100) == 0 && message.pieces == 0);
    CHECK(baton_message_append(&message, bytes + 100, 5900) == 0 && message.pieces == 2);
    CHECK(baton_message_prepend(&message, "headerheaderhe", 14) == 0 && message.inline_offset == 0);
    CHECK(baton_message_prepend(&message, "outer", 5) == 0 && message.pieces == 2);       /* moves up */
    CHECK(baton_message_prepend(&message, "0123456789", 10) == 0 && message.pieces == 3); /* spills */
    CHECK(message.length == 6029);
    CHECK(baton_message_read(&message, 0, back, 6029) == 0 &&
          !memcmp(back, "0123456789outerheaderheaderhe", 29) && !memcmp(back + 29, bytes, 6000));
    CHECK(baton_message_read(&message, 6000, back, 30) == BATON_EINVAL);
    CHECK(baton_message_trim_front(&message, 29) == 0 && baton_message_trim_back(&message, 1000) == 0);
    CHECK(pattern_holds(&message, 5, 5000));
    CHECK(baton_message_trim_front(&message, 5001) == BATON_EINVAL);
    CHECK(baton_message_trim_front(&message, 5000) == 0 && message.pieces == 0);
    CHECK(baton_message_free(&message) == 0);
}

static void copy_on_write(void)
{
    struct baton_message message, copy;

    pattern_make(&message, 9, 10000);
    CHECK(baton_message_duplicate(&copy, &message) == 0);
    CHECK(copy.piece[0].page == message.piece[0].page && copy.piece[0].offset & BATON_PIECE_READ_ONLY);
    CHECK(pattern_holds(&copy, 9, 10000));
    CHECK(baton_message_write(&copy, 4090, "twelve bytes", 12) == 0);
    CHECK(copy.piece[0].page != message.piece[0].page && copy.piece[1].page != message.piece[1].page);
    CHECK(copy.piece[2].page == message.piece[2].page);
    CHECK(pattern_holds(&message, 9, 10000) && !pattern_holds(&copy, 9, 10000));
    CHECK(baton_message_free(&copy) == 0);
    CHECK(baton_message_write(&message, 9000, "x", 1) == 0); /* alone again: written in place or on a copy */
    CHECK(baton_message_free(&message) == 0);
}

/* Partner writes into what it got by duplicate, and into what it got for good. */
static void partner_writes(void)
{
    struct baton_message message, back;

    pattern_make(&message, 3, 9000);
    message.type = SCRIBBLE;
    CHECK(baton_send(partner, &message, BATON_DUPLICATE, BATON_FOREVER) == 1);
    CHECK(message.piece[1].offset & BATON_PIECE_READ_ONLY);
    CHECK(baton_receive(own, &back, 0, BATON_FOREVER) == 1);
    CHECK(pattern_holds(&message, 3, 9000));
    CHECK(*(const uint8_t *)baton_piece_address(&back.piece[2]) == 0xee && back.length == 9000);
    CHECK(baton_message_write(&message, 0, "mine", 4) == 0);
    CHECK(baton_message_free(&message) == 0 && baton_message_free(&back) == 0);

    pattern_make(&message, 4, 9000);
    message.type = SCRIBBLE;
    uint32_t page = message.piece[1].page;
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == 1);
    CHECK(baton_receive(own, &message, BATON_IMMEDIATE_ACCESS, BATON_FOREVER) == 1);
    CHECK(message.piece[1].page == page && !(message.piece[1].offset & BATON_PIECE_READ_ONLY));
    CHECK(*(const uint8_t *)baton_piece_address(&message.piece[1]) == 0xee);
    CHECK(baton_message_free(&message) == 0);
}

static void counters(void)
{
    uint64_t *mine = baton_counter("self_test", -1);

    CHECK(mine != NULL);
    if (mine)
        *mine = 4711;
    CHECK(baton_counter("a_name_that_is_longer_than_it_may_be", -1) == NULL);
}

void test_messages(void)
{
    make_and_free();
    grow_and_shrink();
    copy_on_write();
    partner_writes();
    counters();
}
