/* Telling TLBs: see invalidate.h. */
#include "mm/invalidate.h"
#include "core/arch.h"
#include "core/cpu.h"
#include "core/seed.h"
#include "mm/unmap.h"

#define ASID_LIMIT 48 /* single invalidations that cost about what refilling a TLB does */

static bool ranges; /* the CPUs have FEAT_TLBIRANGE */

void unmap_init(void)
{
    ranges = arch_tlbi_range_present();
}

static uint64_t page_address(uint32_t page)
{
    return IPC_BASE + (uint64_t)page * PAGE_SIZE;
}

/* How many of `pages`, from the front, are adjacent, upwards or downwards; *first is the lowest. */
static uint32_t run_length(const uint32_t *pages, uint32_t count, uint32_t *first)
{
    uint32_t run = 1, step = count > 1 ? pages[1] - pages[0] : 0;

    if (step == 1 || step == UINT32_MAX)
        while (run < count && run < UNMAP_BATCH && pages[run] - pages[run - 1] == step)
            run++;
    *first = step == 1 ? pages[0] : pages[run - 1];
    return run;
}

static void invalidate_run(uint16_t asid, uint32_t first, uint32_t run, bool broadcast)
{
    if (run > 1) {
        if (broadcast)
            arch_tlbi_range_broadcast(page_address(first), run, asid);
        else
            arch_tlbi_range_local(page_address(first), run, asid);
        cpu_self()->counters[COUNT_TLB_RANGE]++;
    } else if (broadcast) {
        arch_tlbi_page_broadcast(page_address(first), asid);
    } else {
        arch_tlbi_page_local(page_address(first), asid);
    }
}

static void invalidate_asid(uint16_t asid, bool broadcast)
{
    if (broadcast)
        arch_tlbi_asid_broadcast(asid);
    else
        arch_tlbi_asid_local(asid);
    cpu_self()->counters[COUNT_TLB_ASID]++;
}

void invalidate_pages(uint16_t asid, const uint32_t *pages, uint32_t count, bool broadcast)
{
    if (seed(SEED_WRONG_ASID))
        asid ^= 1;
    if (!ranges && count > ASID_LIMIT) {
        invalidate_asid(asid, broadcast);
        return;
    }
    for (uint32_t done = 0, run; done < count; done += run) {
        uint32_t first = pages[done];
        run = ranges ? run_length(pages + done, count - done, &first) : 1;
        invalidate_run(asid, first, run, broadcast);
    }
}
