/*
 * ipc/message.h and ipc/port.h on one host thread: conservation of objects, order, bounds, waiting, closing.
 */
#include "core/arch.h"
#include "ipc/message.h"
#include "ipc/page.h"
#include "ipc/port.h"
#include "ipc/rpc.h"
#include "ipc/thread.h"
#include "mm/space.h"
#include "test/host/cases.h"
#include "test/host/machine.h"
#include "test/host/ownership.h"

#define OBJECTS 200u
#define PAGES   64u

static struct space *a;
static unsigned wakes[4], aborts;
static struct thread threads[4];

struct thread *thread_at(unsigned number)
{
    return &threads[number];
}

void thread_wake(struct thread *thread)
{
    wakes[thread->number]++;
}

void rpc_abort(struct message *request)
{
    assert_non_null(request->caller);
    aborts++;
}

static void begin(void)
{
    ownership_init(1, PAGES, 8);
    a = ownership_space("a", true, 32);
    message_pool_init(OBJECTS);
    for (unsigned i = 0; i < 4; i++)
        threads[i].number = i;
}

/* ---- Objects ---- */

static void test_objects_are_conserved(void **state)
{
    struct message *held[OBJECTS];
    unsigned count = 0;

    (void)state;
    begin();
    assert_int_equal(message_pool_total(), OBJECTS);
    for (unsigned i = 0; i < 20000; i++) {
        machine_run_on((unsigned)machine_random(4));
        unsigned n = 1 + (unsigned)machine_random(70);
        if (machine_random(2)) {
            unsigned got = message_alloc(&held[count], n < OBJECTS - count ? n : OBJECTS - count);
            for (unsigned k = 0; k < got; k++) {
                for (unsigned other = 0; other < count + k; other++)
                    assert_ptr_not_equal(held[count + k], held[other]);
                assert_int_equal((uint64_t)held[count + k] % 32, 0);
                assert_int_equal(held[count + k]->special, 0);
            }
            count += got;
        } else {
            n = n < count ? n : count;
            count -= n;
            message_free(&held[count], n);
        }
        assert_int_equal(message_pool_free() + count, OBJECTS);
    }
}

static void test_objects_run_out(void **state)
{
    struct message *held[OBJECTS + 1];

    (void)state;
    begin();
    unsigned got = message_alloc(held, OBJECTS + 1);
    assert_true(got <= OBJECTS);
    assert_int_equal(message_alloc(&held[got], 1), 0);
    message_free(held, got);
    assert_int_equal(message_pool_free(), OBJECTS);
}

static void test_drop_gives_pages_back(void **state)
{
    struct message *message;
    struct page_counts counts;

    (void)state;
    begin();
    uint32_t pages[3];
    assert_int_equal(page_get(a, pages, 3), 3);
    assert_int_equal(message_alloc(&message, 1), 1);
    message->abi.pieces = 4; /* one page twice */
    for (unsigned i = 0; i < 4; i++)
        message->abi.piece[i] = (struct baton_piece){pages[i % 3], 0, 64};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(page_send(a, &message->abi.piece[i], i == 0 ? PAGE_SEND_DUPLICATE : 0, NULL), 0);
    message->special = MESSAGE_CALL;
    message->caller = &threads[0];
    message_drop(message);
    assert_int_equal(aborts, 1);
    assert_int_equal(message_pool_free(), OBJECTS);
    page_count(&counts);
    assert_int_equal(counts.free, PAGES);
}

static void test_inline_address(void **state)
{
    struct message *message;

    (void)state;
    begin();
    assert_int_equal(message_alloc(&message, 1), 1);
    assert_ptr_equal(machine_memory(message_inline_phys(message)), message->abi.data);
}

/* ---- Ports ---- */

static struct port *port_with(uint32_t capacity)
{
    begin();
    struct port *port = port_create("p", NULL, capacity);

    assert_non_null(port);
    return port;
}

static void messages_make(struct message **messages, unsigned count)
{
    assert_int_equal(message_alloc(messages, count), count);
    for (unsigned i = 0; i < count; i++)
        messages[i]->abi = (struct baton_message){.tag = i};
}

static void test_port_names(void **state)
{
    (void)state;
    begin();
    struct port *first = port_create("forward", NULL, 8), *second = port_create("forward.control", NULL, 1);
    assert_ptr_equal(port_find("forward"), first);
    assert_ptr_equal(port_find("forward.control"), second);
    assert_null(port_find("forward.contro"));
    assert_null(port_find(""));
    assert_ptr_equal(port_at(1), second);
    assert_null(port_at(2));
    assert_null(port_create("a name that is longer than a port's name may be", NULL, 8));
    assert_true(machine_fails(port_create("odd", NULL, 6)));
    assert_true(machine_fails(port_create("none", NULL, 0)));
}

static void test_order_and_bounds(void **state)
{
    struct message *messages[20], *taken[20];

    (void)state;
    struct port *port = port_with(8);
    messages_make(messages, 20);
    assert_int_equal(port_take(port, taken, 20), 0);
    assert_int_equal(port_send(port, messages, 20), 8); /* what fits, from the front */
    assert_int_equal(port_depth(port), 8);
    assert_int_equal(port_send(port, &messages[8], 1), BATON_EFULL);
    assert_int_equal(port_take(port, taken, 3), 3);
    assert_int_equal(port_send(port, &messages[8], 12), 3);
    assert_int_equal(port_take(port, &taken[3], 20), 8);
    for (unsigned i = 0; i < 11; i++)
        assert_ptr_equal(taken[i], messages[i]);
    assert_int_equal(port_depth(port), 0);
    assert_int_equal(port_take(port, taken, 1), 0);
}

/* The counters of places wrap around 32 bits. */
static void test_counters_wrap(void **state)
{
    struct message *messages[4], *taken[4];

    (void)state;
    struct port *port = port_with(4);
    port->head = port->tail = UINT32_MAX - 1;
    messages_make(messages, 4);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(port_send(port, messages, 3), 3);
        assert_int_equal(port_depth(port), 3);
        assert_int_equal(port_send(port, &messages[3], 1), 1);
        assert_int_equal(port_send(port, &messages[3], 1), BATON_EFULL);
        assert_int_equal(port_take(port, taken, 4), 4);
        assert_memory_equal(taken, messages, sizeof(taken));
    }
}

static void test_random_port(void **state)
{
    struct message *messages[64], *taken[64];
    unsigned sent = 0, received = 0;

    (void)state;
    struct port *port = port_with(16);
    messages_make(messages, 64);
    for (unsigned i = 0; i < 100000; i++) {
        unsigned n = 1 + (unsigned)machine_random(20);
        machine_run_on((unsigned)machine_random(4));
        if (machine_random(2)) {
            struct message *batch[20];
            for (unsigned k = 0; k < n; k++)
                batch[k] = messages[(sent + k) % 64];
            int result = port_send(port, batch, n);
            assert_int_equal(result, sent - received == 16        ? BATON_EFULL
                                     : n < 16 - (sent - received) ? (int)n
                                                                  : (int)(16 - (sent - received)));
            sent += result > 0 ? (unsigned)result : 0;
        } else {
            unsigned got = port_take(port, taken, n);
            assert_int_equal(got, n < sent - received ? n : sent - received);
            for (unsigned k = 0; k < got; k++)
                assert_ptr_equal(taken[k], messages[(received + k) % 64]);
            received += got;
        }
        assert_int_equal(port_depth(port), sent - received);
    }
}

static void test_waiting(void **state)
{
    struct message *messages[4], *taken[4];

    (void)state;
    struct port *port = port_with(2);
    messages_make(messages, 4);
    port_receiver_add(port, &threads[0]);
    port_receiver_add(port, &threads[1]);
    assert_int_equal(port_send(port, messages, 1), 1);
    assert_true(wakes[0] == 1 && wakes[1] == 1); /* all who wait */
    port_receiver_remove(port, &threads[0]);
    port_receiver_remove(port, &threads[0]); /* twice does no harm */
    port_receiver_add(port, &threads[1]);    /* who is woken waits no more */
    assert_int_equal(port_send(port, &messages[1], 1), 1);
    assert_true(wakes[0] == 1 && wakes[1] == 2);
    port_sender_add(port, &threads[2]);
    assert_int_equal(port_send(port, &messages[2], 1), BATON_EFULL);
    assert_int_equal(wakes[2], 0);
    assert_int_equal(port_take(port, taken, 1), 1);
    assert_int_equal(wakes[2], 1);
    port_sender_remove(port, &threads[2]);
    assert_int_equal(port_take(port, taken, 1), 1);
    assert_int_equal(wakes[2], 1);
    assert_int_equal(port_take(port, taken, 1), 0);
}

static void test_waiting_at_two_ports(void **state)
{
    struct message *messages[2], *taken[2];

    (void)state;
    struct port *in = port_with(2), *out = port_create("out", NULL, 1);
    messages_make(messages, 2);
    assert_int_equal(port_send(out, messages, 1), 1);
    port_receiver_add(in, &threads[0]); /* as a driver whose forwarder is behind */
    port_sender_add(out, &threads[0]);
    port_receiver_add(in, &threads[1]);
    port_sender_add(out, &threads[1]);
    port_receiver_remove(in, &threads[0]);
    assert_int_equal(port_take(out, taken, 1), 1);
    assert_true(wakes[0] == 1 && wakes[1] == 1);
    assert_int_equal(port_send(in, &messages[1], 1), 1);
    assert_true(wakes[0] == 1 && wakes[1] == 2);
}

static void test_close_with_messages(void **state)
{
    struct message *messages[4], *taken[4];
    struct page_counts counts;
    uint32_t page;

    (void)state;
    struct port *port = port_with(8);
    messages_make(messages, 4);
    assert_int_equal(page_get(a, &page, 1), 1);
    messages[2]->abi.pieces = 1;
    messages[2]->abi.piece[0] = (struct baton_piece){page, 0, 64};
    assert_int_equal(page_send(a, &messages[2]->abi.piece[0], 0, NULL), 0);
    messages[3]->special = MESSAGE_CALL;
    messages[3]->caller = &threads[3];
    assert_int_equal(port_send(port, messages, 4), 4);
    port_receiver_add(port, &threads[0]);
    port_sender_add(port, &threads[1]);
    port_close(port);
    assert_true(wakes[0] && wakes[1]);
    assert_int_equal(aborts, 1);
    assert_int_equal(port_depth(port), 0);
    assert_int_equal(message_pool_free(), OBJECTS);
    page_count(&counts);
    assert_int_equal(counts.free, PAGES);
    messages_make(messages, 1);
    assert_int_equal(port_send(port, messages, 1), BATON_EDEAD);
    assert_int_equal(port_take(port, taken, 1), 0);
    port_open(port);
    assert_int_equal(port_send(port, messages, 1), 1);
    assert_int_equal(port_take(port, taken, 4), 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_objects_are_conserved),
    cmocka_unit_test(test_objects_run_out),
    cmocka_unit_test(test_drop_gives_pages_back),
    cmocka_unit_test(test_inline_address),
    cmocka_unit_test(test_port_names),
    cmocka_unit_test(test_order_and_bounds),
    cmocka_unit_test(test_counters_wrap),
    cmocka_unit_test(test_random_port),
    cmocka_unit_test(test_waiting),
    cmocka_unit_test(test_waiting_at_two_ports),
    cmocka_unit_test(test_close_with_messages),
};

CASES_MAIN(tests)
