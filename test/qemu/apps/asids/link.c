/*
 * One link of the ring: receives a message of two pages, checks every word that the link before wrote, writes its own, and sends it
 * on; with other flags each time, and from another CPU now and then. s0 begins, and says when hops=N are done.
 */
#include <stdbool.h>
#include "apps/baton.h"

#define LINKS    10
#define MESSAGES 16
#define BYTES    (2 * BATON_PAGE_BYTES)
#define WORDS    32 /* that are looked at, spread over the message */

/* LINK is the link's number, from the build. */
static const char *const names[LINKS] = {"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"};

static uint64_t word_of(uint64_t hop, unsigned i)
{
    return (hop + 1) * UINT64_C(0x9e3779b97f4a7c15) + i;
}

static bool check(const struct baton_message *message)
{
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t word = 0;
        baton_message_read(message, i * (BYTES / WORDS), &word, sizeof word);
        if (word != word_of(message->tag, i)) {
            baton_log("FAILED: hop %lu, word %u is 0x%lx", (unsigned long)message->tag, i,
                      (unsigned long)word);
            return false;
        }
    }
    return true;
}

static bool write_words(struct baton_message *message)
{
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t word = word_of(message->tag, i);
        int result = baton_message_write(message, i * (BYTES / WORDS), &word, sizeof word);
        if (result < 0) {
            baton_log("FAILED: write: %d", result);
            return false;
        }
    }
    return true;
}

/* Now and then a duplicate goes on in place of the message: its pages are shared, then not any more. */
static bool doubled(struct baton_message *message)
{
    struct baton_message copy;

    if (baton_message_duplicate(&copy, message) < 0 || baton_message_free(message) < 0)
        return false;
    *message = copy;
    return true;
}

static bool pass_on(int to, struct baton_message *message, uint64_t turn)
{
    message->tag++;
    if (turn % 16 == 7 && !doubled(message))
        return false;
    if (!write_words(message))
        return false;
    int sent = baton_send(to, message, turn & 1 ? BATON_TRUSTED : 0, BATON_FOREVER);
    if (sent != 1)
        baton_log("FAILED: send: %d", sent);
    return sent == 1;
}

static bool begin(int to)
{
    struct baton_message message;

    for (unsigned i = 0; i < MESSAGES; i++)
        if (baton_message_alloc(&message, 0, BYTES) < 0 || !pass_on(to, &message, i))
            return false;
    return true;
}

int main(void)
{
    int from = baton_port_find(names[LINK]), to = baton_port_find(names[(LINK + 1) % LINKS]);
    uint64_t hops = 100000, cpus = 1, done = 0;
    struct baton_message message;

    if (baton_setting_number("hops", 1, 100000000, &hops) < 0 ||
        baton_setting_number("over", 1, 8, &cpus) < 0)
        return 1;
    if (LINK == 0 && !begin(to))
        return 1;
    for (uint64_t turn = 0; done < hops; turn++) {
        uint64_t flags = (turn & 2 ? BATON_TRUST_SENDER : 0) | (turn & 4 ? BATON_IMMEDIATE_ACCESS : 0);
        if (baton_receive(from, &message, flags, BATON_FOREVER) != 1 || !check(&message))
            return 1;
        if (turn % 32 == LINK)
            baton_thread_move((unsigned)((turn / 32 + LINK) % cpus));
        if (!check(&message) || !pass_on(to, &message, turn))
            return 1;
        done += LINK == 0 ? LINKS : 0;
    }
    baton_log("asids: %lu hops, every word as written", (unsigned long)done);
    for (;;) /* what is still under way goes on: the counts are looked at while it does */
        if (baton_receive(from, &message, 0, BATON_FOREVER) == 1)
            baton_message_free(&message);
}
