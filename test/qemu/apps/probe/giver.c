/*
 * Uses pages from three CPUs, gives them away, and goes on using them until it faults: one round for each of its lives.
 */
#include <stdbool.h>
#include <stdlib.h>
#include "test/qemu/apps/probe/giver.h"
#include "test/qemu/apps/probe/protocol.h"

#define PROBES_LOOK 64      /* probes between two looks at the time */
#define LOOKS_NS    1000000 /* between two looks at most; more, and the host has not run this CPU */

static struct round current;
static uint32_t pages[PAGES_MAX];
static uint64_t page_count = 4, patience = 500; /* ms */
static int judge;
static unsigned ready; /* (atomic) threads that have used every page */
static bool given;     /* (atomic) the pages are away */

/* Tells judge, without waiting: a probe goes on. */
static void tell(uint32_t type)
{
    struct baton_message message;

    baton_message_init(&message, 0);
    message.type = type;
    message.tag = round_tag(current);
    baton_send(judge, &message, 0, BATON_NO_WAIT);
}

/* A call that must not fail: the round, and with it the test, are void else. */
static int must(const char *what, int result)
{
    if (result < 0) {
        baton_log("FAILED: %s: %d", what, result);
        abort();
    }
    return result;
}

/*
 * A look at the time, which adds what has passed since the last one. Time in which a busy host ran other CPUs, or none, is not
 * patience: what cuts a thread off reaches its CPU when that one runs, and may wait for the receiver's.
 */
static uint64_t probed_ns(uint64_t ns, uint64_t *looked)
{
    uint64_t now = baton_time_ns(), since = now - *looked;

    *looked = now;
    return ns + (since < LOOKS_NS ? since : LOOKS_NS);
}

/* Uses the pages, one after the other, until that is a fault. Whether giver owns them any more is not asked. */
static void probe(unsigned thread)
{
    bool writes = current.way != SHARED, moves = current.flags & ROUND_MOVING, seen = false;
    unsigned cpu = thread;
    uint64_t ns = 0, looked = baton_time_ns(); /* of probing since the pages were given away */

    for (uint64_t probes = 1;; probes++) {
        volatile uint64_t *page = baton_page_address(pages[probes % page_count]);
        if (writes)
            page[THREAD_WORD(thread)] = probes;
        if (page[SECRET_WORD] == secret_of(current) && !seen) {
            seen = true;
            tell(SEEN);
        }
        if (probes == page_count)
            __atomic_fetch_add(&ready, 1, __ATOMIC_RELEASE);
        if (probes % PROBES_LOOK)
            continue;
        if (__atomic_load_n(&given, __ATOMIC_RELAXED))
            ns = probed_ns(ns, &looked);
        else if (moves)
            baton_thread_move(cpu = (cpu + 1) % GIVER_THREADS);
        if (ns > patience * 1000000) {
            tell(LASTED);
            abort();
        }
    }
}

static void prober(void *argument)
{
    probe((unsigned)(uintptr_t)argument);
}

/* Pages in use on all CPUs of this service. */
static void prepare(void)
{
    for (unsigned got = 0; got < page_count;)
        got += (unsigned)must("get", baton_page_get(pages + got, (unsigned)page_count - got));
    for (unsigned i = 0; i < page_count; i++) {
        volatile uint64_t *page = baton_page_address(pages[i]);
        page[SECRET_WORD] = 1; /* nobody's secret; the words of the CPUs are zero */
    }
    for (uintptr_t cpu = 1; cpu < GIVER_THREADS; cpu++)
        must("thread", baton_thread_start(prober, (void *)cpu, (unsigned)cpu));
    while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) < GIVER_THREADS - 1)
        baton_yield();
}

static void pages_message(struct baton_message *message)
{
    baton_message_init(message, 0);
    message->type = PAGES;
    for (unsigned i = 0; i < page_count; i++)
        must("append", baton_message_append_page(message, pages[i], 0, BATON_PAGE_BYTES));
}

/* There and back, trusting each other: what is pending from the way there is so when they go again. */
static void bounce(int port, struct baton_message *message)
{
    uint64_t flags = BATON_TRUST_SENDER | (current.flags & ROUND_IMMEDIATE ? BATON_IMMEDIATE_ACCESS : 0);

    must("bounce", baton_send(port, message, BATON_TRUSTED, BATON_FOREVER));
    must("back", baton_receive(baton_port_find(giver_name), message, flags, BATON_FOREVER));
}

static void give(int port, struct baton_message *message, uint64_t flags)
{
    struct baton_message other;

    switch ((enum way)current.way) {
    case CALLED:
        must("call", baton_rpc(port, message, &other, flags, BATON_FOREVER));
        return;
    case REPLIED:
        must("request", baton_receive(baton_port_find(giver_name), &other, 0, BATON_FOREVER));
        must("reply", baton_reply(other.reply, message, flags));
        return;
    case RELEASED:
        must("release", baton_message_free(message));
        return;
    case DUPLICATED:
        must("duplicate", baton_send(port, message, flags | BATON_DUPLICATE, BATON_FOREVER));
        return;
    case SHARED:
        must("share", baton_send(port, message, flags | BATON_DUPLICATE, BATON_FOREVER));
        break;
    case BOUNCED:
        bounce(port, message);
        break;
    default:
        break;
    }
    must("send", baton_send(port, message, flags, BATON_FOREVER));
}

/*
 * The receiver is told what comes; then it comes. The message is made before: it may need a page more, for its book, and a
 * receiver that hunts for pages that are given up takes every free one from the notice on.
 */
static void play(void)
{
    static const char *const names[RECEIVERS] = {"taker", "insider", "middle"};
    int port = baton_port_find(names[current.way == FORWARDED ? MIDDLE : current.receiver]);
    struct baton_message message, notice;

    pages_message(&message);
    baton_message_init(&notice, 0);
    notice.type = NOTICE;
    notice.tag = round_tag(current);
    baton_message_append(&notice, pages, (uint32_t)(page_count * sizeof pages[0]));
    must("notice", baton_send(port, &notice, 0, BATON_FOREVER));
    give(port, &message, current.flags & ROUND_TRUSTED ? BATON_TRUSTED : 0);
    __atomic_store_n(&given, true, __ATOMIC_RELAXED);
}

/* Asks judge for the next round; returns only with one. */
static void ask(void)
{
    int own_port = baton_port_find(giver_name);
    struct baton_message message;

    for (;;) {
        baton_message_init(&message, 0);
        message.type = NEXT;
        must("ask", baton_rpc(judge, &message, &message, 0, BATON_FOREVER));
        current = round_of(message.tag);
        uint32_t answer = message.type;
        while (baton_receive(own_port, &message, 0, BATON_NO_WAIT) > 0)
            baton_message_free(&message); /* came back when giver was dead already */
        if (answer == NEXT)
            return;
        baton_sleep(answer == REST ? UINT64_C(1100000000) : BATON_FOREVER);
    }
}

int main(void)
{
    judge = baton_port_find("judge");
    if (baton_setting_number("pages", 1, PAGES_MAX, &page_count) < 0 ||
        baton_setting_number("patience", 1, 60000, &patience) < 0)
        return 1;
    ask();
    prepare();
    play();
    if (current.flags & ROUND_SENDER)
        probe(0);
    baton_sleep(BATON_FOREVER); /* the others fault, or lose patience */
}
