/* What the versions of the interrupt controller share: see gic.h. */
#include "drivers/gic.h"

#include "core/arch.h"

static volatile uint8_t *distributor;

void gic_edge(unsigned irq)
{
    volatile uint8_t *reg = distributor + GICD_ICFGR + irq / 16 * 4;

    /* Two bits each; of those the upper one says edge. */
    arch_device_write(reg, arch_device_read(reg) | 2u << irq % 16 * 2);
}

void gic_distributor_init(volatile uint8_t *registers)
{
    distributor = registers;
    unsigned lines = 32 * ((arch_device_read(distributor + GICD_TYPER) & 0x1f) + 1);

    for (unsigned irq = GIC_PRIVATE; irq < lines; irq += 32) {
        arch_device_write(distributor + GICD_ICENABLER + irq / 8, UINT32_MAX);
        arch_device_write(distributor + GICD_ICPENDR + irq / 8, UINT32_MAX);
    }
    for (unsigned irq = GIC_PRIVATE; irq < lines; irq += 16)
        arch_device_write(distributor + GICD_ICFGR + irq / 4, 0); /* level */
    for (unsigned irq = GIC_PRIVATE; irq < lines; irq += 4)
        arch_device_write(distributor + GICD_IPRIORITYR + irq, GIC_PRIORITIES);
}
