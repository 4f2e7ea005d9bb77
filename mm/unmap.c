/* Unmapping (DASH 3.4): see unmap.h. */
#include "mm/unmap.h"
#include "core/cpu.h"
#include "core/seed.h"
#include "mm/space.h"

static uint64_t page_address(uint32_t page)
{
    return IPC_BASE + (uint64_t)page * PAGE_SIZE;
}

/*
 * Makes the change of an entry, already published, known to every CPU that may have it cached. The caller's
 * DSB ISHST orders the bitmap's load behind the entry's store: no access starts before that DSB is through.
 */
static void invalidate(struct table *table, uint32_t page)
{
    struct cpu *cpu = cpu_self();
    uint32_t holders = __atomic_load_n(&table->cpus, __ATOMIC_RELAXED);
    uint32_t others = seed(SEED_LOCAL_TLBI) ? 0 : holders & ~(1u << cpu->number);

    if (seed(SEED_DROPPED_TLBI))
        return;
    if (!holders) {
        cpu->counters[COUNT_TLB_SKIPPED]++;
        return;
    }
    if (others) {
        arch_tlbi_page_broadcast(page_address(page), table_asid(table));
        arch_dsb_ish(); /* else the next owner may use the page while another CPU still reaches it */
        cpu->counters[COUNT_TLB_BROADCAST]++;
    } else {
        arch_tlbi_page_local(page_address(page), table_asid(table));
        arch_dsb_nsh(); /* else the service may go on here with the old translation */
        cpu->counters[COUNT_TLB_LOCAL]++;
    }
    arch_isb(); /* else an access already fetched on this CPU may still use the old translation */
    cpu->counters[COUNT_TLB_BARRIERS]++;
}

void unmap_synchronous(struct table *table, uint32_t page)
{
    /* Trusted services share a table: another of them may have unmapped the page already, completely. */
    if (!pagetable_ipc_entry(&table->pages, page)) {
        cpu_self()->counters[COUNT_TLB_SKIPPED]++;
        return;
    }
    pagetable_ipc_unmap(&table->pages, page);
    invalidate(table, page);
}

void unmap_downgrade(struct table *table, uint32_t page)
{
    if (!pagetable_entry_writable(pagetable_ipc_entry(&table->pages, page)))
        return;
    pagetable_ipc_protect(&table->pages, page);
    invalidate(table, page);
}

void unmap_refresh(struct table *table, uint32_t page)
{
    arch_tlbi_page_local(page_address(page), table_asid(table));
    arch_dsb_nsh(); /* else the access that faulted may meet the stale entry again, and fault for ever */
    arch_isb();
    cpu_self()->counters[COUNT_TLB_LOCAL]++;
    cpu_self()->counters[COUNT_TLB_BARRIERS]++;
}
