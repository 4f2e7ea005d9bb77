/*
 * Commands to an ITS (Arm IHI 0069, 5.3): four 64-bit words each. Here only how they are written, so that it can be tested
 * by itself. Owns: nothing.
 */
#ifndef DRIVERS_GIC_ITS_COMMAND_H
#define DRIVERS_GIC_ITS_COMMAND_H

#include <stdint.h>

struct its_command {
    uint64_t word[4];
};

/* Where interrupts of a collection go: as GITS_TYPER.PTA says, a redistributor's address or a CPU's number, in place. */
#define ITS_VALID (UINT64_C(1) << 63)

/* The device's events, of which there are 1 << event_bits, are listed at the physical address `table` (on 256 bytes). */
static inline struct its_command its_map_device(uint32_t device, unsigned event_bits, uint64_t table)
{
    return (struct its_command){{0x08 | (uint64_t)device << 32, event_bits - 1, ITS_VALID | table}};
}

static inline struct its_command its_map_collection(uint16_t collection, uint64_t target)
{
    return (struct its_command){{0x09, 0, ITS_VALID | target | collection}};
}

static inline struct its_command its_map_event(uint32_t device, uint32_t event, uint32_t lpi,
                                               uint16_t collection)
{
    return (struct its_command){{0x0a | (uint64_t)device << 32, event | (uint64_t)lpi << 32, collection}};
}

/* What the table of LPIs says of this one is read anew. */
static inline struct its_command its_invalidate(uint32_t device, uint32_t event)
{
    return (struct its_command){{0x0c | (uint64_t)device << 32, event}};
}

/* All before this has taken effect at that redistributor. */
static inline struct its_command its_sync(uint64_t target)
{
    return (struct its_command){{0x05, 0, target}};
}

#endif
