/*
 * Holds a secret and the messages it is given, and looks every 100 ms whether they are what
 * they were, and tells once a second.
 */
#include <stdbool.h>
#include "apps/baton.h"
#include "test/qemu/apps/violation/protocol.h"

#define HELD_MAX 8
#define TICK     UINT64_C(100000000)

static volatile uint64_t secret = SECRET;
static struct baton_message held[HELD_MAX];
static unsigned held_count;

static bool message_intact(const struct baton_message *message)
{
    uint32_t contiguous = 0;

    for (uint32_t at = 0; at < message->length; at += contiguous) {
        const uint8_t *bytes = baton_message_peek(message, at, &contiguous);
        for (uint32_t i = 0; i < contiguous; i++)
            if (bytes[i] != FILLING)
                return false;
    }
    return true;
}

static void look(void)
{
    static unsigned looks;
    bool intact = secret == SECRET;

    for (unsigned i = 0; i < held_count; i++)
        intact &= message_intact(&held[i]);
    if (++looks % 10 == 0 || !intact)
        baton_log(intact ? "all is as it was, %u messages held" : "SOMETHING CHANGED, %u messages held",
                  held_count);
}

static void handle(struct baton_message *message)
{
    if (message->type == WHERE) {
        struct baton_message answer;
        baton_message_init(&answer, 0);
        answer.tag = (uint64_t)&secret;
        baton_reply(message->reply, &answer, 0);
        baton_message_free(message);
    } else if (held_count < HELD_MAX) {
        held[held_count++] = *message;
    } else {
        baton_message_free(message);
    }
}

int main(void)
{
    struct baton_message message;
    int port = baton_port_find("keeper");

    for (;;) {
        int result = baton_receive(port, &message, 0, TICK);
        if (result > 0)
            handle(&message);
        else if (result == BATON_ETIMEOUT)
            look();
        else
            baton_log("receive: error %d", result);
    }
}
