/*
 * PCI Express: a host bridge with its configuration space in memory (ECAM), what is on its buses, and its capabilities.
 *
 * Owns: the configuration space, bus numbers, base address registers (BARs) and bridge windows. Whatever firmware had put
 * there is taken away first and assigned anew, so nothing of it has to be believed. Model: pci_scan() goes through the
 * buses once, at boot, on CPU 0, in the order of devices and functions, and behind a bridge before what follows it. What a
 * driver may want is kept for good; everything else is left without access to memory and without a voice (decoding, bus
 * mastering and its interrupt line are off). Memory BARs are placed below 4 GiB, each on pages of its own; I/O ports are
 * not used.
 *
 * Invariants
 *   1. What a device says of itself (sizes, offsets, lists) is checked before it is used; what is wrong is named in the log
 *      with the function, and the function is not used.
 *   2. A function decodes memory only between pci_function_enable() and pci_function_disable(), and masters the bus only
 *      from pci_function_master() on.
 *   3. Two BARs never share a page.
 *
 * Errors: false or NULL, after one line in the log. Not done: hotplug, power management, I/O ports, SR-IOV, ARI, an IOMMU.
 * Manuals: PCI Local Bus 3.0 (configuration space, 6), PCI-to-PCI Bridge 1.2, PCI Express Base 5.0 (7.2.2 ECAM).
 */
#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define PCI_ROUTES_MAX 32
#define PCI_BARS       6
#define PCI_BUSES_MAX  32 /* numbers from the host's first bus on */

#define PCI_FUNCTION_BYTES 4096u
#define PCI_BUS_BYTES      (256 * PCI_FUNCTION_BYTES)

/* Capabilities */
#define PCI_CAP_VENDOR  0x09u
#define PCI_CAP_EXPRESS 0x10u
#define PCI_CAP_MSIX    0x11u

/* What the board knows of the host bridge; it stays the board's, and must stay. */
struct pci_host {
    uint64_t config;              /* ECAM: physical address of the first bus */
    unsigned bus_first, bus_last; /* numbers that the ECAM has room for */
    uint64_t memory, memory_size; /* the window for BARs, as CPUs address it */
    uint64_t memory_pci;          /* and as the bus does, below 4 GiB */
    /* Lines: where pin 1 to 4 of a device on the first bus ends up. Addresses as in the device tree: device << 11. */
    struct {
        uint32_t device;
        uint32_t pin;
        unsigned irq; /* an INTID */
    } routes[PCI_ROUTES_MAX];
    unsigned route_count;
    uint32_t device_mask, pin_mask;
    /* Messages: requester r in [msi_first, msi_first + msi_count) is device r - msi_first + msi_base of the controller. */
    uint32_t msi_first, msi_base, msi_count;
};

struct pci_bar {
    uint64_t phys; /* as CPUs address it; 0 when it has no place */
    uint64_t size; /* 0: not there */
};

/* One function of a device. Made by pci_scan(), never freed. */
struct pci_function {
    struct pci_function *next;         /* in the order in which they were found */
    const struct pci_function *bridge; /* that it is behind; NULL on the first bus */
    const struct pci_host *host;
    volatile uint8_t *config; /* its 4 KiB of configuration space */
    uint8_t bus, device, function, pin;
    bool aliased; /* behind a conventional bridge: what it sends carries a number that is not its own */
    uint16_t vendor, product, subsystem;
    struct pci_bar bars[PCI_BARS];
    char name[12]; /* "00:01.0": bus, device, function; the first two in hexadecimal */
};

/*
 * Finds everything, and returns the functions that `wanted` (called with vendor, product and subsystem filled in) says
 * yes to, with BARs assigned and switched off, as a list; NULL when there are none. The others are named in the log, but
 * for bridges. *bus_last gets the highest bus number in use. Boot only; takes memory from mm/frame.h.
 */
struct pci_function *pci_scan(const struct pci_host *host,
                              bool (*wanted)(const struct pci_function *function), unsigned *bus_last);

/* One register of 32 bits; `offset` a multiple of 4 below 256. A write has reached the function when this returns. */
uint32_t pci_config_read(const struct pci_function *function, unsigned offset);
void pci_config_write(const struct pci_function *function, unsigned offset, uint32_t value);

/*
 * Lets the function decode its memory: its BARs answer. master lets it read and write ours, and send messages: once it is
 * reset, as what firmware had told it to do may still be going on. disable takes it all away, and silences its line.
 */
void pci_function_enable(const struct pci_function *function);
void pci_function_master(const struct pci_function *function);
void pci_function_disable(const struct pci_function *function);

/* Lets the function use its interrupt line, or not. */
void pci_line_allow(const struct pci_function *function, bool allow);

/* Requester number: bus, device and function, as they stand in what the function sends. */
static inline uint32_t pci_requester(const struct pci_function *function)
{
    return (uint32_t)function->bus << 8 | (uint32_t)function->device << 3 | function->function;
}

/*
 * The list of capabilities, one at a time:
 *     struct pci_walk walk = pci_capabilities(function);
 *     while (pci_capability_next(&walk, PCI_CAP_VENDOR)) ... walk.offset
 *     if (walk.fault) the list is damaged: said in the log, do not use what it had.
 * A list has at most 48 entries, all of them behind the header: a loop is found by that.
 */
struct pci_walk {
    const struct pci_function *function;
    unsigned offset; /* of the capability found */
    unsigned next;   /* pointer to follow */
    unsigned left;
    bool fault;
};
struct pci_walk pci_capabilities(const struct pci_function *function);
bool pci_capability_next(struct pci_walk *walk, unsigned id);

/*
 * Checks that [offset, offset + length) lies in a BAR that has a place; returns its physical address, or 0 after a line in
 * the log that calls it `what`.
 */
uint64_t pci_bar_range(const struct pci_function *function, unsigned bar, uint64_t offset, uint64_t length,
                       const char *what);

#endif
