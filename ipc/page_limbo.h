/*
 * Limbo: pages that nobody owns any more and that somebody may still reach, until their unmaps are complete (page 4).
 *
 * Owns: a list of such pages for each CPU, in the order in which they were given up. Deallocation is asynchronous (DASH 3.4):
 * giving a page up waits for nothing, and a page is free again when the passes that it waits for were made.
 *
 * Interrupts are masked in every call. None waits, except for the TLBs' own completion when pages are short.
 */
#ifndef IPC_PAGE_LIMBO_H
#define IPC_PAGE_LIMBO_H

#include <stdbool.h>
#include <stdint.h>

/* Pages of this CPU's limbo whose unmaps are complete go to the pool. Returns true while any is left. */
bool page_limbo_reap(void);

/* On the timer's tick: reaps; what was left at the last tick too is helped on by ringing the CPUs that it waits for. */
void page_limbo_tick(void);

/* Pages in all limbos, as seen now. */
uint32_t page_limbo_count(void);

#endif
