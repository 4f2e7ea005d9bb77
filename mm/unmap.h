/*
 * Unmapping: DASH 3.4. One operation is built, the synchronous one; the asynchronous two will stand beside
 * it.
 *
 * Owns: nothing; works on a table's entry and on the TLBs of the CPUs in the table's bitmap.
 * Ordering, in every call: entry written, DSB ISHST, then the bitmap is read, then TLBI, then DSB. When the
 * call returns, no CPU can use the old translation. Cost: counted in COUNT_TLB_LOCAL or _BROADCAST, and
 * COUNT_TLB_BARRIERS.
 */
#ifndef MM_UNMAP_H
#define MM_UNMAP_H

#include <stdint.h>

struct table;

/* Takes the page away from the table: synchronous_unmap() with the table's bitmap. */
void unmap_synchronous(struct table *table, uint32_t page);

/* Makes the page read-only in the table, the same way: 1 -> 2 owners counts as an unmap (DASH 3.4). */
void unmap_downgrade(struct table *table, uint32_t page);

/*
 * Read-only to writable: only this CPU must not go on with its stale read-only entry. On another CPU such an
 * entry costs a fault that finds the entry writable and comes here too.
 */
void unmap_refresh(struct table *table, uint32_t page);

#endif
