/*
 * virtio over PCI, in its modern form (VIRTIO 1.2, 4.1): the registers lie in memory BARs, where capabilities of the vendor's
 * say. Transitional devices are driven in their modern form too; those that have nothing else are named and left.
 *
 * Owns: nothing but, per device, struct virtio_pci, for good. The queues share one interrupt: entry 0 of MSI-X, or the line
 * where there is no MSI-X (drivers/pci_interrupt.h). Changes of configuration are not told.
 * A kick is one 16-bit write to the queue's own address. Only the line costs a register access per interrupt (ISR).
 *
 * Errors: a device whose capabilities are not as they must be is named, with what is wrong, and switched off.
 */
#ifndef DRIVERS_VIRTIO_PCI_H
#define DRIVERS_VIRTIO_PCI_H

#include <stdbool.h>
#include <stdint.h>
#include "drivers/pci.h"
#include "drivers/pci_interrupt.h"

/* Where the parts of a device's registers lie, checked: physical addresses. */
struct virtio_pci_parts {
    uint64_t common, isr, config, notify;
    uint32_t config_bytes, notify_bytes, notify_step;
};

struct virtio_pci {
    char name[24]; /* "virtio-pci 00:01.0" */
    const volatile uint8_t *isr, *config;
    uint32_t config_bytes;
    uint64_t notify; /* physical: where kicks go, of which queue q's is at its queue_notify_off * step */
    uint32_t notify_bytes, notify_step;
    struct pci_interrupt interrupt;
};

/* Whether this is a virtio device, by its numbers. */
bool virtio_pci_wanted(const struct pci_function *function);

/* Goes through the capabilities. False, after a line in the log, when they are not as they must be. */
bool virtio_pci_find(const struct pci_function *function, struct virtio_pci_parts *parts);

/*
 * Gives one function that pci_scan() found to the driver for its kind; true when one took it. Otherwise the function is
 * switched off, and a line in the log says why. Interfaces are numbered in the order of these calls. Boot only, before
 * services_create().
 */
bool virtio_pci_probe(const struct pci_function *function);

#endif
