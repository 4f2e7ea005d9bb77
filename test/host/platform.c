/*
 * What the kernel's objects of the host build need and the simulated machine does not bring: blocks of the
 * CPUs, panic, the log on standard output, time, and scrubbing without a window, which checks the contract of
 * mm/kernel_map.h.
 */
#include "core/cpu.h"
#include "core/log.h"
#include "mm/frame.h"
#include "mm/kernel_map.h"
#include "test/host/machine.h"

#include <stdio.h>
#include <string.h>

struct cpu cpus[CPUS_MAX];
unsigned cpu_count;

void panic(const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    machine_fail("panic: %s", text);
}

void log_print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
}

void kernel_map_scrub(uint64_t frame, uint32_t start, uint32_t end)
{
    uint8_t *bytes = machine_memory(frame);

    if (machine_frame_reachable(frame))
        machine_fail("frame 0x%lx is scrubbed while somebody may reach it", (unsigned long)frame);
    machine_counts.scrubs++;
    memset(bytes, 0, start);
    memset(bytes + end, 0, PAGE_SIZE - end);
}

void machine_add_ram(void)
{
    frame_range_add(MACHINE_PHYS, MACHINE_MEMORY);
}
