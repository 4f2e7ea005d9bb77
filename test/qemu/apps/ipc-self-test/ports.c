/*
 * Ports: names, rights, sending and receiving one by one and in batches, full and empty ports, rpc, the dead.
 */
#include "test/qemu/apps/ipc-self-test/tester.h"

#define MILLISECOND UINT64_C(1000000)
#define PARTNER     (BATON_SOURCE_SERVICE + 1) /* its row in the appliance's table */

static struct baton_message messages[BATON_BATCH];
static struct baton_message *pointers[BATON_BATCH];

static void names_and_rights(void)
{
    struct baton_message message;

    baton_message_init(&message, 0);
    CHECK(own >= 0 && side >= 0 && partner >= 0 && short_lived >= 0);
    CHECK(baton_port_find("nobody") == BATON_ENOENT);
    CHECK(baton_port_find("") == BATON_EINVAL);
    CHECK(baton_send(own, &message, 0, BATON_NO_WAIT) == BATON_ERIGHT);
    CHECK(baton_receive(partner, &message, 0, BATON_NO_WAIT) == BATON_ERIGHT);
    CHECK(baton_send(63, &message, 0, BATON_NO_WAIT) == BATON_EHANDLE);
    CHECK(baton_send(-1, &message, 0, BATON_NO_WAIT) == BATON_EHANDLE);
    CHECK(baton_send(partner, &message, 1 << 10, BATON_NO_WAIT) == BATON_EINVAL);
    CHECK(baton_send_batch(partner, pointers, 0, 0, BATON_NO_WAIT) == BATON_EINVAL);
    CHECK(baton_send_batch(partner, pointers, 65, 0, BATON_NO_WAIT) == BATON_EINVAL);
    CHECK(baton_send(partner, NULL, 0, BATON_NO_WAIT) == BATON_EFAULT);
    message.length = 5; /* it has no 5 bytes */
    CHECK(baton_send(partner, &message, 0, BATON_NO_WAIT) == BATON_EINVAL);
}

/* A piece that is none, in a message whose length is what a sum of 32 bits would make of it. */
static void pieces_of_nonsense(void)
{
    static const uint16_t offsets[] = {4000, BATON_PIECE_BOOK, 0x1000, 0};
    struct baton_message message, *list[] = {&message};
    uint32_t page;

    CHECK(baton_page_get(&page, 1) == 1);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned inline_length = 0; inline_length < 20; inline_length += 10) {
            baton_message_init(&message, 0);
            message.inline_length = (uint8_t)inline_length;
            message.length = inline_length - 1;
            message.pieces = 1;
            message.piece[0] = (struct baton_piece){page, offsets[i], i == 3 ? 0 : 4096};
            CHECK(baton_send(partner, &message, 0, BATON_NO_WAIT) == BATON_EINVAL);
            CHECK(baton_send_batch(partner, list, 1, 0, BATON_NO_WAIT) == BATON_EINVAL);
        }
    CHECK(baton_page_release(&page, 1) == 1);
}

static void echo(uint32_t length, uint64_t flags, bool by_side)
{
    struct baton_message message;

    pattern_make(&message, length, length);
    message.type = by_side ? ECHO_SIDE : ECHO;
    message.tag = length + UINT64_C(0x123456789abcdef);
    CHECK(baton_send(partner, &message, flags & BATON_TRUSTED, BATON_FOREVER) == 1);
    CHECK(baton_receive(by_side ? side : own, &message, flags & ~BATON_TRUSTED, BATON_FOREVER) == 1);
    CHECK(message.type == (by_side ? ECHO_SIDE : ECHO) &&
          message.tag == length + UINT64_C(0x123456789abcdef));
    CHECK(message.source == PARTNER && message.reply == 0);
    CHECK(pattern_holds(&message, length, length));
    CHECK(baton_message_free(&message) == 0);
}

static void echoes(void)
{
    static const uint32_t lengths[] = {0, 1, 7, 8, 60, 127, 128, 129, 4095, 4096, 4097, 20000, 65535, 65536};
    static const uint64_t flags[] = {0, BATON_TRUSTED, BATON_IMMEDIATE_ACCESS, BATON_TRUST_SENDER,
                                     BATON_TRUSTED | BATON_IMMEDIATE_ACCESS | BATON_TRUST_SENDER};

    for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (unsigned k = 0; k < sizeof flags / sizeof flags[0]; k++)
            echo(lengths[i], flags[k], i & 1);
}

static void batches(void)
{
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < BATON_BATCH; i++) {
            pointers[i] = &messages[i];
            pattern_make(&messages[i], i, round & 1 ? i : 200 + i);
            messages[i].type = ECHO;
            messages[i].tag = i;
        }
        CHECK(baton_send_batch(partner, pointers, BATON_BATCH, 0, BATON_FOREVER) == BATON_BATCH);
        unsigned next = 0;
        while (next < BATON_BATCH) {
            int count = baton_receive_batch(own, pointers, BATON_BATCH, 0, BATON_FOREVER);
            CHECK(count > 0 && count <= (int)(BATON_BATCH - next));
            for (int i = 0; i < count; i++, next++) {
                CHECK(messages[i].tag == next);
                CHECK(pattern_holds(&messages[i], next, round & 1 ? next : 200 + next));
            }
            CHECK(baton_message_free_batch(pointers, (unsigned)count) == 0);
        }
    }
}

static void waits(void)
{
    struct baton_message message;
    uint64_t start = baton_time_ns();

    CHECK(baton_receive(own, &message, 0, BATON_NO_WAIT) == BATON_EEMPTY);
    CHECK(baton_receive(own, &message, 0, 3 * MILLISECOND) == BATON_ETIMEOUT);
    CHECK(baton_time_ns() - start >= 3 * MILLISECOND);
    start = baton_time_ns();
    CHECK(baton_sleep(2 * MILLISECOND) == 0 && baton_time_ns() - start >= 2 * MILLISECOND);
    CHECK(baton_yield() == 0);
}

static void stall(uint64_t time)
{
    struct baton_message message;

    baton_message_init(&message, 0);
    message.type = STALL;
    message.tag = time;
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == 1);
    baton_sleep(10 * MILLISECOND); /* it has taken the message by now */
}

/* A small block whose call finds the port full comes back, and not as if its number were a page's: 32 may be on their way. */
static void block_comes_back(void)
{
    static uint8_t block[100];
    struct baton_message message;

    for (unsigned i = 0; i < 40; i++) {
        baton_message_init(&message, 0);
        CHECK(baton_message_append_block(&message, block, sizeof block) == 0);
        message.type = HOLD;
        CHECK(baton_rpc(partner, &message, &messages[0], 0, BATON_NO_WAIT) == BATON_EFULL);
    }
}

/* Partner's port holds 64 messages. While it sleeps the port fills up; what did not go is still ours. */
static void full_port(void)
{
    struct baton_message message;
    unsigned sent = 0;

    stall(400 * MILLISECOND);
    for (int result = 1; result == 1; sent += result == 1) {
        pattern_make(&message, 1, 300);
        message.type = HOLD;
        result = baton_send(partner, &message, 0, BATON_NO_WAIT);
        CHECK(result == 1 || result == BATON_EFULL);
    }
    CHECK(sent >= 64 && sent <= 65);
    CHECK(pattern_holds(&message, 1, 300));
    CHECK(baton_send(partner, &message, 0, 2 * MILLISECOND) == BATON_ETIMEOUT);
    CHECK(baton_send(partner, &message, BATON_DUPLICATE, BATON_NO_WAIT) == BATON_EFULL);
    CHECK(pattern_holds(&message, 1, 300));
    CHECK(baton_rpc(partner, &message, &messages[0], 0, 2 * MILLISECOND) == BATON_EFULL);
    block_comes_back();
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == 1); /* waits until partner wakes up */
    baton_message_init(&message, 0);
    CHECK(ask(&message, HELD_SUM) == (int64_t)((sent + 1) * pattern_sum(1, 300)));
}

/* More than fits, with patience: the batch goes in parts while the receiver works. */
static void patient_batches(void)
{
    struct baton_message message;
    unsigned sent = 0;

    stall(50 * MILLISECOND);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < BATON_BATCH; i++) {
            pointers[i] = &messages[i];
            pattern_make(&messages[i], 2, 140);
            messages[i].type = HOLD;
        }
        unsigned done = 0;
        while (done < BATON_BATCH) {
            int result = baton_send_batch(partner, pointers + done, BATON_BATCH - done, 0,
                                          UINT64_C(5000) * MILLISECOND);
            CHECK(result > 0);
            if (result <= 0)
                return;
            done += (unsigned)result;
        }
        sent += done;
    }
    baton_message_init(&message, 0);
    CHECK(ask(&message, HELD_SUM) == (int64_t)(sent * pattern_sum(2, 140)));
}

static void calls(void)
{
    struct baton_message message, second;

    pattern_make(&message, 6, 5000);
    CHECK(ask(&message, SUM) == (int64_t)pattern_sum(6, 5000));
    pattern_make(&message, 6, 50);
    CHECK(ask(&message, SUM) == (int64_t)pattern_sum(6, 50));
    pattern_make(&message, 6, 5000);
    message.type = NO_ANSWER;
    uint64_t start = baton_time_ns();
    CHECK(baton_rpc(partner, &message, &second, 0, 20 * MILLISECOND) == BATON_ETIMEOUT);
    CHECK(baton_time_ns() - start >= 20 * MILLISECOND);
    baton_message_init(&message, 0);
    CHECK(ask(&message, STALE) == 0);
    CHECK(baton_receive(side, &message, 0, BATON_FOREVER) == 1 && (int64_t)message.tag == BATON_EOWNER);
    baton_message_init(&message, 0);
    CHECK(baton_reply(0, &message, 0) == BATON_EOWNER &&
          baton_reply(UINT64_MAX, &message, 0) == BATON_EOWNER);
    CHECK(baton_reply_receive(own, &message, 0, 0, BATON_NO_WAIT) == BATON_EOWNER &&
          baton_reply_receive(own, &message, UINT64_MAX, 0, BATON_FOREVER) == BATON_EOWNER);
    CHECK(baton_reply_receive(1000, &message, 0, 0, BATON_NO_WAIT) == BATON_EHANDLE &&
          baton_reply_receive(partner, &message, 0, 0, BATON_NO_WAIT) == BATON_ERIGHT &&
          baton_reply_receive(own, &message, 0, BATON_DUPLICATE, BATON_NO_WAIT) == BATON_EINVAL);
    CHECK(baton_rpc(partner, &message, &message, BATON_DUPLICATE, BATON_FOREVER) == BATON_EINVAL);
}

static void request(uint64_t tag, enum command command, int expected)
{
    struct baton_message message;

    pattern_make(&message, 3, 5000);
    message.type = command;
    message.tag = tag;
    CHECK(baton_request(partner, &message, side, 0, BATON_FOREVER) == expected);
    if (expected)
        CHECK(baton_message_free(&message) == 0);
}

/* Answers come by a port: in their order here, with the tags of the requests, each once. */
static void requests(void)
{
    struct baton_message message;

    request(500, SUM, 0);
    CHECK(baton_receive(side, &message, 0, BATON_FOREVER) == 1);
    CHECK(message.source == BATON_SOURCE_ANSWER + 1 && message.tag == 500 && message.reply == 0);
    CHECK(baton_message_free(&message) == 0);
    for (unsigned i = 0; i < 128; i++)
        request(i, HOLD_TOKEN, 0);
    request(128, HOLD_TOKEN, BATON_ELIMIT); /* as many as the port has places */
    baton_message_init(&message, 0);
    CHECK(baton_request_cancel(side, 7) == 1 && baton_request_cancel(side, 7) == 0);
    CHECK(baton_request_cancel(partner, 8) == BATON_ERIGHT);
    CHECK(ask(&message, ANSWER_HELD) == 127);
    for (unsigned i = 0; i < 128; i++) {
        if (i == 7)
            continue;
        CHECK(baton_receive(side, &message, 0, BATON_FOREVER) == 1);
        CHECK(message.source == BATON_SOURCE_ANSWER + 1 && message.tag == i && message.type == 1000 + i);
        CHECK(message.length == 6 && baton_message_free(&message) == 0);
    }
    CHECK(baton_receive(side, &message, 0, BATON_NO_WAIT) == BATON_EEMPTY);
    baton_message_init(&message, 0);
    CHECK(baton_reply(UINT64_C(1) << 63, &message, 0) == BATON_EOWNER);
    CHECK(baton_request(partner, &message, partner, 0, BATON_NO_WAIT) == BATON_ERIGHT);
    CHECK(baton_request(partner, &message, side, BATON_DUPLICATE, BATON_NO_WAIT) == BATON_EINVAL);
    CHECK(baton_request(own, &message, side, 0, BATON_NO_WAIT) == BATON_ERIGHT);
}

static void the_dead(void)
{
    struct baton_message message;
    int result;

    CHECK(baton_message_alloc(&message, 0, 5000) == 0);
    message.tag = 4711;
    CHECK(baton_request(short_lived, &message, side, 0, BATON_FOREVER) == 0);
    CHECK(baton_receive(side, &message, 0, BATON_FOREVER) == 1); /* it ends without an answer */
    CHECK(message.source == BATON_SOURCE_DEAD + 2 && message.tag == 4711 && message.length == 0);
    for (unsigned i = 0; i < 1000; i++) {
        baton_message_init(&message, 0);
        result = baton_send(short_lived, &message, 0, BATON_NO_WAIT);
        if (result == BATON_EDEAD)
            break;
        baton_sleep(MILLISECOND);
    }
    CHECK(result == BATON_EDEAD);
    pattern_make(&message, 8, 500);
    CHECK(baton_send(short_lived, &message, 0, BATON_FOREVER) == BATON_EDEAD);
    CHECK(pattern_holds(&message, 8, 500) && baton_message_free(&message) == 0);
    CHECK(baton_rpc(short_lived, &message, &message, 0, BATON_FOREVER) == BATON_EDEAD);
}

static void settings(void)
{
    char text[8];
    uint64_t number = 5;

    CHECK(baton_setting("level", text, sizeof text) == 1 && text[0] == '7' && text[1] == 0);
    CHECK(baton_setting("level", text, 1) == BATON_EINVAL);
    CHECK(baton_setting("absent", text, sizeof text) == BATON_ENOENT);
    CHECK(baton_setting_number("absent", 0, 9, &number) == 0 && number == 5);
    CHECK(baton_setting_number("level", 0, 9, &number) == 0 && number == 7);
    CHECK(baton_setting_number("level", 8, 9, &number) == BATON_EINVAL && number == 7);
}

void test_ports(void)
{
    for (unsigned i = 0; i < BATON_BATCH; i++)
        pointers[i] = &messages[i];
    names_and_rights();
    pieces_of_nonsense();
    echoes();
    batches();
    waits();
    full_port();
    patient_batches();
    calls();
    requests();
    the_dead();
    settings();
}
