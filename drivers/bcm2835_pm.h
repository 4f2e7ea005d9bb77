/*
 * The power manager of Broadcom's BCM2835 and its successors up to the Raspberry Pi 4: powers the board off (power.h).
 *
 * Owns: the manager's registers. What it does is a reset with a mark that tells the firmware to halt, not to boot.
 * There is no public manual; registers as in Linux, drivers/watchdog/bcm2835_wdt (its names are used here).
 */
#ifndef DRIVERS_BCM2835_PM_H
#define DRIVERS_BCM2835_PM_H

/* The registers must have their final address (kernel_map_device). */
void bcm2835_pm_init(volatile void *registers);

#endif
