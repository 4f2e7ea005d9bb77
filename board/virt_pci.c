/* From the device tree to drivers/pci.h: see virt_pci.h. */
#include "board/virt_pci.h"

#include <libfdt.h>
#include <stddef.h>
#include "board/device_tree.h"
#include "core/irq.h"
#include "core/layout.h"
#include "core/log.h"
#include "drivers/pci.h"
#include "drivers/virtio_pci.h"

#define COMPATIBLE "pci-host-ecam-generic"

/* An address on PCI is three cells: what space it is in, and 64 bits. */
#define SPACE(cell)     ((cell) >> 24 & 3)
#define SPACE_MEMORY_32 2u
#define CELLS_PCI       3

#define GIC_CELLS 3

#define CONFIG_LIMIT UINT64_C(0x100000000000) /* what a Cortex-A72 can address */

static struct pci_host host;

static bool refuse(const char *what)
{
    log_print("pci: device tree: %s: not used\n", what);
    return false;
}

static uint64_t cells(const fdt32_t *cell, int count)
{
    uint64_t value = 0;

    while (count-- > 0)
        value = value << 32 | fdt32_ld(cell++);
    return value;
}

/* Whether any of it is RAM, by what the tree says of that. */
static bool in_memory(uint64_t start, uint64_t size)
{
    const void *tree = device_tree_blob();
    uint64_t from, bytes;
    int node = -1;

    while ((node = fdt_node_offset_by_prop_value(tree, node, "device_type", "memory", sizeof "memory")) >= 0)
        for (unsigned i = 0; device_tree_reg(node, i, &from, &bytes); i++)
            if (start <= from ? from - start < size : start - from < bytes)
                return true;
    return false;
}

/* ---- Registers and windows ---- */

static bool config_find(int node)
{
    const void *tree = device_tree_blob();
    uint64_t size, buses;
    int length;
    const fdt32_t *range = fdt_getprop(tree, node, "bus-range", &length);

    host.bus_first = 0;
    host.bus_last = 255;
    if (range) {
        if (length != 8)
            return refuse("bus-range is not two numbers");
        host.bus_first = fdt32_ld(range);
        host.bus_last = fdt32_ld(range + 1);
    }
    if (host.bus_first > host.bus_last || host.bus_last > 255)
        return refuse("bus-range is none");
    if (!device_tree_reg(node, 0, &host.config, &size))
        return refuse("the host bridge has no reg");
    buses = size / PCI_BUS_BYTES;
    if (buses == 0 || host.config % PCI_BUS_BYTES || host.config + size < size ||
        host.config + size > CONFIG_LIMIT)
        return refuse("reg is no configuration space");
    if (in_memory(host.config, size))
        return refuse("reg lies in memory");
    if (buses > PCI_BUSES_MAX)
        buses = PCI_BUSES_MAX;
    if (host.bus_last - host.bus_first >= buses)
        host.bus_last = host.bus_first + (unsigned)buses - 1;
    return true;
}

/* The window for memory below 4 GiB: the first that `ranges` has. */
static bool window_find(int node)
{
    const void *tree = device_tree_blob();
    int length, above = device_tree_address_cells(fdt_parent_offset(tree, node));
    const fdt32_t *range = fdt_getprop(tree, node, "ranges", &length);
    int entry = CELLS_PCI + above + 2;

    if (device_tree_address_cells(node) != CELLS_PCI || device_tree_size_cells(node) != 2 || above < 1 ||
        above > 2)
        return refuse("addresses of PCI are not of three cells, sizes of two");
    for (; range && length >= entry * 4; length -= entry * 4, range += entry) {
        uint64_t pci = cells(range + 1, 2), cpu = cells(range + CELLS_PCI, above),
                 size = cells(range + CELLS_PCI + above, 2);

        if (SPACE(fdt32_ld(range)) != SPACE_MEMORY_32 || size == 0)
            continue;
        if (pci + size < pci || pci + size > UINT64_C(0x100000000) || cpu + size < cpu ||
            cpu + size > LINEAR_SIZE || (pci | cpu) % PCI_BUS_BYTES)
            return refuse("the window for BARs is none");
        if (in_memory(cpu, size) || (cpu < host.config + PCI_BUS_BYTES && host.config < cpu + size))
            return refuse("the window for BARs lies in memory, or over the configuration space");
        host.memory = cpu;
        host.memory_pci = pci;
        host.memory_size = size;
        return true;
    }
    return refuse("no window for memory below 4 GiB in ranges");
}

/* ---- Interrupts ---- */

/* Cells of an address on the interrupt controller with that number, if it is one whose interrupts are a GIC's; or -1. */
static int controller_cells(uint32_t phandle)
{
    static uint32_t last;
    static int
        cells; /* of that one: all entries name the same, and to find it takes a walk through the tree */
    uint64_t interrupt_cells;

    if (phandle == last && last)
        return cells;
    int node = fdt_node_offset_by_phandle(device_tree_blob(), phandle);
    last = phandle;
    cells = node < 0 || !device_tree_number(node, "#interrupt-cells", &interrupt_cells) ||
                    interrupt_cells != GIC_CELLS
                ? -1
                : device_tree_address_cells(node);
    return cells;
}

/*
 * interrupt-map: address on PCI (3 cells), pin (1), then the controller, an address on it, and what its `interrupts` would
 * say: of the GIC three cells, kind, number, flags.
 */
static void routes_find(int node)
{
    const void *tree = device_tree_blob();
    int length, mask_length;
    const fdt32_t *map = fdt_getprop(tree, node, "interrupt-map", &length);
    const fdt32_t *mask = fdt_getprop(tree, node, "interrupt-map-mask", &mask_length);

    if (!map || !mask || mask_length != (CELLS_PCI + 1) * 4) {
        log_print("pci: device tree: no interrupt-map, or none with a mask: no lines\n");
        return;
    }
    host.device_mask = fdt32_ld(mask);
    host.pin_mask = fdt32_ld(mask + CELLS_PCI);
    while (length > 0) {
        int address = length < (CELLS_PCI + 2) * 4 ? -1 : controller_cells(fdt32_ld(map + CELLS_PCI + 1));
        int entry = CELLS_PCI + 2 + address + GIC_CELLS;
        unsigned irq;

        if (address < 0 || length < entry * 4 || !device_tree_gic_irq(map + CELLS_PCI + 2 + address, &irq) ||
            host.route_count == PCI_ROUTES_MAX) {
            log_print("pci: device tree: interrupt-map: entry %u is none, or one too many: no more lines\n",
                      host.route_count);
            return;
        }
        host.routes[host.route_count].device = fdt32_ld(map);
        host.routes[host.route_count].pin = fdt32_ld(map + CELLS_PCI);
        host.routes[host.route_count++].irq = irq;
        map += entry;
        length -= entry * 4;
    }
}

/* msi-map: first requester, controller, first device number there, how many. Returns the controller's node, or -1. */
static int messages_find(int node)
{
    const void *tree = device_tree_blob();
    int length, mask_length;
    const fdt32_t *map = fdt_getprop(tree, node, "msi-map", &length);

    if (!map)
        return -1;
    int controller = length == 16 ? fdt_node_offset_by_phandle(tree, fdt32_ld(map + 1)) : -1;
    if (controller < 0 || fdt_getprop(tree, node, "msi-map-mask", &mask_length)) {
        log_print("pci: device tree: msi-map is not one entry with a controller: no MSI-X\n");
        return -1;
    }
    host.msi_first = fdt32_ld(map);
    host.msi_base = fdt32_ld(map + 2);
    host.msi_count = fdt32_ld(map + 3);
    if (host.msi_base + host.msi_count < host.msi_base) {
        log_print("pci: device tree: msi-map has %x numbers from %x on: no MSI-X\n", host.msi_count,
                  host.msi_base);
        host.msi_count = 0;
        return -1;
    }
    return controller;
}

/* One more than the highest device number that a function on these buses can have. */
static unsigned device_numbers(unsigned bus_last)
{
    uint32_t requesters = (bus_last + 1) << 8;

    requesters = requesters > host.msi_first ? requesters - host.msi_first : 0;
    return host.msi_base + (requesters < host.msi_count ? requesters : host.msi_count);
}

void virt_pci_start(void (*msi_start)(int node, unsigned devices))
{
    int node = device_tree_next(-1, COMPATIBLE);
    struct pci_function *found;
    unsigned bus_last;

    if (node < 0 || !config_find(node) || !window_find(node))
        return;
    found = pci_scan(&host, virtio_pci_wanted, &bus_last);
    if (!found)
        return;
    routes_find(node);
    int controller = messages_find(node);
    if (controller >= 0)
        msi_start(controller, device_numbers(bus_last));
    for (; found; found = found->next)
        virtio_pci_probe(found);
}
