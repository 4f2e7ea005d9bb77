/* What pages hold, in the reference model: see grains.h. */
#include "test/host/grains.h"
#include "ipc/page.h"
#include "test/host/machine.h"
#include "test/host/ownership.h"

#include <string.h>

uint64_t grains_of(const struct baton_piece *piece)
{
    uint32_t first = (piece->offset & BATON_PIECE_OFFSET_MASK) / GRAIN;
    uint32_t count = piece->length / GRAIN;

    return count == GRAINS ? GRAINS_WHOLE : ((UINT64_C(1) << count) - 1) << first;
}

uint64_t grains_known(const struct reference *ref, uint32_t domains)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < GRAINS; i++)
        if (ref->known[i] & domains)
            mask |= UINT64_C(1) << i;
    return mask;
}

void grains_learn(struct reference *ref, uint64_t mask, uint32_t domains)
{
    for (unsigned i = 0; i < GRAINS; i++)
        if (mask >> i & 1)
            ref->known[i] |= domains;
}

void grain_put(uint32_t page, unsigned grain, uint32_t tag)
{
    uint8_t *at = machine_memory(page_phys(page)) + grain * GRAIN;

    memcpy(at, &tag, sizeof(tag));
    memcpy(at + GRAIN - sizeof(tag), &tag, sizeof(tag));
}

/* One grain as `domain` would read it now. */
void grain_check(uint32_t page, unsigned grain, uint32_t domains)
{
    struct reference *ref = &reference[page];
    const uint8_t *at = machine_memory(page_phys(page)) + grain * GRAIN;
    uint32_t first, last;

    memcpy(&first, at, sizeof(first));
    memcpy(&last, at + GRAIN - sizeof(last), sizeof(last));
    if (first != last || (first && first != ref->tag[grain]))
        machine_fail("page %u offset %u holds 0x%x 0x%x, written was 0x%x", page, grain * GRAIN, first, last,
                     ref->tag[grain]);
    if (first != ref->tag[grain] && ref->kept >> grain & 1)
        machine_fail("page %u offset %u: data is lost, 0x%x was written", page, grain * GRAIN,
                     ref->tag[grain]);
    if (first && !(ref->known[grain] & domains))
        machine_fail("page %u offset %u: old bytes 0x%x can be read by who did not know them (page 7)", page,
                     grain * GRAIN, first);
    if (!first) {
        ref->tag[grain] = 0;
        ref->known[grain] = EVERYBODY;
    }
}

void grains_check_sent(uint32_t page, uint64_t piece, uint64_t visible)
{
    const struct reference *ref = &reference[page];

    for (unsigned i = 0; i < GRAINS; i++) {
        uint32_t first;
        memcpy(&first, machine_memory(page_phys(page)) + i * GRAIN, sizeof(first));
        if (!(piece >> i & 1) || (first == ref->tag[i] && (visible >> i & 1 || ref->known[i] == EVERYBODY)))
            continue;
        if (first || ref->kept >> i & 1)
            machine_fail("page %u offset %u: a device sends old bytes 0x%x, or not what was written (page 7)",
                         page, i * GRAIN, first);
    }
}

void grains_fresh(struct reference *ref)
{
    ref->kept = GRAINS_WHOLE;
    for (unsigned i = 0; i < GRAINS; i++) {
        ref->tag[i] = 0;
        ref->known[i] = EVERYBODY;
    }
}
