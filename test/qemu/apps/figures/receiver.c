/* Receives what sender sends, each with the flags of its figure, reads it, and answers. */
#include "test/qemu/apps/figures/figures.h"

static struct baton_message message, shared, answer;

static uint64_t flags_for(enum figure figure)
{
    return BATON_IMMEDIATE_ACCESS | (figure == FIGURE_D ? BATON_TRUST_SENDER : 0);
}

/* Which figure comes next: A until the first other, then the others in turn. A's successor is received as A would be. */
static enum figure next_of(enum figure figure)
{
    if (figure == FIGURE_A || figure == FIGURE_D)
        return figure == FIGURE_A ? FIGURE_A : FIGURE_B_FIRST;
    return (enum figure)(figure + 1);
}

static void check(enum figure figure)
{
    const uint8_t *bytes = baton_piece_address(&message.piece[0]);
    uint8_t expected = figure == FIGURE_B ? FIGURE_B_FIRST + 1 : (uint8_t)(figure + 1);

    for (unsigned i = 0; i < BATON_PAGE_BYTES; i++)
        if (bytes[i] != expected) {
            baton_log("FAILED: byte %u of figure %u is %u", i, figure, bytes[i]);
            return;
        }
}

int main(void)
{
    int port = baton_port_find("receiver"), sender = baton_port_find("sender");
    enum figure figure = FIGURE_A;

    while (baton_receive(port, &message, flags_for(figure), BATON_FOREVER) == 1) {
        figure = (enum figure)message.type;
        check(figure);
        if (figure == FIGURE_B_FIRST) {
            shared =
                message; /* kept, so that the page still has two owners when the sender gives its one up */
        } else {
            baton_message_free(&message);
            if (figure == FIGURE_B)
                baton_message_free(&shared);
        }
        figure = next_of(figure);
        baton_message_init(&answer, 0);
        baton_send(sender, &answer, 0, BATON_FOREVER);
    }
    return 1;
}
