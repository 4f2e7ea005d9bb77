/*
 * The IPC region and the ownership of its pages (DASH 3.3; design sections 3 and 5).
 *
 * Owns: the table of pages, indexed by the page's number in the region, and the pool of free ones. An IPC
 * page has the same address in every space and the same frame for good; what changes is who owns it, and who
 * has it mapped.
 *
 * Model: each page has a 64-bit state word. A page owned by one space is described by that word alone, and
 * moves by one compare-and-swap when it is mapped nowhere. A page owned by several is described by the slots of its entry,
 * under the word's lock bit. Space 0 is the kernel: it owns a page that waits in a port, in a device ring or in a
 * driver's hands.
 *
 * Invariants
 *   1. total = sum of the counts of all owners, kernel included; only a page with total 0 and nothing pending is free.
 *   2. total > 1 implies read-only for every owner. The downgrade 1 -> 2 is an unmap: it is complete before a receiver that
 * does not trust has the page. Back at 1, the owner gets write access at its next write, by a fault, when every reader's unmap
 * is complete.
 *   3. A space can use a translation of a page that it does not own only in the windows of DASH figure 3: from its send until
 * the receive by somebody who does not trust (C), until the unmap is complete when the receiver trusts (D), and for reading,
 * until then, when the page was shared (B); or inside a trust set (9). What is pending travels with the page: whoever does not
 * trust completes all that lets anybody write, whoever left it behind.
 *   4. A page is handed out again only after every translation of it is gone on every CPU, and the device is
 * done. Until then a page that nobody owns waits in a limbo (ipc/page_limbo.h).
 *   5. free + owned + in flight = all, at every quiet point. In flight: the kernel's, and what waits in a limbo.
 *   6. Every call names the space for which it acts; a page that this space does not own is refused, nothing
 * changes.
 *   7. Bytes of a page outside its `hull` are never readable by a space that did not already know them: they
 * are zeroed before the page is mapped there. The hull is what the message that carries the page covers; a
 * duplicated page is shared whole.
 *   8. CACHED is set when a translation is made and cleared when the page is given to a device to fill: a
 * page without it needs no cache maintenance before DMA.
 *   9. Inside a trust set (spaces with the same space->trusts) a page keeps its translations while it goes from hand to hand:
 * that is shared memory. Sent to anybody else, or freed, it is unmapped from every table that has it. What is on its way when the
 * set ends arrives as far as it was sent (7), and mapped nowhere.
 *
 * Which unmap a page gets when its last ownership in a space goes (DASH 3.4, figure 3): none when it is not mapped there, or the
 * sender is the kernel; else, on this CPU alone, synchronous (A); of a shared page, slow (B); with the sender's `trusted` flag,
 * slow (D); else fast (C). Given up rather than sent: always slow. Whether a receive waits is the receiver's `trust` alone.
 * `trust` is about all who had the page since the last receiver that did not trust: what they left pending is not waited for.
 *
 * The bitmap of CPUs that may hold the translation (page, space) is table->cpus (mm/space.h) while the page
 * is mapped there: a walker may fetch a valid entry on any CPU on which the table is live, not only where a fault
 * was taken.
 *
 * Errors: enum baton_error. No call waits. Interrupts are masked in every call.
 */
#ifndef IPC_PAGE_H
#define IPC_PAGE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/abi.h"

struct space;

/* Boot: the region is `count` pages on contiguous frames from `phys`. Allocates the table. */
void page_region_init(uint64_t phys, uint32_t count);
uint32_t page_region_count(void);

extern uint64_t page_region_phys; /* constant: where the region's frames begin */

/* Physical address of a page's frame, for a device. Constant. */
static inline uint64_t page_phys(uint32_t page)
{
    return page_region_phys + (uint64_t)page * BATON_PAGE_BYTES;
}

/*
 * get_ownership (DASH 3.3): fresh pages for `space`, each with one read/write ownership; bytes read as zero.
 * Returns how many, BATON_ENOMEM when none is free, BATON_ELIMIT when the space holds as many as it may.
 * Cost: one lock per 32 pages; nothing is mapped.
 */
int page_get(struct space *space, uint32_t *pages, unsigned count);

/*
 * The same for one page with that content, at most PAGE_SIZE bytes; the rest reads as zero. Returns its number. Not for a
 * device.
 */
int page_get_filled(struct space *space, const void *bytes, uint32_t length);

/*
 * duplicate_ownership: one more ownership for `space`, which owns the page already. Cost: the first one
 * downgrades a writable translation (an unmap: at once on this CPU alone, else fast); else none. BATON_EOWNER: not the owner.
 * BATON_ELIMIT: the count is full.
 */
int page_duplicate(struct space *space, uint32_t page);

/* release_ownership: gives one up. The last one unmaps; the last of all frees the page. BATON_EOWNER. */
int page_release(struct space *space, uint32_t page);

/* The same for up to BATON_BATCH; returns how many, from the front, or the first one's error. The unmaps are told together. */
int page_release_batch(struct space *space, const uint32_t *pages, unsigned count);

#define PAGE_SEND_DUPLICATE (1u << 0) /* the space keeps its ownership, and the kernel gets one more */
#define PAGE_SEND_TRUSTED                                                                                    \
    (1u << 1) /* the sender believes that the receiver trusts it: figure 3D in place of 3C */

/*
 * Hand-over at send: one ownership of `space` becomes the kernel's, for a message that carries `piece` of it, to be received by
 * the space `to` (NULL: not known, or the kernel). Unmaps when it was the last of that space. What is to be unmapped is gathered:
 * unmap_flush() before the message is in a port, or the page in other hands again. BATON_EOWNER, BATON_EOWNERS. Cost: one
 * compare-and-swap when single-owned and mapped nowhere, or when it stays in a trust set; the lock else.
 */
int page_send(struct space *space, const struct baton_piece *piece, unsigned flags, const struct space *to);

/*
 * Hand-over at receive: one ownership of the kernel becomes that of `space`. Without `trust` nobody else can write to the page
 * any more when it returns. Sets or clears READ_ONLY in `piece`. BATON_EOWNERS when the entry has no slot left: nothing
 * changed. Cost: one compare-and-swap when single-owned and nothing is pending; else the lock, and when the numbers say that
 * unmaps are not complete, one TLBI for each table, on all CPUs, and a DSB.
 */
int page_receive(struct space *space, struct baton_piece *piece, bool trust);

/*
 * A send that could not be made after all: the kernel's ownership of a page, in a message that is its sender's still, is that of the
 * space again, which may see of it what it could see before (7). It trusts itself. Errors as page_receive.
 */
int page_take_back(struct space *space, struct baton_piece *piece);

/* Counts towards the limit of a space: `delta` pages received (or sent, negative). False: over the limit, not
 * counted. */
bool page_account(struct space *space, int delta);

/*
 * Maps the pages of a message that `space` owns, as immediate_access asks, writable where it may be. BATON_EOWNER: one of them it
 * does not own; the others are mapped. Cost: the lock of each page; one DSB and ISB for all; a scrub where page 7 asks for it.
 */
int page_map(struct space *space, const struct baton_piece *pieces, unsigned count);

enum page_fault_result {
    PAGE_FAULT_MAPPED,    /* the access can be repeated */
    PAGE_FAULT_NOT_OWNER, /* violation */
    PAGE_FAULT_READ_ONLY, /* violation: write to a page with more than one owner */
};
/* An abort of `space` inside the IPC region (design section 6). */
enum page_fault_result page_fault(struct space *space, uint64_t address, bool write);

/* Everything that `space` owns is given back (its service stopped). Returns how many ownerships that were. */
uint32_t page_release_all(struct space *space);

/* ---- Devices: the kernel's own use (space 0) ---- */

/* Fresh pages for a receive ring: owned by the kernel, given to the device. Returns how many. */
unsigned page_get_device(uint32_t *pages, unsigned count);

/* The device has written bytes [0, length) of the page: they are the hull now. The page is out of the ring.
 */
void page_filled(uint32_t page, uint32_t length);

/*
 * One more ownership of the kernel for a page that it owns and no device is writing to, so that a second device can read
 * it. False when the kernel does not own it, or the count is full. Nothing of the page is copied or mapped.
 */
bool page_share(uint32_t page);

/*
 * The device has read pages to the end, at most BATON_BATCH of them: counts never_mapped trips, releases one ownership
 * of the kernel for each. Cost: one compare-and-swap a page with one owner; the pool is touched once.
 */
void page_sent_out(const uint32_t *pages, unsigned count);

/* ---- Looking ---- */

struct page_counts {
    uint32_t total, free, owned, in_flight;
};
void page_count(struct page_counts *counts);

/* What the console and a violation report tell of one page. */
struct page_info {
    uint32_t total;   /* ownerships */
    uint32_t owners;  /* spaces that own it */
    uint8_t owner[4]; /* the first of them */
    uint8_t previous; /* space that gave it up last; PAGE_NOBODY at first */
    uint64_t changed; /* counter value at which the owner changed last */
    uint32_t hull_start, hull_end;
    uint64_t mapped;  /* tables (mm/space.h) that have it mapped */
    uint64_t pending; /* tables whose unmap is not complete */
    uint32_t waiting; /* CPUs whose pass it waits for */
    bool kernel;      /* the kernel is one of the owners: it waits in a port, a ring or a driver's hands */
    bool cached;
};
#define PAGE_NOBODY 63
void page_describe(uint32_t page, struct page_info *info);

#endif
