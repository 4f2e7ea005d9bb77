/*
 * PSCI: the firmware's calls to start CPUs and to power off. Version 0.2 and later (fixed function numbers).
 * Owns: which instruction reaches the firmware. Manual: Arm DEN0022, Power State Coordination Interface.
 */
#ifndef DRIVERS_PSCI_H
#define DRIVERS_PSCI_H

#include <stdbool.h>
#include <stdint.h>

/* By SMC or HVC, as the device tree says. */
void psci_init(bool smc);
bool psci_present(void);

/* Starts a CPU at a physical address with `context` in x0. 0, or a PSCI error (negative). */
int64_t psci_cpu_on(uint64_t hardware_id, uint64_t entry, uint64_t context);

/* Powers the machine off; without PSCI the CPU waits for ever. */
__attribute__((noreturn)) void psci_off(void);

#endif
