/* The kernel's own addresses: see kernel_map.h. */
#include "mm/kernel_map.h"
#include "core/arch.h"
#include "core/cpu.h"
#include "core/log.h"
#include "core/string.h"
#include "core/zero.h"
#include "mm/frame.h"
#include "mm/kernel_copy.h"
#include "mm/pagetable.h"

#define DEVICE_RANGES 32
#define DEVICE_LIMIT  0x100000000000ul /* what a Cortex-A72 can address */

static struct pagetable kernel;
static uint64_t image_phys;

/* The private windows of a CPU, each with an unmapped page behind it. */
enum window {
    WINDOW_SCRUB,
    WINDOW_FROM,
    WINDOW_TO,
    WINDOWS
};

_Static_assert(CPUS_MAX *WINDOWS * 2 <= 512 && WINDOW_BASE % (512 * PAGE_SIZE) == 0,
               "pagetable_window: one table holds them all");

static uint64_t window_at(unsigned cpu, enum window window)
{
    return WINDOW_BASE + (cpu * WINDOWS + window) * 2 * PAGE_SIZE;
}

void kernel_map_init(const struct image_layout *image)
{
    uint64_t offset = image->phys - IMAGE_BASE;

    image_phys = image->phys;
    pagetable_create(&kernel, 0);
    pagetable_map(&kernel, image->text_start, image->text_start + offset, image->text_end - image->text_start,
                  MAP_EXEC_KERNEL);
    pagetable_map(&kernel, image->rodata_start, image->rodata_start + offset,
                  image->rodata_end - image->rodata_start, 0);
    pagetable_map(&kernel, image->data_start, image->data_start + offset, image->data_end - image->data_start,
                  MAP_WRITE);
    /* The windows' tables are made now: an entry of them changes in contexts that must not allocate. */
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
        for (unsigned window = 0; window < WINDOWS; window++) {
            pagetable_window(&kernel, window_at(cpu, window), image->phys, false);
            pagetable_window(&kernel, window_at(cpu, window), 0, false);
        }
}

void kernel_map_ram(uint64_t phys, uint64_t size)
{
    invariant(phys + size <= LINEAR_SIZE, "layout: RAM below 256 GiB");
    pagetable_map(&kernel, LINEAR_BASE + phys, phys, size, MAP_WRITE);
}

/*
 * Devices above the linear map (an ECAM, on some machines): each range that is asked for gets addresses of its own, or those
 * of one that holds it.
 */
static volatile void *device_map_high(uint64_t phys, uint64_t size)
{
    static struct {
        uint64_t phys, size, va;
    } ranges[DEVICE_RANGES];
    static unsigned count;
    static uint64_t next = DEVICE_BASE;
    uint64_t start = phys & ~PAGE_MASK, bytes = ((phys + size + PAGE_MASK) & ~PAGE_MASK) - start;

    invariant(start < start + bytes && start + bytes <= DEVICE_LIMIT, "layout: devices below 16 TiB");
    for (unsigned i = 0; i < count; i++)
        if (start >= ranges[i].phys && start + bytes <= ranges[i].phys + ranges[i].size)
            return (volatile void *)(ranges[i].va + (phys - ranges[i].phys));
    invariant(count < DEVICE_RANGES, "layout: 32 ranges of devices above the linear map");
    pagetable_map(&kernel, next, start, bytes, MAP_WRITE | MAP_DEVICE);
    ranges[count].phys = start;
    ranges[count].size = bytes;
    ranges[count++].va = next;
    next += bytes;
    return (volatile void *)(next - bytes + (phys - start));
}

volatile void *kernel_map_device(uint64_t phys, uint64_t size)
{
    uint64_t page = phys & ~PAGE_MASK, end = (phys + size + PAGE_MASK) & ~PAGE_MASK;

    if (end > LINEAR_SIZE || end < page)
        return device_map_high(phys, size); /* which refuses what does not end */
    for (; page < end; page += PAGE_SIZE)
        if (!pagetable_device_mapped(&kernel, LINEAR_BASE + page)) /* device registers share pages */
            pagetable_map(&kernel, LINEAR_BASE + page, page, PAGE_SIZE, MAP_WRITE | MAP_DEVICE);
    return (volatile void *)(LINEAR_BASE + phys);
}

uint64_t kernel_map_stack(unsigned number)
{
    uint64_t top = STACK_BASE + (number + 1) * 2 * KERNEL_STACK_SIZE;
    uint64_t frames = frame_alloc(KERNEL_STACK_SIZE / PAGE_SIZE, "a kernel stack");

    pagetable_map(&kernel, top - KERNEL_STACK_SIZE, frames, KERNEL_STACK_SIZE, MAP_WRITE);
    return top;
}

uint64_t kernel_image_phys(const void *in_image)
{
    return (uint64_t)in_image - IMAGE_BASE + image_phys;
}

uint64_t kernel_map_root(void)
{
    return kernel.root;
}

/* Puts a frame into a window of this CPU; the caller's ISB makes it usable. */
static char *window_open(enum window window, uint64_t frame, bool writable)
{
    uint64_t address = window_at(cpu_number(), window);

    pagetable_window(&kernel, address, frame, writable);
    return (char *)address;
}

/* Takes it out again; complete after windows_settle. */
static void window_close(const char *window)
{
    pagetable_window(&kernel, (uint64_t)window, 0, false);
    arch_tlbi_page_local((uint64_t)window,
                         0); /* else the next use on this CPU would still reach this frame */
}

static void windows_settle(void)
{
    arch_dsb_nsh(); /* else the TLBI may not be complete when the window is used again */
    arch_isb();
    cpu_self()->counters[COUNT_TLB_BARRIERS] += 1;
}

void *kernel_map_open(uint64_t frame)
{
    char *bytes = window_open(WINDOW_SCRUB, frame, true);

    arch_isb(); /* else what follows may run ahead under the invalid entry */
    return bytes;
}

void kernel_map_close(void *window)
{
    window_close(window);
    windows_settle();
}

void kernel_map_scrub(uint64_t frame, uint32_t start, uint32_t end)
{
    char *bytes = kernel_map_open(frame);

    zero_bytes(bytes, start);
    zero_bytes(bytes + end, PAGE_SIZE - end);
    kernel_map_close(bytes);
}

void kernel_map_copy(uint64_t to, uint64_t from, uint32_t offset, uint32_t length)
{
    const char *source = window_open(WINDOW_FROM, from, false);
    char *target = window_open(WINDOW_TO, to, true);

    arch_isb(); /* else the copying may run ahead under the invalid entries */
    kernel_copy(target + offset, source + offset, length);
    window_close(source);
    window_close(target);
    windows_settle();
}
