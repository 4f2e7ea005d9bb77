/*
 * The Interrupt Translation Service of a GICv3: makes locally specific interrupts (LPIs) of the messages of devices.
 *
 * Owns: the ITS's registers, its tables and its queue of commands; the tables of LPIs of the redistributors. Becomes the
 * controller of drivers/msi.h. Model: a device has one event, number 0, which is one LPI, which goes to one CPU, named when
 * it is enabled. Only as many LPIs are configured as core/irq.h has numbers for, though the tables have room for the least
 * that the architecture allows (8192), and a CPU gets its table of pending ones when the first LPI is sent to it.
 *
 * Invariants
 *   1. Memory that was given to the ITS or to a redistributor is never used for anything else.
 *   2. A command is complete (GITS_CREADR has passed it) before the call that issued it returns.
 *
 * Boot only, but for gic_its_disable(), which may be called by any CPU, interrupts masked.
 * Manual: Arm IHI 0069 (GICv3 and later), 5 (LPIs and the ITS), 5.3 (commands), 12.18 and 12.19 (registers).
 */
#ifndef DRIVERS_GIC_ITS_H
#define DRIVERS_GIC_ITS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * `registers`: 64 KiB, mapped; `phys`: where they lie, as devices address them. Device numbers will be below `devices`.
 * False, after a line in the log, when the ITS cannot be used: then it is left switched off. After irq_cpu_init() on CPU 0.
 */
bool gic_its_init(volatile void *registers, uint64_t phys, uint32_t devices);

/* For the controller of GICv3: an LPI to a CPU, and off again. A CPU that takes no LPIs is replaced by CPU 0, with a message. */
void gic_its_enable(unsigned irq, unsigned cpu);
void gic_its_disable(unsigned irq);

#endif
