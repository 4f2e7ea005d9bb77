/*
 * Starting the CPUs that the firmware holds: one operation, and a method for each `enable-method` of the device tree.
 *
 * Owns: the registry of methods, which the board fills at boot (psci_init, spin_table_init). Boot only, on CPU 0.
 * A started CPU comes to `entry`, a physical address, with `context` in x0, its MMU off, at EL2 or EL1. What it reads
 * there before its MMU is on must have been written back to memory by the caller.
 */
#ifndef DRIVERS_CPU_START_H
#define DRIVERS_CPU_START_H

#include <stdint.h>

#define CPU_START_METHODS 2

/* What the device tree says about a CPU. */
struct cpu_place {
    uint64_t hardware_id;
    uint64_t release; /* cpu-release-addr, a physical address; 0 when it has none */
};

struct cpu_start_method {
    const char *name; /* in the device tree */
    /* NULL, or why the CPU cannot be started. That it comes up is for the caller to see. */
    const char *(*start)(const struct cpu_place *place, uint64_t entry, uint64_t context);
};

void cpu_start_add(const struct cpu_start_method *method);

/* NULL when no driver knows it; also for the name NULL. */
const struct cpu_start_method *cpu_start_find(const char *name);

#endif
