/*
 * Does what `tell NAME TEXT` says:
 *
 *   spin, doze    loops for ever; sleeps for ever: it receives no more
 *   send          sends to sink until it may not, and says how many went, and why no more did
 *   drain         frees what lies in its own port, and says how many that was
 *   pages, heap   takes all that it can get, and says how much that was, and why no more; 16 pages go back
 *   count MS      counts for so many milliseconds, and says how far it came
 *   fault         writes where it may not
 */
#include <stdlib.h>
#include <string.h>
#include "apps/baton.h"

static const char *const names[] = {"within", "dog", "limited", "sink", "small", "rival"};
static volatile uint64_t spins;
static volatile uint64_t *volatile nowhere;
static int own, control;

static void ports_find(void)
{
    char name[32];

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        strcpy(name, names[i]);
        int port = baton_port_find(strcat(name, ".control"));
        if (port >= 0) { /* each has a wire to no other's */
            own = baton_port_find(names[i]);
            control = port;
        }
    }
}

static void send(void)
{
    struct baton_message message;
    unsigned count = 0;
    int result;

    do {
        baton_message_init(&message, 0);
        result = baton_send(baton_port_find("sink"), &message, 0, BATON_NO_WAIT);
    } while (result == 1 && ++count);
    baton_log("sent %u, then %d", count, result);
}

static void drain(void)
{
    struct baton_message message;
    unsigned count = 0;

    while (baton_receive(own, &message, 0, BATON_NO_WAIT) == 1) {
        baton_message_free(&message);
        count++;
    }
    baton_log("drained %u", count);
}

static void pages(void)
{
    uint32_t page[64];
    unsigned count = 0;
    int result;

    while ((result = baton_page_get(&page[count % 64], 1)) == 1)
        count++;
    baton_page_release(page, 16); /* who owns all that it may receives nothing more */
    baton_log("owned %u pages, then %d", count, result);
}

static void heap(void)
{
    unsigned count = 0;

    while (malloc(1024 - 32))
        count++;
    baton_log("has %u KiB", count);
}

static void count(uint64_t ms)
{
    uint64_t end = baton_time_ns() + ms * 1000000, rounds = 0;

    while (baton_time_ns() < end)
        rounds++;
    baton_log("counted to %lu", (unsigned long)rounds);
}

static void obey(const char *text)
{
    if (!strcmp(text, "spin"))
        for (;;)
            spins++;
    else if (!strcmp(text, "doze"))
        baton_sleep(BATON_FOREVER);
    else if (!strcmp(text, "send"))
        send();
    else if (!strcmp(text, "drain"))
        drain();
    else if (!strcmp(text, "pages"))
        pages();
    else if (!strcmp(text, "heap"))
        heap();
    else if (!strncmp(text, "count ", 6))
        count(strtoul(text + 6, NULL, 10));
    else if (!strcmp(text, "fault"))
        *nowhere = 0;
}

int main(void)
{
    struct baton_message message;
    char text[BATON_INLINE_BYTES + 1];

    ports_find();
    baton_log("alive");
    while (baton_receive(control, &message, 0, BATON_FOREVER) == 1) {
        uint32_t length = message.length;
        if (baton_message_read(&message, 0, text, length) == 0) {
            text[length] = 0;
            obey(text);
        }
        baton_message_free(&message);
    }
    return 1;
}
