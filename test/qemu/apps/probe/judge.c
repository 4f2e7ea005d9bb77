/*
 * Says what the next round is, rounds=N of them, to giver or, with giver=mate, to that one; counts, for each way, receiver and trust, the rounds in which giver saw the
 * secret, changed a page that was no longer its own, or was not cut off; and prints that at the end. ways=MASK chooses.
 */
#include <stdbool.h>
#include "test/qemu/apps/probe/protocol.h"

#define FLAGS_ANY (ROUND_IMMEDIATE | ROUND_SENDER | ROUND_TOUCHED | ROUND_MOVING)
#define LIVES_MAX 90 /* short lives of giver before it rests */

static const char *const way_names[WAYS] = {"sent",    "duplicated", "shared",  "forwarded", "kept",
                                            "bounced", "released",   "dropped", "called",    "replied"};
static const char *const receiver_names[RECEIVERS] = {"taker", "insider", "middle"};

static struct count {
    uint32_t rounds, undone, seen, changed, lasted;
    uint32_t latest; /* us after receive that a page still changed */
} counts[WAYS][RECEIVERS][4];

static bool mate; /* also its row: they are the first two */
static uint64_t rounds = 200, ways = (1u << WAYS) - 1;
static struct round current;        /* the present one */
static uint32_t seen_in, lasted_in; /* the last round counted as such: several threads may tell */
static int receivers[RECEIVERS];

static struct count *count_of(struct round which)
{
    return &counts[which.way][which.receiver][which.flags & (ROUND_TRUSTED | ROUND_TRUSTING)];
}

/* Each way that is chosen, in turn; then each trust and receiver; further flags as they come. */
static struct round round_after(struct round last)
{
    uint32_t number = last.number + 1, turn = 0, chosen = 0;
    struct round next = {.number = number};

    for (unsigned way = 0; way < WAYS; way++)
        chosen += ways >> way & 1;
    turn = (number - 1) / chosen;
    for (unsigned skip = (number - 1) % chosen; !(ways >> next.way & 1) || skip; next.way++)
        skip -= ways >> next.way & 1;
    next.flags = turn & (ROUND_TRUSTED | ROUND_TRUSTING);
    turn >>= 2;
    next.receiver = next.way == KEPT ? MIDDLE : next.way != FORWARDED && turn % 2 && !mate ? INSIDER : TAKER;
    next.flags |= number * 2654435761u >> 16 & FLAGS_ANY;
    return next;
}

/* What became of the last round? */
static uint64_t end(enum receiver receiver)
{
    struct baton_message message;

    baton_message_init(&message, 0);
    message.type = END;
    return baton_rpc(receivers[receiver], &message, &message, 0, BATON_FOREVER) < 0 ? UNDONE : message.tag;
}

/* The last round is over: giver lives again. */
static void round_end(void)
{
    struct count *count = count_of(current);

    if (!current.number)
        return;
    if (current.way == FORWARDED)
        end(MIDDLE); /* by then it has sent on what it had */
    uint64_t result = end((enum receiver)current.receiver);
    count->rounds++;
    if (result == UNDONE) {
        count->undone++;
        return;
    }
    count->changed += result >> 32 != 0;
    if ((uint32_t)result > count->latest)
        count->latest = (uint32_t)result;
}

static void print(void)
{
    static const char *const trust[4] = {"untrusted, untrusting", "trusted, untrusting",
                                         "untrusted, trusting", "trusted, trusting"};

    for (unsigned i = 0; i < WAYS * RECEIVERS * 4; i++) {
        const struct count *count = &counts[i / (RECEIVERS * 4)][i / 4 % RECEIVERS][i % 4];
        if (count->rounds)
            baton_log("%s to %s, %s: %u rounds, %u undone, %u seen, %u changed, latest %u us, %u lasted",
                      way_names[i / (RECEIVERS * 4)], receiver_names[i / 4 % RECEIVERS], trust[i % 4],
                      count->rounds, count->undone, count->seen, count->changed, count->latest,
                      count->lasted);
    }
    baton_log("probe: %u rounds", current.number);
}

static void answer(const struct baton_message *request, uint32_t type)
{
    struct baton_message message;

    baton_message_init(&message, 0);
    message.type = type;
    message.tag = round_tag(current);
    baton_reply(request->reply, &message, 0);
}

static void next_comes(const struct baton_message *request)
{
    static unsigned lives;
    static bool ended;

    if (request->source != BATON_SOURCE_SERVICE + mate) {
        answer(request, STOP);
        return;
    }
    if (!ended)
        round_end();
    ended = true;
    if (current.number == rounds) {
        print();
        answer(request, STOP);
        return;
    }
    if (++lives == LIVES_MAX) {
        lives = 0;
        answer(request, REST);
        return;
    }
    current = round_after(current);
    ended = false;
    answer(request, NEXT);
}

static void told(const struct baton_message *message)
{
    struct round about = round_of(message->tag);
    uint32_t *last = message->type == SEEN ? &seen_in : &lasted_in;

    if (*last == about.number)
        return;
    *last = about.number;
    if (message->type == SEEN)
        count_of(about)->seen++;
    else
        count_of(about)->lasted++;
}

int main(void)
{
    int port = baton_port_find("judge");
    char giver[16] = "giver";
    struct baton_message message;

    baton_setting("giver", giver, sizeof giver);
    mate = !strcmp(giver, "mate");
    if (baton_setting_number("rounds", 1, UINT32_MAX, &rounds) < 0 ||
        baton_setting_number("ways", 1, (1u << WAYS) - 1, &ways) < 0)
        return 1;
    for (unsigned i = 0; i < RECEIVERS; i++)
        receivers[i] = baton_port_find(receiver_names[i]);
    for (;;) {
        if (baton_receive(port, &message, 0, BATON_FOREVER) < 0)
            continue;
        if (message.type == NEXT)
            next_comes(&message);
        else
            told(&message);
    }
}
