/*
 * PSCI: the firmware's calls to start CPUs and to power off. Version 0.2 and later (fixed function numbers).
 * Owns: which instruction reaches the firmware. Manual: Arm DEN0022, Power State Coordination Interface.
 */
#ifndef DRIVERS_PSCI_H
#define DRIVERS_PSCI_H

#include <stdbool.h>

/* By SMC or HVC, as the device tree says. CPUs can be started (cpu_start.h) and power can go off (power.h) from now on. */
void psci_init(bool smc);

#endif
