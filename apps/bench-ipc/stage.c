/*
 * A stage of what is measured: takes a message, reads of it what it was ordered to read, and sends it on: by reply when it came
 * by rpc, else to the next stage or back to the sender, as ordered. Or it frees it, by order.
 *
 * The setting spoil=lost|doubled|damaged makes it mistreat one message after an order: what a measurement must see.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/baton.h"
#include "apps/bench-ipc/content.h"

#define SPOILED_ONE 37 /* after the order: in the midst of what is measured */

static int in, back, on; /* on: the next stage's port; there is none behind the last */
static int out;          /* the one of the two that was ordered */
static uint32_t reading; /* bytes of each message */
static bool freeing, batches;
static uint64_t flags;
static uint64_t next; /* the tag that the next message should have */
static uint32_t seen, wrong;
static enum {
    HONEST,
    LOST,
    DOUBLED,
    DAMAGED
} spoil;

static void spoil_read(void)
{
    char value[16];

    if (baton_setting("spoil", value, sizeof value) < 0)
        return;
    spoil = !strcmp(value, "lost") ? LOST : !strcmp(value, "doubled") ? DOUBLED : DAMAGED;
}

static void order(struct baton_message *message)
{
    uint64_t what = message->tag;

    if ((what & 0xff) == ORDER_BEGIN) {
        reading = (uint32_t)(what >> 32);
        freeing = what & ORDER_FREE;
        batches = what & ORDER_BATCH;
        out = what & ORDER_ON ? on : back;
        flags = what & ORDER_IMMEDIATE ? BATON_IMMEDIATE_ACCESS : 0;
        next = seen = wrong = 0;
        if (baton_thread_move(what >> 16 & 0xff) < 0)
            abort();
    }
    uint64_t token = message->reply;
    baton_message_init(message, 0);
    message->type = ORDER;
    message->tag = (uint64_t)wrong << 32 | seen;
    baton_reply(token, message, 0);
}

static void send_on(struct baton_message *message)
{
    int result =
        message->reply ? baton_reply(message->reply, message, 0) : baton_send(out, message, 0, BATON_FOREVER);

    if (result < 0)
        abort();
}

/* What must not stay unseen. True when there is nothing left to send on. */
static bool mistreat(struct baton_message *message)
{
    static struct baton_message second;
    char byte;

    if (spoil == DAMAGED && !baton_message_read(message, message->length / 2, &byte, 1)) {
        byte ^= 1;
        baton_message_write(message, message->length / 2, &byte, 1);
    }
    if (spoil == DOUBLED && !baton_message_duplicate(&second, message))
        baton_send(out, &second, 0, BATON_FOREVER);
    return spoil == LOST && !baton_message_free(message);
}

/* Looks at a message. False when it has been done away with. */
static bool look_at(struct baton_message *message)
{
    if (message->tag != next++ || !content_touch(message, reading))
        wrong++;
    return ++seen != SPOILED_ONE || !spoil || !mistreat(message);
}

/* Until an order comes, or what is neither a call nor to be sent on. */
static void one(void)
{
    static struct baton_message message;

    int result = baton_receive(in, &message, flags, BATON_FOREVER);
    while (result > 0 && !(message.type & ORDER) && look_at(&message)) {
        if (message.reply) {
            result = baton_reply_receive(in, &message, message.reply, flags, BATON_FOREVER);
            continue;
        }
        if (freeing)
            baton_message_free(&message);
        else
            send_on(&message);
        return;
    }
    if (result < 0)
        abort();
    if (message.type & ORDER)
        order(&message);
}

/* As many as there are; an order comes alone. */
static void batch(void)
{
    static struct baton_message messages[BATON_BATCH];
    struct baton_message *list[BATON_BATCH];
    unsigned kept = 0;

    for (unsigned i = 0; i < BATON_BATCH; i++)
        list[i] = &messages[i];
    int count = baton_receive_batch(in, list, BATON_BATCH, flags, BATON_FOREVER);
    if (count < 0)
        abort();
    if (messages[0].type & ORDER) {
        order(&messages[0]);
        return;
    }
    for (unsigned i = 0; i < (unsigned)count; i++)
        if (look_at(list[i]))
            list[kept++] = list[i];
    for (unsigned sent = 0; sent < kept;) {
        int more = baton_send_batch(out, list + sent, kept - sent, 0, BATON_FOREVER);
        if (more < 0)
            abort();
        sent += (unsigned)more;
    }
}

/* Of the stages' ports the one that this program may receive from is its own; the only other one that it knows is the next. */
static void ports_find(void)
{
    struct baton_message none;
    char name[8];

    on = BATON_EHANDLE;
    for (int i = 1; i <= STAGES_MAX; i++) {
        snprintf(name, sizeof name, "stage%d", i);
        int port = baton_port_find(name);
        if (port >= 0 && baton_receive(port, &none, 0, BATON_NO_WAIT) == BATON_EEMPTY)
            in = port;
        else if (port >= 0)
            on = port;
    }
    back = baton_port_find("sender");
}

int main(void)
{
    spoil_read();
    ports_find();
    content_wide();
    for (;;) {
        if (batches)
            batch();
        else
            one();
    }
}
