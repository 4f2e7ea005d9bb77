/*
 * The far end of a measurement: takes a message, reads of it what it was ordered to read, and sends it back: by reply when
 * it came by rpc, else to sender's port. Or it frees it, by order.
 *
 * The setting spoil=lost|doubled|damaged makes it mistreat one message after an order: what a measurement must see.
 */
#include <string.h>
#include "apps/baton.h"
#include "apps/bench-ipc/content.h"

#define SPOILED_ONE 37 /* after the order: in the midst of what is measured */

static int in, out;
static enum touch touch;
static bool freeing;
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

    if ((what & 0xff) == ORDER_TOUCH) {
        touch = what >> 8 & 0xff;
        freeing = what & ORDER_FREE;
        flags = content_flags(touch, (uint32_t)(what >> 32));
        next = seen = wrong = 0;
    }
    uint64_t token = message->reply;
    baton_message_init(message, 0);
    message->type = ORDER;
    message->tag = (uint64_t)wrong << 32 | seen;
    baton_reply(token, message, 0);
}

static void send_back(struct baton_message *message)
{
    int result =
        message->reply ? baton_reply(message->reply, message, 0) : baton_send(out, message, 0, BATON_FOREVER);

    if (result < 0)
        abort();
}

/* What must not stay unseen. True when there is nothing left to send back. */
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

int main(void)
{
    static struct baton_message message;

    spoil_read();
    in = baton_port_find("near");
    if (in < 0)
        in = baton_port_find("far");
    out = baton_port_find("sender");
    for (;;) {
        if (baton_receive(in, &message, flags, BATON_FOREVER) < 0)
            return 1;
        if (message.type & ORDER) {
            order(&message);
            continue;
        }
        if (message.tag != next++ || !content_touch(&message, touch))
            wrong++;
        if (++seen == SPOILED_ONE && spoil && mistreat(&message))
            continue;
        if (freeing)
            baton_message_free(&message);
        else
            send_back(&message);
    }
}
