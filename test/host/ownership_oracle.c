/* The oracle beside the reference model: see ownership.h. */
#include "test/host/ownership_model.h"
#include "core/cpu.h"
#include "ipc/page_limbo.h"
#include "test/host/grains.h"
#include "test/host/machine.h"
#include "test/host/windows.h"

#include <stdio.h>

/* ---- What happened to a page, for reports ---- */

#define NOTES 40u

static struct note {
    const char *what;
    const struct space *space;
    unsigned cpu, detail;
} notes[REGION_MAX][NOTES];
static unsigned note_count[REGION_MAX];
uint32_t checking; /* the page that is looked at */

void note(uint32_t page, const char *what, const struct space *space, unsigned detail)
{
    if (page < REGION_MAX)
        notes[page][note_count[page]++ % NOTES] = (struct note){what, space, cpu_number(), detail};
}

void ownership_report(void)
{
    unsigned count = note_count[checking];

    printf("page %u, what happened last:\n", checking);
    for (unsigned i = count > NOTES ? count - NOTES : 0; i < count; i++) {
        const struct note *at = &notes[checking][i % NOTES];
        printf("  %s by %s on CPU %u (%u)\n", at->what, at->space ? at->space->name : "nobody", at->cpu,
               at->detail);
    }
}

/* Does anyone of the domain own the page? */
bool domain_owns(uint32_t page, unsigned domain)
{
    for (unsigned i = 1; i < SPACES_MAX; i++)
        if (reference[page].count[i] && domain_number(space_at(i)) == domain)
            return true;
    return false;
}

/* ---- Who can reach what ---- */

/* The kernel zeroes bytes of the page: who can still reach it is in a window, or lingers, and has nothing to say. */
void check_scrub(uint64_t frame)
{
    uint32_t page = (uint32_t)((frame - page_region_phys) / PAGE_SIZE);

    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++)
        if (running[cpu] && machine_frame_reachable(cpu, frame) &&
            !window_reads(page, domain_number(running[cpu])) &&
            !(reference[page].lingers >> domain_number(running[cpu]) & 1))
            machine_fail("frame 0x%lx is scrubbed while %s may reach it", (unsigned long)frame,
                         running[cpu]->name);
}

/* One translation that the CPU may use now. */
static void check_entry(unsigned cpu, uint32_t page, uint64_t entry)
{
    const struct reference *ref = &reference[page];
    unsigned domain = domain_number(running[cpu]);

    if (ENTRY_FRAME(entry) != page_phys(page))
        machine_fail("page %u leads CPU %u to frame 0x%lx", page, cpu, (unsigned long)ENTRY_FRAME(entry));
    bool lingers = ref->lingers >> domain & 1;
    if (!domain_owns(page, domain) && !window_reads(page, domain) && !lingers)
        machine_fail("CPU %u running %s can reach page %u, which it does not own (page 3, 4)", cpu,
                     running[cpu]->name, page);
    if (ENTRY_WRITABLE(entry) && !((domain_owns(page, domain) || lingers) && ref->total <= 1) &&
        !window_writes(page, domain))
        machine_fail("CPU %u running %s can write page %u, which has %u ownerships (page 2)", cpu,
                     running[cpu]->name, page, ref->total);
    if (ENTRY_USER(entry) != running[cpu]->table->user)
        machine_fail("page %u is mapped for the wrong exception level in %s", page, running[cpu]->name);
}

static void check_reach(unsigned cpu, uint32_t page)
{
    struct machine_reach reach;

    machine_reachable(cpu, page_va(page), &reach);
    for (unsigned i = 0; i < reach.count; i++)
        check_entry(cpu, page, reach.entry[i]);
    for (unsigned i = 0; reach.count && i < GRAINS; i++)
        grain_check(page, i, domain_of(running[cpu]));
}

static uint64_t owners_trust(uint32_t page)
{
    uint64_t domains = 0;

    for (unsigned i = 1; space_at(i); i++)
        if (reference[page].count[i])
            domains |= domains_trusted(space_at(i));
    return domains;
}

/* `cpu` can write to the page by right: nobody may be left who shared it. */
static void check_readers_gone(unsigned cpu, uint32_t page)
{
    struct machine_reach reach;

    windows_end_shared(page, domain_number(running[cpu]));
    reference[page].lingers &= owners_trust(page);
    for (unsigned other = 0; other < MACHINE_CPUS; other++) {
        if (!running[other] || domain_owns(page, domain_number(running[other])) ||
            window_reads(page, domain_number(running[other])) ||
            reference[page].lingers >> domain_number(running[other]) & 1)
            continue;
        machine_reachable(other, page_va(page), &reach);
        if (reach.count)
            machine_fail("CPU %u running %s can still read page %u, which %s may write again (page 2)", other,
                         running[other]->name, page, running[cpu]->name);
    }
}

/* Once the one owner can write, by right and not in a window, all unmaps of who shared the page are complete (page 2). */
static void check_writer(unsigned cpu, uint32_t page)
{
    unsigned domain = domain_number(running[cpu]);
    struct machine_reach reach;

    if ((!windows_any(page) && !reference[page].lingers) || reference[page].total != 1 ||
        !domain_owns(page, domain) || window_writes(page, domain))
        return;
    machine_reachable(cpu, page_va(page), &reach);
    for (unsigned i = 0; i < reach.count; i++)
        if (ENTRY_WRITABLE(reach.entry[i]))
            check_readers_gone(cpu, page);
}

static void check_description(uint32_t page)
{
    const struct reference *ref = &reference[page];
    struct page_info info;

    page_describe(page, &info);
    if (info.total != ref->total || info.owners != ref->owners)
        machine_fail("page %u has %u ownerships of %u spaces, expected %u of %u (page 1)", page, info.total,
                     info.owners, ref->total, ref->owners);
    if (info.kernel != (ref->count[0] != 0))
        machine_fail("page %u: the kernel is%s an owner (page 1)", page, info.kernel ? "" : " not");
    for (unsigned i = 0; i < info.owners && i < 4; i++)
        if (!ref->count[info.owner[i]])
            machine_fail("page %u: space %u is no owner (page 1)", page, info.owner[i]);
}

void check_page(uint32_t page)
{
    checking = page;
    machine_check_quiet();
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++)
        if (running[cpu])
            check_writer(cpu, page);
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++)
        if (running[cpu])
            check_reach(cpu, page);
    check_description(page);
}

void check_cpu(unsigned cpu)
{
    machine_check_quiet();
    for (checking = 0; running[cpu] && checking < ownership_pages(); checking++)
        check_reach(cpu, checking);
}

void check_all(void)
{
    struct page_counts counts;
    uint32_t free = 0, owned[SPACES_MAX] = {0}, flying = 0;

    for (uint32_t page = 0; page < ownership_pages(); page++) {
        check_page(page);
        free += !reference[page].total;
        flying += reference[page].count[0] != 0;
        for (unsigned i = 1; i < SPACES_MAX; i++)
            owned[i] += reference[page].count[i];
    }
    page_count(&counts);
    uint32_t limbo = page_limbo_count(); /* nobody's, and still in somebody's window */
    if (counts.total != ownership_pages() || counts.free > free || counts.free + limbo < free ||
        counts.owned != ownership_pages() - free - flying ||
        counts.free + counts.owned + counts.in_flight != ownership_pages())
        machine_fail(
            "%u free, %u owned, %u in flight of %u; expected %u free, of them %u in limbo, %u in flight "
            "(page 5)",
            counts.free, counts.owned, counts.in_flight, counts.total, free, limbo, flying);
    for (unsigned i = 1; space_at(i); i++)
        if (space_at(i)->pages != owned[i])
            machine_fail("%s is accounted %u pages and has %u", space_at(i)->name, space_at(i)->pages,
                         owned[i]);
}
