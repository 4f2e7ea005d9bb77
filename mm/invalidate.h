/*
 * Telling TLBs: the instructions for a set of pages of one ASID, by single pages, by range where the CPU can
 * (FEAT_TLBIRANGE), or by dropping the ASID. No barrier: who calls has published the entries, and waits.
 */
#ifndef MM_INVALIDATE_H
#define MM_INVALIDATE_H

#include <stdbool.h>
#include <stdint.h>

/* Invalidates IPC pages (numbers in `pages`) under the ASID, on this CPU or on all. Counts ranges and dropped ASIDs. */
void invalidate_pages(uint16_t asid, const uint32_t *pages, uint32_t count, bool broadcast);

#endif
