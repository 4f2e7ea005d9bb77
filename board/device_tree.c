/* The device tree: see device_tree.h. */
#include "board/device_tree.h"

#include <libfdt.h>
#include "core/irq.h"
#include "core/log.h"
#include "core/string.h"

#define GIC_SPI 0
#define GIC_PPI 1

static const void *tree;

/* Debian's libfdt.a is compiled with stack protection, which asks for these two. */
extern uintptr_t __stack_chk_guard;
void __stack_chk_fail(void);

uintptr_t __stack_chk_guard = 0x5bd1e995a0761d64;

void __stack_chk_fail(void)
{
    panic("boot: libfdt wrote beyond its stack frame");
}

const char *device_tree_open(const void *blob, size_t size)
{
    int error = fdt_check_header(blob);

    if (!error && fdt_totalsize(blob) > size)
        return "its size is out of bounds";
    if (!error)
        error = fdt_check_full(blob, fdt_totalsize(blob));
    if (error == -FDT_ERR_BADMAGIC)
        return "there is none at the address in x0";
    if (error)
        return "it is damaged";
    tree = blob;
    return NULL;
}

const void *device_tree_blob(void)
{
    return tree;
}

size_t device_tree_size(void)
{
    return fdt_totalsize(tree);
}

bool device_tree_okay(int node)
{
    const char *status = device_tree_string(node, "status");

    return !status || !strcmp(status, "okay") || !strcmp(status, "ok");
}

int device_tree_next(int after, const char *compatible)
{
    int node = fdt_node_offset_by_compatible(tree, after, compatible);

    while (node >= 0 && !device_tree_okay(node))
        node = fdt_node_offset_by_compatible(tree, node, compatible);
    return node;
}

int device_tree_path(const char *path)
{
    const char *options = strchr(path, ':');

    return fdt_path_offset_namelen(tree, path, options ? (int)(options - path) : (int)strlen(path));
}

bool device_tree_compatible(int node, const char *compatible)
{
    return node >= 0 && device_tree_okay(node) && fdt_node_check_compatible(tree, node, compatible) == 0;
}

/*
 * fdt_parent_offset walks the tree from its beginning. Questions come node by node, and most nodes are siblings of the one before:
 * then the parent is known.
 */
static int parent_of(int node)
{
    static int child = -1, parent;
    int sibling = child;

    while (sibling >= 0 && sibling < node)
        sibling = fdt_next_subnode(tree, sibling);
    if (sibling != node || node < 0)
        parent = fdt_parent_offset(tree, node);
    child = node;
    return parent;
}

/*
 * #address-cells or #size-cells of a bus, negative when it cannot be right. libfdt has this too, but in one file with what changes
 * trees, which brings 7 KB.
 */
static int bus_cells(int bus, const char *property, int otherwise)
{
    int length;
    const fdt32_t *cells = fdt_getprop(tree, bus, property, &length);

    if (!cells)
        return length == -FDT_ERR_NOTFOUND ? otherwise : length;
    return length == 4 && fdt32_ld(cells) <= FDT_MAX_NCELLS ? (int)fdt32_ld(cells) : -FDT_ERR_BADNCELLS;
}

int device_tree_address_cells(int bus)
{
    return bus_cells(bus, "#address-cells", 2);
}

int device_tree_size_cells(int bus)
{
    return bus_cells(bus, "#size-cells", 1);
}

/* A number of `cells` cells; the upper bits of more than two are dropped. */
static uint64_t cells_read(const fdt32_t *cell, int cells)
{
    uint64_t value = 0;

    while (cells-- > 0)
        value = value << 32 | fdt32_ld(cell++);
    return value;
}

/*
 * An address on `bus` as one on the bus above, by the entry of `ranges` that holds all `size` bytes. No property: the bus
 * passes nothing on; an empty one: all as it is.
 */
static bool bus_translate(int bus, int above, uint64_t *address, uint64_t size)
{
    int length, child_cells = device_tree_address_cells(bus), size_cells = device_tree_size_cells(bus);
    int parent_cells = device_tree_address_cells(above), entry = child_cells + parent_cells + size_cells;
    const fdt32_t *range = fdt_getprop(tree, bus, "ranges", &length);

    if (!range || child_cells < 1 || parent_cells < 1 || size_cells < 0)
        return false;
    if (!length)
        return true;
    for (; length >= entry * 4; length -= entry * 4, range += entry) {
        uint64_t child = cells_read(range, child_cells),
                 parent = cells_read(range + child_cells, parent_cells);
        uint64_t bytes = cells_read(range + child_cells + parent_cells, size_cells);
        if (*address >= child && *address - child <= bytes && size <= bytes - (*address - child)) {
            *address = *address - child + parent;
            return true;
        }
    }
    return false;
}

bool device_tree_id(int node, uint64_t *id)
{
    int cells = device_tree_address_cells(parent_of(node)), length;
    const fdt32_t *reg = fdt_getprop(tree, node, "reg", &length);

    if (!reg || cells < 1 || length < cells * 4)
        return false;
    *id = cells_read(reg, cells);
    return true;
}

bool device_tree_reg(int node, unsigned index, uint64_t *address, uint64_t *size)
{
    int parent = parent_of(node), length;
    int cells = device_tree_address_cells(parent), size_cells = device_tree_size_cells(parent);
    const fdt32_t *reg = fdt_getprop(tree, node, "reg", &length);

    if (!reg || cells < 1 || size_cells < 0)
        return false;
    int entry = cells + size_cells;
    if ((int64_t)(index + 1) * entry * 4 > length)
        return false;
    *address = cells_read(reg + index * entry, cells);
    *size = cells_read(reg + index * entry + cells, size_cells);
    for (int above; (above = fdt_parent_offset(tree, parent)) >= 0; parent = above)
        if (!bus_translate(parent, above, address, *size))
            return false;
    return true;
}

bool device_tree_irq(int node, unsigned index, unsigned *irq)
{
    int length;
    const fdt32_t *cell = fdt_getprop(tree, node, "interrupts", &length);

    return cell && (int)(index + 1) * 12 <= length && device_tree_gic_irq(cell + 3 * index, irq);
}

bool device_tree_gic_irq(const void *cells, unsigned *irq)
{
    const fdt32_t *cell = cells;
    uint32_t kind = fdt32_ld(cell), number = fdt32_ld(cell + 1);

    if (kind > GIC_PPI || number >= (kind == GIC_SPI ? IRQS_MAX - IRQ_SPI(0) : IRQ_SPI(0) - IRQ_PPI(0)))
        return false;
    *irq = kind == GIC_SPI ? IRQ_SPI(number) : IRQ_PPI(number);
    return true;
}

const char *device_tree_string(int node, const char *property)
{
    int length;
    const char *text = fdt_getprop(tree, node, property, &length);

    return text && length > 0 && !text[length - 1] ? text : NULL;
}

bool device_tree_number(int node, const char *property, uint64_t *value)
{
    int length;
    const fdt32_t *cell = fdt_getprop(tree, node, property, &length);

    if (!cell || (length != 4 && length != 8))
        return false;
    *value = cells_read(cell, length / 4);
    return true;
}

uint64_t device_tree_clock(int node)
{
    int length;
    uint64_t frequency = 0;
    const fdt32_t *clocks = fdt_getprop(tree, node, "clocks", &length);

    if (clocks && length >= 4)
        device_tree_number(fdt_node_offset_by_phandle(tree, fdt32_ld(clocks)), "clock-frequency", &frequency);
    return frequency;
}
