/*
 * ipc/request.h: requests whose answers come by a port. Each ends once, by an answer, a notice, or silence where nobody
 * could hear it; tokens are good once and for one service; entries and objects are conserved.
 */
#include "core/cpu.h"
#include "ipc/message.h"
#include "ipc/port.h"
#include "ipc/request.h"
#include "ipc/rpc.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "test/host/cases.h"
#include "test/host/machine.h"
#include "test/host/ownership.h"

#define OBJECTS 64u
#define ASKED   7u /* row of the service that is asked */

static struct service asker = {.number = 1}, server = {.number = 2}, other = {.number = 3};
static struct port *requests_port, *answers;

void thread_wake(struct thread *thread)
{
    (void)thread;
}

bool thread_park(uint64_t deadline)
{
    return deadline == UINT64_MAX;
}

struct thread *thread_at(unsigned number)
{
    (void)number;
    return NULL;
}

static void begin(void)
{
    ownership_init(1, 16, 8);
    message_pool_init(OBJECTS);
    requests_port = port_create("server", &server, 8);
    answers = port_create("asker.answers", &asker, 4);
    requests_init(port_places());
    machine_run_on(0);
}

static struct message *message_made(uint64_t tag)
{
    struct message *message;

    assert_int_equal(message_alloc(&message, 1), 1);
    message->abi = (struct baton_message){.tag = tag};
    return message;
}

static void ask(uint64_t tag)
{
    struct message *message = message_made(tag);

    assert_int_equal(request_begin(message, answers, ASKED), 0);
    assert_int_equal(port_send(requests_port, &message, 1), 1);
}

/* What the server gets, and the token that it may answer with. */
static uint64_t token_taken(void)
{
    struct message *message;

    assert_int_equal(port_take(requests_port, &message, 1), 1);
    uint64_t token = rpc_received(message, &server);
    message_free(&message, 1);
    return token;
}

static int answer(uint64_t token, uint64_t tag)
{
    struct request *request = request_claim(token, &server);

    if (!request)
        return BATON_EOWNER;
    struct message *message = message_made(tag);
    int result = request_answer(request, message, &server, ASKED);
    if (result)
        message_free(&message, 1);
    return result;
}

static void assert_arrives(uint32_t source, uint64_t tag)
{
    struct message *message;

    assert_int_equal(port_take(answers, &message, 1), 1);
    assert_int_equal(message->abi.source, source + ASKED);
    assert_int_equal(message->abi.tag, tag);
    assert_int_equal(message->special, 0);
    message_free(&message, 1);
}

static void assert_over(void)
{
    assert_int_equal(port_depth(answers), 0);
    assert_int_equal(requests_open(), 0);
    assert_int_equal(answers->requests, 0);
    assert_int_equal(message_pool_free(), OBJECTS);
}

static void test_answered(void **state)
{
    (void)state;
    begin();
    ask(1000);
    ask(1001);
    assert_int_equal(requests_open(), 2);
    uint64_t first = token_taken(), second = token_taken();
    assert_true(request_is(first) && request_is(second) && first != second);
    assert_int_equal(answer(second, 5), 0); /* in whatever order; the replier's own tag is not what arrives */
    assert_int_equal(answer(second, 5), BATON_EOWNER); /* doubled */
    assert_int_equal(answer(first, 5), 0);
    assert_arrives(BATON_SOURCE_ANSWER, 1001);
    assert_arrives(BATON_SOURCE_ANSWER, 1000);
    assert_int_equal(answer(first, 5), BATON_EOWNER); /* stale */
    assert_over();
}

static void test_forged_tokens(void **state)
{
    (void)state;
    begin();
    ask(1);
    uint64_t token = token_taken();
    assert_null(request_claim(token, &other));
    for (unsigned bit = 0; bit < 63; bit++)
        assert_null(request_claim(token ^ UINT64_C(1) << bit, &server));
    for (unsigned i = 0; i < 100000; i++)
        assert_null(request_claim(machine_random(UINT64_MAX) | UINT64_C(1) << 63, &server));
    assert_null(rpc_claim(token, &server)); /* no thread's either */
    struct request *request = request_claim(token, &server);
    assert_non_null(request);
    assert_null(request_claim(token, &server));
    request_unclaim(request, &server); /* the answer was refused: good again */
    assert_int_equal(answer(token, 0), 0);
    assert_arrives(BATON_SOURCE_ANSWER, 1);
    assert_over();
}

static void test_as_many_as_places(void **state)
{
    uint64_t tokens[4];

    (void)state;
    begin();
    for (unsigned i = 0; i < 4; i++)
        ask(i);
    struct message *message = message_made(4);
    assert_int_equal(request_begin(message, answers, ASKED), BATON_ELIMIT);
    assert_int_equal(message->special, 0);
    message_free(&message, 1);
    for (unsigned i = 0; i < 4; i++)
        tokens[i] = token_taken();
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(answer(tokens[i], 0), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_arrives(BATON_SOURCE_ANSWER, i);
    assert_over();
}

static void test_full_reply_port(void **state)
{
    struct message *message;

    (void)state;
    begin();
    ask(1);
    ask(2);
    uint64_t token = token_taken();
    for (unsigned i = 0; i < 4; i++) {
        message = message_made(9);
        assert_int_equal(port_send(answers, &message, 1), 1);
    }
    assert_int_equal(answer(token, 0), BATON_EFULL);
    rpc_abort_service(&server); /* a notice for the first finds no place */
    assert_int_equal(requests_open(), 1);
    port_close(requests_port); /* nor one for the second */
    assert_int_equal(answer(token, 0), BATON_EOWNER);
    while (port_take(answers, &message, 1))
        message_free(&message, 1);
    assert_over();
}

static void test_full_reply_port_tried_again(void **state)
{
    struct message *message;

    (void)state;
    begin();
    ask(1);
    uint64_t token = token_taken();
    for (unsigned i = 0; i < 4; i++) {
        message = message_made(9);
        assert_int_equal(port_send(answers, &message, 1), 1);
    }
    assert_int_equal(answer(token, 0), BATON_EFULL);
    while (port_take(answers, &message, 1))
        message_free(&message, 1);
    assert_int_equal(answer(token, 0), 0);
    assert_arrives(BATON_SOURCE_ANSWER, 1);
    assert_over();
}

static void test_the_server_dies(void **state)
{
    (void)state;
    begin();
    ask(1); /* is held */
    ask(2); /* is queued */
    uint64_t token = token_taken();
    rpc_abort_service(&other);
    assert_int_equal(port_depth(answers), 0);
    port_close(requests_port);
    rpc_abort_service(&server);
    assert_arrives(BATON_SOURCE_DEAD, 2);
    assert_arrives(BATON_SOURCE_DEAD, 1);
    assert_int_equal(answer(token, 0), BATON_EOWNER);
    assert_over();
    struct message *message = message_made(3); /* the port is closed: as if it had not begun */
    assert_int_equal(request_begin(message, answers, ASKED), 0);
    assert_int_equal(port_send(requests_port, &message, 1), BATON_EDEAD);
    request_unsent(message);
    assert_int_equal(message->special, 0);
    message_free(&message, 1);
    assert_over();
}

static void test_the_asker_dies(void **state)
{
    (void)state;
    begin();
    ask(1);
    ask(2);
    ask(3);
    uint64_t token = token_taken(), second = token_taken();
    assert_int_equal(answer(second, 0), 0); /* lies in the port when it closes */
    port_close(answers);
    struct request *request = request_claim(token, &server);
    struct message *message = message_made(0);
    assert_int_equal(request_answer(request, message, &server, ASKED), BATON_EDEAD);
    message_free(&message, 1);
    rpc_abort_service(&asker);
    port_open(answers); /* its next life */
    assert_int_equal(token_taken(), 0);
    assert_int_equal(answer(token, 0), BATON_EOWNER);
    assert_over();
}

/* A service that asks itself, and dies. */
static void test_own_question(void **state)
{
    (void)state;
    begin();
    struct message *message = message_made(1);
    assert_int_equal(request_begin(message, answers, ASKED), 0);
    assert_int_equal(port_send(answers, &message, 1), 1);
    port_close(answers);
    rpc_abort_service(&asker);
    assert_over();
}

static void test_cancelled(void **state)
{
    (void)state;
    begin();
    ask(1);
    ask(2);
    ask(2);
    uint64_t token = token_taken(), second = token_taken();
    assert_int_equal(request_cancel(requests_port, 2), 0);
    assert_int_equal(request_cancel(answers, 3), 0);
    assert_int_equal(request_cancel(answers, 2), 2);
    assert_int_equal(answer(second, 0), BATON_EOWNER);
    assert_int_equal(token_taken(), 0);
    assert_int_equal(answer(token, 0), 0);
    assert_arrives(BATON_SOURCE_ANSWER, 1);
    assert_over();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_answered),
    cmocka_unit_test(test_forged_tokens),
    cmocka_unit_test(test_as_many_as_places),
    cmocka_unit_test(test_full_reply_port),
    cmocka_unit_test(test_full_reply_port_tried_again),
    cmocka_unit_test(test_the_server_dies),
    cmocka_unit_test(test_the_asker_dies),
    cmocka_unit_test(test_own_question),
    cmocka_unit_test(test_cancelled),
};

CASES_MAIN(tests)
