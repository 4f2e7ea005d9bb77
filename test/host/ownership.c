/* The reference model of page ownership and the oracle: see ownership.h. */
#include "test/host/ownership.h"
#include "core/arch.h"
#include "ipc/page.h"
#include "mm/frame.h"
#include "test/host/machine.h"

#include <string.h>

#define KERNEL_DOMAIN  (UINT32_C(1) << 31) /* what devices fill, drivers know */
#define TRUSTED_DOMAIN (UINT32_C(1) << 30)
#define EVERYBODY      UINT32_MAX
#define WHOLE          UINT64_MAX

struct reference reference[REGION_MAX];
struct space *running[4];
static uint32_t page_total;
static uint32_t magazines; /* free pages that lie in the magazines of other CPUs at most */

uint32_t ownership_pages(void)
{
    return page_total;
}

static uint32_t domain_of(const struct space *space)
{
    return space->table->user ? UINT32_C(1) << space->number : TRUSTED_DOMAIN;
}

static uint64_t page_va(uint32_t page)
{
    return IPC_BASE + (uint64_t)page * PAGE_SIZE;
}

void ownership_init(uint64_t seed, uint32_t pages, unsigned asid_bits)
{
    machine_reset(seed);
    machine_add_ram();
    uint64_t phys = frame_alloc_block((uint64_t)pages * PAGE_SIZE, PAGE_SIZE);
    page_total = pages;
    magazines = 3 * (pages / (4 * CPUS_MAX) > 2 ? pages / (4 * CPUS_MAX) : 2);
    space_init(pages, asid_bits);
    page_region_init(phys, pages);
    machine_hide(phys, (uint64_t)pages * PAGE_SIZE);
    /* What lies in memory before anybody wrote it is nobody's to know. */
    for (uint32_t page = 0; page < pages; page++)
        for (unsigned i = 0; i < GRAINS; i++)
            memcpy(&reference[page].tag[i], machine_memory(phys), sizeof(uint32_t));
}

struct space *ownership_space(const char *name, bool isolated, uint32_t limit)
{
    struct space *space = space_create(name, isolated, limit);

    if (!space)
        machine_fail("no space for %s", name);
    return space;
}

/* ---- Counts ---- */

static void gain(uint32_t page, unsigned space)
{
    struct reference *ref = &reference[page];

    ref->owners += !ref->count[space]++;
    ref->total++;
}

static void lose(uint32_t page, unsigned space)
{
    struct reference *ref = &reference[page];

    ref->owners -= !--ref->count[space];
    ref->total--;
}

static void expect(const char *what, const struct space *space, uint32_t page, int result, int expected)
{
    if (result != expected)
        machine_fail("%s of page %u by %s is %d, expected %d", what, page, space->name, result, expected);
}

/* ---- What a page holds ---- */

static uint64_t grains_of(const struct baton_piece *piece)
{
    uint32_t first = (piece->offset & BATON_PIECE_OFFSET_MASK) / GRAIN;
    uint32_t count = piece->length / GRAIN;

    return count == GRAINS ? WHOLE : ((UINT64_C(1) << count) - 1) << first;
}

static uint64_t grains_known(const struct reference *ref, uint32_t domain)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < GRAINS; i++)
        if (ref->known[i] & domain)
            mask |= UINT64_C(1) << i;
    return mask;
}

static void grains_learn(struct reference *ref, uint64_t mask, uint32_t domain)
{
    for (unsigned i = 0; i < GRAINS; i++)
        if (mask >> i & 1)
            ref->known[i] |= domain;
}

static void grain_put(uint32_t page, unsigned grain, uint32_t tag)
{
    uint8_t *at = machine_memory(page_phys(page)) + grain * GRAIN;

    memcpy(at, &tag, sizeof(tag));
    memcpy(at + GRAIN - sizeof(tag), &tag, sizeof(tag));
}

/* One grain as `domain` would read it now. */
static void grain_check(uint32_t page, unsigned grain, uint32_t domain)
{
    struct reference *ref = &reference[page];
    const uint8_t *at = machine_memory(page_phys(page)) + grain * GRAIN;
    uint32_t first, last;

    memcpy(&first, at, sizeof(first));
    memcpy(&last, at + GRAIN - sizeof(last), sizeof(last));
    if (first != last || (first && first != ref->tag[grain]))
        machine_fail("page %u offset %u holds 0x%x 0x%x, written was 0x%x", page, grain * GRAIN, first, last,
                     ref->tag[grain]);
    if (first != ref->tag[grain] && ref->kept >> grain & 1)
        machine_fail("page %u offset %u: data is lost, 0x%x was written", page, grain * GRAIN,
                     ref->tag[grain]);
    if (first && !(ref->known[grain] & domain))
        machine_fail("page %u offset %u: old bytes 0x%x can be read by who did not know them (page 7)", page,
                     grain * GRAIN, first);
    if (!first) {
        ref->tag[grain] = 0;
        ref->known[grain] = EVERYBODY;
    }
}

/* ---- The oracle ---- */

/* Does anyone who runs with this table own the page? */
static bool table_owns(const struct table *table, const struct reference *ref)
{
    for (unsigned i = 1; i < SPACES_MAX; i++)
        if (ref->count[i] && space_at(i)->table == table)
            return true;
    return false;
}

static void check_reach(unsigned cpu, uint32_t page)
{
    const struct reference *ref = &reference[page];
    struct machine_reach reach;

    machine_reachable(cpu, page_va(page), &reach);
    for (unsigned i = 0; i < reach.count; i++) {
        uint64_t entry = reach.entry[i];
        if (ENTRY_FRAME(entry) != page_phys(page))
            machine_fail("page %u leads CPU %u to frame 0x%lx", page, cpu, (unsigned long)ENTRY_FRAME(entry));
        if (!table_owns(running[cpu]->table, ref))
            machine_fail("CPU %u running %s can reach page %u, which it does not own (page 3, 4)", cpu,
                         running[cpu]->name, page);
        if (ENTRY_WRITABLE(entry) && ref->total > 1)
            machine_fail("CPU %u running %s can write page %u, which has %u ownerships (page 2)", cpu,
                         running[cpu]->name, page, ref->total);
        if (ENTRY_USER(entry) != running[cpu]->table->user)
            machine_fail("page %u is mapped for the wrong exception level in %s", page, running[cpu]->name);
    }
    for (unsigned i = 0; reach.count && i < GRAINS; i++)
        grain_check(page, i, domain_of(running[cpu]));
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
    machine_check_quiet();
    for (unsigned cpu = 0; cpu < 4; cpu++)
        if (running[cpu])
            check_reach(cpu, page);
    check_description(page);
}

void check_cpu(unsigned cpu)
{
    machine_check_quiet();
    for (uint32_t page = 0; page < page_total; page++)
        check_reach(cpu, page);
}

void check_all(void)
{
    struct page_counts counts;
    uint32_t free = 0, owned[SPACES_MAX] = {0}, flying = 0;

    for (uint32_t page = 0; page < page_total; page++) {
        check_page(page);
        free += !reference[page].total;
        flying += reference[page].count[0] != 0;
        for (unsigned i = 1; i < SPACES_MAX; i++)
            owned[i] += reference[page].count[i];
    }
    page_count(&counts);
    if (counts.total != page_total || counts.free != free || counts.in_flight != flying ||
        counts.free + counts.owned + counts.in_flight != page_total)
        machine_fail("%u free, %u owned, %u in flight of %u; expected %u free, %u in flight (page 5)",
                     counts.free, counts.owned, counts.in_flight, counts.total, free, flying);
    for (unsigned i = 1; space_at(i); i++)
        if (space_at(i)->pages != owned[i])
            machine_fail("%s is accounted %u pages and has %u", space_at(i)->name, space_at(i)->pages,
                         owned[i]);
}

/* ---- Operations ---- */

void run_space(unsigned cpu, struct space *space)
{
    machine_run_on(cpu);
    table_switch(space->table);
    running[cpu] = space;
    check_cpu(cpu);
}

static void fresh(uint32_t page, unsigned space)
{
    if (reference[page].total)
        machine_fail("page %u is handed out, though it has %u ownerships", page, reference[page].total);
    gain(page, space);
}

int do_get(struct space *space, uint32_t *pages, unsigned count)
{
    uint32_t room = space->page_limit - space->pages, free = 0;
    int got = page_get(space, pages, count);

    for (uint32_t page = 0; page < page_total; page++)
        free += !reference[page].total;
    if (got == BATON_ELIMIT && room >= count)
        machine_fail("%s is refused %u pages with room for %u", space->name, count, room);
    if (got == BATON_ENOMEM && free > magazines)
        machine_fail("no page for %s, though %u are free", space->name, free);
    if (got > (int)room || got > (int)count)
        machine_fail("%s gets %d pages, asked for %u, limit leaves %u", space->name, got, count, room);
    for (int i = 0; i < got; i++) {
        struct reference *ref = &reference[pages[i]];
        fresh(pages[i], space->number);
        ref->kept = WHOLE;
        for (unsigned k = 0; k < GRAINS; k++) {
            ref->tag[k] = 0;
            ref->known[k] = EVERYBODY;
        }
        check_page(pages[i]);
    }
    return got;
}

int do_duplicate(struct space *space, uint32_t page)
{
    bool full = space->pages >= space->page_limit;
    int result = page_duplicate(space, page);

    if (full && result == BATON_ELIMIT)
        return result;
    if (page >= page_total || !reference[page].count[space->number]) {
        expect("duplicate", space, page, result, BATON_EOWNER);
        return result;
    }
    expect("duplicate", space, page, result, full ? BATON_ELIMIT : 0);
    gain(page, space->number);
    check_page(page);
    return result;
}

int do_release(struct space *space, uint32_t page)
{
    int result = page_release(space, page);

    if (page >= page_total || !reference[page].count[space->number]) {
        expect("release", space, page, result, BATON_EOWNER);
        return result;
    }
    expect("release", space, page, result, 0);
    lose(page, space->number);
    check_page(page);
    return result;
}

int do_send(struct space *space, const struct baton_piece *piece, bool duplicate, struct transit *transit)
{
    int result = page_send(space, piece, duplicate);
    struct reference *ref = &reference[piece->page % REGION_MAX];

    if (piece->page >= page_total || !ref->count[space->number]) {
        expect("send", space, piece->page, result, BATON_EOWNER);
        return result;
    }
    if (ref->owners == OWNERS_MAX && !ref->count[0]) {
        expect("send", space, piece->page, result, BATON_EOWNERS);
        check_page(piece->page);
        return result;
    }
    expect("send", space, piece->page, result, 0);
    *transit = (struct transit){*piece, grains_known(ref, domain_of(space))};
    if (!duplicate && ref->total == 1) {
        transit->visible &= grains_of(piece);
        ref->kept &= grains_of(piece);
    }
    gain(piece->page, 0);
    if (!duplicate) {
        lose(piece->page, space->number);
        page_account(space, -1);
    }
    check_page(piece->page);
    return result;
}

int do_receive(struct space *space, struct transit *transit)
{
    uint32_t page = transit->piece.page;
    struct reference *ref = &reference[page];

    if (!page_account(space, 1)) {
        if (space->pages < space->page_limit)
            machine_fail("%s is over its limit with %u pages", space->name, space->pages);
        return BATON_ELIMIT;
    }
    int result = page_receive(space, &transit->piece);
    if (ref->owners == OWNERS_MAX && !ref->count[space->number] && ref->count[0] > 1) {
        expect("receive", space, page, result, BATON_EOWNERS);
        page_account(space, -1);
        check_page(page);
        return result;
    }
    expect("receive", space, page, result, 0);
    lose(page, 0);
    gain(page, space->number);
    grains_learn(ref, transit->visible, domain_of(space));
    if (!!(transit->piece.offset & BATON_PIECE_READ_ONLY) != (ref->total > 1))
        machine_fail("page %u arrives with READ_ONLY wrong: %u ownerships", page, ref->total);
    check_page(page);
    return result;
}

int do_map(struct space *space, uint32_t page)
{
    int result = page_map(space, page);
    bool owner = page < page_total && reference[page].count[space->number];

    expect("map", space, page, result, owner ? 0 : BATON_EOWNER);
    if (owner)
        check_page(page);
    return result;
}

void do_release_all(struct space *space)
{
    uint32_t expected = 0;

    for (uint32_t page = 0; page < page_total; page++)
        expected += reference[page].count[space->number];
    expect("release_all", space, 0, (int)page_release_all(space), (int)expected);
    for (uint32_t page = 0; page < page_total; page++) {
        while (reference[page].count[space->number])
            lose(page, space->number);
        check_page(page);
    }
}

void do_drop(struct transit *transit)
{
    expect("drop", space_at(0), transit->piece.page, page_release(space_at(0), transit->piece.page), 0);
    lose(transit->piece.page, 0);
    check_page(transit->piece.page);
}

bool do_device_get(uint32_t *page)
{
    if (!page_get_device(page, 1))
        return false;
    fresh(*page, 0);
    reference[*page].kept = 0;
    reference[*page].device = true;
    check_page(*page);
    return true;
}

void do_device_filled(uint32_t page, uint32_t length, struct transit *transit)
{
    struct reference *ref = &reference[page];

    for (unsigned i = 0; i < length / GRAIN; i++) {
        ref->tag[i] = (uint32_t)machine_random(UINT32_MAX - 1) + 1;
        ref->known[i] = KERNEL_DOMAIN;
        ref->kept |= UINT64_C(1) << i;
        grain_put(page, i, ref->tag[i]);
    }
    page_filled(page, length);
    ref->device = false;
    *transit = (struct transit){{page, 0, (uint16_t)length}, grains_known(ref, KERNEL_DOMAIN)};
    transit->visible &= grains_of(&transit->piece);
    check_page(page);
}

/* What goes out on a wire is what the sender could have read (page 7). */
static void check_sent_bytes(const struct transit *transit)
{
    uint32_t page = transit->piece.page;
    uint64_t mask = grains_of(&transit->piece);

    for (unsigned i = 0; i < GRAINS; i++) {
        uint32_t first;
        memcpy(&first, machine_memory(page_phys(page)) + i * GRAIN, sizeof(first));
        if (!(mask >> i & 1) || (first == reference[page].tag[i] && transit->visible >> i & 1))
            continue;
        if (first || reference[page].kept >> i & 1)
            machine_fail("page %u offset %u: a device sends old bytes 0x%x, or not what was written (page 7)",
                         page, i * GRAIN, first);
    }
}

void do_device_sent(struct transit *transit)
{
    check_sent_bytes(transit);
    page_sent_out(&transit->piece.page, 1);
    lose(transit->piece.page, 0);
    check_page(transit->piece.page);
}

/* True when the access went through by a translation that the CPU has; the oracle has checked all of those.
 */
static bool try_access(unsigned cpu, uint32_t page, uint32_t offset, bool write, uint32_t tag)
{
    struct reference *ref = &reference[page];
    unsigned grain = offset / GRAIN;
    uint64_t phys;

    if (machine_access(cpu, page_va(page) + offset, write, running[cpu]->table->user, &phys) != MACHINE_DONE)
        return false;
    if (phys != page_phys(page) + offset)
        machine_fail("an access to page %u offset %u lands at 0x%lx", page, offset, (unsigned long)phys);
    if (!write)
        return true;
    grain_put(page, grain, tag);
    ref->tag[grain] = tag;
    ref->known[grain] = domain_of(running[cpu]);
    ref->kept |= UINT64_C(1) << grain;
    return true;
}

bool do_access(unsigned cpu, uint32_t page, uint32_t offset, bool write, uint32_t tag)
{
    struct space *space = running[cpu];
    const struct reference *ref = &reference[page];
    enum page_fault_result expected = PAGE_FAULT_MAPPED;

    machine_run_on(cpu);
    if (!ref->count[space->number])
        expected = PAGE_FAULT_NOT_OWNER;
    else if (write && ref->total > 1)
        expected = PAGE_FAULT_READ_ONLY;
    for (unsigned tries = 0; tries < 4; tries++) {
        if (try_access(cpu, page, offset, write, tag)) {
            check_page(page);
            return true;
        }
        enum page_fault_result result = page_fault(space, page_va(page) + offset, write);
        expect("fault", space, page, (int)result, (int)expected);
        check_page(page);
        if (result != PAGE_FAULT_MAPPED)
            return false;
    }
    machine_fail("page %u: an access of %s faults for ever", page, space->name);
}
