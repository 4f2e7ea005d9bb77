/* The one place that writes translation-table entries: see pagetable.h. */
#include "mm/pagetable.h"
#include "core/arch.h"
#include "core/cpu.h"
#include "core/log.h"
#include "mm/frame.h"

/* Arm ARM D8.3: descriptor formats, VMSAv8-64, stage 1 */
#define PTE_VALID     (1ul << 0)
#define PTE_TABLE     (1ul << 1) /* levels 1 and 2: a table; level 3: a page */
#define PTE_NORMAL    (1ul << 2) /* MAIR index 1 */
#define PTE_EL0       (1ul << 6)
#define PTE_READ_ONLY (1ul << 7)
#define PTE_INNER     (3ul << 8) /* inner shareable: coherent between the CPUs */
#define PTE_ACCESSED  (1ul << 10)
#define PTE_PRIVATE   (1ul << 11) /* nG */
#define PTE_PXN       (1ul << 53)
#define PTE_UXN       (1ul << 54)
#define PTE_ADDRESS   0x0000fffffffff000ul

#define ENTRIES    512u
#define BLOCK_SIZE 0x200000ul /* of a level-2 block */

static unsigned index_at(uint64_t va, unsigned level)
{
    return va >> (39 - 9 * level) & (ENTRIES - 1);
}

uint64_t pagetable_attributes(unsigned flags)
{
    uint64_t entry = PTE_VALID | PTE_ACCESSED | PTE_PXN | PTE_UXN;

    invariant(!(flags & MAP_WRITE && flags & (MAP_EXEC_KERNEL | MAP_EXEC_USER)), "pagetable 2");
    if (!(flags & MAP_DEVICE))
        entry |= PTE_NORMAL | PTE_INNER;
    if (!(flags & MAP_WRITE))
        entry |= PTE_READ_ONLY;
    if (flags & MAP_EXEC_KERNEL)
        entry &= ~PTE_PXN;
    if (flags & MAP_EXEC_USER)
        entry &= ~PTE_UXN;
    if (flags & MAP_USER)
        entry |= PTE_EL0;
    if (flags & MAP_PRIVATE)
        entry |= PTE_PRIVATE;
    return entry;
}

/* The table that `entry` points to; made when there is none. */
static uint64_t *table_below(uint64_t *entry)
{
    if (!(*entry & PTE_VALID)) {
        uint64_t phys = frame_alloc(1, "a translation table");
        arch_dsb_ishst(); /* else a walker may follow the new pointer into memory not yet zeroed */
        arch_pte_store(entry, phys | PTE_TABLE | PTE_VALID);
    }
    invariant(*entry & PTE_TABLE, "pagetable 1");
    return arch_phys_to_virt(*entry & PTE_ADDRESS);
}

static uint64_t *entry_at(struct pagetable *table, uint64_t va, unsigned level)
{
    uint64_t *entries = arch_phys_to_virt(table->root);

    for (unsigned l = 1; l < level; l++)
        entries = table_below(&entries[index_at(va, l)]);
    return &entries[index_at(va, level)];
}

void pagetable_create(struct pagetable *table, uint32_t ipc_pages)
{
    unsigned tables = (ipc_pages + ENTRIES - 1) / ENTRIES;

    table->root = frame_alloc(1, "a translation table");
    table->ipc = table->windows = NULL;
    if (!ipc_pages)
        return;
    uint64_t phys = frame_alloc(tables, "the entries of the IPC region");
    table->ipc = arch_phys_to_virt(phys);
    for (unsigned i = 0; i < tables; i++)
        arch_pte_store(entry_at(table, IPC_BASE + i * BLOCK_SIZE, 2),
                       (phys + i * PAGE_SIZE) | PTE_TABLE | PTE_VALID);
    arch_dsb_ishst(); /* else the first walk of this table may find it empty */
}

void pagetable_map(struct pagetable *table, uint64_t va, uint64_t pa, uint64_t size, unsigned flags)
{
    uint64_t attributes = pagetable_attributes(flags);

    invariant(!((va | pa | size) & PAGE_MASK), "pagetable 1");
    for (uint64_t done = 0; done < size;) {
        bool block = !((va + done) % BLOCK_SIZE) && !((pa + done) % BLOCK_SIZE) && size - done >= BLOCK_SIZE;
        uint64_t *entry = entry_at(table, va + done, block ? 2 : 3);
        invariant(!(*entry & PTE_VALID), "pagetable 1");
        arch_pte_store(entry, (pa + done) | attributes | (block ? 0 : PTE_TABLE));
        done += block ? BLOCK_SIZE : PAGE_SIZE;
    }
    arch_dsb_ishst(); /* else this CPU's own next access may fault on the old, invalid entry */
    arch_isb();
}

bool pagetable_device_mapped(const struct pagetable *table, uint64_t va)
{
    uint64_t phys = table->root, entry = 0;

    for (unsigned level = 1; level <= 3; level++) {
        entry = ((const uint64_t *)arch_phys_to_virt(phys))[index_at(va, level)];
        if (!(entry & PTE_VALID))
            return false;
        if (level < 3 && !(entry & PTE_TABLE))
            break; /* a block */
        phys = entry & PTE_ADDRESS;
    }
    return !(entry & PTE_NORMAL);
}

void pagetable_window(struct pagetable *table, uint64_t va, uint64_t pa, bool writable)
{
    invariant(va - WINDOW_BASE < BLOCK_SIZE, "pagetable: no window");
    if (!table->windows)
        table->windows = entry_at(table, WINDOW_BASE, 3);
    uint64_t *entry = &table->windows[(va - WINDOW_BASE) >> PAGE_SHIFT];

    invariant(!pa != !(*entry & PTE_VALID), "pagetable 1");
    arch_pte_store(entry, pa ? pa | pagetable_attributes(writable ? MAP_WRITE : 0) | PTE_TABLE : 0);
    arch_dsb_ishst(); /* else the access (or the TLBI) that follows may be overtaken by a walk of the old
                         entry */
}

void pagetable_ipc_map(struct pagetable *table, uint32_t page, uint64_t pa, bool writable, bool user)
{
    /* pagetable_attributes() of MAP_PRIVATE and the two, written out: this is on the path of every page that is looked at */
    uint64_t entry = pa | PTE_VALID | PTE_ACCESSED | PTE_PXN | PTE_UXN | PTE_NORMAL | PTE_INNER |
                     PTE_PRIVATE | PTE_TABLE | (writable ? 0 : PTE_READ_ONLY) | (user ? PTE_EL0 : 0);
    uint64_t old = table->ipc[page];

    invariant(!old || (old & ~PTE_READ_ONLY) == (entry & ~PTE_READ_ONLY), "pagetable 1");
    arch_pte_store(&table->ipc[page], entry);
}

void pagetable_ipc_publish(void)
{
    arch_dsb_ishst(); /* else the faulting access, repeated, may be walked before the entry is there */
    arch_isb();       /* else EL1, going on itself, may still use the invalid entry that it fetched */
    cpu_self()->counters[COUNT_TLB_BARRIERS]++;
}

void pagetable_ipc_unmap(struct pagetable *table, uint32_t page)
{
    invariant(table->ipc[page] & PTE_VALID, "pagetable 1");
    arch_pte_store(&table->ipc[page], 0);
}

void pagetable_ipc_protect(struct pagetable *table, uint32_t page)
{
    invariant(table->ipc[page] & PTE_VALID, "pagetable 1");
    arch_pte_store(&table->ipc[page], table->ipc[page] | PTE_READ_ONLY);
}

uint64_t pagetable_ipc_entry(const struct pagetable *table, uint32_t page)
{
    return table->ipc[page];
}

bool pagetable_entry_writable(uint64_t entry)
{
    return entry && !(entry & PTE_READ_ONLY);
}
