/*
 * host-ownership-random: random operations on IPC pages by twelve spaces on four CPUs, each compared with the
 * reference model, under the adversarial TLB (ownership.h, machine.h).
 *
 *   ownership_random [operations]      default 10^6; the seed is taken from BATON_RANDOM_SEED, or 1
 *
 * Space 1 is preferred on CPUs 0 and 1, so that it is mostly live on two; the last three spaces are trusted
 * and share a table. There are fewer ASIDs than tables, so that generations roll over all the time. Ends with
 * status 0, or with 3 and a line that begins with "oracle:".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "ipc/page.h"
#include "test/host/machine.h"
#include "test/host/ownership.h"

#define PAGES     40u
#define SPACES    12u
#define TRANSITS  64u
#define ASID_BITS 3u
#define FULL_EACH 1024u /* operations between two comparisons of everything */

static struct space *spaces[SPACES];
static struct transit transits[TRANSITS];
static unsigned transit_count;
static uint32_t ring[PAGES];
static unsigned ring_count;
static uint64_t seed, operation;
static const char *doing = "start";
static unsigned cpu;

static void where(void)
{
    printf("seed %" PRIu64 ", operation %" PRIu64 " (%s) on CPU %u\n", seed, operation, doing, cpu);
}

static uint32_t any_page(void)
{
    return (uint32_t)machine_random(PAGES);
}

/* Mostly one that the space owns, so that much succeeds; sometimes any, or none of the region. */
static uint32_t likely_page(const struct space *space)
{
    uint32_t start = any_page();

    if (machine_random(64) == 0)
        return PAGES + (uint32_t)machine_random(UINT32_MAX - PAGES);
    if (machine_random(8) == 0)
        return start;
    for (uint32_t i = 0; i < PAGES; i++)
        if (reference[(start + i) % PAGES].count[space->number])
            return (start + i) % PAGES;
    return start;
}

static struct baton_piece any_piece(uint32_t page)
{
    uint32_t first = (uint32_t)machine_random(GRAINS);
    uint32_t count = 1 + (uint32_t)machine_random(GRAINS - first);

    return (struct baton_piece){page, (uint16_t)(first * GRAIN), (uint16_t)(count * GRAIN)};
}

static struct transit transit_take(void)
{
    unsigned i = (unsigned)machine_random(transit_count);
    struct transit taken = transits[i];

    transits[i] = transits[--transit_count];
    return taken;
}

static void op_switch(void)
{
    struct space *next = spaces[machine_random(SPACES)];

    doing = "switch";
    if (cpu < 2 && machine_random(3))
        next = spaces[0];
    run_space(cpu, next);
}

static void op_get(void)
{
    uint32_t pages[4];

    doing = "get";
    do_get(running[cpu], pages, 1 + (unsigned)machine_random(4));
}

static void op_duplicate(void)
{
    doing = "duplicate";
    do_duplicate(running[cpu], likely_page(running[cpu]));
}

static void op_release(void)
{
    doing = "release";
    do_release(running[cpu], likely_page(running[cpu]));
}

static void op_send(void)
{
    struct baton_piece piece = any_piece(likely_page(running[cpu]));
    bool duplicate = machine_random(4) == 0;

    doing = duplicate ? "send a duplicate" : "send";
    if (transit_count < TRANSITS && !do_send(running[cpu], &piece, duplicate, &transits[transit_count]))
        transit_count++;
}

static void op_receive(void)
{
    doing = "receive";
    if (!transit_count)
        return;
    struct transit taken = transit_take();
    if (do_receive(running[cpu], &taken))
        transits[transit_count++] = taken;
}

static void op_map(void)
{
    doing = "map";
    do_map(running[cpu], likely_page(running[cpu]));
}

static void op_access(bool write)
{
    uint32_t page = likely_page(running[cpu]) % PAGES;

    doing = write ? "write" : "read";
    do_access(cpu, page, (uint32_t)machine_random(GRAINS) * GRAIN, write,
              (uint32_t)machine_random(UINT32_MAX - 1) + 1);
}

static void op_device(void)
{
    doing = "device";
    if (machine_random(2) && ring_count < PAGES / 4) {
        ring_count += do_device_get(&ring[ring_count]);
        return;
    }
    if (!ring_count || transit_count == TRANSITS)
        return;
    uint32_t length = (uint32_t)machine_random(GRAINS + 1) * GRAIN;
    struct transit filled;
    do_device_filled(ring[--ring_count], length, &filled);
    if (filled.piece.length)
        transits[transit_count++] = filled;
    else
        do_drop(&filled);
}

static void op_in_flight_ends(void)
{
    doing = "sent out or dropped";
    if (!transit_count)
        return;
    struct transit taken = transit_take();
    if (machine_random(2))
        do_device_sent(&taken);
    else
        do_drop(&taken);
}

/* A frame is flooded: many owners of one page, up to what its entry can hold. */
static void op_flood(void)
{
    uint32_t page = likely_page(running[cpu]) % PAGES;
    struct baton_piece piece = any_piece(page);

    doing = "flood";
    for (unsigned i = 0; i < SPACES && transit_count < TRANSITS; i++) {
        struct transit transit;
        if (do_send(running[cpu], &piece, true, &transit))
            break;
        if (do_receive(spaces[i], &transit))
            transits[transit_count++] = transit;
    }
}

static void op_release_all(void)
{
    doing = "release all";
    do_release_all(spaces[machine_random(SPACES)]);
}

static void step(void)
{
    uint64_t choice = machine_random(1000);

    cpu = (unsigned)machine_random(MACHINE_CPUS);
    machine_run_on(cpu);
    if (choice < 150)
        op_switch();
    else if (choice < 230)
        op_get();
    else if (choice < 280)
        op_duplicate();
    else if (choice < 370)
        op_release();
    else if (choice < 510)
        op_send();
    else if (choice < 640)
        op_receive();
    else if (choice < 690)
        op_map();
    else if (choice < 800)
        op_access(false);
    else if (choice < 910)
        op_access(true);
    else if (choice < 960)
        op_device();
    else if (choice < 995)
        op_in_flight_ends();
    else if (choice < 999)
        op_flood();
    else
        op_release_all();
}

static void begin(void)
{
    static const char *const names[SPACES] = {"s1", "s2", "s3", "s4",  "s5",  "s6",
                                              "s7", "s8", "s9", "t10", "t11", "t12"};

    ownership_init(seed, PAGES, ASID_BITS);
    for (unsigned i = 0; i < SPACES; i++)
        spaces[i] = ownership_space(names[i], i < 9, 4 + i);
    for (unsigned i = 0; i < MACHINE_CPUS; i++)
        run_space(i, spaces[i / 2]);
}

/* At the end everything comes back (page 5). */
static void finish(void)
{
    doing = "finish";
    while (transit_count) {
        struct transit taken = transit_take();
        do_drop(&taken);
    }
    while (ring_count) {
        struct transit filled;
        do_device_filled(ring[--ring_count], GRAIN, &filled);
        do_drop(&filled);
    }
    for (unsigned i = 0; i < SPACES; i++)
        do_release_all(spaces[i]);
    for (uint32_t page = 0; page < PAGES; page++)
        if (reference[page].total)
            machine_fail("page %u does not come back", page);
    check_all();
}

int main(int argc, char **argv)
{
    const char *given = getenv("BATON_RANDOM_SEED");
    uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;

    seed = given ? strtoull(given, NULL, 10) : 1;
    machine_where = where;
    printf("seed %" PRIu64 ", %" PRIu64 " operations\n", seed, operations);
    begin();
    for (operation = 0; operation < operations; operation++) {
        step();
        if (operation % FULL_EACH == 0)
            check_all();
    }
    finish();
    printf("done: %" PRIu64 " table switches, %" PRIu64 " entries written, TLBI %" PRIu64
           " local and %" PRIu64 " broadcast, %" PRIu64 " pages scrubbed\n",
           machine_counts.switches, machine_counts.stores, machine_counts.tlbi_local,
           machine_counts.tlbi_broadcast, machine_counts.scrubs);
    return 0;
}
