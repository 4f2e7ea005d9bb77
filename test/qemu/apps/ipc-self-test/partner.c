/*
 * The other end: obeys the commands of tester.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "test/qemu/apps/ipc-self-test/tester.h"

#define HELD_MAX 200

static struct baton_message held[HELD_MAX];
static unsigned held_count;
static int to_tester, to_side;
static uint64_t own_data = 77;

static uint64_t sum_of(const struct baton_message *message)
{
    static uint8_t bytes[16 * BATON_PAGE_BYTES];
    uint64_t sum = 0;

    for (uint32_t at = 0; at < message->length; at += sizeof bytes) {
        uint32_t part = message->length - at < sizeof bytes ? message->length - at : sizeof bytes;
        if (baton_message_read(message, at, bytes, part) < 0)
            return 0;
        for (uint32_t i = 0; i < part; i++)
            sum += bytes[i];
    }
    return sum;
}

static uint64_t held_sum(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < held_count; i++) {
        sum += sum_of(&held[i]);
        baton_message_free(&held[i]);
    }
    held_count = 0;
    return sum;
}

/* How many bytes around the pieces are not 0. */
static uint64_t outside(const struct baton_piece *piece, unsigned pieces)
{
    uint64_t count = 0;

    for (unsigned p = 0; p < pieces; p++, piece++) {
        const uint8_t *page = baton_page_address(piece->page);
        uint32_t start = piece->offset & BATON_PIECE_OFFSET_MASK, end = start + piece->length;
        for (uint32_t i = 0; i < BATON_PAGE_BYTES; i++)
            count += (i < start || i >= end) && page[i];
    }
    return count;
}

static uint64_t outside_all(const struct baton_message *message)
{
    uint64_t count = 0;

    for (unsigned p = 0; p < message->pieces; p++)
        if (message->piece[p].offset & BATON_PIECE_BOOK)
            count += outside(baton_book_list(message->piece[p].page)->piece, message->piece[p].length);
        else
            count += outside(&message->piece[p], 1);
    return count;
}

static void scribble(struct baton_message *message)
{
    static uint8_t ink[16 * BATON_PAGE_BYTES];

    memset(ink, 0xee, sizeof ink);
    for (uint32_t at = 0; at < message->length; at += sizeof ink) {
        uint32_t part = message->length - at < sizeof ink ? message->length - at : sizeof ink;
        if (baton_message_write(message, at, ink, part) < 0)
            baton_log("FAILED: partner could not write");
    }
}

static void block_back(struct baton_message *message)
{
    static uint8_t bytes[600];

    baton_message_free(message);
    memset(bytes, 0x11, sizeof bytes);
    baton_message_append_block(message, bytes, sizeof bytes);
    baton_message_append_block(message, bytes, sizeof bytes);
    if (baton_send(to_tester, message, 0, BATON_FOREVER) != 1)
        baton_log("FAILED: partner could not send blocks");
}

static uint64_t floating(uint64_t rounds)
{
    volatile double sum = 0;

    for (uint64_t i = 1; i <= rounds; i++) {
        sum += 1.0 / (double)i;
        if (i % 64 == 0)
            baton_yield();
    }
    return (uint64_t)(sum * 1000000);
}

static uint64_t own_data_try(void)
{
    char *block = malloc(1000);

    if (!block || (char *)&own_data > block + (1 << 28) || own_data != 77)
        return 0;
    memset(block, 1, 1000);
    snprintf(block, 1000, "partner has %u", 5u);
    uint64_t result = strcmp(block, "partner has 5") ? 0 : (uint64_t)&own_data;
    free(block);
    return result;
}

static void answer(struct baton_message *request, uint64_t tag)
{
    uint64_t token = request->reply;

    baton_message_free(request);
    request->tag = tag;
    if (baton_reply(token, request, 0) < 0)
        baton_log("FAILED: partner could not reply");
}

/* Two answers to one request: only the first may go. What came of the second travels by the side port. */
static void answer_twice(struct baton_message *request)
{
    uint64_t token = request->reply;
    struct baton_message second;

    answer(request, 0);
    baton_message_init(&second, 0);
    second.tag = (uint64_t)(int64_t)baton_reply(token, &second, 0);
    baton_send(to_side, &second, 0, BATON_FOREVER);
}

static uint64_t tokens[HELD_MAX];
static unsigned token_count;

static void hold_token(struct baton_message *request)
{
    if (token_count < HELD_MAX)
        tokens[token_count++] = request->reply;
    baton_message_free(request);
}

static uint64_t answer_held(void)
{
    struct baton_message message;
    uint64_t answered = 0;

    for (unsigned i = 0; i < token_count; i++) {
        baton_message_init(&message, 0);
        message.type = 1000 + i;
        message.tag = 0xdead; /* the asker sees its own tag */
        baton_message_append(&message, "answer", 6);
        answered += baton_reply(tokens[i], &message, 0) == 0;
        baton_message_free(&message);
    }
    token_count = 0;
    return answered;
}

static void hold(struct baton_message *message)
{
    if (held_count < HELD_MAX)
        held[held_count++] = *message;
    else
        baton_message_free(message);
}

static void send_back(struct baton_message *message, int port)
{
    if (baton_send(port, message, 0, BATON_FOREVER) != 1)
        baton_log("FAILED: partner could not send");
}

static void pair_back(struct baton_message *message)
{
    struct baton_message second = *message, *const pair[] = {message, &second};

    second.tag++;
    if (baton_send_batch(to_side, pair, 2, 0, BATON_FOREVER) != 2)
        baton_log("FAILED: partner could not send two");
}

static void obey(struct baton_message *message)
{
    switch (message->type) {
    case ECHO:
        send_back(message, to_tester);
        break;
    case ECHO_SIDE:
        send_back(message, to_side);
        break;
    case PAIR_SIDE:
        pair_back(message);
        break;
    case SUM:
        answer(message, sum_of(message));
        break;
    case HOLD:
        hold(message);
        break;
    case HELD_SUM:
        answer(message, held_sum());
        break;
    case OUTSIDE:
        answer(message, outside_all(message));
        break;
    case SCRIBBLE:
        scribble(message);
        send_back(message, to_tester);
        break;
    case STALL:
        baton_sleep(message->tag);
        baton_message_free(message);
        break;
    case STALE:
        answer_twice(message);
        break;
    case OWN_DATA:
        answer(message, own_data_try());
        break;
    case BLOCK_BACK:
        block_back(message);
        break;
    case HOLD_TOKEN:
        hold_token(message);
        break;
    case ANSWER_HELD:
        answer(message, answer_held());
        break;
    case FLOATING:
        answer(message, floating(message->tag));
        break;
    default:
        baton_message_free(message);
    }
}

int main(void)
{
    static struct baton_message messages[BATON_BATCH];
    struct baton_message *pointers[BATON_BATCH];
    int port = baton_port_find("partner");

    to_tester = baton_port_find("tester");
    to_side = baton_port_find("tester.side");
    for (unsigned i = 0; i < BATON_BATCH; i++)
        pointers[i] = &messages[i];
    for (unsigned round = 0;; round++) {
        uint64_t flags = (round & 1 ? BATON_IMMEDIATE_ACCESS : 0) | (round & 2 ? BATON_TRUST_SENDER : 0);
        int count = baton_receive_batch(port, pointers, BATON_BATCH, flags, BATON_FOREVER);
        for (int i = 0; i < count; i++)
            obey(&messages[i]);
        if (count < 0)
            baton_log("FAILED: partner received %d", count);
    }
}
