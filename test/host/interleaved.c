/*
 * host-interleaved: four CPUs in the middle of kernel operations at once, under the adversarial TLB. Each CPU is a
 * coroutine; before and after every operation of the machine (an entry stored, a barrier, an invalidation, a switch of tables, a
 * turn of a spin) another one may run. The oracle looks at every such moment: while nobody holds the lock of a page, only
 * who owns it can reach it, and only who owns it alone can write to it (page 2, 3, 4 of ipc/page.h). Exempt is a CPU
 * within table_switch: it may still have the old table under a number that has been given to another meanwhile, but no
 * service code runs there before it has the new one.
 *
 *   interleaved [operations]      default 200000; the seed is taken from BATON_RANDOM_SEED, or 1
 *
 * What is between two atomic accesses and no operation of the machine is not interrupted here: see pages_threads.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include "core/cpu.h"
#include "ipc/page.h"
#include "ipc/page_state.h"
#include "mm/frame.h"
#include "mm/space.h"
#include "test/host/machine.h"

#define PAGES     12u
#define SPACES    10u
#define TRANSITS  16u
#define ASID_BITS 3u
#define STACK     65536u

static struct space *spaces[SPACES];
static struct baton_piece transits[TRANSITS];
static unsigned transit_count;
static ucontext_t contexts[MACHINE_CPUS], scheduler;
static uint8_t stacks[MACHINE_CPUS][STACK] __attribute__((aligned(16)));
static unsigned self; /* the CPU whose coroutine runs */
static bool finished[MACHINE_CPUS];
static const char *doing[MACHINE_CPUS];
static struct space *running[MACHINE_CPUS];
static uint64_t seed, operations, operation, moments;

static void where(void)
{
    printf("seed %" PRIu64 ", about operation %" PRIu64 "\n", seed, operation);
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++)
        printf("CPU %u: %s by %s\n", cpu, doing[cpu], running[cpu] ? running[cpu]->name : "nobody");
}

/* ---- The oracle ---- */

static bool root_owns(uint64_t root, const struct page *page, uint64_t state)
{
    unsigned owners = state & STATE_SHARED ? page->used : state_total(state) ? 1 : 0;

    for (unsigned i = 0; i < owners; i++) {
        const struct space *owner =
            space_at(state & STATE_SHARED ? page->slots[i].space : state_owner(state));
        if (owner->table && owner->table->pages.root == root)
            return true;
    }
    return false;
}

static void check_page(uint32_t number)
{
    const struct page *page = &page_table[number];
    uint64_t state = page->state;
    struct machine_reach reach;

    if (state & STATE_LOCK)
        return;
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        if (machine_between_tables[cpu])
            continue;
        machine_reachable(cpu, IPC_BASE + number * PAGE_SIZE, &reach);
        if (reach.count && !root_owns(machine_live_root(cpu), page, state))
            machine_fail("CPU %u can reach page %u, which nobody with its table owns (page 3, 4)", cpu,
                         number);
        for (unsigned i = 0; i < reach.count; i++)
            if (ENTRY_WRITABLE(reach.entry[i]) && state_total(state) > 1)
                machine_fail("CPU %u can write page %u, which has %u ownerships (page 2)", cpu, number,
                             state_total(state));
    }
}

static void check_asids(void)
{
    for (unsigned a = 0; a < MACHINE_CPUS; a++)
        for (unsigned b = 0; b < a; b++)
            if (!machine_between_tables[a] && !machine_between_tables[b] &&
                (machine_live_root(a) == machine_live_root(b)) !=
                    (machine_live_asid(a) == machine_live_asid(b)))
                machine_fail("CPUs %u and %u run with ASIDs %u and %u (space 2)", a, b, machine_live_asid(a),
                             machine_live_asid(b));
}

static void moment(void)
{
    moments++;
    check_asids();
    for (uint32_t page = 0; page < PAGES; page++)
        check_page(page);
    if (machine_random(2))
        swapcontext(&contexts[self], &scheduler);
}

/* ---- What the CPUs do ---- */

static uint32_t likely_page(const struct space *space)
{
    uint32_t start = (uint32_t)machine_random(PAGES);

    if (machine_random(6) == 0)
        return start;
    for (uint32_t i = 0; i < PAGES; i++) {
        const struct page *page = &page_table[(start + i) % PAGES];
        if (page->state & STATE_SHARED || state_owner(page->state) == space->number)
            return (start + i) % PAGES;
    }
    return start;
}

static void op_send(struct space *space)
{
    struct baton_piece piece = {likely_page(space), 0, (uint16_t)(1 + machine_random(4096))};
    bool duplicate = machine_random(3) == 0;

    if (page_send(space, &piece, duplicate))
        return;
    if (!duplicate)
        page_account(space, -1);
    if (transit_count < TRANSITS)
        transits[transit_count++] = piece;
    else
        page_release(space_at(0), piece.page);
}

static void op_receive(struct space *space)
{
    if (!transit_count)
        return;
    struct baton_piece piece = transits[--transit_count];
    if (!page_account(space, 1)) {
        page_release(space_at(0), piece.page);
        return;
    }
    if (page_receive(space, &piece)) {
        page_account(space, -1);
        page_release(space_at(0), piece.page);
    }
}

static void op_switch(void)
{
    struct space *next = spaces[machine_random(SPACES)];

    if (self < 2 && machine_random(2))
        next = spaces[0];
    machine_between_tables[self] = true;
    table_switch(next->table);
    machine_between_tables[self] = false;
    running[self] = next;
}

/* An access of service code, and the faults that it takes. */
static void op_access(struct space *space)
{
    uint64_t va = IPC_BASE + likely_page(space) * PAGE_SIZE, phys;
    bool write = machine_random(2);

    for (unsigned tries = 0; tries < 3; tries++)
        if (machine_access(self, va, write, space->table->user, &phys) == MACHINE_DONE ||
            page_fault(space, va, write) != PAGE_FAULT_MAPPED)
            return;
}

static void op_device(void)
{
    uint32_t page;

    if (!page_get_device(&page, 1))
        return;
    page_filled(page, 256);
    if (transit_count < TRANSITS)
        transits[transit_count++] = (struct baton_piece){page, 0, 256};
    else
        page_sent_out(&page, 1);
}

static void operate(void)
{
    struct space *space = running[self];
    uint64_t choice = machine_random(100);
    uint32_t page;

    if (choice < 20) {
        doing[self] = "switch";
        op_switch();
    } else if (choice < 28) {
        doing[self] = "get";
        page_get(space, &page, 1);
    } else if (choice < 33) {
        doing[self] = "duplicate";
        page_duplicate(space, likely_page(space));
    } else if (choice < 43) {
        doing[self] = "release";
        page_release(space, likely_page(space));
    } else if (choice < 58) {
        doing[self] = "send";
        op_send(space);
    } else if (choice < 70) {
        doing[self] = "receive";
        op_receive(space);
    } else if (choice < 95) {
        doing[self] = "access";
        op_access(space);
    } else if (choice < 99) {
        doing[self] = "device";
        op_device();
    } else {
        doing[self] = "release all";
        page_release_all(spaces[machine_random(SPACES)]);
    }
}

static void cpu_run(void)
{
    while (operation < operations) {
        operation++;
        operate();
        doing[self] = "nothing";
        moment();
    }
    finished[self] = true;
    swapcontext(&contexts[self], &scheduler);
}

static void schedule(void)
{
    for (unsigned left = MACHINE_CPUS; left;) {
        unsigned cpu = (unsigned)machine_random(MACHINE_CPUS);
        if (finished[cpu])
            continue;
        self = cpu;
        machine_run_on(cpu);
        swapcontext(&scheduler, &contexts[cpu]);
        left -= finished[cpu];
    }
}

/* ---- Beginning and end ---- */

static void begin(void)
{
    static const char *const names[SPACES] = {"s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "t9", "t10"};

    machine_reset(seed);
    machine_add_ram();
    uint64_t phys = frame_alloc_block(PAGES * PAGE_SIZE, PAGE_SIZE);
    space_init(PAGES, ASID_BITS);
    page_region_init(phys, PAGES);
    machine_hide(phys, PAGES * PAGE_SIZE);
    for (unsigned i = 0; i < SPACES; i++)
        spaces[i] = space_create(names[i], i < 8, 6);
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        self = cpu;
        machine_run_on(cpu);
        running[cpu] = spaces[cpu / 2];
        table_switch(running[cpu]->table);
        getcontext(&contexts[cpu]);
        contexts[cpu].uc_stack.ss_sp = stacks[cpu];
        contexts[cpu].uc_stack.ss_size = STACK;
        makecontext(&contexts[cpu], cpu_run, 0);
    }
}

static void finish(void)
{
    struct page_counts counts;

    machine_check_quiet();
    while (transit_count)
        page_release(space_at(0), transits[--transit_count].page);
    for (unsigned i = 0; i < SPACES; i++) {
        page_release_all(spaces[i]);
        if (spaces[i]->pages)
            machine_fail("%s is accounted %u pages at the end", spaces[i]->name, spaces[i]->pages);
    }
    page_count(&counts);
    if (counts.free != PAGES)
        machine_fail("%u of %u pages came back (page 5)", counts.free, PAGES);
}

int main(int argc, char **argv)
{
    const char *given = getenv("BATON_RANDOM_SEED");

    operations = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    seed = given ? strtoull(given, NULL, 10) : 1;
    machine_where = where;
    printf("seed %" PRIu64 ", %" PRIu64 " operations\n", seed, operations);
    begin();
    machine_step = moment;
    schedule();
    machine_step = NULL;
    machine_run_on(0);
    finish();
    printf("done: %" PRIu64 " moments, %" PRIu64 " table switches, TLBI %" PRIu64 " local and %" PRIu64
           " broadcast\n",
           moments, machine_counts.switches, machine_counts.tlbi_local, machine_counts.tlbi_broadcast);
    return 0;
}
