/* The rings of the ledger: see ledger.h. */
#include "core/ledger.h"

/* Of one CPU. (o) written by it alone, (r) by who turns the ledger on, with all notes far away or harmless. */
struct ledger {
    struct ledger_entry *entries;
    uint32_t size; /* a power of two */
    uint32_t cpu;
    uint64_t next; /* (o, atomic) number of the next entry, counted from the boot */
    uint64_t from; /* (r, atomic) number of the first entry since it was turned on */
} __attribute__((aligned(64)));

static struct ledger ledgers[CPUS_MAX];
static uint64_t ledger_order; /* (atomic) the last number given */

void ledger_init(void *memory, uint32_t entries)
{
    struct ledger_entry *next = memory;

    for (unsigned i = 0; i < cpu_count; i++, next += entries)
        ledgers[i] = (struct ledger){.entries = next, .size = entries, .cpu = i};
}

uint32_t ledger_size(void)
{
    return ledgers[0].size;
}

const void *ledger_memory(unsigned cpu)
{
    return ledgers[cpu].entries;
}

bool ledger_is_on(void)
{
    return __atomic_load_n(&cpus[0].ledger, __ATOMIC_RELAXED) != NULL;
}

bool ledger_enable(bool on)
{
    if (!ledger_size())
        return false;
    for (unsigned i = 0; on && !ledger_is_on() && i < cpu_count; i++)
        __atomic_store_n(&ledgers[i].from, __atomic_load_n(&ledgers[i].next, __ATOMIC_ACQUIRE),
                         __ATOMIC_RELAXED);
    for (unsigned i = cpu_count; i-- > 0;) /* CPU 0 last: it stands for all in ledger_is_on() */
        __atomic_store_n(&cpus[i].ledger, on ? &ledgers[i] : NULL, __ATOMIC_RELEASE);
    return true;
}

void ledger_record(struct ledger *ledger, enum ledger_event event, unsigned space, uint32_t page,
                   uint64_t detail)
{
    uint64_t number = ledger->next;
    struct ledger_entry *entry = &ledger->entries[number & (ledger->size - 1)];

    /* Else a reader could find the new contents of a place of which it still counts as readable. */
    arch_dmb_ishst();
    /* Relaxed suffices: what publishes the event orders its number before those of its consequences. */
    entry->order = __atomic_add_fetch(&ledger_order, 1, __ATOMIC_RELAXED);
    entry->time = arch_counter_peek();
    entry->detail = detail;
    entry->page = page;
    entry->event = (uint8_t)event;
    entry->space = (uint8_t)space;
    entry->cpu = (uint8_t)ledger->cpu;
    entry->spare = 0;
    __atomic_store_n(&ledger->next, number + 1, __ATOMIC_RELEASE);
}

/* The oldest number that can be read. One place less than there are: the newest may just be written. */
static uint64_t ledger_oldest(const struct ledger *ledger)
{
    uint64_t next = __atomic_load_n(&ledger->next, __ATOMIC_ACQUIRE);
    uint64_t from = __atomic_load_n(&ledger->from, __ATOMIC_RELAXED);

    return next - from < ledger->size ? from : next - ledger->size + 1;
}

uint64_t ledger_noted(unsigned cpu)
{
    return __atomic_load_n(&ledgers[cpu].next, __ATOMIC_ACQUIRE) -
           __atomic_load_n(&ledgers[cpu].from, __ATOMIC_RELAXED);
}

uint64_t ledger_lost(unsigned cpu)
{
    return ledger_oldest(&ledgers[cpu]) - __atomic_load_n(&ledgers[cpu].from, __ATOMIC_RELAXED);
}

void ledger_read_begin(struct ledger_reader *reader)
{
    reader->lost = 0;
    for (unsigned i = 0; i < CPUS_MAX; i++) {
        reader->end[i] = __atomic_load_n(&ledgers[i].next, __ATOMIC_ACQUIRE);
        reader->next[i] = __atomic_load_n(&ledgers[i].from, __ATOMIC_RELAXED);
    }
}

/* The CPU's next entry, past what was overwritten. False at the end. */
static bool ledger_peek(struct ledger_reader *reader, unsigned cpu, struct ledger_entry *entry)
{
    const struct ledger *ledger = &ledgers[cpu];

    while (reader->next[cpu] < reader->end[cpu]) {
        *entry = ledger->entries[reader->next[cpu] & (ledger->size - 1)];
        /* Else the copy could be made of newer bytes than the check is of. */
        arch_dmb_ishld();
        uint64_t oldest = ledger_oldest(ledger);
        if (reader->next[cpu] >= oldest)
            return true;
        oldest = oldest < reader->end[cpu] ? oldest : reader->end[cpu];
        reader->lost += oldest - reader->next[cpu];
        reader->next[cpu] = oldest;
    }
    return false;
}

bool ledger_read(struct ledger_reader *reader, struct ledger_entry *entry)
{
    struct ledger_entry candidate;
    unsigned best = CPUS_MAX;

    for (unsigned i = 0; i < CPUS_MAX; i++) {
        if (!ledger_peek(reader, i, &candidate) || (best < CPUS_MAX && candidate.order >= entry->order))
            continue;
        *entry = candidate;
        best = i;
    }
    if (best == CPUS_MAX)
        return false;
    reader->next[best]++;
    return true;
}

const char *ledger_event_name(unsigned event)
{
    static const char *const names[LEDGER_EVENTS] = {
        "nothing", "get",    "send",      "receive", "duplicate", "release",  "filled", "sent-out",
        "freed",   "map",    "unmap",     "protect", "ticket",    "complete", "pass",   "rollover",
        "flush",   "lazy",   "violation", "switch",  "start",     "stop",     "policy", "call",
        "taken",   "return", "run",       "told",    "copy",
    };

    return event < LEDGER_EVENTS ? names[event] : "unknown";
}
