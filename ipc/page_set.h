/*
 * Trust sets: path caching (DASH 3.4), and the free pages that stay mapped.
 *
 * A trust set is a group of services that all trust each other, pairwise, for integrity and for confidentiality. With
 * unmap=path a page keeps its translations while it circulates inside the set, and is unmapped once, from every table that
 * has it, when it leaves. THIS IS SHARED MEMORY: a member can read and change a page that another member owns, or has sent,
 * at any time, one fresh from the set's pool too. Who is not in the set is protected from it
 * as from anybody else. With unmap=copy each space is a set of its own: its pages stay mapped to it alone.
 *
 * Owns: who belongs to which set; for each set (or space, with unmap=copy) a pool of free pages that are still mapped in
 * some of its tables; space->trusts.
 *
 * Invariants
 *   1. space->trusts is 0, or the tables of its set (path), or its own (copy). While it changes it is 0: no page keeps a
 *      translation then.
 *   2. A page in a pool is free, mapped in tables of its set only, and has nothing pending.
 *   3. A pool that is closed is empty, and takes nothing.
 *
 * Pages come back to the general pool, unmapped, when the pool is full, when pages are short, when a member dies, and when the
 * set or the policy changes.
 *
 * Interrupts are masked in every call, unless it says otherwise.
 */
#ifndef IPC_PAGE_SET_H
#define IPC_PAGE_SET_H

#include <stdbool.h>
#include <stdint.h>
#include "ipc/policy.h"

struct space;
struct page;

#define TRUST_NAME 16 /* bytes of a set's name, its end included */

/* [a-z0-9-]+, and not `none`. */
bool page_set_name_valid(const char *name);

/*
 * Puts the space into the set of that name, which is made when there is none yet; NULL: into none. It takes effect when sets
 * are opened next. BATON_EINVAL: that is no name. The caller is the boot, or has closed the sets.
 */
int page_set_join(struct space *space, const char *name);

/* The name of the space's set; NULL when it is in none. */
const char *page_set_name(const struct space *space);

/* Pages in the pool that the space takes from now. */
uint32_t page_set_pooled(const struct space *space);

/* From now on, sets are what the policy makes of them; nothing for synchronous and dash. */
void page_sets_open(enum policy which);

/*
 * Ends all trust: empties the pools, waits until no CPU is left that has seen a set, takes away every translation that only a
 * set allowed. Complete when it returns. Called by threads, with interrupts let in; waits for the other CPUs' next pass.
 */
void page_sets_close(void);

/* A service has stopped and owns nothing any more: what its set left mapped in its table goes, and so does the pool. */
void page_set_member_died(struct space *space);

/* Takes pages from the space's pool for `owner`, the space or the kernel; returns how many. They keep what is mapped. */
unsigned page_set_take(const struct space *space, unsigned owner, uint32_t *pages, unsigned count);

/* Such a page, for a space that asked for a fresh one: it reads as zero. */
void page_set_zero(uint32_t page);

/* Lock held, by the last owner: true when the page, once freed, may go to the space's pool as it is. */
bool page_set_keeps(const struct space *space, const struct page *page);

/* Pages that nobody owns any more, for which page_set_keeps was true: to the pool, or unmapped when it no longer takes them. */
void page_set_give(const struct space *space, const uint32_t *pages, unsigned count);

/* Pages are short: empties all pools. */
void page_sets_give_back(void);

#endif
