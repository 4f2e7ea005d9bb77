/* BATON_LEND: a trusted service sees messages where the kernel has them, and may do no more with them than with its own. */
#include <string.h>
#include "test/qemu/apps/ipc-self-test/tester.h"

#define COUNT 3
/* What the kernel has before a message in its object (ipc/message.h): this address is that of the message in an object at NULL. */
#define BEFORE_A_MESSAGE UINT64_C(32)
static struct baton_message buffers[BATON_BATCH], back;
static struct baton_message *list[BATON_BATCH];
static bool lending, one_cpu;

/* Partner sends COUNT messages to the side port: inline, or of a page, which is not looked at. They are in `list`, lent or not. */
static void borrow(bool page)
{
    struct baton_message message;

    for (unsigned i = 0; i < COUNT; i++) {
        pattern_make(&message, 60 + i, (page ? 500 : 100) + i);
        message.type = ECHO_SIDE;
        CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == 1);
    }
    baton_sleep(20000000); /* all have come back */
    for (unsigned i = 0; i < BATON_BATCH; i++)
        list[i] = &buffers[i];
    CHECK(baton_receive_batch(side, list, BATON_BATCH, BATON_LEND | BATON_TRUST_SENDER, BATON_FOREVER) ==
          COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        if (!page || one_cpu) /* else unmaps of the page may be pending, and it is copied */
            CHECK((list[i] != &buffers[i]) == lending);
        CHECK(page ? list[i]->length == 500 + i : pattern_holds(list[i], 60 + i, 100 + i));
    }
}

static void comes_back(bool page, unsigned number)
{
    CHECK(baton_receive(side, &back, 0, BATON_FOREVER) == 1);
    CHECK(pattern_holds(&back, 60 + number, (page ? 500 : 100) + number));
    CHECK(baton_message_free(&back) == 0);
}

static int64_t send_one(struct baton_message *message)
{
    message->type = ECHO_SIDE;
    return baton_send_batch(partner, &message, 1, 0, BATON_NO_WAIT);
}

/* With headers that lie; as it is; what was sent is not the sender's any more. */
static void send_on(bool page)
{
    borrow(page);
    struct baton_message *first = list[0], *others[] = {list[2], list[1]}; /* not in the order of the list */

    first->length++;
    CHECK(send_one(first) == BATON_EINVAL);
    first->length--;
    first->inline_offset = 100;
    first->inline_length += page ? 129 : 0;
    first->length += page ? 129 : 0;
    CHECK(send_one(first) == BATON_EINVAL);
    first->inline_offset = 0;
    first->inline_length -= page ? 129 : 0;
    first->length -= page ? 129 : 0;
    if (page) {
        first->piece[0].page ^= 1; /* which the tester does not own */
        CHECK(send_one(first) == BATON_EOWNER);
        first->piece[0].page ^= 1;
    }
    CHECK(send_one(first) == 1);
    comes_back(page, 0);
    if (lending && (!page || one_cpu)) {
        struct baton_message *nothing[] = {(struct baton_message *)BEFORE_A_MESSAGE};
        CHECK(send_one(first) == BATON_EFAULT);
        CHECK(baton_send_batch(partner, nothing, 1, 0, BATON_NO_WAIT) == BATON_EFAULT);
    }
    others[0]->type = others[1]->type = ECHO_SIDE;
    CHECK(baton_send_batch(partner, others, 2, 0, BATON_FOREVER) == 2);
    comes_back(page, 2);
    comes_back(page, 1);
}

/* A duplicate goes, and the message; one that was looked at; one that is freed. */
static void send_otherwise(bool page)
{
    borrow(page);
    list[0]->type = ECHO_SIDE;
    CHECK(baton_send_batch(partner, list, 1, BATON_DUPLICATE, BATON_FOREVER) == 1);
    CHECK(send_one(list[0]) == 1);
    comes_back(page, 0);
    comes_back(page, 0);
    CHECK(!page || *(const volatile uint8_t *)baton_piece_address(&list[1]->piece[0]) == pattern(61, 0));
    CHECK(send_one(list[1]) == 1);
    comes_back(page, 1);
    CHECK(baton_message_free(list[2]) == 0);
}

/* Partner takes nothing, and its port is full: what does not fit is lent still, with its page. */
static void port_full(bool page)
{
    struct baton_message message;
    int64_t result;

    borrow(page);
    baton_message_init(&message, 0);
    message.type = STALL;
    message.tag = 200000000;
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == 1);
    baton_sleep(20000000);
    for (;;) {
        baton_message_init(&message, 0);
        message.type = HOLD_TOKEN; /* nothing comes of it but that it is freed */
        if (baton_send(partner, &message, 0, BATON_NO_WAIT) == BATON_EFULL)
            break;
    }
    CHECK(send_one(list[0]) == BATON_EFULL);
    CHECK(page ? list[0]->length == 500 && list[0]->pieces == 1 : pattern_holds(list[0], 60, 100));
    while ((result = send_one(list[0])) == BATON_EFULL)
        baton_sleep(20000000);
    CHECK(result == 1);
    comes_back(page, 0);
    CHECK(baton_message_free(list[1]) == 0 && baton_message_free(list[2]) == 0);
}

/* The list for the next ones lies in one that was lent, which ends with that call: it is not the service's memory. */
static void list_in_lent(void)
{
    struct baton_message *place = &buffers[0], **within;

    borrow(false);
    if (!lending)
        return;
    within = (struct baton_message **)(void *)list[0];
    memcpy(within, &place, sizeof place);
    for (unsigned i = 0; i < 2; i++) {
        pattern_make(&back, 60 + i, 100 + i);
        back.type = ECHO_SIDE;
        CHECK(baton_send(partner, &back, 0, BATON_FOREVER) == 1);
    }
    baton_sleep(20000000);
    CHECK(baton_receive_batch(side, within, 2, BATON_LEND | BATON_TRUST_SENDER, BATON_NO_WAIT) ==
          BATON_EFAULT);
    comes_back(false, 0);
    comes_back(false, 1);
}

void test_lend(void)
{
    char placement[16] = "", trace[16] = "";
    uint64_t cpus = 1;

    baton_setting_number("cpus", 1, UINT64_MAX, &cpus);
    one_cpu = cpus == 1;
    baton_setting("placement", placement, sizeof placement);
    baton_setting("trace", trace, sizeof trace);
    lending = placement[0] == 't' &&
              strcmp(trace, "on") != 0; /* each step of a message is noted: then they are copied */
    for (int page = 0; page < 2; page++) {
        send_on(page);
        send_otherwise(page);
        port_full(page);
    }
    list_in_lent();
    borrow(true); /* the service ends with them */
}
