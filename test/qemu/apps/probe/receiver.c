/*
 * Receives the pages of a round, writes the secret into them and looks whether anything in them changes, until judge asks.
 * middle sends them on to taker instead, when the round says so.
 */
#include <stdbool.h>
#include <stdlib.h>
#include "test/qemu/apps/probe/protocol.h"
#include "test/qemu/apps/probe/receiver.h"

#define REPLY_NS UINT64_C(2000000000) /* giver replies at once, or it has died before it could */
#define OWN_CPU  3                    /* its row's */
#define FREE_MAX 1024                 /* the IPC region has no more pages: ipc=2 */

static struct round current;
static int own_port, taker, giver;
static struct baton_message held; /* the pages; while `watching` */
static bool watching, hunting;
static struct baton_message wanted;         /* the notice: what is hunted for */
static unsigned parts;                      /* messages with pages that have come in this round */
static uint64_t received;                   /* ns */
static uint64_t changes;                    /* how often some word was not what it was */
static uint64_t changed_us;                 /* after `received`, the last time */
static volatile uint64_t *pages[PAGES_MAX]; /* of what is held */
static unsigned page_count;
static uint64_t known[PAGES_MAX][GIVER_THREADS];

/* Where its page `index` is; touches no page of bytes. */
static volatile uint64_t *page_at(const struct baton_message *message, unsigned index)
{
    uint32_t contiguous;

    return (volatile uint64_t *)(uintptr_t)baton_message_peek(message, index * BATON_PAGE_BYTES, &contiguous);
}

static bool forwards(void)
{
    return current.way == FORWARDED && current.receiver == TAKER && taker >= 0;
}

/* One look at every word that giver may have written. */
static void look(void)
{
    for (unsigned i = 0; i < page_count; i++)
        for (unsigned thread = 0; thread < GIVER_THREADS; thread++) {
            uint64_t now = pages[i][THREAD_WORD(thread)];
            if (now == known[i][thread])
                continue;
            known[i][thread] = now;
            changes++;
            changed_us = (baton_time_ns() - received) / 1000;
        }
}

static void watch_begin(void)
{
    received = baton_time_ns();
    watching = true;
    page_count = held.length / BATON_PAGE_BYTES;
    for (unsigned i = 0; i < page_count; i++)
        pages[i] = page_at(&held, i);
    for (unsigned i = 0; i < page_count; i++)
        for (unsigned thread = 0; thread < GIVER_THREADS; thread++)
            known[i][thread] = pages[i][THREAD_WORD(thread)];
    changes = changed_us = 0;
    for (unsigned i = 0; current.way != DUPLICATED && i < page_count; i++)
        pages[i][SECRET_WORD] = secret_of(current);
}

/* ---- Pages that were given up ---- */

static bool is_wanted(uint32_t page)
{
    uint32_t numbers[PAGES_MAX];

    memcpy(numbers, &wanted.data[wanted.inline_offset], wanted.inline_length);
    for (unsigned i = 0; i < wanted.inline_length / sizeof numbers[0]; i++)
        if (numbers[i] == page)
            return true;
    return false;
}

/* Takes all pages that are free, and keeps those that giver had. */
static void hunt(void)
{
    static uint32_t taken[FREE_MAX];
    unsigned count = 0;
    int got;

    while (count + BATON_BATCH <= FREE_MAX && (got = baton_page_get(taken + count, BATON_BATCH)) > 0)
        count += (unsigned)got;
    for (unsigned i = 0; i < count; i++)
        if (is_wanted(taken[i]))
            baton_message_append_page(&held, taken[i], 0, BATON_PAGE_BYTES);
        else
            baton_page_release(&taken[i], 1);
    hunting = !held.length;
    if (!hunting)
        watch_begin();
}

static void hunt_begin(void)
{
    hunting = true;
    if (current.flags & ROUND_IMMEDIATE && current.way == RELEASED)
        baton_thread_move(0); /* what was given up there may lie in that CPU's stock */
}

/* ---- Pages that come ---- */

static uint64_t receive_flags(void)
{
    uint64_t flags = 0;

    if (current.flags & ROUND_TRUSTING || forwards() || current.way == DROPPED ||
        (current.way == BOUNCED && !parts))
        flags |= BATON_TRUST_SENDER;
    if (current.flags & ROUND_IMMEDIATE && !forwards())
        flags |= BATON_IMMEDIATE_ACCESS;
    return flags;
}

static void answer(uint64_t token, uint64_t tag)
{
    struct baton_message message;

    baton_message_init(&message, 0);
    message.tag = tag;
    baton_reply(token, &message, 0);
}

static void forward(struct baton_message *message)
{
    uint64_t seen = 0;

    for (unsigned i = 0; current.flags & ROUND_TOUCHED && i < message->length / BATON_PAGE_BYTES; i++)
        seen += page_at(message, i)[SECRET_WORD];
    if (current.flags & ROUND_TOUCHED && !seen)
        abort(); /* giver wrote something else */
    if (baton_send(taker, message, current.flags & ROUND_TRUSTED ? BATON_TRUSTED : 0, BATON_FOREVER) < 0)
        abort();
}

static void pages_come(struct baton_message *message)
{
    bool first = !parts++;

    if (forwards()) {
        forward(message);
        return;
    }
    if (current.way == BOUNCED && first) {
        if (baton_send(giver, message, BATON_TRUSTED, BATON_FOREVER) < 0)
            baton_message_free(message); /* it has been cut off meanwhile */
        return;
    }
    if (current.way == DROPPED) {
        baton_message_free(message);
        hunt_begin();
        return;
    }
    if (current.way == SHARED && !first) /* with this second ownership gone, the other one may write */
        baton_message_free(&held);
    held = *message;
    if (current.way != SHARED || !first)
        watch_begin();
    if (current.way == CALLED)
        answer(message->reply, 0);
}

/* The pages come with the reply to a request. */
static void pages_ask_for(void)
{
    struct baton_message message;

    baton_message_init(&message, 0);
    if (baton_rpc(giver, &message, &message, receive_flags(), REPLY_NS) == 0)
        pages_come(&message);
}

/* ---- What others say ---- */

static void notice_comes(struct baton_message *message)
{
    current = round_of(message->tag);
    wanted = *message;
    parts = 0;
    if (current.way == RELEASED)
        hunt_begin();
    if (forwards() && baton_send(taker, message, 0, BATON_FOREVER) < 0)
        abort();
    if (current.way == REPLIED)
        pages_ask_for();
}

static void end_comes(const struct baton_message *message)
{
    if (watching)
        look();
    uint64_t result = watching ? changes << 32 | changed_us : UNDONE;
    watching = hunting = false;
    page_count = 0;
    baton_thread_move(OWN_CPU);
    baton_message_free(&held);
    answer(message->reply, result);
}

int main(void)
{
    char giver_name[16] = "giver";
    struct baton_message message;

    own_port = baton_port_find(receiver_name);
    taker = strcmp(receiver_name, "middle") ? -1 : baton_port_find("taker");
    baton_setting("giver", giver_name, sizeof giver_name);
    giver = baton_port_find(giver_name);
    baton_message_init(&held, 0);
    for (;;) {
        uint64_t timeout = watching || hunting ? BATON_NO_WAIT : BATON_FOREVER;
        if (baton_receive(own_port, &message, receive_flags(), timeout) < 0) {
            if (hunting)
                hunt();
            look();
            baton_yield(); /* judge is on this CPU too */
        } else if (message.type == NOTICE) {
            notice_comes(&message);
        } else if (message.type == PAGES) {
            pages_come(&message);
        } else {
            end_comes(&message);
        }
    }
}
