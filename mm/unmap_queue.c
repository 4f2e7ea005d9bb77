/* Unmap queues and passes: see unmap_queue.h, and mm/unmap.h for the model. Model-checked: test/model/queue.pml. */
#include "mm/unmap_queue.h"
#include "core/irq.h"
#include "core/ledger.h"
#include "core/seed.h"
#include "mm/invalidate.h"
#include "mm/space.h"
#include "mm/unmap.h"

struct unmap_cpu unmap_cpus[CPUS_MAX];

uint32_t unmap_queue_push(unsigned cpu, const struct table *table, const uint32_t *pages, uint32_t count)
{
    struct unmap_cpu *target = &unmap_cpus[cpu];

    spin_lock(&target->lock);
    for (uint32_t i = 0; i < count; i++) {
        if (target->count == UNMAP_QUEUE) {
            target->drop |= table_bit(table);
            break;
        }
        target->queue[target->count].page = pages[i];
        target->queue[target->count++].table = table->number;
    }
    /* Under the lock: a pass that began before has not seen the entries, whatever its number */
    uint32_t ticket = target->begun + 1;
    bool full = target->count == UNMAP_QUEUE;
    __atomic_store_n(&target->wanted, 1, __ATOMIC_RELAXED);
    spin_unlock(&target->lock);
    if (full && cpu == cpu_number())
        unmap_pass();
    return ticket;
}

uint32_t unmap_queue_issued(void)
{
    struct unmap_cpu *own = &unmap_cpus[cpu_number()];

    __atomic_store_n(&own->wanted, 1, __ATOMIC_RELAXED);
    return own->begun + 1;
}

bool unmap_queue_passed(unsigned cpu, uint32_t ticket)
{
    /* A ticket that is not through is one or two ahead (unmap 2): so one that has been kept for 2^32 passes does not come back */
    return ticket - __atomic_load_n(&unmap_cpus[cpu].ended, __ATOMIC_ACQUIRE) - 1 > 1;
}

void unmap_queue_wait(unsigned cpu, uint32_t ticket)
{
    while (!unmap_queue_passed(cpu, ticket)) {
        unmap_poll(); /* else two CPUs that wait for each other, interrupts masked, would do so for ever */
        arch_relax();
    }
}

/* Invalidates what is queued here, under the lock; single pages, or all that a table has. */
static void queue_invalidate(struct unmap_cpu *own)
{
    for (uint32_t i = 0; i < own->count; i++)
        if (!(own->drop >> own->queue[i].table & 1))
            invalidate_pages(table_asid(table_at(own->queue[i].table)), &own->queue[i].page, 1, false);
    for (unsigned number = 0; own->drop >> number; number++)
        if (own->drop >> number & 1) {
            arch_tlbi_asid_local(table_asid(table_at(number)));
            cpu_self()->counters[COUNT_TLB_ASID]++;
        }
    own->count = 0;
    own->drop = 0;
}

void unmap_pass(void)
{
    struct cpu *cpu = cpu_self();
    struct unmap_cpu *own = &unmap_cpus[cpu->number];

    spin_lock(&own->lock);
    uint32_t number = ++own->begun;
    __atomic_store_n(&own->wanted, 0, __ATOMIC_RELAXED);
    cpu->counters[COUNT_TLB_LOCAL] += own->count;
    if (own->count || own->drop)
        arch_dsb_ish(); /* else the invalidation may come before we have seen the entry as cleared by who queued it */
    queue_invalidate(own);
    spin_unlock(&own->lock);
    if (seed(SEED_EPOCH_EARLY))
        __atomic_store_n(&own->ended, number, __ATOMIC_RELEASE);
    arch_dsb_ish(); /* else what was invalidated here, or issued without waiting before, may be under way when `ended` says it
                       is not */
    arch_isb(); /* else an access already fetched on this CPU may still use the old translation */
    cpu->counters[COUNT_TLB_BARRIERS]++;
    cpu->counters[COUNT_TLB_PASSES]++;
    ledger_note(cpu, LEDGER_PASS, 0, LEDGER_NO_PAGE, number);
    __atomic_store_n(&own->ended, number, __ATOMIC_RELEASE);
}

void unmap_ipi(void *argument)
{
    (void)argument;
    unmap_pass(); /* whoever rings may wait for a number, wanted or not */
}
