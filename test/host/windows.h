/*
 * The windows of DASH figures 3B, 3C and 3D: which translations that an owner has given up may still be used. Part of the
 * reference model (ownership.h), written from the paper and from the invariants, not from the code.
 *
 * Owns: for each IPC page and each domain (who shares one table) the windows that are open. An open window is a
 * permission for the adversary, no promise: the translation may be gone long before.
 *
 *   kind        opens                                        ends at the latest
 *   WRITE       sole owner gives the page away (3C, 3D)      a receive without trust; the page is handed out again
 *   DOWNGRADE   a second ownership is made (1 -> 2)          as WRITE; the page becomes writable for its one owner
 *   READ        one of several owners gives it up (3B)       the page becomes writable for its one owner; handed out again
 *
 * Each also ends when every CPU has done what DASH 3.4 says that empties the queues: switched tables, seen its tick or idled.
 * None opens when the domain's table can be cached on the calling CPU alone (figure 3A), except at deallocation.
 */
#ifndef TEST_HOST_WINDOWS_H
#define TEST_HOST_WINDOWS_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_PAGES   256u
#define WINDOW_DOMAINS 64u /* the number of an isolated space; 0: all trusted ones */

enum window {
    WINDOW_READ,
    WINDOW_DOWNGRADE,
    WINDOW_WRITE,
    WINDOWS
};

void window_open(uint32_t page, unsigned domain, enum window kind);

/* The CPU has made its pass: what was open before waits for it no longer. */
void windows_passed(unsigned cpu);

/* Somebody who does not trust has received the page. */
void windows_end_writers(uint32_t page);
/* `domain`, which owns the page alone, may write to it. */
void windows_end_shared(uint32_t page, unsigned domain);
/* The page is handed out again. */
void windows_end(uint32_t page);

bool window_reads(uint32_t page, unsigned domain);
bool window_writes(uint32_t page, unsigned domain);
/* Any window of the page, for any domain. */
bool windows_any(uint32_t page);

/* A bit for each domain that has a window open. */
uint64_t windows_domains(uint32_t page);

/* ---- Where a domain's table may be cached (design section 3) ---- */

/* The table of `domain` is live on the CPU now; `flushed`: the CPU dropped its whole TLB since it was asked last. */
void domain_live(unsigned domain, unsigned cpu, bool flushed);
/* The CPU has dropped what it had of the domain's table. */
void domain_forgotten(unsigned domain, unsigned cpu);
/* True when another CPU than this one may hold translations of the domain. */
bool domain_elsewhere(unsigned domain, unsigned cpu);

#endif
