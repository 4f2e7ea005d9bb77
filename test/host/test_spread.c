/*
 * drivers/spread.c, wired to ports that take as much as they like: no message is lost, doubled or moved to another lane, and in each lane
 * they come in their order; what is left of a batch is said rightly, and who waits for it waits there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "core/timer.h"
#include "drivers/flow.h"
#include "drivers/spread.h"
#include "ipc/message.h"
#include "ipc/port.h"
#include "ipc/service.h"

#define FLOWS 40u

static struct port ports[BATON_THREADS];
static struct service driver, forwarder;
static struct message objects[BATON_BATCH];
static uint64_t random_state = 88172645463325252u;

static unsigned takes[BATON_THREADS]; /* how many the port takes next; CLOSED: it is */
#define CLOSED UINT32_MAX
static unsigned lane_of[FLOWS]; /* 1 + the lane; 0: not seen yet */
static unsigned last[FLOWS];    /* the number of its last message */
static unsigned arrived, waiting_at;

static unsigned random_below(unsigned limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 32) % limit;
}

/* ---- What spread.c calls ---- */

uint64_t timer_now(void)
{
    return 12345;
}

struct port *service_wire_out(const struct service *service)
{
    assert_ptr_equal(service, &driver);
    return &ports[0];
}

int port_send(struct port *port, struct message *const *messages, unsigned count)
{
    unsigned lane = (unsigned)(port - ports), taken = takes[lane] < count ? takes[lane] : count;

    assert_true(count > 0);
    if (takes[lane] == CLOSED)
        return BATON_EDEAD;
    if (!taken)
        return BATON_EFULL;
    for (unsigned i = 0; i < taken; i++) {
        uint64_t flow = messages[i]->abi.tag, number = messages[i]->abi.reply;
        assert_true(lane_of[flow] == 0 || lane_of[flow] == lane + 1);
        lane_of[flow] = lane + 1;
        assert_true(number > last[flow]);
        last[flow] = (unsigned)number;
    }
    takes[lane] -= taken;
    arrived += taken;
    return (int)taken;
}

void port_sender_add(struct port *port, struct thread *thread)
{
    assert_null(thread);
    waiting_at |= 1u << (port - ports);
}

void port_sender_remove(struct port *port, struct thread *thread)
{
    assert_null(thread);
    waiting_at &= ~(1u << (port - ports));
}

/* ---- Batches ---- */

/* A frame between two stations, which is its flow. */
static void frame_make(struct message *message, unsigned flow, unsigned number)
{
    const uint8_t header[16] = {2, 0, 0, 0, 0, (uint8_t)flow, 2, 0, 0, 0, 1, 1, 0x88, 0xb5};

    memset(message, 0, sizeof *message);
    memcpy(message->abi.data, header, sizeof header);
    message->abi.inline_length = 60;
    message->abi.tag = flow;
    message->abi.reply = number;
}

static void spread_make(struct spread *spread, unsigned lanes)
{
    memset(lane_of, 0, sizeof lane_of);
    memset(last, 0, sizeof last);
    arrived = 0;
    forwarder.port = &ports[0];
    forwarder.lane_count = lanes;
    for (unsigned i = 0; i < BATON_THREADS; i++) {
        forwarder.lanes[i] = &ports[i];
        ports[i].receiver = &forwarder;
    }
    spread_wire(spread, &driver);
    assert_int_equal(spread->lanes, lanes);
}

/* Sends until nothing is left; returns how often it had to try. */
static unsigned batch_send(struct spread *spread, struct message **messages, unsigned count)
{
    unsigned tries = 0;

    while (count) {
        unsigned before = arrived, waits = 0;
        for (unsigned i = 0; i < spread->lanes; i++)
            takes[i] = random_below(3) ? random_below(12) : 0;
        int sent = spread_send(spread, messages, count);
        if (arrived == before)
            assert_int_equal(sent, BATON_EFULL);
        else
            assert_int_equal(sent, arrived - before);
        messages += arrived - before;
        count -= arrived - before;
        assert_true(++tries < 10000);
        spread_wait(spread, NULL);
        for (unsigned i = 0; i < spread->lanes; i++) {
            assert_int_equal(waiting_at >> i & 1, spread->count[i] > 0);
            waits += spread->count[i];
        }
        assert_int_equal(waits, count);
        spread_wait_no_more(spread, NULL);
        assert_int_equal(waiting_at, 0);
    }
    return tries;
}

static void test_batches(void **state)
{
    unsigned tries = 0;

    (void)state;
    for (unsigned lanes = 1; lanes <= BATON_THREADS; lanes++) {
        struct spread spread;
        unsigned number = 0, seen = 0;
        spread_make(&spread, lanes);
        for (unsigned round = 0; round < 2000; round++) {
            struct message *batch[BATON_BATCH];
            unsigned count = random_below(BATON_BATCH + 1), many = 1 + random_below(FLOWS);
            for (unsigned i = 0; i < count; i++) {
                batch[i] = &objects[i];
                frame_make(batch[i], random_below(many), ++number);
            }
            spread_batch(&spread, batch, count);
            tries += batch_send(&spread, batch, count);
            assert_int_equal(arrived, number);
        }
        for (unsigned flow = 0; flow < FLOWS; flow++)
            seen |= 1u << lane_of[flow];
        assert_int_equal(seen, ((1u << lanes) - 1) << 1); /* every lane had some */
    }
    assert_true(tries > BATON_THREADS * 2000 * 3); /* most had to be sent in parts */
}

/* A service that has stopped: said when nobody takes anything, and not while another lane still does. */
static void test_stopped(void **state)
{
    struct spread spread;
    struct message *batch[BATON_BATCH];

    (void)state;
    spread_make(&spread, 2);
    for (unsigned i = 0; i < BATON_BATCH; i++) {
        batch[i] = &objects[i];
        frame_make(batch[i], i % FLOWS, i + 1);
    }
    spread_batch(&spread, batch, BATON_BATCH);
    unsigned second = spread.count[1];
    takes[0] = CLOSED;
    takes[1] = BATON_BATCH;
    assert_int_equal(spread_send(&spread, batch, BATON_BATCH), second);
    takes[1] = CLOSED;
    assert_int_equal(spread_send(&spread, batch + second, BATON_BATCH - second), BATON_EDEAD);
    takes[0] = 0;
    assert_int_equal(spread_send(&spread, batch + second, BATON_BATCH - second), BATON_EFULL);
    takes[0] = BATON_BATCH;
    assert_int_equal(spread_send(&spread, batch + second, BATON_BATCH - second), BATON_BATCH - second);
}

/* A driver that is wired to nobody, or to a port that is not its receiver's first: nothing to spread. */
static void test_nothing_to_spread(void **state)
{
    struct spread spread;

    (void)state;
    ports[0].receiver = NULL;
    spread_wire(&spread, &driver);
    assert_int_equal(spread.lanes, 0);
    ports[0].receiver = &forwarder;
    forwarder.port = &ports[1];
    spread_wire(&spread, &driver);
    assert_int_equal(spread.lanes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_nothing_to_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
