/*
 * host-ownership-random: random operations on IPC pages by twelve spaces on four CPUs, each compared with the
 * reference model, under the adversarial TLB (ownership.h, windows.h, machine.h).
 *
 *   ownership_random [operations]      default 10^6; the seed is taken from BATON_RANDOM_SEED, or 1
 *
 * Two spaces are mostly live on two CPUs each; the last three are trusted and share a table. The seed says how many ASIDs there
 * are: enough, or fewer than tables. Senders and receivers trust each other at random, who sends may lie about it, and messages
 * go to others than they were sent to; the policy and the way in which CPUs are told change while pages are on their way. Ends
 * with status 0, or with 3 and a line that begins with "oracle:".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "core/cpu.h"
#include "ipc/page.h"
#include "ipc/page_limbo.h"
#include "ipc/page_set.h"
#include "ipc/policy.h"
#include "mm/unmap.h"
#include "test/host/machine.h"
#include "test/host/ownership.h"

#define PAGES     40u
#define SPACES    12u
#define TRANSITS  64u
#define FULL_EACH 1024u

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
    ownership_report();
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

/* Some spaces are mostly live on two CPUs: figures 3C and 3D need that. */
static void op_switch(void)
{
    struct space *next = spaces[machine_random(SPACES)];

    doing = "switch";
    if (machine_random(3))
        next = spaces[cpu < 2 ? 0 : SPACES - 1];
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

static unsigned any_flags(void)
{
    return (machine_random(4) ? 0 : PAGE_SEND_DUPLICATE) | (machine_random(3) ? 0 : PAGE_SEND_TRUSTED);
}

/* For whom a message is: NULL, for a device. */
static struct space *any_receiver(void)
{
    return machine_random(4) ? spaces[machine_random(SPACES)] : NULL;
}

static void op_send(void)
{
    struct baton_piece piece = any_piece(likely_page(running[cpu]));
    unsigned flags = any_flags();

    doing = flags & PAGE_SEND_DUPLICATE ? "send a duplicate" : "send";
    if (transit_count < TRANSITS &&
        !do_send(running[cpu], &piece, flags, any_receiver(), &transits[transit_count]))
        transit_count++;
}

/* Several pieces in one message: their unmaps are gathered. */
static void op_send_batch(void)
{
    uint32_t pages[8];
    unsigned flags = any_flags(), sent = 0;
    struct space *to = any_receiver();

    doing = "send several";
    for (unsigned i = 0; i < 8 && transit_count < TRANSITS; i++) {
        struct baton_piece piece = any_piece(likely_page(running[cpu]));
        if (do_send_gathered(running[cpu], &piece, flags, to, &transits[transit_count]))
            break;
        pages[sent++] = piece.page;
        transit_count++;
    }
    unmap_flush();
    for (unsigned i = 0; i < sent; i++)
        check_page(pages[i]);
}

static void op_receive(void)
{
    doing = "receive";
    if (!transit_count)
        return;
    struct transit taken = transit_take();
    struct space *receiver = taken.to && machine_random(8) ? space_at(taken.to->number) : running[cpu];
    bool trust = machine_random(2);

    if (do_receive(receiver, &taken, trust))
        transits[transit_count++] = taken;
    else if (machine_random(4) == 0)
        do_map(receiver, taken.piece.page);
}

/* What could not be sent is its sender's again, as it was. */
static void op_take_back(void)
{
    doing = "take back";
    if (!transit_count)
        return;
    struct transit taken = transit_take();
    if (!taken.from || taken.duplicate || do_take_back(&taken))
        transits[transit_count++] = taken;
    else if (machine_random(2))
        do_map(taken.from, taken.piece.page);
}

/* What services do most: write, send, and the receiver has it at once. */
static void op_hand_over(void)
{
    struct space *to = spaces[machine_random(SPACES)];
    uint32_t page = likely_page(running[cpu]) % PAGES;
    struct baton_piece piece = any_piece(page);
    struct transit transit;

    doing = "hand over";
    do_access(cpu, page, 0, true, (uint32_t)machine_random(UINT32_MAX - 1) + 1);
    if (transit_count == TRANSITS || do_send(running[cpu], &piece, any_flags(), to, &transit))
        return;
    cpu = (unsigned)machine_random(MACHINE_CPUS);
    machine_run_on(cpu);
    if (do_receive(to, &transit, machine_random(2)))
        transits[transit_count++] = transit;
    else if (reference[page].count[to->number])
        do_map(to, page);
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
    if (!taken.to && machine_random(2))
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
        if (do_send(running[cpu], &piece, PAGE_SEND_DUPLICATE, spaces[i], &transit))
            break;
        if (do_receive(spaces[i], &transit, machine_random(2)))
            transits[transit_count++] = transit;
    }
}

static void op_die(void)
{
    struct space *space = spaces[machine_random(SPACES)];

    doing = "die";
    do_release_all(space);
    do_die(space);
}

static void op_tick(void)
{
    doing = "tick";
    do_tick(cpu, machine_random(2));
}

static void op_leave(void)
{
    doing = "leave the CPU";
    do_leave(cpu);
}

static void op_interrupt(void)
{
    doing = "interrupt";
    do_interrupt(cpu);
}

static void op_policy(void)
{
    static const uint32_t policies[] = {POLICY_DASH, POLICY_DASH, POLICY_PATH,
                                        POLICY_PATH, POLICY_COPY, POLICY_SYNCHRONOUS};

    doing = "policy";
    do_policy(policies[machine_random(6)], machine_random(2) ? TLB_IPI : TLB_BROADCAST);
}

static void op_access_either(void)
{
    op_access(machine_random(2));
}

/* What a CPU does next, and how often of 1000 times. */
static const struct {
    unsigned share;
    void (*operate)(void);
} operations_of[] = {
    {80, op_switch},         {80, op_get},       {40, op_duplicate}, {100, op_release},       {70, op_send},
    {40, op_send_batch},     {150, op_receive},  {30, op_map},       {180, op_access_either}, {45, op_device},
    {35, op_in_flight_ends}, {10, op_tick},      {15, op_leave},     {10, op_interrupt},      {2, op_policy},
    {6, op_flood},           {90, op_hand_over}, {2, op_die},        {15, op_take_back},
};

static void step(void)
{
    uint64_t choice = machine_random(1000);
    unsigned i = 0;

    cpu = (unsigned)machine_random(MACHINE_CPUS);
    machine_run_on(cpu);
    if (!running[cpu])
        op_switch();
    for (; choice >= operations_of[i].share; i++)
        choice -= operations_of[i].share;
    operations_of[i].operate();
}

static void begin(void)
{
    static const char *const names[SPACES] = {"s1", "s2", "s3", "s4",  "s5",  "s6",
                                              "s7", "s8", "s9", "t10", "t11", "t12"};

    /* Seven numbers for ten tables: generations roll over all the time, and queued unmaps with them. Fifteen: sometimes. Many:
       never, so that bitmaps of CPUs fill. */
    static const unsigned asid_bits[] = {8, 3, 4};

    static const char *const sets[] = {NULL, "one", "two"};

    ownership_init(seed, PAGES, asid_bits[seed % 3]);
    for (unsigned i = 0; i < SPACES; i++)
        spaces[i] = ownership_space(names[i], i < 9, 4 + i);
    /* Two trust sets: one of isolated services, one with a trusted one, whose table others have too. */
    for (unsigned i = 0; i < SPACES; i++)
        trust_set[spaces[i]->number] = i < 6 ? i % 2 : i == SPACES - 1 || i == 6 ? 2 : 0;
    for (unsigned i = 0; i < SPACES; i++)
        page_set_join(spaces[i], sets[trust_set[spaces[i]->number]]);
    for (unsigned i = 0; i < MACHINE_CPUS; i++)
        run_space(i, spaces[i / 2]);
}

/* At the end everything comes back (page 5). */
static void finish(void)
{
    doing = "finish";
    do_policy(POLICY_DASH, TLB_BROADCAST);
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
    for (unsigned i = 0; i < 2 * MACHINE_CPUS;
         i++) /* who gave pages up may have to wait for the pass of one that comes later */
        do_tick(i % MACHINE_CPUS, false);
    for (uint32_t page = 0; page < PAGES; page++)
        if (reference[page].total)
            machine_fail("page %u does not come back", page);
    check_all();
    if (page_limbo_count())
        machine_fail("%u pages are still in limbo", page_limbo_count());
}

static void report(void)
{
    uint64_t sum[COUNTERS] = {0};

    for (unsigned i = 0; i < MACHINE_CPUS; i++)
        for (unsigned k = 0; k < COUNTERS; k++)
            sum[k] += cpus[i].counters[k];
    printf("done: %" PRIu64 " table switches, %" PRIu64 " entries written, TLBI %" PRIu64 " local, %" PRIu64
           " broadcast, %" PRIu64 " by range, %" PRIu64 " by ASID; %" PRIu64 " pages scrubbed\n",
           machine_counts.switches, machine_counts.stores, machine_counts.tlbi_local,
           machine_counts.tlbi_broadcast, machine_counts.tlbi_range, machine_counts.tlbi_asid,
           machine_counts.scrubs);
    printf("unmaps: %" PRIu64 " fast, %" PRIu64 " queued, %" PRIu64 " found complete, %" PRIu64
           " completed by receivers, %" PRIu64 " passes, %" PRIu64 " interrupts\n",
           sum[COUNT_TLB_FAST], sum[COUNT_TLB_QUEUED], sum[COUNT_TLB_EPOCH], sum[COUNT_TLB_REISSUED],
           sum[COUNT_TLB_PASSES], sum[COUNT_TLB_IPI]);
}

int main(int argc, char **argv)
{
    const char *given = getenv("BATON_RANDOM_SEED");
    uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;

    seed = given ? strtoull(given, NULL, 10) : 1;
    machine_where = where;
    machine_fault_choose(getenv("BATON_SEED"));
    printf("seed %" PRIu64 ", %" PRIu64 " operations\n", seed, operations);
    begin();
    for (operation = 0; operation < operations; operation++) {
        step();
        if (operation % FULL_EACH == 0)
            check_all();
    }
    finish();
    report();
    return 0;
}
