/*
 * Four threads that go from CPU to CPU and do one evil after another there, each for a quarter of a second, for ever, or
 * only the one that the setting `act` names. At the end of each round of all acts it prints `round N`.
 */
#include <stdlib.h>
#include <string.h>
#include "apps/baton.h"
#include "test/qemu/apps/hostile/forge.h"

#define ACT_NS  UINT64_C(250000000)
#define THREADS 4
#define HOARD   256

int64_t baton_call_raw(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                       uint64_t a5);

static const char *const targets[] = {"net0", "net1", "router", "besieger"};
static struct arena arenas[THREADS];
static volatile uint64_t spins;

/* System calls with forged arguments: stale tokens, doubled pages, addresses of others. Not the log: a line each would be. */
static void forge(unsigned who)
{
    uint64_t number, args[6];

    forge_arena(&arenas[who], false);
    for (unsigned i = 0; i < 64; i++) {
        forge_call(&arenas[who], &number, args);
        if (number != BATON_CALL_LOG && number != BATON_CALL_THREAD_START &&
            number != BATON_CALL_THREAD_MOVE && number != BATON_CALL_COUNTERS)
            baton_call_raw(number, args[0], args[1], args[2], args[3], args[4], args[5]);
    }
}

static void spin(unsigned who)
{
    (void)who;
    for (unsigned i = 0; i < 100000; i++)
        spins++;
}

/* As many system calls as can be made. */
static void noise(unsigned who)
{
    uint32_t page;

    (void)who;
    for (unsigned i = 0; i < 256; i++) {
        baton_port_find("nothing");
        baton_yield();
        if (baton_page_get(&page, 1) == 1)
            baton_page_release(&page, 1);
    }
}

/* Messages without end to every port that it reaches: frames that nobody wants, for those of interfaces. */
static void flood(unsigned who)
{
    struct baton_message *pointers[BATON_BATCH];

    for (unsigned i = 0; i < BATON_BATCH; i++) {
        struct baton_message *message = &arenas[who].messages[i];
        baton_message_init(message, 0);
        memset(message->data, 0xff, 12);
        memset(message->data + 12, 0x99, 48); /* no type that anybody knows */
        message->inline_length = 60;
        message->length = 60;
        pointers[i] = message;
    }
    for (unsigned i = 0; i < 4; i++)
        for (unsigned batch = 0; batch < 32; batch++)
            baton_send_batch(baton_port_find(targets[i]), pointers, BATON_BATCH, 0, BATON_NO_WAIT);
}

/* All pages and all memory that it can get, touched; given back at the end, or nobody could do it again. */
static void hoard(unsigned who)
{
    static uint32_t pages[THREADS][HOARD];
    unsigned count = 0;
    void *memory = malloc(64 * 1024);

    while (count < HOARD && baton_page_get(&pages[who][count], 1) == 1)
        *(volatile char *)baton_page_address(pages[who][count++]) = 1;
    if (memory)
        memset(memory, 1, 64 * 1024);
    free(memory);
    if (count)
        baton_page_release(pages[who], count < BATON_BATCH ? count : BATON_BATCH);
}

/* What forged calls left it owning, and what lies in its own port, or it would soon be unable to do anything. */
static void start_afresh(void)
{
    struct baton_message message;

    while (baton_receive(baton_port_find("besieger"), &message, 0, BATON_NO_WAIT) > 0)
        baton_message_free(&message);
    for (uint32_t page = 0; page < 16384; page++)
        while (baton_page_release(&page, 1) == 1)
            continue;
}

static const struct {
    const char *name;
    void (*act)(unsigned who);
} acts[] = {{"forge", forge}, {"spin", spin}, {"noise", noise}, {"flood", flood}, {"hoard", hoard}};
#define ACTS (sizeof acts / sizeof acts[0])

static char only[16];

static void rage(void *argument)
{
    unsigned who = (unsigned)(uintptr_t)argument;

    arenas[who].random = who + 1;
    for (unsigned turn = 0;; turn++) {
        baton_thread_move((who + turn / ACTS) % 4);
        unsigned act = (who + turn) % ACTS;
        uint64_t end = baton_time_ns() + ACT_NS;
        while (baton_time_ns() < end && (!*only || !strcmp(only, acts[act].name)))
            acts[act].act(who);
        if (who == 0 && act == ACTS - 1) {
            start_afresh();
            baton_log("round %u", turn / (unsigned)ACTS);
        }
    }
}

int main(void)
{
    baton_setting("act", only, sizeof only);
    for (unsigned who = 1; who < THREADS; who++)
        baton_thread_start(rage, (void *)(uintptr_t)who, 0);
    rage(NULL);
}
