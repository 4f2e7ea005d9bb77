/*
 * Translation tables: the one place that writes their entries.
 *
 * Owns: the tables' frames. Model: 39-bit addresses, 4 KiB granule, three levels; blocks of 2 MiB where the
 * linear map allows. The IPC region of a user table is one contiguous array of last-level entries, made with
 * the table, so that mapping an IPC page allocates nothing and walks nothing.
 *
 * Invariants
 *   1. An entry goes from invalid to valid, from valid to invalid, or changes its permission; never anything
 * else (break-before-make, Arm ARM D8.14.1). Asserted.
 *   2. No entry is writable and executable (W^X), at any level, in any table.
 *   3. Every entry of a user table is nG; every entry of the kernel's is global and closed to EL0.
 *   4. Entries of IPC pages are published together: those made valid by pagetable_ipc_publish(), those of which validity or
 * permission was taken away by mm/unmap.h, with the invalidation. Every other function here publishes before it returns.
 */
#ifndef MM_PAGETABLE_H
#define MM_PAGETABLE_H

#include <stdbool.h>
#include <stdint.h>

#define MAP_WRITE       (1u << 0)
#define MAP_EXEC_KERNEL (1u << 1) /* EL1 may execute */
#define MAP_EXEC_USER   (1u << 2) /* EL0 may execute */
#define MAP_USER        (1u << 3) /* EL0 may read (and write, with MAP_WRITE) */
#define MAP_DEVICE      (1u << 4) /* Device-nGnRE in place of normal write-back memory */
#define MAP_PRIVATE     (1u << 5) /* nG: belongs to one ASID */

struct pagetable {
    uint64_t root; /* physical address of the top level */
    uint64_t *ipc; /* last-level entries of the IPC region; NULL in the kernel's table */
    uint64_t
        *windows; /* the one last-level table that holds all windows; NULL until the first is used, at boot */
};

/* Makes an empty table; with `ipc_pages` > 0 also the entries of the IPC region. Boot only; panics without
 * memory. */
void pagetable_create(struct pagetable *table, uint32_t ipc_pages);

/* Maps [va, va + size) to [pa, ...). All page aligned; what was mapped there must have been invalid. Boot
 * only. */
void pagetable_map(struct pagetable *table, uint64_t va, uint64_t pa, uint64_t size, unsigned flags);

/* Whether `va` is mapped, as device registers. */
bool pagetable_device_mapped(const struct pagetable *table, uint64_t va);

/* Puts one page of the kernel's table to `pa` (window, never executable) or takes it away (pa = 0). */
void pagetable_window(struct pagetable *table, uint64_t va, uint64_t pa, bool writable);

/* ---- IPC pages: entries by page number ---- */

/*
 * Invalid to valid, or read-only to writable. No TLBI needed for the first; see unmap.h for the second. Not published:
 * pagetable_ipc_publish() before anybody relies on it, once for many.
 */
void pagetable_ipc_map(struct pagetable *table, uint32_t page, uint64_t pa, bool writable, bool user);
void pagetable_ipc_publish(void);

/* Valid to invalid. */
void pagetable_ipc_unmap(struct pagetable *table, uint32_t page);

/* Writable to read-only. */
void pagetable_ipc_protect(struct pagetable *table, uint32_t page);

/* Looks: 0 when invalid, else the entry. */
uint64_t pagetable_ipc_entry(const struct pagetable *table, uint32_t page);
bool pagetable_entry_writable(uint64_t entry);

/* The entry's bits for `flags`; for the kernel's first table and for tests. */
uint64_t pagetable_attributes(unsigned flags);

#endif
