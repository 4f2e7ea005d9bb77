/*
 * Sends a page in each way, rounds=N times (20), and prints `figures: N rounds` at the end. A first, while the space has run
 * on one CPU only; then a second thread touches on another CPU what is sent.
 */
#include <stdbool.h>
#include <string.h>
#include "test/qemu/apps/figures/figures.h"

#define MILLISECOND UINT64_C(1000000)
#define OTHER_CPU   2

static int receiver, own_port;
static volatile uint8_t *to_touch; /* (atomic) by the other thread */

static void touch(void *unused)
{
    (void)unused;
    for (;;) {
        volatile uint8_t *byte = __atomic_load_n(&to_touch, __ATOMIC_ACQUIRE);
        if (byte) {
            (void)*byte;
            __atomic_store_n(&to_touch, NULL, __ATOMIC_RELEASE);
        }
        baton_sleep(MILLISECOND);
    }
}

static void touch_elsewhere(const struct baton_message *message)
{
    __atomic_store_n(&to_touch, (volatile uint8_t *)baton_piece_address(&message->piece[0]),
                     __ATOMIC_RELEASE);
    while (__atomic_load_n(&to_touch, __ATOMIC_ACQUIRE))
        baton_sleep(MILLISECOND);
}

/* A message of one page that this thread has written. */
static bool page_make(struct baton_message *message, enum figure figure)
{
    if (baton_message_alloc(message, 0, BATON_PAGE_BYTES) < 0)
        return false;
    message->type = figure;
    memset(baton_piece_address(&message->piece[0]), (int)figure + 1, BATON_PAGE_BYTES);
    return true;
}

/* Sends it, and waits until the receiver has answered: the two have nothing else to do meanwhile. */
static bool hand_over(struct baton_message *message, uint64_t flags)
{
    struct baton_message answer;

    baton_sleep(2 * MILLISECOND); /* the receiver waits again, and nothing is left in any queue */
    if (baton_send(receiver, message, flags, BATON_FOREVER) != 1)
        return false;
    for (uint64_t end = baton_time_ns() + MILLISECOND; baton_time_ns() < end;)
        continue; /* goes on with its own work: no switch of tables, and no idling, makes the pass of this CPU early */
    return baton_receive(own_port, &answer, 0, BATON_FOREVER) == 1;
}

static bool figure_a(void)
{
    struct baton_message message;

    return page_make(&message, FIGURE_A) && hand_over(&message, 0);
}

static bool figure_b(void)
{
    struct baton_message message;

    if (!page_make(&message, FIGURE_B_FIRST))
        return false;
    touch_elsewhere(&message);
    if (!hand_over(&message, BATON_DUPLICATE))
        return false;
    touch_elsewhere(&message);
    message.type = FIGURE_B;
    return hand_over(&message, 0);
}

static bool figure_c_or_d(enum figure figure)
{
    struct baton_message message;

    if (!page_make(&message, figure))
        return false;
    touch_elsewhere(&message);
    return hand_over(&message, figure == FIGURE_D ? BATON_TRUSTED : 0);
}

int main(void)
{
    uint64_t rounds = 20;
    bool good = true;

    if (baton_setting_number("rounds", 1, ROUNDS_MOST, &rounds) < 0)
        return 1;
    receiver = baton_port_find("receiver");
    own_port = baton_port_find("sender");
    for (uint64_t i = 0; good && i < rounds; i++)
        good = figure_a();
    good = good && baton_thread_start(touch, NULL, OTHER_CPU) > 0;
    for (uint64_t i = 0; good && i < rounds; i++)
        good = figure_b() && figure_c_or_d(FIGURE_C) && figure_c_or_d(FIGURE_D);
    if (good)
        baton_log("figures: %u rounds", (unsigned)rounds);
    else
        baton_log("FAILED");
    baton_sleep(BATON_FOREVER);
    return 0;
}
