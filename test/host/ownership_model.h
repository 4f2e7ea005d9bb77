/*
 * What the two halves of the reference model share: ownership.c (the operations) and ownership_oracle.c (the checks).
 */
#ifndef TEST_HOST_OWNERSHIP_MODEL_H
#define TEST_HOST_OWNERSHIP_MODEL_H

#include "ipc/page.h"
#include "test/host/ownership.h"

#define KERNEL_DOMAIN  (UINT32_C(1) << 31) /* what devices fill, drivers know */
#define TRUSTED_DOMAIN (UINT32_C(1) << 30)

/* The domain's number (windows.h). */
static inline unsigned domain_number(const struct space *space)
{
    return space->table->user ? space->number : 0;
}

/* The domain as one bit of what is known (grains.h). */
static inline uint32_t domain_of(const struct space *space)
{
    return space->table->user ? UINT32_C(1) << space->number : TRUSTED_DOMAIN;
}

static inline uint64_t page_va(uint32_t page)
{
    return IPC_BASE + (uint64_t)page * BATON_PAGE_BYTES;
}

/* Does anyone of the domain own the page? */
bool domain_owns(uint32_t page, unsigned domain);

/* Domains that may keep a page of the space mapped: those of its set, or with messages by value its own. */
uint64_t domains_trusted(const struct space *space);

/* Notes for reports what happened to a page; which page is looked at. */
void note(uint32_t page, const char *what, const struct space *space, unsigned detail);
extern uint32_t checking;

/* The kernel is about to zero bytes of the frame. */
void check_scrub(uint64_t frame);

#endif
