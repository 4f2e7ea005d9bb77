/*
 * The reference model of page ownership, and the oracle that compares ipc/page.h and the machine's TLBs with
 * it.
 *
 * Owns: for each IPC page, the count of every space (0 is the kernel), and for each grain of 64 bytes what it
 * holds and who may know it. Plain arrays, written from the text of the invariants of ipc/page.h and from
 * nothing else.
 *
 * A domain is who shares one table: each isolated space by itself, all trusted ones together. What a domain may still reach
 * after it gave it away is in windows.h; what pages hold, in grains.h.
 */
#ifndef TEST_HOST_OWNERSHIP_H
#define TEST_HOST_OWNERSHIP_H

#include <stdbool.h>
#include <stdint.h>
#include "core/abi.h"
#include "core/layout.h"
#include "mm/space.h"

#define GRAIN      64u
#define GRAINS     (4096u / GRAIN)
#define REGION_MAX 256u
#define OWNERS_MAX 10u /* of one page: PAGE_SLOTS of ipc/page_state.h */

struct reference {
    uint32_t count[SPACES_MAX];
    uint32_t total, owners;
    bool device;            /* in a receive ring */
    uint64_t lingers;       /* domains that may have kept their translation, by trust (page 9) */
    uint64_t kept;          /* grains that must be as they were written; the others may have been zeroed */
    uint32_t tag[GRAINS];   /* what was written there last; 0: zeros */
    uint32_t known[GRAINS]; /* domains that may know the tag */
};
extern struct reference reference[REGION_MAX];

/* Spaces with the same number trust each other (ipc/page_set.h); 0: none. */
extern uint8_t trust_set[SPACES_MAX];

/* A piece on its way, and the grains that its receiver may see. */
struct transit {
    struct baton_piece piece;
    uint64_t visible;
    const struct space *to; /* for whom it was sent; NULL: for a device, or nobody knows */
    struct space *from;     /* who sent it; NULL: a device */
    uint64_t kept; /* of a page that was the sender's alone: grains that had to be as they were written */
    bool duplicate;
};

/* A machine with `pages` IPC pages in its highest memory and the spaces that the test will create. */
void ownership_init(uint64_t seed, uint32_t pages, unsigned asid_bits);
struct space *ownership_space(const char *name, bool isolated, uint32_t limit);
uint32_t ownership_pages(void);

/* The running space of each CPU. */
extern struct space *running[4];
/* `cpu` switches to the space; all that it could reach there is checked. */
void run_space(unsigned cpu, struct space *space);
/* The last thread of the running space leaves the CPU: nothing runs there then. */
void do_leave(unsigned cpu);
/* The tick of the CPU, or what it does before it sleeps. */
void do_tick(unsigned cpu, bool idle);
/* The CPU takes its interrupts. */
void do_interrupt(unsigned cpu);

/* ---- Operations: the call, its model, and the oracle. The result is the call's, already compared. ---- */

/* Gets up to `count` pages; `pages` as from page_get. */
int do_get(struct space *space, uint32_t *pages, unsigned count);
int do_duplicate(struct space *space, uint32_t page);
int do_release(struct space *space, uint32_t page);
/* On success *transit is what a port would hold. Flags as page_send. */
int do_send(struct space *space, const struct baton_piece *piece, unsigned flags, const struct space *to,
            struct transit *transit);
/* The same as one of several pieces: unmap_flush() is the caller's, and check_page() of each then. */
int do_send_gathered(struct space *space, const struct baton_piece *piece, unsigned flags,
                     const struct space *to, struct transit *transit);
int do_receive(struct space *space, struct transit *transit, bool trust);
/* Its sender has it again: it could not be sent after all. */
int do_take_back(struct transit *transit);
int do_map(struct space *space, uint32_t page);
void do_release_all(struct space *space);
/* The policy changes (ipc/policy.h). */
void do_policy(uint32_t which, uint32_t mode);
/* A service is at its end: what its set left mapped in its table goes. After do_release_all. */
void do_die(struct space *space);
/* The kernel drops a message: message_drop(). */
void do_drop(struct transit *transit);
/* A receive ring gets a page; the device fills `length` bytes (whole grains); the device has sent it. */
bool do_device_get(uint32_t *page);
void do_device_filled(uint32_t page, uint32_t length, struct transit *transit);
void do_device_sent(struct transit *transit);

/*
 * Service code on `cpu` reads (or writes `tag` to) the grain at `offset`: by a translation that it has, or by
 * the fault path until it has one. False when that ended in a violation, which the model must agree to.
 */
bool do_access(unsigned cpu, uint32_t page, uint32_t offset, bool write, uint32_t tag);

/* ---- The oracle ---- */

/* One page on every CPU: who may reach it (page 2, 3, 4), what is read there (page 7), what page_describe
 * says (page 1). */
void check_page(uint32_t page);
/* Prints what happened last to the page that was looked at last. */
void ownership_report(void);
/* All pages, on one CPU; all pages, counts and accounts. */
void check_cpu(unsigned cpu);
void check_all(void);

#endif
