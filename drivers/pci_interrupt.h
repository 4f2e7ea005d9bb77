/*
 * The interrupt of a PCI function: one message (MSI-X, entry 0 of its table), or where that cannot be had its line (INTx).
 *
 * Owns: the function's MSI-X table, and which functions share a line. Model: create at boot, before the other CPUs run;
 * start once they do; stop when the driver gives up. Functions may share a line: each of them then is asked in turn.
 *
 * Invariants
 *   1. A function whose driver does not listen cannot interrupt: no line that nobody answers for can stay raised.
 *   2. Entries of the MSI-X table other than 0 stay masked.
 */
#ifndef DRIVERS_PCI_INTERRUPT_H
#define DRIVERS_PCI_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>
#include "core/irq.h"
#include "drivers/pci.h"

struct pci_interrupt {
    const struct pci_function *function;
    volatile uint8_t *entry; /* of the MSI-X table; NULL: its line */
    unsigned irq;
};

/*
 * Chooses. The function must be enabled (its table lies in a BAR). Says in the log why a message cannot be had; false when
 * there is no line either.
 */
bool pci_interrupt_create(const struct pci_function *function, struct pci_interrupt *interrupt);

/*
 * From now on handler(argument) is called, with interrupts masked: on `cpu` for a message. A line goes to the CPU of the
 * first who started on it.
 */
void pci_interrupt_start(const struct pci_interrupt *interrupt, irq_handler handler, void *argument,
                         unsigned cpu);

/* The function interrupts no more. A handler that runs on another CPU meanwhile is not waited for. */
void pci_interrupt_stop(const struct pci_interrupt *interrupt);

#endif
