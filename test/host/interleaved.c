/*
 * host-interleaved: four CPUs in the middle of kernel operations at once, under the adversarial TLB. Each CPU is a
 * coroutine; before and after every operation of the machine (an entry stored, a barrier, an invalidation, a switch of tables, a
 * turn of a spin) another one may run. The oracle looks at every such moment, at each page whose lock nobody holds and that
 * no operation is just about:
 *   - who can reach it owns it, or has left a translation of which the page's record says that its unmap is pending, and the
 *     numbers of the passes that it is not complete (unmap 4);
 *   - who can write to it owns it alone, or has left such a translation that was writable;
 *   - after a receive without trust nobody else can write to it, after a get nobody else can reach it, until the next
 *     operation on it begins. Except those with whom it is in a trust set.
 * Exempt is a CPU within table_switch or table_forget: it may still have the old table under a number that has been given to
 * another meanwhile, but no service code runs there before it has the new one.
 *
 *   interleaved [operations]      default 200000; the seed is taken from BATON_RANDOM_SEED, or 1, and says how many ASIDs there are
 *
 * What is between two atomic accesses and no operation of the machine is not interrupted here: see pages_threads.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include "core/cpu.h"
#include "core/irq.h"
#include "ipc/page.h"
#include "ipc/page_limbo.h"
#include "ipc/page_set.h"
#include "ipc/page_state.h"
#include "ipc/policy.h"
#include "mm/frame.h"
#include "mm/space.h"
#include "mm/unmap.h"
#include "test/host/machine.h"

#define PAGES    12u
#define SPACES   10u
#define TRANSITS 16u
#define STACK    65536u
#define EVERY    UINT32_MAX

static struct space *spaces[SPACES];
static struct transit {
    struct baton_piece piece;
    const struct space *to;
} transits[TRANSITS];
static unsigned transit_count;
static ucontext_t contexts[MACHINE_CPUS], scheduler;
static uint8_t stacks[MACHINE_CPUS][STACK] __attribute__((aligned(16)));
static unsigned self; /* the CPU whose coroutine runs */
static bool finished[MACHINE_CPUS];
static unsigned at_work = MACHINE_CPUS;
static const char *doing[MACHINE_CPUS];
static struct space *running[MACHINE_CPUS];
static uint64_t seed, operations, operation, moments, settled_count, fresh_count;

/* What the test knows of a page by itself. */
static struct {
    unsigned active;  /* operations on it that are under way */
    uint64_t changes; /* operations begun so far */
    uint64_t writers; /* tables of which one may be able to write to it */
    uint64_t readers; /* tables of which one may be able to reach it */
} known[PAGES];
static unsigned emptying; /* operations under way that may unmap free pages, of the pools of sets */
static bool changing;     /* a policy ends, and with it what sets allow */

static void where(void)
{
    printf("seed %" PRIu64 ", about operation %" PRIu64 "\n", seed, operation);
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++)
        printf("CPU %u: %s by %s\n", cpu, doing[cpu], running[cpu] ? running[cpu]->name : "nobody");
}

/* ---- What is known ---- */

static void begin_on(uint32_t page)
{
    for (uint32_t i = 0; i < PAGES; i++)
        if (page == EVERY || page == i) {
            known[i].active++;
            known[i].changes++;
            known[i].writers = known[i].readers = UINT64_MAX;
        }
}

static void end_on(uint32_t page)
{
    for (uint32_t i = 0; i < PAGES; i++)
        if (page == EVERY || page == i)
            known[i].active--;
}

/* ---- The oracle ---- */

static unsigned table_of_root(uint64_t root)
{
    unsigned number = 0;

    while (table_at(number)->pages.root != root)
        number++;
    return number;
}

static bool table_owns(unsigned table, const struct page *page, uint64_t state)
{
    unsigned owners = state & STATE_SHARED ? page->used : state_total(state) ? 1 : 0;

    for (unsigned i = 0; i < owners; i++) {
        const struct space *owner =
            space_at(state & STATE_SHARED ? page->slots[i].space : state_owner(state));
        if (owner->table && owner->table->number == table)
            return true;
    }
    return false;
}

static void check_entry(unsigned cpu, uint32_t number, uint64_t state, uint64_t entry)
{
    unsigned table = table_of_root(machine_live_root(cpu));
    bool owner = table_owns(table, &page_table[number], state);
    struct unmap_record record = page_records[number];
    bool pending = !unmap_through(&record) && record.tables >> table & 1;
    bool writes = ENTRY_WRITABLE(entry);
    /* By trust; but of a page that several own nobody may write */
    bool kept = (policy_now() == POLICY_PATH || policy_now() == POLICY_COPY || changing) &&
                record.mapped >> table & 1;

    if (!owner && !pending && !kept)
        machine_fail("CPU %u can reach page %u, which nobody with its table owns (page 3, 4)", cpu, number);
    if (writes && !((owner || kept) && state_total(state) <= 1) && !(pending && record.writers))
        machine_fail("CPU %u can write page %u, which has %u ownerships (page 2)", cpu, number,
                     state_total(state));
    if (writes && owner && !pending && record.readers)
        machine_fail("CPU %u can write page %u again, while who shared it may still read it (page 2)", cpu,
                     number);
    if (!(known[number].readers >> table & 1))
        machine_fail("CPU %u can reach page %u, which was handed out to another (page 4)", cpu, number);
    if (writes && !(known[number].writers >> table & 1))
        machine_fail("CPU %u can write page %u after a receive without trust (page 3)", cpu, number);
}

static void check_page(uint32_t number)
{
    uint64_t state = page_table[number].state;
    struct machine_reach reach;

    if (state & STATE_LOCK || known[number].active || (emptying && !state_total(state)))
        return;
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        if (machine_between_tables[cpu])
            continue;
        machine_reachable(cpu, IPC_BASE + number * PAGE_SIZE, &reach);
        for (unsigned i = 0; i < reach.count; i++)
            check_entry(cpu, number, state, reach.entry[i]);
    }
}

static void check_asids(void)
{
    for (unsigned a = 0; a < MACHINE_CPUS; a++)
        for (unsigned b = 0; b < a; b++)
            if (!machine_between_tables[a] && !machine_between_tables[b] && machine_live_asid(a) &&
                machine_live_asid(b) &&
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

static void drop(uint32_t page)
{
    begin_on(page);
    page_release(space_at(0), page);
    end_on(page);
}

static void op_send(struct space *space)
{
    struct transit transit = {{likely_page(space), 0, (uint16_t)(1 + machine_random(4096))}, NULL};
    unsigned flags =
        (machine_random(3) ? 0 : PAGE_SEND_DUPLICATE) | (machine_random(2) ? 0 : PAGE_SEND_TRUSTED);

    transit.to = machine_random(4) ? spaces[machine_random(SPACES)] : NULL;
    begin_on(transit.piece.page);
    int result = page_send(space, &transit.piece, flags, transit.to);
    unmap_flush();
    end_on(transit.piece.page);
    if (result)
        return;
    if (!(flags & PAGE_SEND_DUPLICATE))
        page_account(space, -1);
    if (transit_count < TRANSITS)
        transits[transit_count++] = transit;
    else
        drop(transit.piece.page);
}

static void op_receive(struct space *space)
{
    if (!transit_count)
        return;
    struct transit transit = transits[--transit_count];
    uint32_t page = transit.piece.page;
    bool trust = machine_random(2);
    if (transit.to && machine_random(4))
        space = space_at(transit.to->number);
    if (!page_account(space, 1)) {
        drop(page);
        return;
    }
    begin_on(page);
    uint64_t changes = known[page].changes, allowed = space->trusts; /* sets may begin and end meanwhile */
    int result = page_receive(space, &transit.piece, trust);
    end_on(page);
    if (result) {
        page_account(space, -1);
        drop(page);
    } else if (!trust && known[page].changes == changes && !known[page].active) {
        known[page].writers = allowed | space->trusts | table_bit(space->table);
        settled_count++;
    }
}

static void op_get(struct space *space)
{
    uint32_t page;
    uint64_t allowed = space->trusts, changes[PAGES];

    for (uint32_t i = 0; i < PAGES; i++)
        changes[i] = known[i].changes;
    emptying++;
    int got = page_get(space, &page, 1);
    emptying--;
    if (got != 1 || known[page].active || known[page].changes != changes[page])
        return; /* or another thread of the space has passed it on before we are told */
    known[page].writers = known[page].readers = table_bit(space->table) | allowed | space->trusts;
    fresh_count++;
}

static void op_counted(struct space *space, int (*call)(struct space *, uint32_t))
{
    uint32_t page = likely_page(space);

    begin_on(page);
    call(space, page);
    end_on(page);
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

static void op_leave(void)
{
    machine_between_tables[self] = true;
    table_forget(running[self]->table);
    machine_between_tables[self] = false;
    running[self] = NULL;
}

static void op_tick(void)
{
    unmap_poll();
    if (machine_random(2))
        page_limbo_tick();
    else
        page_limbo_reap();
}

static void op_policy(void)
{
    static const uint32_t policies[] = {POLICY_DASH, POLICY_PATH, POLICY_PATH, POLICY_COPY,
                                        POLICY_SYNCHRONOUS};

    if (changing)
        return; /* one at a time */
    changing = true;
    emptying++;
    policy_change(policies[machine_random(5)], machine_random(2) ? TLB_IPI : TLB_BROADCAST);
    changing = false;
    emptying--;
}

/* An access of service code, and the faults that it takes. */
static void op_access(struct space *space)
{
    uint32_t page = likely_page(space);
    uint64_t va = IPC_BASE + page * PAGE_SIZE, phys;
    bool write = machine_random(2), through = false;

    for (unsigned tries = 0; tries < 3 && !through; tries++) {
        if (machine_access(self, va, write, space->table->user, &phys) == MACHINE_DONE)
            return;
        begin_on(page);
        through = page_fault(space, va, write) != PAGE_FAULT_MAPPED;
        end_on(page);
    }
}

static void op_device(void)
{
    uint32_t page;

    emptying++;
    unsigned got = page_get_device(&page, 1);
    emptying--;
    if (!got)
        return;
    begin_on(page);
    page_filled(page, 256);
    end_on(page);
    if (transit_count < TRANSITS) {
        transits[transit_count++] = (struct transit){{page, 0, 256}, NULL};
        return;
    }
    begin_on(page);
    page_sent_out(&page, 1);
    end_on(page);
}

static void op_release_all(void)
{
    struct space *space = spaces[machine_random(SPACES)];

    begin_on(EVERY);
    page_release_all(space);
    if (machine_random(2))
        page_set_member_died(space);
    end_on(EVERY);
}

static void operate(void)
{
    struct space *space = running[self];
    uint64_t choice = machine_random(1000);

    if (!space || choice < 120) {
        doing[self] = "switch";
        op_switch();
    } else if (choice < 220) {
        doing[self] = "get";
        op_get(space);
    } else if (choice < 270) {
        doing[self] = "duplicate";
        op_counted(space, page_duplicate);
    } else if (choice < 370) {
        doing[self] = "release";
        op_counted(space, page_release);
    } else if (choice < 520) {
        doing[self] = "send";
        op_send(space);
    } else if (choice < 660) {
        doing[self] = "receive";
        op_receive(space);
    } else if (choice < 890) {
        doing[self] = "access";
        op_access(space);
    } else if (choice < 930) {
        doing[self] = "device";
        op_device();
    } else if (choice < 960) {
        doing[self] = "tick";
        op_tick();
    } else if (choice < 985) {
        doing[self] = "leave";
        op_leave();
    } else if (choice < 992) {
        doing[self] = "policy";
        op_policy();
    } else {
        doing[self] = "release all";
        op_release_all();
    }
}

/* Between operations service code runs, and interrupts come through. */
static void between(void)
{
    doing[self] = "nothing";
    moment();
    machine_interrupt();
}

static void cpu_run(void)
{
    while (operation < operations) {
        operation++;
        operate();
        between();
    }
    at_work--;
    while (at_work) /* others may wait for a pass of this CPU */
        between();
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

    /* Seven numbers for nine tables: generations roll over all the time; or fifteen, or enough: bitmaps of CPUs fill */
    static const unsigned asid_bits[] = {8, 3, 4};

    machine_reset(seed);
    machine_add_ram();
    uint64_t phys = frame_alloc_block(PAGES * PAGE_SIZE, PAGE_SIZE);
    space_init(PAGES, asid_bits[seed % 3]);
    page_region_init(phys, PAGES);
    machine_hide(phys, PAGES * PAGE_SIZE);
    unmap_init();
    machine_interrupts_connect();
    irq_register(IPI_UNMAP, unmap_ipi, NULL, 0);
    for (unsigned i = 0; i < PAGES; i++)
        known[i].writers = known[i].readers = UINT64_MAX;
    for (unsigned i = 0; i < SPACES; i++)
        spaces[i] = space_create(names[i], i < 8, 6);
    for (unsigned i = 0; i < SPACES; i++)
        page_set_join(spaces[i], i < 4 ? "one" : i < 6 || i == 9 ? "two" : NULL);
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
    policy_change(POLICY_DASH, TLB_BROADCAST);
    while (transit_count)
        page_release(space_at(0), transits[--transit_count].piece.page);
    for (unsigned i = 0; i < SPACES; i++) {
        page_release_all(spaces[i]);
        if (spaces[i]->pages)
            machine_fail("%s is accounted %u pages at the end", spaces[i]->name, spaces[i]->pages);
    }
    for (unsigned i = 0; i < 2 * MACHINE_CPUS; i++) {
        machine_run_on(i % MACHINE_CPUS);
        unmap_poll();
        page_limbo_tick();
    }
    page_count(&counts);
    if (page_limbo_count())
        machine_fail("%u pages are still in limbo", page_limbo_count());
    if (counts.free != PAGES)
        machine_fail("%u of %u pages came back (page 5)", counts.free, PAGES);
}

int main(int argc, char **argv)
{
    const char *given = getenv("BATON_RANDOM_SEED");

    operations = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    seed = given ? strtoull(given, NULL, 10) : 1;
    machine_where = where;
    machine_fault_choose(getenv("BATON_SEED"));
    printf("seed %" PRIu64 ", %" PRIu64 " operations\n", seed, operations);
    begin();
    machine_step = moment;
    schedule();
    machine_step = NULL;
    machine_run_on(0);
    finish();
    printf("done: %" PRIu64 " moments, %" PRIu64 " table switches, TLBI %" PRIu64 " local and %" PRIu64
           " broadcast; %" PRIu64 " receives and %" PRIu64 " gets watched\n",
           moments, machine_counts.switches, machine_counts.tlbi_local, machine_counts.tlbi_broadcast,
           settled_count, fresh_count);
    return 0;
}
