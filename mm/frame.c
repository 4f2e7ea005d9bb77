/* Kernel memory, taken once at boot: see frame.h. */
#include "mm/frame.h"
#include "core/arch.h"
#include "core/log.h"
#include "core/zero.h"

#define RANGES_MAX 16

static struct range {
    uint64_t next, end; /* what is left of it */
} ranges[RANGES_MAX];
static unsigned range_count;

/* What is left of the last frame that frame_alloc_bytes began. */
static uint64_t piece_next, piece_end;

static uint64_t align_up(uint64_t value, uint64_t align)
{
    return (value + align - 1) & ~(align - 1);
}

void frame_range_add(uint64_t phys, uint64_t size)
{
    if (!size)
        return;
    if (range_count == RANGES_MAX) {
        log_print("memory: more than %d ranges, %lu KiB at 0x%lx left unused\n", RANGES_MAX, size >> 10,
                  phys);
        return;
    }
    ranges[range_count].next = phys;
    ranges[range_count++].end = phys + size;
}

uint64_t frame_alloc(unsigned count, const char *what)
{
    uint64_t size = count * PAGE_SIZE;

    for (unsigned i = 0; i < range_count; i++) {
        if (ranges[i].end - ranges[i].next < size)
            continue;
        uint64_t phys = ranges[i].next;
        ranges[i].next += size;
        zero_bytes(arch_phys_to_virt(phys), size);
        return phys;
    }
    panic("memory: no %lu KiB left for %s", size >> 10, what);
}

void *frame_alloc_bytes(uint64_t size, uint64_t align, const char *what)
{
    uint64_t start = align_up(piece_next, align);

    if (start + size > piece_end) {
        unsigned frames = (unsigned)((size + PAGE_MASK) / PAGE_SIZE);
        start = frame_alloc(frames, what);
        piece_end = start + frames * PAGE_SIZE;
    }
    piece_next = start + size;
    return arch_phys_to_virt(start);
}

/* From the end of the last range that has room: the low ranges are the ones that the boot's first map covers.
 */
uint64_t frame_alloc_block(uint64_t size, uint64_t align)
{
    for (unsigned i = range_count; i-- > 0;) {
        uint64_t start = (ranges[i].end - size) & ~(align - 1);
        if (ranges[i].end < size || start < ranges[i].next)
            continue;
        if (start + size < ranges[i].end)
            frame_range_add(start + size, ranges[i].end - (start + size));
        ranges[i].end = start;
        return start;
    }
    return 0;
}

uint64_t frame_free_bytes(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < range_count; i++)
        sum += ranges[i].end - ranges[i].next;
    return sum;
}
