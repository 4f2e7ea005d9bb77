/* The reference model of page ownership and the oracle: see ownership.h. */
#include "test/host/ownership_model.h"
#include "core/arch.h"
#include "core/cpu.h"
#include "core/irq.h"
#include "ipc/page.h"
#include "ipc/page_limbo.h"
#include "ipc/page_set.h"
#include "ipc/policy.h"
#include "mm/frame.h"
#include "mm/unmap.h"
#include "test/host/grains.h"
#include "test/host/machine.h"
#include "test/host/windows.h"

#include <string.h>

struct reference reference[REGION_MAX];
struct space *running[4];
static uint32_t page_total;
/* Free pages that lie in the magazines of the three other CPUs at most: of the pool, and of the pages that are ready for devices. */
static uint32_t magazines;

uint32_t ownership_pages(void)
{
    return page_total;
}

/* Of domains by number, the bits of what is known. */
static uint32_t domains_known(uint64_t domains)
{
    return (uint32_t)(domains & ~UINT64_C(1)) | (domains & 1 ? TRUSTED_DOMAIN : 0);
}

void ownership_init(uint64_t seed, uint32_t pages, unsigned asid_bits)
{
    machine_reset(seed);
    machine_add_ram();
    uint64_t phys = frame_alloc_block((uint64_t)pages * PAGE_SIZE, PAGE_SIZE);
    page_total = pages;
    magazines = 2 * 3 * (pages / (4 * CPUS_MAX) > 2 ? pages / (4 * CPUS_MAX) : 2);
    space_init(pages, asid_bits);
    page_region_init(phys, pages);
    unmap_init();
    machine_interrupts_connect();
    irq_register(IPI_UNMAP, unmap_ipi, NULL, 0);
    machine_scrubbing = check_scrub;
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

/* The unmaps of this moment may be left for later, as figure 3 allows when other CPUs may have the translation. */
static bool deferred(unsigned domain)
{
    return policy_now() != POLICY_SYNCHRONOUS && domain_elsewhere(domain, cpu_number());
}

/* ---- Trust sets (page 9) ---- */

uint8_t trust_set[SPACES_MAX];

uint64_t domains_trusted(const struct space *space)
{
    uint64_t domains = 0;

    if (!space || !space->table || policy_now() == POLICY_SYNCHRONOUS || policy_now() == POLICY_DASH)
        return 0;
    if (policy_now() == POLICY_COPY)
        return UINT64_C(1) << domain_number(space);
    for (unsigned i = 1; trust_set[space->number] && space_at(i); i++)
        if (trust_set[i] == trust_set[space->number])
            domains |= UINT64_C(1) << domain_number(space_at(i));
    return domains;
}

/* What is known to the members of the space's set (grains.h). Not to others that have a table with one of them. */
static uint32_t set_known(const struct space *space)
{
    return domains_known(domains_trusted(space));
}

/* Those who lingered have to go: each may have a window. */
static void lingering_end(uint32_t page, uint64_t domains, bool given_up)
{
    domains &= reference[page].lingers;
    for (unsigned domain = 0; domain < WINDOW_DOMAINS; domain++)
        if (domains >> domain & 1 && (given_up || deferred(domain)))
            window_open(page, domain, WINDOW_WRITE);
    reference[page].lingers &= ~domains;
}

/* What goes from a space to another of its set may stay mapped. Not what others own too, who need not be in the set. */
static bool stays_in_set(uint32_t page, const struct space *space, const struct space *to)
{
    return reference[page].total == 1 && to && domains_trusted(space) &&
           domains_trusted(to) == domains_trusted(space);
}

/* Who owns the page may see what those know whom it trusts in all. */
static void set_learn(uint32_t page)
{
    struct reference *ref = &reference[page];

    for (unsigned i = 1; space_at(i); i++)
        if (ref->count[i] && domains_trusted(space_at(i)))
            grains_learn(ref, grains_known(ref, set_known(space_at(i))), domain_of(space_at(i)));
}

/* ---- Ownerships ---- */

/* The space loses an ownership; `given_up`: by a release (deallocation is always asynchronous), not by a send. */
static void lose(uint32_t page, unsigned number, bool given_up, bool keeps)
{
    struct reference *ref = &reference[page];
    bool shared = ref->total > 1;

    ref->owners -= !--ref->count[number];
    ref->total--;
    /* Also when another space of the domain owns the page still: this one's translation goes, and theirs are made anew */
    if (!number || ref->count[number])
        return;
    unsigned domain = domain_number(space_at(number));
    if (keeps) /* or not, when another owner, outside of the set, has it mapped too: then it is unmapped as always */
        ref->lingers |= UINT64_C(1) << domain;
    if (deferred(domain) || (given_up && policy_now() != POLICY_SYNCHRONOUS))
        window_open(page, domain, shared ? WINDOW_READ : WINDOW_WRITE);
}

/* A second ownership is about to be made for an owner: nobody may write any more. */
static void downgrade(uint32_t page, const struct space *space)
{
    uint64_t writers = reference[page].lingers | UINT64_C(1) << domain_number(space);

    for (unsigned domain = 0; reference[page].total == 1 && domain < WINDOW_DOMAINS; domain++)
        if (writers >> domain & 1 && deferred(domain))
            window_open(page, domain, WINDOW_DOWNGRADE);
}

static void expect(const char *what, const struct space *space, uint32_t page, int result, int expected)
{
    if (result != expected)
        machine_fail("%s of page %u by %s is %d, expected %d", what, page, space->name, result, expected);
}

/* ---- Operations ---- */

void run_space(unsigned cpu, struct space *space)
{
    unsigned flushes = machine_flushes(cpu);

    machine_run_on(cpu);
    bool other = cpus[cpu].live != space->table;
    table_switch(space->table);
    running[cpu] = space;
    domain_live(domain_number(space), cpu, machine_flushes(cpu) != flushes);
    if (other)
        windows_passed(cpu);
    check_cpu(cpu);
}

void do_leave(unsigned cpu)
{
    machine_run_on(cpu);
    table_forget(running[cpu]->table);
    domain_forgotten(domain_number(running[cpu]), cpu);
    if (machine_live_asid(cpu))
        machine_fail("CPU %u left %s and can still use its table", cpu, running[cpu]->name);
    running[cpu] = NULL;
}

void do_tick(unsigned cpu, bool idle)
{
    machine_run_on(cpu);
    unmap_poll();
    if (idle)
        page_limbo_reap();
    else
        page_limbo_tick();
    windows_passed(cpu);
    check_cpu(cpu);
}

void do_interrupt(unsigned cpu)
{
    machine_run_on(cpu);
    machine_interrupt();
    check_cpu(cpu);
}

static void fresh(uint32_t page, unsigned space)
{
    if (reference[page].total)
        machine_fail("page %u is handed out, though it has %u ownerships", page, reference[page].total);
    windows_end(page);
    reference[page].lingers = 0;
    gain(page, space);
}

/* From the pool of the space's set: mapped where it was, and zeroed already. False: it is from everybody's. */
static bool from_set(uint32_t page, const struct space *space)
{
    struct reference *ref = &reference[page];
    struct page_info info;

    page_describe(page, &info);
    if (!info.mapped && !info.hull_end)
        return false;
    if (ref->total || ref->lingers & ~domains_trusted(space))
        machine_fail("page %u is handed to %s and is mapped outside of its set", page, space->name);
    gain(page, space->number);
    return true;
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
        note(pages[i], "get", space, 0);
        if (!from_set(pages[i], space))
            fresh(pages[i], space->number);
        grains_fresh(&reference[pages[i]]);
        check_page(pages[i]);
    }
    return got;
}

int do_duplicate(struct space *space, uint32_t page)
{
    bool full = space->pages >= space->page_limit;
    int result = page_duplicate(space, page);
    note(page, "duplicate", space, 0);

    if (full && result == BATON_ELIMIT)
        return result;
    if (page >= page_total || !reference[page].count[space->number]) {
        expect("duplicate", space, page, result, BATON_EOWNER);
        return result;
    }
    expect("duplicate", space, page, result, full ? BATON_ELIMIT : 0);
    downgrade(page, space);
    gain(page, space->number);
    check_page(page);
    return result;
}

/* One ownership, or the last: then the page may go to the pool of the space's set, and stay mapped. */
static void give_up(uint32_t page, const struct space *space)
{
    bool last = reference[page].total == 1;
    uint64_t set = domains_trusted(space);

    lose(page, space->number, true, false);
    if (!last)
        return;
    if (space->number && set && !(reference[page].lingers & ~set)) {
        for (unsigned domain = 0; domain < WINDOW_DOMAINS; domain++)
            if (reference[page].lingers >> domain & 1)
                window_open(page, domain, WINDOW_WRITE); /* it may be unmapped as well */
        reference[page].lingers |= UINT64_C(1) << domain_number(space);
    } else {
        lingering_end(page, UINT64_MAX, true);
    }
}

int do_release(struct space *space, uint32_t page)
{
    int result = page_release(space, page);
    note(page, "release", space, 0);

    if (page >= page_total || !reference[page].count[space->number]) {
        expect("release", space, page, result, BATON_EOWNER);
        return result;
    }
    expect("release", space, page, result, 0);
    give_up(page, space);
    check_page(page);
    return result;
}

/* What the message shows of the page, and must keep as it is. */
static void send_lose(uint32_t page, const struct space *space, const struct space *to)
{
    bool shared = reference[page].total > 1, stays = stays_in_set(page, space, to);

    lose(page, space->number, false, stays);
    if (!shared)
        lingering_end(page, stays ? ~domains_trusted(space) : UINT64_MAX, false);
    page_account(space_at(space->number), -1);
}

static void send_narrow(const struct space *space, const struct baton_piece *piece, struct transit *transit)
{
    struct reference *ref = &reference[piece->page];

    transit->visible = grains_known(ref, domain_of(space));
    if (transit->duplicate || ref->total > 1)
        return;
    transit->kept = ref->kept;
    transit->visible &= grains_of(piece);
    ref->kept &= grains_of(piece);
}

int do_send_gathered(struct space *space, const struct baton_piece *piece, unsigned flags,
                     const struct space *to, struct transit *transit)
{
    int result = page_send(space, piece, flags, to);
    note(piece->page, flags & PAGE_SEND_DUPLICATE ? "send of a duplicate" : "send", space,
         piece->offset << 16 | piece->length);
    struct reference *ref = &reference[piece->page % REGION_MAX];

    if (piece->page >= page_total || !ref->count[space->number]) {
        expect("send", space, piece->page, result, BATON_EOWNER);
        return result;
    }
    if (ref->owners == OWNERS_MAX && !ref->count[0] &&
        (flags & PAGE_SEND_DUPLICATE || ref->count[space->number] > 1)) {
        expect("send", space, piece->page, result, BATON_EOWNERS);
        return result;
    }
    expect("send", space, piece->page, result, 0);
    *transit =
        (struct transit){.piece = *piece, .to = to, .from = space, .duplicate = flags & PAGE_SEND_DUPLICATE};
    send_narrow(space, piece, transit);
    if (transit->duplicate) {
        downgrade(piece->page, space);
    } else {
        send_lose(piece->page, space, to);
    }
    gain(piece->page, 0);
    return result;
}

int do_send(struct space *space, const struct baton_piece *piece, unsigned flags, const struct space *to,
            struct transit *transit)
{
    int result = do_send_gathered(space, piece, flags, to, transit);

    unmap_flush();
    check_page(piece->page < page_total ? piece->page : 0);
    return result;
}

/* An ownership of the kernel's has become the space's, or not, as `result` says. */
static int received(struct space *space, struct transit *transit, bool trust, int result)
{
    uint32_t page = transit->piece.page;
    struct reference *ref = &reference[page];

    if (ref->owners == OWNERS_MAX && !ref->count[space->number] && ref->count[0] > 1) {
        expect("receive", space, page, result, BATON_EOWNERS);
        page_account(space, -1);
        check_page(page);
        return result;
    }
    expect("receive", space, page, result, 0);
    lose(page, 0, false, false);
    gain(page, space->number);
    lingering_end(page, ~domains_trusted(space), false);
    if (!trust)
        windows_end_writers(page);
    set_learn(page);
    grains_learn(ref, transit->visible, domain_of(space));
    if (!!(transit->piece.offset & BATON_PIECE_READ_ONLY) != (ref->total > 1))
        machine_fail("page %u arrives with READ_ONLY wrong: %u ownerships", page, ref->total);
    check_page(page);
    return result;
}

static bool account(struct space *space)
{
    if (page_account(space, 1))
        return true;
    if (space->pages < space->page_limit)
        machine_fail("%s is over its limit with %u pages", space->name, space->pages);
    return false;
}

int do_receive(struct space *space, struct transit *transit, bool trust)
{
    if (!account(space))
        return BATON_ELIMIT;
    int result = page_receive(space, &transit->piece, trust);
    note(transit->piece.page, trust ? "receive with trust" : "receive", space, 0);
    return received(space, transit, trust, result);
}

int do_take_back(struct transit *transit)
{
    uint32_t page = transit->piece.page;

    if (!account(transit->from))
        return BATON_ELIMIT;
    if (reference[page].total == 1)
        reference[page].kept |= transit->kept;
    int result = page_take_back(transit->from, &transit->piece);
    note(page, "take back", transit->from, 0);
    return received(transit->from, transit, true, result);
}

int do_map(struct space *space, uint32_t page)
{
    struct baton_piece piece = {page, 0, PAGE_SIZE};
    int result = page_map(space, &piece, 1);
    note(page, "map", space, 0);
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
        note(page, "release all", space, 0);
        while (reference[page].count[space->number])
            give_up(page, space);
        check_page(page);
    }
}

void do_policy(uint32_t which, uint32_t mode)
{
    bool other = which != policy_now();

    policy_change(which, mode);
    for (uint32_t page = 0; other && page < page_total; page++) {
        note(page, "policy", NULL, which);
        if (!reference[page].total)
            lingering_end(page, UINT64_MAX, true); /* emptied out of a pool: given up */
        reference[page].lingers = 0;
    }
    for (uint32_t page = 0; page < page_total; page++)
        set_learn(page);
}

void do_die(struct space *space)
{
    uint64_t domain = UINT64_C(1) << domain_number(space);
    bool open = domains_trusted(space);

    page_set_member_died(space);
    for (uint32_t page = 0; open && page < page_total; page++) {
        if (!reference[page].total)
            lingering_end(page, domain, true);
        if (!domain_owns(page, domain_number(space)))
            reference[page].lingers &= ~domain;
        check_page(page);
    }
}

void do_drop(struct transit *transit)
{
    note(transit->piece.page, "drop", NULL, 0);
    expect("drop", space_at(0), transit->piece.page, page_release(space_at(0), transit->piece.page), 0);
    give_up(transit->piece.page, space_at(0));
    check_page(transit->piece.page);
}

bool do_device_get(uint32_t *page)
{
    if (!page_get_device(page, 1))
        return false;
    fresh(*page, 0);
    note(*page, "get for a device", NULL, 0);
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
    note(page, "filled", NULL, length);
    ref->device = false;
    *transit = (struct transit){.piece = {page, 0, (uint16_t)length}};
    transit->visible = grains_known(ref, KERNEL_DOMAIN) & grains_of(&transit->piece);
    check_page(page);
}

void do_device_sent(struct transit *transit)
{
    checking = transit->piece.page;
    grains_check_sent(transit->piece.page, grains_of(&transit->piece), transit->visible);
    page_sent_out(&transit->piece.page, 1);
    note(transit->piece.page, "sent out", NULL, 0);
    give_up(transit->piece.page, space_at(0));
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
    if (!domain_owns(page, domain_number(running[cpu])) || ref->total > 1) {
        ref->known[grain] =
            EVERYBODY; /* who writes to what it gave away or shares shows it to whoever has it */
        return true;
    }
    /* Who trusted those that still have a window shows them what it writes there */
    ref->known[grain] = domain_of(running[cpu]) | domains_known(windows_domains(page) | ref->lingers);
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
            note(page, write ? "write" : "read", space, offset);
            check_page(page);
            return true;
        }
        enum page_fault_result result = page_fault(space, page_va(page) + offset, write);
        note(page, "fault", space, write);
        expect("fault", space, page, (int)result, (int)expected);
        check_page(page);
        if (result != PAGE_FAULT_MAPPED)
            return false;
    }
    machine_fail("page %u: an access of %s faults for ever", page, space->name);
}
