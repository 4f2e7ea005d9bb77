/* Physical memory: what there is, what is taken, and the change to the final tables. See boot.h. */
#include "boot/boot.h"

#include <libfdt.h>
#include "board/device_tree.h"
#include "core/arch.h"
#include "core/log.h"
#include "core/setting.h"
#include "core/string.h"
#include "mm/frame.h"
#include "mm/kernel_map.h"

#define RANGES_MAX 32
#define MIB        (UINT64_C(1) << 20)
#define GIB        (UINT64_C(1) << 30)

#define MEMORY_LEAST                                                                                         \
    (8 * MIB) /* a device tree of QEMU's alone takes one; what is too little for an appliance panics later */
#define IPC_ALIGN   (2 * MIB) /* blocks of the linear map beside it stay whole */
#define IPC_LEAST   (2 * MIB)
#define IPC_DEFAULT (64 * MIB)

/* Sorted by nothing, disjoint, page aligned, below the last page of all addresses: no end overflows. */
struct ranges {
    unsigned count;
    struct range {
        uint64_t start, end;
    } at[RANGES_MAX];
};

static struct ranges mapped; /* RAM that the linear map will hold */
static struct ranges usable; /* the part of it that is free */
static uint64_t total;
static struct range image, ipc, config;

/* boot/kernel.ld */
extern char text_start[], text_end[], data_start[], image_end[];

static void ranges_add(struct ranges *ranges, uint64_t start, uint64_t end)
{
    if (start >= end)
        return;
    if (ranges->count == RANGES_MAX)
        boot_fail("memory is in more than %d pieces", RANGES_MAX);
    ranges->at[ranges->count++] = (struct range){start, end};
}

/* Takes [start, end) out, which may touch any number of ranges. */
static void ranges_remove(struct ranges *ranges, uint64_t start, uint64_t end)
{
    struct ranges old = *ranges;

    if (start >= end)
        return;
    ranges->count = 0;
    for (unsigned i = 0; i < old.count; i++) {
        struct range *range = &old.at[i];
        ranges_add(ranges, range->start, range->end < start ? range->end : start);
        ranges_add(ranges, range->start > end ? range->start : end, range->end);
    }
}

/* Adds [start, end), of which parts may be there already: a device tree can name memory twice. */
static void ranges_unite(struct ranges *ranges, uint64_t start, uint64_t end)
{
    ranges_remove(ranges, start, end);
    ranges_add(ranges, start, end);
}

/* Where `size` bytes end, at most at the last page of all addresses: what the device tree says may be nonsense. */
static uint64_t bytes_end(uint64_t start, uint64_t size)
{
    uint64_t end;

    return __builtin_add_overflow(start, size, &end) || end > ~PAGE_MASK ? ~PAGE_MASK : end;
}

/* Calls `each` with the pages that the entries of a node's reg touch wholly (inwards) or at all (outwards). */
static void node_ranges(int node, bool outwards, struct ranges *ranges,
                        void (*each)(struct ranges *, uint64_t, uint64_t))
{
    uint64_t start, size;

    for (unsigned i = 0; device_tree_reg(node, i, &start, &size); i++) {
        uint64_t end = bytes_end(start, size);
        if (outwards)
            each(ranges, start & ~PAGE_MASK, (end + PAGE_MASK) & ~PAGE_MASK);
        else
            each(ranges, bytes_end(start, PAGE_MASK) & ~PAGE_MASK, end & ~PAGE_MASK);
    }
}

static void remove_bytes(uint64_t start, uint64_t size)
{
    ranges_remove(&usable, start & ~PAGE_MASK, (bytes_end(start, size) + PAGE_MASK) & ~PAGE_MASK);
}

/* The appliance's configuration file, which the linear map must reach. */
static void remove_initrd(uint64_t start, uint64_t end)
{
    for (unsigned i = 0; i < mapped.count; i++) {
        if (start >= mapped.at[i].start && end <= mapped.at[i].end) {
            remove_bytes(start, end - start);
            config = (struct range){start, end};
            return;
        }
    }
    boot_fail("the initrd (0x%lx to 0x%lx) is not in memory", start, end);
}

/* What the loader put into memory beside us. */
static void remove_loaded(const void *tree)
{
    uint64_t start, end, size, tree_phys = arch_virt_to_phys(tree);
    int chosen = device_tree_path("/chosen");

    remove_bytes(tree_phys, device_tree_size());
    if (device_tree_number(chosen, "linux,initrd-start", &start) &&
        device_tree_number(chosen, "linux,initrd-end", &end) && start < end)
        remove_initrd(start, end);
    for (int i = 0; i < fdt_num_mem_rsv(tree); i++)
        if (!fdt_get_mem_rsv(tree, i, &start, &size))
            remove_bytes(start, size);
}

/* What the firmware keeps. `no-map` regions must not even be in the linear map: a CPU may read ahead there. */
static void remove_reserved(const void *tree)
{
    int node;

    fdt_for_each_subnode(node, tree, device_tree_path("/reserved-memory"))
    {
        node_ranges(node, true, &usable, ranges_remove);
        if (fdt_getprop(tree, node, "no-map", NULL))
            node_ranges(node, true, &mapped, ranges_remove);
    }
}

void boot_memory_find(uint64_t image_phys)
{
    const void *tree = device_tree_blob();
    int node;

    fdt_for_each_subnode(node, tree, device_tree_path("/"))
    {
        const char *type = device_tree_string(node, "device_type");
        /* Not what others keep, as the RAM of the secure world */
        if (type && !strcmp(type, "memory") && device_tree_okay(node))
            node_ranges(node, false, &mapped, ranges_unite);
    }
    for (unsigned i = 0; i < mapped.count; i++)
        total += mapped.at[i].end - mapped.at[i].start;
    if (!total)
        boot_fail("no memory in the device tree");
    if (total < MEMORY_LEAST)
        boot_fail("%lu MiB of memory, at least %lu are needed", total / MIB, MEMORY_LEAST / MIB);

    image = (struct range){image_phys, image_phys + (uint64_t)(image_end - text_start)};
    ranges_remove(&mapped, LINEAR_SIZE, UINT64_MAX); /* what the linear map cannot hold */
    /* The image is reached at IMAGE_BASE only, or W^X would mean nothing. */
    ranges_remove(&mapped, image.start, image.end);
    usable = mapped;
    remove_reserved(tree);
    remove_loaded(tree);
}

uint64_t boot_memory_bytes(void)
{
    return total;
}

/* ipc=MIB, or a quarter of memory up to 64 MiB. */
static uint64_t ipc_size(void)
{
    const char *setting = setting_find("ipc");
    uint64_t size = total / 4 < IPC_DEFAULT ? total / 4 : IPC_DEFAULT, number = 0;

    if (setting) {
        for (const char *digit = setting; *digit; digit++)
            number = *digit >= '0' && *digit <= '9' && number < total ? number * 10 + (uint64_t)(*digit - '0')
                                                                      : total;
        size = number * MIB;
        if (number < IPC_LEAST / MIB || number > total / 2 / MIB)
            boot_fail("setting ipc=%s: expected a number of MiB from %lu to %lu", setting, IPC_LEAST / MIB,
                      total / 2 / MIB);
    }
    return size & ~(IPC_ALIGN - 1);
}

/* The block is the highest that there is, so that the image's gigabyte keeps memory for tables. */
static void ipc_choose(void)
{
    uint64_t size = ipc_size(), best = 0;

    for (unsigned i = 0; i < usable.count; i++) {
        struct range *range = &usable.at[i];
        uint64_t start = (range->end - size) & ~(IPC_ALIGN - 1);
        if (range->end - range->start >= size && start >= range->start && start > best)
            best = start;
    }
    if (!best)
        boot_fail("no %lu MiB of contiguous memory for IPC pages", size / MIB);
    ipc = (struct range){best, best + size};
    ranges_remove(&usable, ipc.start, ipc.end);
    ranges_remove(&mapped, ipc.start, ipc.end);
}

/* Gives the usable memory that lies in [start, end) to mm/frame.h. */
static void frames_add(uint64_t start, uint64_t end)
{
    for (unsigned i = 0; i < usable.count; i++) {
        uint64_t first = usable.at[i].start > start ? usable.at[i].start : start;
        uint64_t last = usable.at[i].end < end ? usable.at[i].end : end;
        if (first < last)
            frame_range_add(first, last - first);
    }
}

void boot_memory_map(void)
{
    uint64_t gigabyte = image.start & ~(GIB - 1);
    const struct image_layout layout = {
        .phys = image.start,
        .text_start = (uint64_t)text_start,
        .text_end = (uint64_t)text_end,
        .rodata_start = (uint64_t)text_end,
        .rodata_end = (uint64_t)data_start,
        .data_start = (uint64_t)data_start,
        .data_end = (uint64_t)image_end,
    };

    ipc_choose();
    frames_add(gigabyte, gigabyte + GIB);
    kernel_map_init(&layout);
    for (unsigned i = 0; i < mapped.count; i++)
        kernel_map_ram(mapped.at[i].start, mapped.at[i].end - mapped.at[i].start);
    boot_console_map();
    boot_switch_tables(kernel_map_root(), image.start - IMAGE_BASE);
    frames_add(0, gigabyte);
    frames_add(gigabyte + GIB, LINEAR_SIZE);
}

uint64_t boot_ipc_phys(void)
{
    return ipc.start;
}

uint32_t boot_ipc_pages(void)
{
    return (uint32_t)((ipc.end - ipc.start) >> PAGE_SHIFT);
}

const void *boot_config(uint64_t *size)
{
    *size = config.end - config.start;
    return *size ? arch_phys_to_virt(config.start) : NULL;
}
