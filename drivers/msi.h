/*
 * Interrupts by message: a device writes a number to an address, and an interrupt controller makes an interrupt of it.
 *
 * Owns: which controller there is; the messages given out belong to the devices for good. Boot only, CPU 0.
 */
#ifndef DRIVERS_MSI_H
#define DRIVERS_MSI_H

#include <stdbool.h>
#include <stdint.h>

struct msi {
    uint64_t address; /* physical: where the device writes */
    uint32_t data;    /* what it writes */
    unsigned irq;     /* what comes of it: for irq_register() */
};

struct msi_controller {
    const char *name;
    /* A message for device number `device`, one each. False, with a line in the log, when there is none to be had. */
    bool (*allocate)(uint32_t device, struct msi *msi);
};

/* The machine's controller; it stays the caller's. Until then there is none. */
void msi_controller_set(const struct msi_controller *controller);

/* False without a line in the log when the machine has no controller. */
bool msi_present(void);
bool msi_allocate(uint32_t device, struct msi *msi);

#endif
