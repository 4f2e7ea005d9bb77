/*
 * Spoils all the data that it has, takes pages and threads, and faults when it is told to.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "apps/baton.h"
#include "test/qemu/apps/restart/protocol.h"

#define PATTERN UINT64_C(0x0123456789abcdef)

static uint64_t initialised[64] = {PATTERN, PATTERN + 1};
static uint64_t zeroed[512];
static _Thread_local uint64_t own = PATTERN;
static volatile uint64_t spins;
static volatile uint64_t *volatile nowhere;

static bool pristine(void)
{
    bool good =
        initialised[0] == PATTERN && initialised[1] == PATTERN + 1 && initialised[63] == 0 && own == PATTERN;

    for (unsigned i = 0; i < 512; i++)
        good &= zeroed[i] == 0;
    uint64_t *heap = malloc(8192);
    for (unsigned i = 0; heap && i < 1024; i++)
        good &= heap[i] == 0;
    if (heap)
        memset(heap, 0xff, 8192);
    memset(initialised, 0xff, sizeof initialised);
    memset(zeroed, 0xff, sizeof zeroed);
    own = 0;
    return good && heap;
}

static void spin(void *argument)
{
    (void)argument;
    for (;;)
        spins++;
}

static void wait_for_ever(void *argument)
{
    (void)argument;
    baton_sleep(BATON_FOREVER);
}

/* Pages in hand, mapped; pages under way in a message; a thread that spins, and one that waits. */
static void burden(int watcher)
{
    struct baton_message message;

    for (unsigned i = 0; i < 4; i++) {
        if (baton_message_alloc(&message, 0, 3 * BATON_PAGE_BYTES) < 0)
            abort();
        baton_message_write(&message, 4000, "touched", 7);
        if (i == 3)
            baton_send(watcher, &message, 0, BATON_FOREVER);
    }
    if (baton_thread_start(spin, NULL, 0) < 0 || baton_thread_start(wait_for_ever, NULL, 0) < 0)
        abort();
}

int main(void)
{
    int port = baton_port_find("phoenix");
    bool good = pristine();
    struct baton_message message;

    uint64_t *lives = baton_counter("lives", 0); /* among the drops of net0: they outlive it */
    if (lives)
        ++*lives;
    burden(baton_port_find("watcher"));
    for (;;) {
        if (baton_receive(port, &message, 0, BATON_FOREVER) < 0)
            return 1;
        if (message.type == FAULT)
            *nowhere = 0;
        uint64_t token = message.reply;
        baton_message_init(&message, 0);
        message.tag = good;
        baton_reply(token, &message, 0);
    }
}
