/*
 * The message frame of a GICv2 (Arm Server Base System Architecture, appendix E): a write of an INTID to it raises that
 * shared interrupt, by an edge.
 *
 * Owns: the frame's registers and the interrupts that belong to it. Becomes the controller of drivers/msi.h.
 */
#ifndef DRIVERS_GIC_V2M_H
#define DRIVERS_GIC_V2M_H

#include <stdbool.h>
#include <stdint.h>

/* `registers`: mapped, `phys`: where devices write. False, after a line in the log, when it says nonsense of itself. */
bool gic_v2m_init(volatile void *registers, uint64_t phys);

#endif
