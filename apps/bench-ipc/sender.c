/*
 * Sends what is measured. It does what the console orders (`tell sender ...`), and answers each order with one line:
 *
 *   prepare KIND BYTES READ STAGES CPUS COUNT   makes COUNT messages and sends them round twice: whatever happens only once has
 *                                               happened. KIND: oneway, single, rpc, cycle; READ: bytes that each receiver reads;
 *                                               CPUS: same, cross (stage 1 on CPU 1, stage 2 on CPU 0, and so on)
 *   run LAPS                                    sends them round LAPS times: "ran N messages in T ns, C cycles"
 *   check                                       looks at every byte, counts, frees: "checked ..."
 *
 * Of oneway, a lap is COUNT messages through all STAGES and back, as services do it: all of them in one call, and as many
 * received in one call as there are. Each hop counts as a message, for all do the same: receive, read, send. single is the
 * same with one call for each message. Of rpc a lap is COUNT calls. Of cycle it is COUNT messages, each made, sent, received
 * and freed.
 *
 * With one counter tick for each instruction (QEMU: -icount shift=0, cntfrq=1000000000) T is the instructions of all CPUs
 * between the first send and the last receive. C is what this CPU's cycle counter says, 0 without the setting cycles=on.
 */
#include <stdio.h>
#include <string.h>
#include "apps/baton.h"
#include "apps/bench-ipc/content.h"

#define COUNT_MAX 64
#define PATIENCE  UINT64_C(1000000000)

enum kind {
    ONEWAY,
    SINGLE,
    RPC,
    CYCLE,
};

static const char *const kinds[] = {"oneway", "single", "rpc", "cycle"};

static int own, control;
static int stage[STAGES_MAX]; /* their ports */
static unsigned stages;       /* that messages pass now */
static struct baton_message messages[COUNT_MAX];
static unsigned count; /* prepared; 0: nothing is */
static enum kind kind;
static uint32_t bytes, reading; /* of each message: how many there are, how many are read */
static uint64_t flags;
static uint64_t next; /* the tag of the next message sent */
static uint32_t lost, wrong, doubled;

/* ---- Orders to the stages ---- */

static int64_t stage_ask(unsigned number, uint64_t what)
{
    struct baton_message order;

    baton_message_init(&order, 0);
    order.type = ORDER;
    order.tag = what;
    int result = baton_rpc(stage[number], &order, &order, 0, PATIENCE);
    return result < 0 ? result : (int64_t)order.tag;
}

static bool stages_begin(bool cross)
{
    /* Whoever reads all of it has it mapped at once, as whoever reads what lies in one page */
    bool immediate = reading && (reading == bytes || bytes <= BATON_PAGE_BYTES);
    uint64_t order = ORDER_BEGIN | ORDER_READ(reading) | (immediate ? ORDER_IMMEDIATE : 0) |
                     (kind == CYCLE ? ORDER_FREE : 0) | (kind == ONEWAY ? ORDER_BATCH : 0);

    flags = immediate ? BATON_IMMEDIATE_ACCESS : 0;
    for (unsigned i = 0; i < stages; i++)
        if (stage_ask(i, order | (i + 1 < stages ? ORDER_ON : 0) | ORDER_CPU(cross && i % 2 == 0)) < 0)
            return false;
    return true;
}

/* ---- What is measured ---- */

static void look_at(const struct baton_message *message, uint64_t expected)
{
    if (message->tag != expected || !content_touch(message, reading))
        wrong++;
}

/* `got` messages are there, and no more come: the others are lost. */
static bool give_up_waiting(unsigned got)
{
    lost += count - got;
    count = got;
    return false;
}

static bool lap_oneway(void)
{
    static struct baton_message *list[COUNT_MAX];
    uint64_t first = next;

    for (unsigned i = 0; i < count; i++) {
        list[i] = &messages[i];
        messages[i].tag = next++;
    }
    for (unsigned sent = 0; sent < count;) {
        int more = baton_send_batch(stage[0], list + sent, count - sent, 0, BATON_FOREVER);
        if (more < 0)
            return false;
        sent += (unsigned)more;
    }
    for (unsigned got = 0; got < count;) {
        int more = baton_receive_batch(own, list + got, count - got, flags, PATIENCE);
        if (more < 0)
            return give_up_waiting(got);
        for (; more; more--, got++)
            look_at(&messages[got], first + got);
    }
    return true;
}

static bool lap_single(void)
{
    uint64_t first = next;

    for (unsigned i = 0; i < count; i++) {
        messages[i].tag = next++;
        if (baton_send(stage[0], &messages[i], 0, BATON_FOREVER) < 0)
            return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (baton_receive(own, &messages[i], flags, PATIENCE) < 0)
            return give_up_waiting(i);
        look_at(&messages[i], first + i);
    }
    return true;
}

static bool lap_rpc(void)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t tag = next++;
        messages[i].tag = tag;
        if (baton_rpc(stage[0], &messages[i], &messages[i], flags, BATON_FOREVER) < 0)
            return false;
        look_at(&messages[i], tag);
    }
    return true;
}

static bool lap_cycle(void)
{
    for (unsigned i = 0; i < count; i++) {
        struct baton_message *message = &messages[i];
        if (baton_message_alloc(message, 0, bytes) < 0)
            return false;
        message->tag = next++;
        if (baton_send(stage[0], message, 0, BATON_FOREVER) < 0)
            return false;
    }
    return true;
}

static bool laps(uint64_t number)
{
    static bool (*const lap[])(void) = {lap_oneway, lap_single, lap_rpc, lap_cycle};

    for (uint64_t i = 0; i < number; i++)
        if (!lap[kind]())
            return false;
    /* The stage answers when it has freed all that was sent before */
    return kind != CYCLE || stage_ask(0, ORDER_REPORT) >= 0;
}

/* ---- Orders from the console ---- */

static void give_up(const char *what, int error)
{
    baton_log("FAILED: %s: error %d", what, error);
    for (unsigned i = 0; i < count; i++)
        baton_message_free(&messages[i]);
    count = 0;
}

static int messages_make(unsigned number)
{
    /* Of a cycle each is made when its turn comes; here only whether it can be */
    int possible = baton_message_alloc(&messages[0], 0, bytes);
    if (possible < 0)
        return possible;
    baton_message_free(&messages[0]);
    for (count = 0; kind != CYCLE && count < number; count++) {
        int result = baton_message_alloc(&messages[count], 0, bytes);
        if (result < 0)
            return result;
        messages[count].type = (count + 1) * UINT32_C(2654435761) & KEY_MASK;
        result = content_fill(&messages[count], messages[count].type);
        if (result < 0)
            return result;
    }
    count = number;
    return 0;
}

static bool order_read(const char *text, unsigned *number, bool *cross)
{
    char name[8], where[8];
    unsigned chosen = 0;

    if (sscanf(text, "%7s %u %u %u %7s %u", name, &bytes, &reading, &stages, where, number) != 6)
        return false;
    while (chosen <= CYCLE && strcmp(name, kinds[chosen]))
        chosen++;
    kind = (enum kind)chosen;
    *cross = !strcmp(where, "cross");
    return chosen <= CYCLE && stages && stages <= STAGES_MAX && *number <= COUNT_MAX && reading <= bytes &&
           !(reading % CONTENT_BLOCK) && (kind == ONEWAY || stages == 1);
}

static void prepare(const char *text)
{
    unsigned number;
    bool cross;

    if (count)
        give_up("the last measurement was not checked", 0);
    if (!order_read(text, &number, &cross)) {
        give_up("prepare KIND BYTES READ STAGES CPUS COUNT", BATON_EINVAL);
        return;
    }
    next = lost = wrong = doubled = 0;
    int result = messages_make(number);
    if (result < 0) {
        give_up("make the messages", result);
        return;
    }
    if (!stages_begin(cross) || !laps(2))
        give_up("the first laps", BATON_EDEAD);
    else
        baton_log("prepared %u messages", number);
}

static void run(const char *text)
{
    unsigned number;

    if (!count || sscanf(text, "%u", &number) != 1) {
        give_up("run LAPS, of what was prepared", BATON_EINVAL);
        return;
    }
    uint64_t cycles = baton_cycles(), begin = baton_time_ns();
    bool whole = laps(number);
    uint64_t end = baton_time_ns();
    cycles = baton_cycles() - cycles;
    if (whole)
        baton_log("ran %u messages in %lu ns, %lu cycles", number * count * (kind <= SINGLE ? stages + 1 : 1),
                  (unsigned long)(end - begin), (unsigned long)cycles);
    else
        baton_log("FAILED: run: a message did not come back");
}

static void check(void)
{
    unsigned damaged = 0, had = count;
    struct baton_message extra;

    while (baton_receive(own, &extra, 0, BATON_NO_WAIT) > 0) {
        doubled++;
        baton_message_free(&extra);
    }
    for (unsigned i = 0; kind != CYCLE && i < count; i++) {
        damaged += !content_good(&messages[i], messages[i].type);
        baton_message_free(&messages[i]);
    }
    count = 0;
    uint32_t seen = UINT32_MAX; /* by the stage that saw fewest */
    for (unsigned i = 0; i < stages; i++) {
        int64_t report = stage_ask(i, ORDER_REPORT);
        wrong += (uint32_t)(report >> 32);
        if ((uint32_t)report < seen)
            seen = (uint32_t)report;
    }
    baton_log("checked %u messages: sent %lu, seen %u, lost %u, doubled %u, wrong %u, damaged %u", had,
              (unsigned long)next, seen, lost, doubled, wrong, damaged);
}

static void obey(char *text)
{
    if (!strncmp(text, "prepare ", 8))
        prepare(text + 8);
    else if (!strncmp(text, "run ", 4))
        run(text + 4);
    else if (!strcmp(text, "check"))
        check();
    else
        give_up("no such order", BATON_EINVAL);
}

int main(void)
{
    static struct baton_message order;
    char text[BATON_INLINE_BYTES + 1];

    own = baton_port_find("sender");
    control = baton_port_find("sender.control");
    for (int i = 0; i < STAGES_MAX; i++) {
        snprintf(text, sizeof text, "stage%d", i + 1);
        stage[i] = baton_port_find(text);
    }
    content_wide();
    while (baton_receive(control, &order, 0, BATON_FOREVER) > 0) {
        uint32_t length = order.length <= BATON_INLINE_BYTES ? order.length : 0;
        baton_message_read(&order, 0, text, length);
        text[length] = 0;
        obey(text);
    }
    return 1;
}
