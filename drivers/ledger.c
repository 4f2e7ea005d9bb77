/* The console's view of the ledger (core/ledger.h): `trace on|off|status|dump|export`, and the history of a page. */
#include "core/ledger.h"
#include <stddef.h>
#include "core/abi.h"
#include "core/arch.h"
#include "core/string.h"
#include "core/timer.h"
#include "drivers/console.h"
#include "ipc/page.h"
#include "ipc/policy.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "mm/space.h"
#include "mm/unmap.h"

#define DUMP_DEFAULT 40
#define DUMP_MOST    1000000
#define HISTORY_MOST 20

static const char *const call_names[BATON_CALL_COUNT] = {
    [BATON_CALL_SEND] = "send",
    [BATON_CALL_RECEIVE] = "receive",
    [BATON_CALL_SEND_ONE] = "send",
    [BATON_CALL_RECEIVE_ONE] = "receive",
    [BATON_CALL_REPLY_RECEIVE] = "reply_receive",
    [BATON_CALL_RPC] = "rpc",
    [BATON_CALL_REPLY] = "reply",
    [BATON_CALL_PAGE_GET] = "page_get",
    [BATON_CALL_PAGE_DUPLICATE] = "page_duplicate",
    [BATON_CALL_PAGE_RELEASE] = "page_release",
    [BATON_CALL_PORT_FIND] = "port_find",
    [BATON_CALL_THREAD_START] = "thread_start",
    [BATON_CALL_YIELD] = "yield",
    [BATON_CALL_SLEEP] = "sleep",
    [BATON_CALL_EXIT] = "exit",
    [BATON_CALL_LOG] = "log",
    [BATON_CALL_COUNTERS] = "counters",
    [BATON_CALL_SETTING] = "setting",
    [BATON_CALL_THREAD_MOVE] = "thread_move",
    [BATON_CALL_REQUEST] = "request",
    [BATON_CALL_REQUEST_CANCEL] = "request_cancel",
    [BATON_CALL_BOOK_GET] = "book_get",
    [BATON_CALL_BOOK_BIND] = "book_bind",
    [BATON_CALL_BOOK_UNBIND] = "book_unbind",
    [BATON_CALL_BOOK_TRIM] = "book_trim",
};

const char *console_space_name(unsigned number)
{
    const struct space *space = number == PAGE_NOBODY ? NULL : space_at(number);

    if (number == 0)
        return "the kernel";
    return space && space->name ? space->name : "nobody";
}

static const char *call_name(uint64_t detail)
{
    unsigned number = detail >> 8 & UINT8_MAX;

    return number < BATON_CALL_COUNT && call_names[number] ? call_names[number] : "unknown call";
}

/* The kinds of unmap, in the order of enum unmap_kind. */
static const char *unmap_name(uint64_t detail)
{
    static const char *const kinds[] = {"synchronous", "fast", "slow"};

    return (detail & UINT8_MAX) < sizeof kinds / sizeof kinds[0] ? kinds[detail & UINT8_MAX] : "?";
}

static void detail_print(const struct ledger_entry *entry)
{
    static const char *const completions[] = {"numbers compared", "issued again", "by interrupts"};
    uint64_t detail = entry->detail;

    switch (entry->event) {
    case LEDGER_MAP:
        console_print("in table %lu%s", detail & UINT8_MAX, detail >> 8 & 1 ? ", writable" : "");
        break;
    case LEDGER_UNMAP:
    case LEDGER_PROTECT:
        console_print("%s, in table %lu, CPUs 0x%lx", unmap_name(detail), detail >> 8 & UINT8_MAX,
                      detail >> 16);
        break;
    case LEDGER_TICKET:
        console_print("CPU %lu, pass %lu", detail >> 32, detail & UINT32_MAX);
        break;
    case LEDGER_COMPLETE:
        console_print("%s", detail < 3 ? completions[detail] : "?");
        break;
    case LEDGER_CALL:
        console_print("%s, thread %lu, flags 0x%lx", call_name(detail), detail & UINT8_MAX, detail >> 16);
        break;
    case LEDGER_TAKEN:
        console_print("%lu messages, thread %lu", detail >> 16, detail & UINT8_MAX);
        break;
    case LEDGER_RETURN:
        console_print("%s, thread %lu, result %d", call_name(detail), detail & UINT8_MAX,
                      (int32_t)(detail >> 32));
        break;
    case LEDGER_SWITCH:
        console_print("table %lu, ASID %lu", detail & UINT8_MAX, detail >> 8);
        break;
    case LEDGER_VIOLATION:
        console_print("0x%lx", detail);
        break;
    default:
        console_print("%lu", detail);
    }
}

static void entry_print(const struct ledger_entry *entry, uint64_t since)
{
    uint64_t ns = timer_ns(entry->time - since);

    console_print("%6lu.%06lu s  CPU %u  %-12s %-10s", ns / 1000000000, ns / 1000 % 1000000, entry->cpu,
                  console_space_name(entry->space), ledger_event_name(entry->event));
    if (entry->page != LEDGER_NO_PAGE)
        console_print("page %5u  ", entry->page);
    detail_print(entry);
    console_print("\n");
}

/* What can be read now, in all rings together. */
static uint64_t entries_there(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < cpu_count; i++)
        sum += ledger_noted(i) - ledger_lost(i);
    return sum;
}

static void status_print(void)
{
    console_print("trace: %s, %u entries of %u bytes for each CPU\n", ledger_is_on() ? "on" : "off",
                  ledger_size(), (unsigned)sizeof(struct ledger_entry));
    for (unsigned i = 0; i < cpu_count; i++)
        console_print("  CPU %u: %lu noted, %lu of them overwritten, memory at 0x%lx\n", i, ledger_noted(i),
                      ledger_lost(i), ledger_size() ? arch_virt_to_phys(ledger_memory(i)) : 0);
}

/* The newest `count` entries, by order. */
static void dump(uint64_t count)
{
    uint64_t there = entries_there(), skip = there > count ? there - count : 0, since = timer_now();
    struct ledger_reader reader;
    struct ledger_entry entry;

    since -= timer_ticks(timer_uptime_ns());
    ledger_read_begin(&reader);
    for (count += skip; count && ledger_read(&reader, &entry); count--)
        if (skip)
            skip--;
        else
            entry_print(&entry, since);
    console_print("trace: %lu entries before these were overwritten\n", reader.lost);
}

static void spaces_export(void)
{
    const struct space *space;

    for (unsigned i = 1; (space = space_at(i)) != NULL; i++)
        console_print("space %u %u %lx %s\n", i, space->table ? space->table->number : 0,
                      __atomic_load_n(&space->trusts, __ATOMIC_RELAXED), space->name);
}

/* All of it, as tools/ledger.py reads it. */
static void export(void)
{
    const struct thread *thread;
    struct ledger_reader reader;
    struct ledger_entry entry;
    uint64_t count = 0;

    console_print("ledger %u cpus %u entries %u frequency %lu pages %u policy %u tlb %u\n", LEDGER_VERSION,
                  cpu_count, ledger_size(), arch_counter_frequency(), page_region_count(), policy_now(),
                  __atomic_load_n(&tlb_mode, __ATOMIC_RELAXED));
    spaces_export();
    for (unsigned i = 0; (thread = thread_at(i)) != NULL; i++)
        console_print("thread %u %u %s %s\n", thread->number, thread->space ? thread->space->number : 0,
                      thread->service ? thread->service->name : "-", thread->name);
    ledger_read_begin(&reader);
    for (; ledger_read(&reader, &entry); count++)
        console_print("e %lx %lx %x %x %x %x %lx\n", entry.order, entry.time, entry.cpu, entry.event,
                      entry.space, entry.page, entry.detail);
    console_print("ledger end %lu lost %lu\n", count, reader.lost);
}

static void turn(bool on)
{
    if (ledger_enable(on))
        console_print("trace: %s\n", on ? "on" : "off");
    else
        console_print("trace: there was no memory for it at boot\n");
}

bool command_ledger(const char *argument)
{
    uint64_t count = DUMP_DEFAULT;

    if (!argument)
        return false;
    if (!strcmp(argument, "on") || !strcmp(argument, "off"))
        turn(!strcmp(argument, "on"));
    else if (!strcmp(argument, "status"))
        status_print();
    else if (!strcmp(argument, "export"))
        export();
    else if (!strcmp(argument, "dump") ||
             (!strncmp(argument, "dump ", 5) && (count = console_count(argument + 5, DUMP_MOST))))
        dump(count);
    else
        return false;
    return true;
}

void page_history_print(uint32_t page)
{
    struct ledger_reader reader;
    struct ledger_entry entry;
    uint64_t found = 0, since = timer_now() - timer_ticks(timer_uptime_ns());

    if (!ledger_noted(0) && !ledger_is_on()) {
        console_print("  its history is not known: `trace on` records it from then on\n");
        return;
    }
    ledger_read_begin(&reader);
    while (ledger_read(&reader, &entry))
        found += entry.page == page;
    uint64_t skip = found > HISTORY_MOST ? found - HISTORY_MOST : 0;
    console_print("  %lu events, the last %lu:\n", found, found - skip);
    ledger_read_begin(&reader);
    while (ledger_read(&reader, &entry))
        if (entry.page == page && (!skip || !skip--))
            entry_print(&entry, since);
    if (reader.lost)
        console_print("  %lu older entries, of all pages, were overwritten\n", reader.lost);
}
