/*
 * Receives the pages of a round, writes the secret into them and looks whether anything in them changes, until judge asks.
 * middle sends them on to taker instead, when the round says so.
 */
#include <stdbool.h>
#include <stdlib.h>
#include "test/qemu/apps/probe/protocol.h"
#include "test/qemu/apps/probe/receiver.h"

static struct round current;
static int own_port, taker;
static struct baton_message held; /* the pages; while `watching` */
static bool watching;
static unsigned parts;           /* of SHARED: messages that have come */
static struct baton_message end; /* judge waits for the answer; reply 0: it does not */
static uint64_t received;        /* ns */
static uint64_t changes;         /* how often some word was not what it was */
static uint64_t changed_us;      /* after `received`, the last time */
static uint64_t known[BATON_PIECES][GIVER_CPUS];

static volatile uint64_t *held_page(unsigned index)
{
    return baton_piece_address(&held.piece[index]);
}

static bool forwards(void)
{
    return current.way == FORWARDED && current.receiver == TAKER && taker >= 0;
}

/* One look at every word that giver may have written. */
static void look(void)
{
    for (unsigned i = 0; i < held.pieces; i++)
        for (unsigned cpu = 0; cpu < GIVER_CPUS; cpu++) {
            uint64_t now = held_page(i)[CPU_WORD(cpu)];
            if (now == known[i][cpu])
                continue;
            known[i][cpu] = now;
            changes++;
            changed_us = (baton_time_ns() - received) / 1000;
        }
}

static void watch_begin(void)
{
    received = baton_time_ns();
    watching = true;
    for (unsigned i = 0; i < held.pieces; i++)
        for (unsigned cpu = 0; cpu < GIVER_CPUS; cpu++)
            known[i][cpu] = held_page(i)[CPU_WORD(cpu)];
    changes = changed_us = 0;
    for (unsigned i = 0; current.way != DUPLICATED && i < held.pieces; i++)
        held_page(i)[SECRET_WORD] = secret_of(current);
}

static void forward(struct baton_message *message)
{
    uint64_t seen = 0;

    for (unsigned i = 0; current.flags & ROUND_TOUCHED && i < message->pieces; i++)
        seen += *(volatile uint64_t *)baton_piece_address(&message->piece[i]);
    if (current.flags & ROUND_TOUCHED && !seen)
        abort(); /* giver wrote something else */
    if (baton_send(taker, message, current.flags & ROUND_TRUSTED ? BATON_TRUSTED : 0, BATON_FOREVER) < 0)
        abort();
}

static void pages_come(struct baton_message *message)
{
    if (forwards()) {
        forward(message);
        return;
    }
    if (current.way == SHARED && !parts++) {
        held = *message;
        return;
    }
    if (parts) /* the second ownership of each page: with it gone the first one may write */
        baton_message_free(&held);
    held = *message;
    watch_begin();
}

static void notice_comes(const struct baton_message *message)
{
    struct baton_message notice = *message;

    current = round_of(message->tag);
    parts = 0;
    if (forwards() && baton_send(taker, &notice, 0, BATON_FOREVER) < 0)
        abort();
}

/* Answers judge, as soon as the pages of the round have come: they may still be with middle. */
static void end_answer(void)
{
    uint64_t token = end.reply;

    if (!token || !watching || round_of(end.tag).number != current.number)
        return;
    look();
    watching = false;
    baton_message_free(&held);
    baton_message_init(&end, 0);
    end.tag = changes << 32 | changed_us;
    baton_reply(token, &end, 0);
}

static uint64_t receive_flags(void)
{
    uint64_t flags = 0;

    if (current.flags & ROUND_TRUSTING || forwards())
        flags |= BATON_TRUST_SENDER;
    if (current.flags & ROUND_IMMEDIATE && !forwards())
        flags |= BATON_IMMEDIATE_ACCESS;
    return flags;
}

int main(void)
{
    struct baton_message message;

    own_port = baton_port_find(receiver_name);
    taker = strcmp(receiver_name, "middle") ? -1 : baton_port_find("taker");
    baton_message_init(&held, 0);
    baton_message_init(&end, 0);
    for (;;) {
        int result =
            baton_receive(own_port, &message, receive_flags(), watching ? BATON_NO_WAIT : BATON_FOREVER);
        if (result < 0) {
            look();
            baton_yield(); /* judge is on this CPU too */
        } else if (message.type == NOTICE) {
            notice_comes(&message);
        } else if (message.type == PAGES) {
            pages_come(&message);
        } else {
            end = message;
        }
        end_answer();
    }
}
