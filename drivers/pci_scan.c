/* From an empty machine to assigned buses, windows and BARs: see pci.h. */
#include <stddef.h>
#include "core/arch.h"
#include "core/layout.h"
#include "core/log.h"
#include "core/string.h"
#include "drivers/pci.h"
#include "drivers/pci_registers.h"
#include "mm/frame.h"
#include "mm/kernel_map.h"

#define DEVICES   32u
#define FUNCTIONS 8u
#define DEPTH_MAX 4u /* bridges behind one another */

#define WINDOW_ALIGN  0x100000u   /* of a bridge */
#define WINDOW_CLOSED 0x0000fff0u /* base above limit, for memory of both kinds */
#define IO_CLOSED     0x000000f0u

#define VENDOR_NONE    0xffffu
#define VENDOR_NOT_YET 0x0001u /* asked too early after a reset */

#define BAR_IO          1u
#define BAR_TYPE(value) ((value) >> 1 & 3)
#define BAR_32          0u
#define BAR_64          2u
#define BAR_FLAGS       0xfu

#define EXPRESS_PORT(capability) ((capability) >> 20 & 0xf)
#define EXPRESS_ROOT_PORT        4u
#define EXPRESS_UPSTREAM         5u
#define EXPRESS_DOWNSTREAM       6u

struct scan {
    const struct pci_host *host;
    bool (*wanted)(const struct pci_function *function);
    struct pci_function *first, **last; /* what was found so far */
    uint64_t next, end;                 /* what is left of the window for BARs, as CPUs address it */
    unsigned bus;                       /* the highest number given out */
};

struct bus {
    const struct pci_function *bridge; /* that leads to it */
    volatile uint8_t *config;
    unsigned number, depth, devices;
    bool aliased;
};

static uint64_t align_up(uint64_t value, uint64_t align)
{
    return (value + align - 1) & ~(align - 1);
}

/* ---- BARs ---- */

/* How much a BAR decodes: all ones are written, and the bits that stay 0 tell. `wide`: with the next one as its upper half. */
static uint64_t bar_measure(const struct pci_function *function, unsigned bar, bool wide)
{
    unsigned offset = PCI_BAR + 4 * bar;
    uint64_t mask;

    pci_config_write(function, offset, UINT32_MAX);
    mask = pci_config_read(function, offset) & ~BAR_FLAGS;
    if (wide) {
        pci_config_write(function, offset + 4, UINT32_MAX);
        mask |= (uint64_t)pci_config_read(function, offset + 4) << 32;
        pci_config_write(function, offset + 4, 0);
    } else if (mask) {
        mask |= UINT64_C(0xffffffff) << 32;
    }
    pci_config_write(function, offset, 0);
    /* The ones must be in one piece, or it is no size. */
    uint64_t size = mask & -mask;
    return mask == -size ? size : UINT64_MAX;
}

/* Gives a BAR its place; false, with a line in the log, when it is nonsense or there is no room. */
static bool bar_assign(struct scan *scan, struct pci_function *function, unsigned bar, bool wide)
{
    uint64_t size = bar_measure(function, bar, wide);

    if (size == 0)
        return true;
    if (size == UINT64_MAX) {
        log_print("pci %s: BAR %u decodes no power of two: not used\n", function->name, bar);
        return false;
    }
    /* Pages of its own, so that nothing else is mapped with it. */
    uint64_t bytes = size < PAGE_SIZE ? PAGE_SIZE : size;
    uint64_t start = align_up(scan->next, bytes);
    if (start < scan->next || start > scan->end || bytes > scan->end - start) {
        log_print("pci %s: BAR %u wants %lx bytes, the window has %lx left: not used\n", function->name, bar,
                  size, scan->end - scan->next);
        return false;
    }
    scan->next = start + bytes;
    function->bars[bar] = (struct pci_bar){.phys = start, .size = size};
    pci_config_write(function, PCI_BAR + 4 * bar,
                     (uint32_t)(start - scan->host->memory + scan->host->memory_pci));
    return true;
}

static bool bars_assign(struct scan *scan, struct pci_function *function, unsigned count)
{
    for (unsigned bar = 0; bar < count; bar++) {
        uint32_t value = pci_config_read(function, PCI_BAR + 4 * bar);
        bool wide = !(value & BAR_IO) && BAR_TYPE(value) == BAR_64;

        if (value & BAR_IO)
            continue;
        if ((!wide && BAR_TYPE(value) != BAR_32) || (wide && bar + 1 == count)) {
            log_print("pci %s: BAR %u: %x is of no known type: not used\n", function->name, bar, value);
            return false;
        }
        if (!bar_assign(scan, function, bar, wide))
            return false;
        bar += wide;
    }
    return true;
}

/* ---- Functions ---- */

/* Function `number` (device << 3 | function) of a bus; false when there is none. */
static bool function_look(const struct scan *scan, const struct bus *bus, unsigned number,
                          struct pci_function *function)
{
    *function = (struct pci_function){
        .bridge = bus->bridge,
        .host = scan->host,
        .config = bus->config + number * PCI_FUNCTION_BYTES,
        .bus = (uint8_t)bus->number,
        .device = (uint8_t)(number / FUNCTIONS),
        .function = (uint8_t)(number % FUNCTIONS),
        .aliased = bus->aliased,
    };
    uint32_t id = pci_config_read(function, PCI_ID);

    function->vendor = (uint16_t)id;
    function->product = (uint16_t)(id >> 16);
    if (function->vendor == VENDOR_NONE || function->vendor == 0)
        return false;
    log_format_line(function->name, sizeof function->name, "%02x:%02x.%u", function->bus, function->device,
                    function->function);
    if (id == (0xffff0000u | VENDOR_NOT_YET)) {
        log_print("pci %s: not ready after its reset: not used\n", function->name);
        return false;
    }
    return true;
}

static unsigned header_type(const struct pci_function *function)
{
    return pci_config_read(function, PCI_HEADER) >> 16 & 0xff;
}

static struct pci_function *function_keep(const struct pci_function *function)
{
    struct pci_function *kept = frame_alloc_bytes(sizeof *kept, 8, "a PCI function");

    *kept = *function;
    return kept;
}

static void device_take(struct scan *scan, struct pci_function *function)
{
    function->subsystem = (uint16_t)(pci_config_read(function, PCI_SUBSYSTEM) >> 16);
    function->pin = pci_config_read(function, PCI_INTERRUPT) >> 8 & 0xff;
    if (!scan->wanted(function)) {
        if (pci_config_read(function, PCI_CLASS) >> 16 != PCI_CLASS_HOST)
            log_print("pci %s: no driver for %04x:%04x: left alone\n", function->name, function->vendor,
                      function->product);
        return;
    }
    if (!bars_assign(scan, function, PCI_BARS))
        return;
    *scan->last = function_keep(function);
    scan->last = &(*scan->last)->next;
}

/* ---- Buses ---- */

static void bus_scan(struct scan *scan, const struct pci_function *bridge, unsigned number, unsigned depth);

/*
 * What the kind of bridge means for the bus behind it. A port of PCI Express has one device there: some would answer for it
 * under any number. Conventional bridges put their own number in place of that of who sends.
 */
static void bridge_look(struct bus *bus)
{
    struct pci_walk walk = pci_capabilities(bus->bridge);
    bool express = pci_capability_next(&walk, PCI_CAP_EXPRESS);
    unsigned port = express ? EXPRESS_PORT(pci_config_read(bus->bridge, walk.offset)) : 0;

    if (port == EXPRESS_ROOT_PORT || port == EXPRESS_DOWNSTREAM)
        bus->devices = 1;
    bus->aliased = bus->bridge->aliased ||
                   (port != EXPRESS_ROOT_PORT && port != EXPRESS_DOWNSTREAM && port != EXPRESS_UPSTREAM);
}

/* The bridge passes on [start, end), whole megabytes; nothing when that is empty. */
static void bridge_open(const struct scan *scan, const struct pci_function *bridge, uint64_t start,
                        uint64_t end)
{
    uint64_t offset = scan->host->memory_pci - scan->host->memory;
    uint32_t base = (uint32_t)(start + offset) >> 16 & 0xfff0,
             limit = (uint32_t)(end - 1 + offset) & 0xfff00000;

    pci_config_write(bridge, PCI_MEMORY, start < end ? limit | base : WINDOW_CLOSED);
}

static void bridge_take(struct scan *scan, struct pci_function *function, unsigned depth)
{
    const struct pci_function *bridge;

    if (depth == DEPTH_MAX || scan->bus == scan->host->bus_last) {
        log_print("pci %s: a bridge %s: what is behind it is not used\n", function->name,
                  depth == DEPTH_MAX ? "behind too many others" : "without a bus number left");
        return;
    }
    if (!bars_assign(scan, function, 2))
        return;
    bridge = function_keep(function);
    unsigned below = ++scan->bus;
    uint64_t start = scan->next = align_up(scan->next, WINDOW_ALIGN);

    pci_config_write(bridge, PCI_IO, IO_CLOSED);
    pci_config_write(bridge, PCI_PREFETCH, WINDOW_CLOSED);
    pci_config_write(bridge, PCI_PREFETCH + 4, 0);
    pci_config_write(bridge, PCI_PREFETCH + 8, 0);
    pci_config_write(bridge, PCI_INTERRUPT, 0); /* not in reset */
    /* While its buses are counted, every higher number is behind it. */
    pci_config_write(bridge, PCI_BUSES, bridge->bus | below << 8 | scan->host->bus_last << 16);
    bus_scan(scan, bridge, below, depth + 1);
    pci_config_write(bridge, PCI_BUSES, bridge->bus | below << 8 | scan->bus << 16);
    scan->next = align_up(scan->next, WINDOW_ALIGN);
    bridge_open(scan, bridge, start, scan->next);
    pci_function_enable(bridge);
    pci_function_master(bridge); /* passes on what those behind it read and write */
}

/* Calls `each` with what is on a bus. Functions other than 0 are looked at where 0 says that there are some. */
static void bus_walk(struct scan *scan, const struct bus *bus,
                     void (*each)(struct scan *, const struct bus *, struct pci_function *))
{
    struct pci_function function;

    for (unsigned device = 0; device < bus->devices; device++) {
        unsigned functions = 1;
        for (unsigned i = 0; i < functions; i++) {
            if (!function_look(scan, bus, device * FUNCTIONS + i, &function))
                continue;
            if (i == 0 && header_type(&function) & PCI_HEADER_MANY)
                functions = FUNCTIONS;
            each(scan, bus, &function);
        }
    }
}

/* Takes away what firmware has set: two functions must never answer at one address, nor two bridges for one bus. */
static void function_silence(struct scan *scan, const struct bus *bus, struct pci_function *function)
{
    (void)scan, (void)bus;
    pci_function_disable(function);
    if ((header_type(function) & PCI_HEADER_TYPE) == PCI_HEADER_BRIDGE)
        pci_config_write(function, PCI_BUSES, 0);
}

static void function_take(struct scan *scan, const struct bus *bus, struct pci_function *function)
{
    unsigned type = header_type(function) & PCI_HEADER_TYPE;

    if (type == PCI_HEADER_DEVICE)
        device_take(scan, function);
    else if (type == PCI_HEADER_BRIDGE)
        bridge_take(scan, function, bus->depth);
    else
        log_print("pci %s: header of type %u, expected 0 or 1: left alone\n", function->name, type);
}

static void bus_scan(struct scan *scan, const struct pci_function *bridge, unsigned number, unsigned depth)
{
    uint64_t offset = (uint64_t)(number - scan->host->bus_first) * PCI_BUS_BYTES;
    struct bus bus = {.bridge = bridge, .number = number, .depth = depth, .devices = DEVICES};

    if (bridge)
        bridge_look(&bus);
    bus.config = kernel_map_device(scan->host->config + offset, bus.devices * FUNCTIONS * PCI_FUNCTION_BYTES);
    bus_walk(scan, &bus, function_silence);
    bus_walk(scan, &bus, function_take);
}

struct pci_function *pci_scan(const struct pci_host *host,
                              bool (*wanted)(const struct pci_function *function), unsigned *bus_last)
{
    struct scan scan = {
        .host = host,
        .wanted = wanted,
        .next = host->memory,
        .end = host->memory + host->memory_size,
        .bus = host->bus_first,
    };

    scan.last = &scan.first;
    bus_scan(&scan, NULL, host->bus_first, 0);
    *bus_last = scan.bus;
    return scan.first;
}
