/*
 * kernel_map_scrub, kernel_map_copy and kernel_map_open (mm/kernel_map.h) without the windows, which no host address can stand for. Checks the
 * first one's contract.
 */
#include "core/layout.h"
#include "mm/kernel_map.h"
#include "test/host/machine.h"

#include <string.h>

void *kernel_map_open(uint64_t frame)
{
    return machine_memory(frame);
}

void kernel_map_close(void *window)
{
    (void)window;
}

void kernel_map_scrub(uint64_t frame, uint32_t start, uint32_t end)
{
    uint8_t *bytes = machine_memory(frame);

    if (machine_scrubbing)
        machine_scrubbing(frame);
    machine_counts.scrubs++;
    memset(bytes, 0, start);
    memset(bytes + end, 0, PAGE_SIZE - end);
}

void kernel_map_copy(uint64_t to, uint64_t from, uint32_t offset, uint32_t length)
{
    memcpy((uint8_t *)machine_memory(to) + offset, (const uint8_t *)machine_memory(from) + offset, length);
}
