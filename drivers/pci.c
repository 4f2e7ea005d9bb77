/* One function: its registers, its capabilities, its BARs. See pci.h. */
#include "drivers/pci.h"

#include "core/arch.h"
#include "core/log.h"
#include "drivers/pci_registers.h"

#define LIST_FIRST 0x40u /* the header ends here */
#define LIST_MOST  48u   /* entries of 4 bytes that fit behind it */
#define POINTER    0xfcu /* its two low bits are reserved, and to be masked */

uint32_t pci_config_read(const struct pci_function *function, unsigned offset)
{
    return arch_device_read(function->config + offset);
}

void pci_config_write(const struct pci_function *function, unsigned offset, uint32_t value)
{
    arch_device_write(function->config + offset, value);
    /* Without it the write may still be on its way (nGnRE) when the next access relies on it, by another address. */
    (void)arch_device_read(function->config + offset);
    arch_dsb_sy(); /* else that access may overtake the read: they lie in different regions of device memory */
}

/* The status half of the register is written as 0, which clears nothing. */
static void command_change(const struct pci_function *function, uint32_t clear, uint32_t set)
{
    uint32_t command = pci_config_read(function, PCI_COMMAND) & 0xffff;

    pci_config_write(function, PCI_COMMAND, (command & ~clear) | set);
}

void pci_function_enable(const struct pci_function *function)
{
    command_change(function, 0, PCI_COMMAND_MEMORY);
}

void pci_function_master(const struct pci_function *function)
{
    command_change(function, 0, PCI_COMMAND_MASTER);
}

void pci_function_disable(const struct pci_function *function)
{
    command_change(function, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, PCI_COMMAND_NO_LINE);
}

void pci_line_allow(const struct pci_function *function, bool allow)
{
    command_change(function, PCI_COMMAND_NO_LINE, allow ? 0 : PCI_COMMAND_NO_LINE);
}

struct pci_walk pci_capabilities(const struct pci_function *function)
{
    struct pci_walk walk = {.function = function, .left = LIST_MOST};

    if (pci_config_read(function, PCI_COMMAND) & PCI_STATUS_LIST)
        walk.next = pci_config_read(function, PCI_LIST) & POINTER;
    return walk;
}

static bool walk_fault(struct pci_walk *walk, const char *what)
{
    log_print("pci %s: list of capabilities: %s (at offset %x)\n", walk->function->name, what, walk->next);
    walk->fault = true;
    return false;
}

bool pci_capability_next(struct pci_walk *walk, unsigned id)
{
    while (!walk->fault && walk->next) {
        if (walk->next < LIST_FIRST)
            return walk_fault(walk, "points into the header");
        if (walk->left-- == 0)
            return walk_fault(walk, "does not end");
        uint32_t entry = pci_config_read(walk->function, walk->next);
        if (entry == UINT32_MAX)
            return walk_fault(walk, "points to where nothing answers");
        walk->offset = walk->next;
        walk->next = entry >> 8 & POINTER;
        if ((entry & 0xff) == id)
            return true;
    }
    return false;
}

uint64_t pci_bar_range(const struct pci_function *function, unsigned bar, uint64_t offset, uint64_t length,
                       const char *what)
{
    if (bar >= PCI_BARS || !function->bars[bar].phys) {
        log_print("pci %s: %s: in BAR %u, which %s\n", function->name, what, bar,
                  bar >= PCI_BARS ? "does not exist" : "is no memory");
        return 0;
    }
    uint64_t size = function->bars[bar].size;
    if (offset > size || length > size - offset) {
        log_print("pci %s: %s: at %lx to %lx of BAR %u, which has %lx bytes\n", function->name, what, offset,
                  offset + length, bar, size);
        return 0;
    }
    return function->bars[bar].phys + offset;
}
