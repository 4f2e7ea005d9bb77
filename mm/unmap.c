/* Unmapping: see unmap.h. What is gathered, how TLBs are told, and what a record waits for; the queues are in unmap_queue.c. */
#include "mm/unmap.h"
#include <stddef.h>
#include "core/irq.h"
#include "core/ledger.h"
#include "core/log.h"
#include "core/seed.h"
#include "mm/invalidate.h"
#include "mm/space.h"
#include "mm/unmap_queue.h"

uint32_t tlb_mode;

static bool by_interrupt(void)
{
    return __atomic_load_n(&tlb_mode, __ATOMIC_RELAXED) == TLB_IPI;
}

static struct unmap_cpu *own_cpu(void)
{
    return &unmap_cpus[cpu_number()];
}

/* ---- Gathering ---- */

/* For the ledger. */
static uint64_t detail_of(enum unmap_kind kind, const struct table *table)
{
    return kind | (uint64_t)table->number << 8 |
           (uint64_t)__atomic_load_n(&table->cpus, __ATOMIC_RELAXED) << 16;
}

static inline void gather(struct table *table, uint32_t page, enum unmap_kind kind,
                          struct unmap_record *record)
{
    struct unmap_cpu *own = own_cpu();
    uint32_t count = own->gathered;

    if (count && (own->gathered_table != table || own->gathered_kind != kind || count == UNMAP_BATCH)) {
        unmap_flush_gathered();
        count = 0;
    }
    own->gathered_table = table;
    own->gathered_kind = kind;
    own->gathered_pages[count] = page;
    own->gathered_records[count] = record;
    own->gathered = count + 1;
    if (kind != UNMAP_SYNCHRONOUS)
        record->tables |= table_bit(table); /* what completes it is known at the flush */
}

void unmap_page(struct table *table, uint32_t page, enum unmap_kind kind, bool shared,
                struct unmap_record *record)
{
    struct cpu *cpu = cpu_self();

    pagetable_ipc_unmap(&table->pages, page);
    record->mapped &= ~table_bit(table);
    if (kind != UNMAP_SYNCHRONOUS) {
        record->readers |= shared;
        record->writers |= !shared;
    }
    gather(table, page, kind, record);
    ledger_note(cpu, LEDGER_UNMAP, 0, page, detail_of(kind, table)); /* after what a full batch was told */
}

void unmap_protect(struct table *table, uint32_t page, enum unmap_kind kind, struct unmap_record *record)
{
    struct cpu *cpu = cpu_self();

    pagetable_ipc_protect(&table->pages, page);
    if (kind != UNMAP_SYNCHRONOUS)
        record->writers = true;
    gather(table, page, kind, record);
    ledger_note(cpu, LEDGER_PROTECT, 0, page, detail_of(kind, table)); /* likewise */
}

/* ---- Telling ---- */

/* Notes in each gathered record that it waits for a pass of `cpu`. */
static void tickets_set(const struct unmap_cpu *own, unsigned cpu, uint32_t ticket)
{
    for (uint32_t i = 0; i < own->gathered; i++) {
        own->gathered_records[i]->ticket[cpu] = ticket;
        own->gathered_records[i]->cpus |= (uint8_t)(1u << cpu);
        ledger_note(cpu_self(), LEDGER_TICKET, 0, own->gathered_pages[i], (uint64_t)cpu << 32 | ticket);
    }
}

/* An entry in the queue of each CPU of the set, and a ticket in each record. */
static void queue_on(struct unmap_cpu *own, uint32_t set)
{
    for (unsigned cpu = 0; set >> cpu; cpu++)
        if (set >> cpu & 1)
            tickets_set(own, cpu,
                        unmap_queue_push(cpu, own->gathered_table, own->gathered_pages, own->gathered));
}

static void ring(uint32_t set)
{
    for (unsigned cpu = 0; set >> cpu; cpu++)
        if (set >> cpu & 1) {
            irq_send(cpu, IPI_UNMAP);
            cpu_self()->counters[COUNT_TLB_IPI]++;
        }
}

/* On this CPU alone: at once, whatever the kind, since waiting here costs nothing that a pass would not cost too. */
static void tell_here(const struct unmap_cpu *own)
{
    struct cpu *cpu = cpu_self();

    invalidate_pages(table_asid(own->gathered_table), own->gathered_pages, own->gathered, false);
    arch_dsb_nsh(); /* else the service may go on here with the old translation */
    arch_isb();     /* else an access already fetched on this CPU may still use the old translation */
    cpu->counters[COUNT_TLB_LOCAL] += own->gathered;
    cpu->counters[COUNT_TLB_BARRIERS]++;
}

static void tell_synchronous(struct unmap_cpu *own, uint32_t set)
{
    struct cpu *cpu = cpu_self();
    uint32_t self = 1u << cpu->number, others = seed(SEED_LOCAL_TLBI) ? 0 : set & ~self;

    if (!others) {
        tell_here(own);
        return;
    }
    if (!by_interrupt()) {
        invalidate_pages(table_asid(own->gathered_table), own->gathered_pages, own->gathered, true);
        arch_dsb_ish(); /* else the next owner may use the page while another CPU still reaches it */
        arch_isb();     /* as above */
        cpu->counters[COUNT_TLB_BROADCAST] += own->gathered;
        cpu->counters[COUNT_TLB_BARRIERS]++;
        return;
    }
    uint32_t tickets[CPUS_MAX];
    for (unsigned c = 0; c < CPUS_MAX; c++)
        if (others >> c & 1)
            tickets[c] = unmap_queue_push(c, own->gathered_table, own->gathered_pages, own->gathered);
    ring(others);
    if (set & self)
        tell_here(own);
    for (unsigned c = 0; c < CPUS_MAX; c++)
        if (others >> c & 1)
            unmap_queue_wait(c, tickets[c]);
}

/* Figure 3C: told, and not waited for. */
static void tell_fast(struct unmap_cpu *own, uint32_t set)
{
    struct cpu *cpu = cpu_self();
    uint32_t self = 1u << cpu->number, others = seed(SEED_LOCAL_TLBI) ? 0 : set & ~self;

    if (!others) {
        tell_here(own);
        return;
    }
    cpu->counters[COUNT_TLB_FAST] += own->gathered;
    if (by_interrupt()) {
        if (set & self)
            tell_here(own);
        queue_on(own, others);
        ring(others);
        return;
    }
    invalidate_pages(table_asid(own->gathered_table), own->gathered_pages, own->gathered, true);
    cpu->counters[COUNT_TLB_BROADCAST] += own->gathered;
    tickets_set(own, cpu->number, unmap_queue_issued());
}

void unmap_flush_gathered(void)
{
    struct unmap_cpu *own = own_cpu();

    if (!seed(SEED_MISSING_DSB)) {
        arch_dsb_ishst(); /* else a walker may fetch the old entry again after it was invalidated */
        cpu_self()->counters[COUNT_TLB_BARRIERS]++;
    }
    /* Read after the DSB: a CPU that joins later has its bit set before it can walk, and then finds the entry cleared */
    uint32_t set = __atomic_load_n(&own->gathered_table->cpus, __ATOMIC_RELAXED);
    if (seed(SEED_DROPPED_TLBI) || !set)
        cpu_self()->counters[COUNT_TLB_SKIPPED] += own->gathered;
    else if (own->gathered_kind == UNMAP_SYNCHRONOUS)
        tell_synchronous(own, set);
    else if (own->gathered_kind == UNMAP_FAST)
        tell_fast(own, set);
    else {
        queue_on(own, set);
        cpu_self()->counters[COUNT_TLB_QUEUED] += own->gathered;
    }
    ledger_note(cpu_self(), LEDGER_TOLD, 0, LEDGER_NO_PAGE,
                own->gathered_kind | (uint64_t)own->gathered_table->number << 8 |
                    (uint64_t)own->gathered << 16);
    own->gathered = 0;
}

/* ---- What is pending ---- */

bool unmap_through(struct unmap_record *record)
{
    for (unsigned cpu = 0; record->cpus >> cpu; cpu++)
        if (record->cpus >> cpu & 1 && unmap_queue_passed(cpu, record->ticket[cpu]))
            record->cpus &= (uint8_t) ~(1u << cpu);
    if (record->cpus)
        return false;
    record->tables = 0;
    record->writers = record->readers = false;
    return true;
}

__attribute__((cold)) void unmap_ring(const struct unmap_record *record)
{
    uint32_t set = 0;

    for (unsigned cpu = 0; record->cpus >> cpu; cpu++)
        if (record->cpus >> cpu & 1 && cpu != cpu_number() && !unmap_queue_passed(cpu, record->ticket[cpu]))
            set |= 1u << cpu;
    ring(set);
}

/* With tlb=ipi: interprocessor requests may be active already (DASH 3.4); each CPU that is not through is rung once more. */
static void complete_by_interrupt(struct unmap_record *record)
{
    unmap_ring(record);
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
        if (record->cpus >> cpu & 1)
            unmap_queue_wait(cpu, record->ticket[cpu]);
    unmap_through(record);
}

/* Everything pending in the record is complete by other means than its tickets. */
static void record_settle(struct unmap_record *record)
{
    record->cpus = 0;
    unmap_through(record);
}

/* When it is this CPU alone that something waits for, its own pass will do, and nothing is invalidated twice. */
static bool passed_here(struct unmap_record *record)
{
    if (record->cpus & ~(1u << cpu_number()))
        return false;
    unmap_pass();
    return unmap_through(record);
}

void unmap_complete(uint32_t page, struct unmap_record *record)
{
    struct cpu *cpu = cpu_self();

    if (unmap_through(record) || passed_here(record)) {
        cpu->counters[COUNT_TLB_EPOCH]++;
        ledger_note(cpu, LEDGER_COMPLETE, 0, page, 0);
        return;
    }
    if (by_interrupt()) {
        complete_by_interrupt(record);
        ledger_note(cpu, LEDGER_COMPLETE, 0, page, 2);
        return;
    }
    arch_dsb_ish(); /* else the invalidation may come before we have seen the entry as cleared by who sent the page */
    for (unsigned number = 0; record->tables >> number; number++)
        if (record->tables >> number & 1)
            invalidate_pages(table_asid(table_at(number)), &page, 1, true);
    arch_dsb_ish(); /* else the sender may still reach the page when the receiver uses it */
    arch_isb();     /* else an access already fetched on this CPU may still use the old translation */
    cpu->counters[COUNT_TLB_REISSUED]++;
    cpu->counters[COUNT_TLB_BARRIERS]++;
    record_settle(record);
    ledger_note(cpu, LEDGER_COMPLETE, 0, page, 1);
}

__attribute__((cold)) void unmap_complete_all(struct unmap_record *const *records, unsigned count)
{
    uint64_t tables = 0;

    if (by_interrupt()) {
        for (unsigned i = 0; i < count; i++)
            unmap_ring(records[i]);
        for (unsigned i = 0; i < count; i++)
            complete_by_interrupt(records[i]);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        if (!unmap_through(records[i]))
            tables |= records[i]->tables;
    for (unsigned number = 0; tables >> number; number++)
        if (tables >> number & 1) {
            arch_tlbi_asid_broadcast(table_asid(table_at(number)));
            cpu_self()->counters[COUNT_TLB_ASID]++;
        }
    arch_dsb_ish(); /* else a page could be handed out while its old owner still reaches it */
    arch_isb();     /* as above */
    cpu_self()->counters[COUNT_TLB_BARRIERS]++;
    for (unsigned i = 0; i < count; i++)
        record_settle(records[i]);
}

void unmap_refresh(struct table *table, uint32_t page)
{
    invalidate_pages(table_asid(table), &page, 1, false);
    arch_dsb_nsh(); /* else the access that faulted may meet the stale entry again, and fault for ever */
    arch_isb();
    cpu_self()->counters[COUNT_TLB_LOCAL]++;
    cpu_self()->counters[COUNT_TLB_BARRIERS]++;
}

__attribute__((cold)) void unmap_settle(void)
{
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        uint64_t flags = arch_irq_save();
        uint32_t ticket =
            unmap_queue_push(cpu, NULL, NULL, 0); /* nothing is queued: the next pass is all that is wanted */
        if (cpu != cpu_number())
            irq_send(cpu, IPI_UNMAP);
        unmap_queue_wait(cpu, ticket);
        arch_irq_restore(flags);
    }
}
