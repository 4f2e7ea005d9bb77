/*
 * The unmap queues and the passes that empty them: the half of mm/unmap.c that CPUs share. For mm/unmap.c only; the model
 * and the invariants are in mm/unmap.h.
 *
 * Interrupts are masked in every call.
 */
#ifndef MM_UNMAP_QUEUE_H
#define MM_UNMAP_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct table;

/*
 * Queues the pages on a CPU; returns the ticket: the pass of that CPU after which they are done.
 * One lock. This CPU's own queue, when full, is emptied at once; another's drops the whole ASID.
 */
uint32_t unmap_queue_push(unsigned cpu, const struct table *table, const uint32_t *pages, uint32_t count);

/* This CPU has issued TLBIs without waiting: the pass that waits for them. */
uint32_t unmap_queue_issued(void);

/* True when the CPU has made that pass. What it invalidated is out of reach then. */
bool unmap_queue_passed(unsigned cpu, uint32_t ticket);

/* Waits for that pass; this CPU makes its own meanwhile. */
void unmap_queue_wait(unsigned cpu, uint32_t ticket);

#endif
