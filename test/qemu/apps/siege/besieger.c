/*
 * Lies idle until the console says `tell besieger ACT`. Then four threads go from CPU to CPU and do one evil after another there, each
 * for a quarter of a second, for ever; or only ACT, when that is not `all`. At the end of each round of all acts it prints `round N`;
 * what it could do and must not be able to it prints with WRONG.
 *
 *     tell besieger lies N        sends N odd frames to each interface (lies.h), and says how many these took
 *     tell besieger trespass N    touches what is not its own: the end of this life
 */
#include <stdlib.h>
#include <string.h>
#include "apps/baton.h"
#include "test/qemu/apps/siege/besieger.h"
#include "test/qemu/apps/siege/forge.h"
#include "test/qemu/apps/siege/lies.h"

#define ACT_NS  UINT64_C(250000000)
#define THREADS (BESIEGER_THREADS - 1)
#define HOARD   256

int64_t baton_call_raw(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                       uint64_t a5);

static const char *const targets[] = {"net0", "net1", "router", "forward", "besieger"};
#define TARGETS (sizeof targets / sizeof targets[0])
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
    for (unsigned i = 0; i < TARGETS; i++)
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

static void tell_wrong(const char *wrong)
{
    if (wrong)
        baton_log("WRONG: %s", wrong);
}

/*
 * Sends and receives lists of messages while the thread beside it changes lists and messages: what the kernel has checked must be what it
 * uses. Two threads do this at the same time, on two CPUs where there are two.
 */
static void shift(unsigned who)
{
    for (unsigned i = 0; i < 64; i++)
        if (who & 1)
            forge_spoil(&arenas[who], &arenas[who - 1], LIE_SHIFTED);
        else
            tell_wrong(lie_shift(&arenas[who]));
}

/* Sends pages that pass by in the traffic, as if it were the one who forwards it. */
static void steal(unsigned who)
{
    for (unsigned i = 0; i < 64; i++) {
        forge_frame(&arenas[who], &arenas[who].messages[0]);
        baton_send(baton_port_find(targets[i % TARGETS]), &arenas[who].messages[0], 0, BATON_NO_WAIT);
    }
}

static void lend(unsigned who)
{
    tell_wrong(lie_lend(&arenas[who]));
}

static void lie(unsigned who)
{
    struct baton_message *message = &arenas[who].messages[0];

    for (unsigned i = 0; i < 16 && lie_frame(&arenas[who], message); i++)
        if (baton_send(baton_port_find(targets[i % 2]), message, 0, BATON_NO_WAIT) < 0)
            baton_message_free(message);
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
} acts[] = {{"forge", forge}, {"shift", shift}, {"spin", spin}, {"noise", noise}, {"steal", steal},
            {"flood", flood}, {"hoard", hoard}, {"lend", lend}, {"lie", lie}};
#define ACTS (sizeof acts / sizeof acts[0])

static volatile unsigned chosen; /* of acts; ACTS: all of them */

/* Threads 0 and 1 do the same at any time, as do 2 and 3. */
static void rage(void *argument)
{
    unsigned who = (unsigned)(uintptr_t)argument;

    arenas[who].random = who + 1;
    for (unsigned turn = 0;; turn++) {
        baton_thread_move((who + turn / ACTS) % 4);
        unsigned act = (who / 2 * (ACTS / 2) + turn) % ACTS;
        uint64_t end = baton_time_ns() + ACT_NS;
        while (baton_time_ns() < end && (chosen == ACTS || chosen == act))
            acts[act].act(who);
        if (who == 0 && act == ACTS - 1) {
            start_afresh();
            baton_log("round %u", turn / (unsigned)ACTS);
        }
    }
}

/* ---- The console ---- */

static void obey(const char *text)
{
    unsigned number = (unsigned)strtoul(strchr(text, ' ') ? strchr(text, ' ') : "0", NULL, 10);

    if (!strncmp(text, "lies ", 5)) {
        arenas[0].random = 1;
        for (unsigned i = 0; i < 2; i++)
            baton_log("%s took %u of %u lies", targets[i], lie_send(&arenas[0], targets[i], number), number);
        return;
    }
    if (!strncmp(text, "trespass ", 9)) {
        lie_trespass(number);
        baton_log("WRONG: it may trespass, %u", number);
        return;
    }
    lie_begin("besieger");
    for (chosen = 0; chosen < ACTS && strcmp(text, acts[chosen].name);)
        chosen++;
    baton_log("begins: %s", chosen < ACTS ? text : "all");
    for (unsigned who = 0; who < THREADS; who++)
        baton_thread_start(rage, (void *)(uintptr_t)who, 0); /* no more than may be: they rage already */
}

int main(void)
{
    int port = baton_port_find("besieger.control");
    struct baton_message message;
    char text[BATON_INLINE_BYTES + 1];

    baton_log("lies idle");
    for (;;) {
        if (baton_receive(port, &message, 0, BATON_FOREVER) != 1) {
            baton_sleep(1000000); /* it owns too much to be given anything */
            continue;
        }
        memcpy(text, message.data + message.inline_offset, message.inline_length);
        text[message.inline_length] = 0;
        baton_message_free(&message);
        obey(text);
    }
}
