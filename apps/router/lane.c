/* Lanes, and the messages between them: see lane.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/router/lane.h"

/* The first of them is there without a heap. */
static struct lane first_lane;
static struct lane *lanes[BATON_THREADS] = {&first_lane};
static int ports[BATON_THREADS];
static unsigned lane_count = 1;
_Thread_local struct lane *lane;

/* message.type of what comes from a lane, and with a frame the number of the interface, below. */
enum {
    LANE_FRAME = 1 << 8,
    LANE_QUESTION = 2 << 8,
    LANE_ANSWER = 3 << 8,
    LANE_KINDS = ~255,
};

/* The inline data of question and answer. */
struct question {
    struct address6 address;
    uint64_t link; /* of an answer: 0 for none */
    uint8_t six, interface, asker;
};

/* ---- Sending ---- */

static void send_to(unsigned number, struct baton_message *message)
{
    struct outbox *outbox = &lane->to_lane[number];

    outbox->message[outbox->count++] = message;
    lane->speaks = true;
    if (outbox->count == BATON_BATCH)
        lanes_send();
}

/* What did not find room is lost: a frame is counted, what asked or answered is asked again. */
static void lost(struct baton_message *message)
{
    if ((message->type & LANE_KINDS) == LANE_FRAME)
        router_drop(message, message->type & 255, DROP_QUEUE_FULL);
    else
        router_discard(message);
}

void lanes_send(void)
{
    lane->speaks = false;
    for (unsigned i = 0; i < lane_count; i++) {
        struct outbox *outbox = &lane->to_lane[i];
        int sent =
            outbox->count ? baton_send_batch(ports[i], outbox->message, outbox->count, 0, BATON_NO_WAIT) : 0;
        for (unsigned k = sent > 0 ? (unsigned)sent : 0; k < outbox->count; k++)
            lost(outbox->message[k]);
        outbox->count = 0;
    }
}

void lane_pass_on(struct baton_message *message, unsigned interface)
{
    message->type = LANE_FRAME | interface;
    send_to(0, message);
}

void lane_ask(bool six, unsigned interface, struct address6 address)
{
    const struct question question = {address, 0, six, (uint8_t)interface, (uint8_t)lane->number};
    struct baton_message *message = router_message();

    if (!message)
        return;
    message->type = LANE_QUESTION;
    message->length = message->inline_length = sizeof question;
    memcpy(message->data, &question, sizeof question);
    send_to(0, message);
}

void lane_answer(struct baton_message *message, uint64_t link)
{
    struct question question;

    memcpy(&question, message->data + message->inline_offset, sizeof question);
    question.link = link;
    memcpy(message->data + message->inline_offset, &question, sizeof question);
    message->type = LANE_ANSWER;
    send_to(question.asker, message);
}

void lane_refuse(struct baton_message *question, enum drop reason)
{
    if (reason == DROP_UNREACHABLE)
        lane_answer(question, 0);
    else
        router_discard(question); /* it will be asked again */
}

/* ---- Receiving ---- */

bool lane_is_question(const struct baton_message *message)
{
    return message->source == BATON_SOURCE_SERVICE;
}

/* What the lane holds from now on. */
static void question_take(struct baton_message *message)
{
    struct question question;

    memcpy(&question, message->data + message->inline_offset, sizeof question);
    (question.six ? question6 : question4)(message, question.interface, question.address, question.asker);
}

static void answer_take(struct baton_message *message)
{
    struct question question;

    memcpy(&question, message->data + message->inline_offset, sizeof question);
    (question.six ? answer6 : answer4)(question.interface, question.address, question.link);
    router_discard(message);
}

bool lane_received(struct baton_message *message)
{
    unsigned kind = message->source == BATON_SOURCE_SERVICE ? message->type & (unsigned)LANE_KINDS : 0;

    if (kind == LANE_FRAME) {
        message->source = message->type & 255;
        return true;
    }
    if (kind == LANE_QUESTION)
        question_take(message);
    else if (kind == LANE_ANSWER)
        answer_take(message);
    else
        router_discard(message); /* from a wire that is no interface's: the appliance's table has none */
    return false;
}

/* ---- Beginning, and what lane 0 must know of the others ---- */

bool lanes_make(void)
{
    char name[16];

    lane = &first_lane;
    ports[0] = baton_port_find("router");
    for (; lane_count < BATON_THREADS; lane_count++) {
        snprintf(name, sizeof name, "router.%u", lane_count);
        ports[lane_count] = baton_port_find(name);
        if (ports[lane_count] < 0)
            break;
        lanes[lane_count] = calloc(1, sizeof *lanes[0]);
        if (!lanes[lane_count]) {
            baton_log("no memory for lane %u", lane_count);
            return false;
        }
    }
    for (unsigned i = 0; i < lane_count; i++) {
        lanes[i]->number = i;
        lanes[i]->port = ports[i];
        outbox_init(lanes[i]);
    }
    return true;
}

bool lanes_start(bool (*prepare)(void), void (*entry)(void *lane))
{
    uint64_t cpus = 1;
    bool good = true;

    baton_setting_number("cpus", 1, UINT64_MAX, &cpus);
    for (unsigned i = 0; i < lane_count && good; i++) {
        lane = lanes[i];
        good = prepare();
    }
    lane = &first_lane;
    for (unsigned i = 1; i < lane_count && good; i++)
        if (baton_thread_start(entry, lanes[i], (unsigned)((LANE_CPU + i) % cpus)) < 0)
            abort(); /* to be started again */
    return good;
}

bool lanes_passed(void)
{
    for (unsigned i = 1; i < lane_count; i++)
        /* Acquire: what the lane looked up before is over before what it looked up may be used again */
        if (__atomic_load_n(&lanes[i]->passed, __ATOMIC_ACQUIRE) != router.version)
            return false;
    return true;
}

/* ---- A lane's neighbours ---- */

static struct neighbor_limits neighbor_limits_of_lane(void)
{
    struct neighbor_limits limits = neighbor_limits_usual;

    limits.waiting =
        LANE_WAITING / lane_count; /* what waits is within the pages of the service, by all lanes */
    limits.fixed = router.config.neighbors;
    if (lane->number) {                       /* lane 0 is asked, and gives up after 3 s */
        limits.waiting_each = limits.waiting; /* as a rule he knows, and a batch must not be lost meanwhile */
        limits.reachable_ns = LANE_KNOWN_NS;
        limits.retry_ns = 2 * TICK_NS;
        limits.tries = 8;
    }
    return limits;
}

bool lane_neighbors_make(struct neighborhood *neighbors, unsigned family, const struct neighbor_calls *calls)
{
    const struct config *config = &router.config;
    const struct neighbor_limits limits = neighbor_limits_of_lane();
    void *memory = malloc(neighbors_bytes(&limits));

    if (!memory) {
        baton_log("no memory for %u neighbours", (unsigned)limits.stations);
        return false;
    }
    neighbors_init(&neighbors->table, memory, &limits, calls, NULL, baton_time_ns());
    for (unsigned i = 0; i < config->neighbors; i++) {
        const struct config_neighbor *neighbor = &config->neighbor[i];
        if (neighbor->family == family)
            neighbor_set_static(&neighbors->table, neighbor->interface, neighbor->address, neighbor->link);
    }
    return true;
}

void lane_changes_note(struct neighborhood *neighbors)
{
    if (neighbors->table.changes == neighbors->changes_seen)
        return;
    neighbors->changes_seen = neighbors->table.changes;
    router_changed();
    if (lane->number == 0)
        __atomic_store_n(&router.doubts, router.doubts + 1, __ATOMIC_RELAXED);
}
