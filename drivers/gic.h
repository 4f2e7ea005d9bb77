/*
 * The Arm Generic Interrupt Controller, versions 2 and 3: each becomes the controller of core/irq.h.
 *
 * Owns: the distributor's and the CPU interfaces' registers. All interrupts have one priority, are level triggered (but those of messages), and are
 * in the group that the non-secure world has: version 2 as reset or the firmware left it, version 3 group 1.
 * Shared interrupts go to one CPU, named when they are enabled. Boot only; no call fails but as it says.
 * Manuals: Arm IHI 0048 (GICv2), IHI 0069 (GICv3 and later).
 */
#ifndef DRIVERS_GIC_H
#define DRIVERS_GIC_H

#include <stdint.h>

void gic_v2_init(volatile void *distributor, volatile void *cpu_interface);

/*
 * `map` gives access to device registers. Redistributors lie in one or more regions; each CPU's own is found by its
 * affinity. After all regions were added: irq_cpu_init() on each CPU, which panics when it finds none.
 */
void gic_v3_init(volatile void *distributor, volatile void *(*map)(uint64_t phys, uint64_t size));
void gic_v3_region_add(uint64_t phys, uint64_t size);

/* The part of a distributor that both versions share: all masked, priorities set, level triggered. */
void gic_distributor_init(volatile uint8_t *distributor);

/* A shared interrupt that is masked becomes edge triggered. */
void gic_edge(unsigned irq);

/* Version 3: the registers of a CPU's redistributor, once that CPU has called irq_cpu_init(); NULL before. */
volatile uint8_t *gic_v3_redistributor(unsigned cpu);

/* Registers of the distributor, and of a redistributor's SGI frame, at the same offsets. */
enum {
    GICD_CTLR = 0x000,
    GICD_TYPER = 0x004,
    GICD_IGROUPR = 0x080,
    GICD_ISENABLER = 0x100,
    GICD_ICENABLER = 0x180,
    GICD_ICPENDR = 0x280,
    GICD_IPRIORITYR = 0x400,
    GICD_ITARGETSR = 0x800, /* version 2 */
    GICD_ICFGR = 0xc00,
    GICD_SGIR = 0xf00,     /* version 2 */
    GICD_IROUTER = 0x6000, /* version 3 */
};
#define GIC_PRIVATE    32 /* interrupts below are each CPU's own: 16 SGIs, 16 PPIs */
#define GIC_PRIORITY   0xa0u
#define GIC_PRIORITIES (GIC_PRIORITY * 0x01010101u)

#endif
