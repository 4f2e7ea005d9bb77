/* Checks what first sent, inverts it, and sends the same message back. */
#include "test/qemu/apps/circle/circle.h"

int main(void)
{
    int own = baton_port_find("second");
    struct baton_message message;
    uint64_t turn = 0;

    for (;;) {
        uint64_t flags = turn++ & 1 ? BATON_TRUST_SENDER : 0;
        if (baton_receive(own, &message, flags, BATON_FOREVER) != 1)
            return 1;
        uint64_t token = message.reply;
        if (!circle_check(&message, false, 0, 0) || !circle_write(&message, true))
            message.tag = UINT64_MAX;
        if (baton_reply(token, &message, turn & 2 ? BATON_TRUSTED : 0) < 0)
            return 1;
    }
}
