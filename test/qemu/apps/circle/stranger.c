/* Checks the middle of a message of first's, and that of its ends, which it was not sent, nothing is to be seen. */
#include <string.h>
#include "test/qemu/apps/circle/circle.h"

static bool zero(const struct baton_piece *piece, unsigned from, unsigned to)
{
    const volatile uint8_t *page = baton_page_address(piece->page);

    for (unsigned i = from; i < to; i++)
        if (page[i]) {
            baton_log("FAILED: byte %u of page %u is to be seen", i, (unsigned)piece->page);
            return false;
        }
    return true;
}

/* By value, a later message may come in the same pages: what this one had in them must not look like a secret of that one. */
static void clear(const struct baton_message *message)
{
    for (unsigned i = 0; i < message->pieces; i++)
        memset(baton_page_address(message->piece[i].page), 0, BATON_PAGE_BYTES);
}

int main(void)
{
    int own = baton_port_find("stranger");
    struct baton_message message, answer;

    for (;;) {
        if (baton_receive(own, &message, 0, BATON_FOREVER) != 1)
            return 1;
        uint64_t token = message.reply;
        bool good = circle_check(&message, true, CIRCLE_FRONT, CIRCLE_BACK) &&
                    message.pieces == CIRCLE_PAGES && zero(&message.piece[0], 0, CIRCLE_FRONT) &&
                    zero(&message.piece[1], BATON_PAGE_BYTES - CIRCLE_BACK, BATON_PAGE_BYTES);
        clear(&message);
        baton_message_free(&message);
        baton_message_init(&answer, 0);
        answer.tag = good;
        if (baton_reply(token, &answer, 0) < 0)
            return 1;
    }
}
