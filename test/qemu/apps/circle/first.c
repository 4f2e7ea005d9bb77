/*
 * Orders: `ROUNDS LEAVE`. A round is a message to second and back, every word checked; each LEAVE-th (0: none) then goes on to
 * stranger, less its ends. A second thread keeps first's table in use on another CPU, so that unmaps concern two.
 */
#include <stdlib.h>
#include <string.h>
#include "test/qemu/apps/circle/circle.h"

static int second, stranger;

static void stay(void *argument)
{
    (void)argument;
    for (;;)
        baton_sleep(1000000);
}

/* Sends the middle of the message on. True when stranger found it as it should be. */
static bool leave(struct baton_message *message)
{
    if (baton_message_trim_front(message, CIRCLE_FRONT) < 0 ||
        baton_message_trim_back(message, CIRCLE_BACK) < 0)
        return false;
    int result = baton_rpc(stranger, message, message, 0, BATON_FOREVER);
    return result == 0 && message->tag == 1;
}

static bool round_play(uint64_t round, bool leaves)
{
    struct baton_message message;
    uint64_t flags = round & 1 ? BATON_TRUSTED : 0;

    flags |= round & 2 ? BATON_TRUST_SENDER : 0;
    flags |= round & 4 ? BATON_IMMEDIATE_ACCESS : 0;
    if (baton_message_alloc(&message, 0, CIRCLE_BYTES) < 0)
        return false;
    message.tag = round;
    if (!circle_write(&message, false))
        return false;
    if (baton_rpc(second, &message, &message, flags, BATON_FOREVER) < 0 || message.tag != round ||
        !circle_check(&message, true, 0, 0))
        return false;
    return leaves ? leave(&message) : baton_message_free(&message) == 0;
}

int main(void)
{
    int control = baton_port_find("first.control");
    struct baton_message order;
    uint64_t done = 0;

    second = baton_port_find("second");
    stranger = baton_port_find("stranger");
    if (baton_thread_start(stay, NULL, 0) < 0)
        return 1;
    while (baton_receive(control, &order, 0, BATON_FOREVER) == 1) {
        char text[BATON_INLINE_BYTES + 1] = {0}, *rest;
        memcpy(text, order.data + order.inline_offset, order.inline_length);
        uint64_t rounds = strtoul(text, &rest, 10), every = strtoul(rest, NULL, 10), failed = 0;
        for (uint64_t i = 1; i <= rounds; i++)
            failed += !round_play(done++, every && i % every == 0);
        baton_log("circle: %lu rounds, %lu failed", (unsigned long)rounds, (unsigned long)failed);
    }
    return 1;
}
