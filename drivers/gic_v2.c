/* GIC version 2: see gic.h. */
#include "drivers/gic.h"

#include "core/arch.h"
#include "core/cpu.h"
#include "core/irq.h"

/* Registers of the CPU interface */
enum {
    GICC_CTLR = 0x00,
    GICC_PMR = 0x04,
    GICC_IAR = 0x0c,
    GICC_EOIR = 0x10,
};

#define IAR_INTID 0x3ffu

static volatile uint8_t *distributor, *cpu_interface;
static uint8_t cpu_mask[CPUS_MAX];      /* a CPU's bit in ITARGETSR and SGIR: need not be 1 << its number */
static uint32_t acknowledged[CPUS_MAX]; /* EOIR wants all that IAR gave: the sender of an SGI too */

static void v2_cpu_init(void)
{
    unsigned cpu = cpu_number();

    /* The first eight ITARGETSR bytes are read-only and name the CPU that reads. */
    cpu_mask[cpu] = (uint8_t)arch_device_read(distributor + GICD_ITARGETSR);
    arch_device_write(distributor + GICD_ICENABLER, 0xffff0000u);
    arch_device_write(distributor + GICD_ISENABLER, 0x0000ffffu); /* all SGIs */
    for (unsigned irq = 0; irq < GIC_PRIVATE; irq += 4)
        arch_device_write(distributor + GICD_IPRIORITYR + irq, GIC_PRIORITIES);
    arch_device_write(cpu_interface + GICC_PMR, 0xff);
    arch_device_write(cpu_interface + GICC_CTLR, 1);
}

static void v2_enable(unsigned irq, unsigned cpu)
{
    if (irq >= GIC_PRIVATE) { /* four targets to a word; the others' bytes are left as they are */
        volatile uint8_t *targets = distributor + GICD_ITARGETSR + (irq & ~3u);
        unsigned shift = 8 * (irq & 3);
        uint32_t rest = arch_device_read(targets) & ~(0xffu << shift);
        arch_device_write(targets, rest | (uint32_t)cpu_mask[cpu] << shift);
    }
    arch_device_write(distributor + GICD_ISENABLER + irq / 32 * 4, 1u << irq % 32);
}

static void v2_disable(unsigned irq)
{
    arch_device_write(distributor + GICD_ICENABLER + irq / 32 * 4, 1u << irq % 32);
}

static unsigned v2_acknowledge(void)
{
    uint32_t value = arch_device_read(cpu_interface + GICC_IAR);

    acknowledged[cpu_number()] = value;
    arch_dsb_sy(); /* else what the interrupt tells of may be looked at before it: an inbox, still empty */
    return value & IAR_INTID;
}

static void v2_complete(unsigned irq)
{
    (void)irq;
    arch_device_write(cpu_interface + GICC_EOIR, acknowledged[cpu_number()]);
}

static void v2_send(unsigned cpu, unsigned sgi)
{
    arch_dsb_sy(); /* else the other CPU may be interrupted before it can see why */
    arch_device_write(distributor + GICD_SGIR, (uint32_t)cpu_mask[cpu] << 16 | sgi);
}

static const struct irq_controller controller = {
    .name = "GICv2",
    .cpu_init = v2_cpu_init,
    .enable = v2_enable,
    .disable = v2_disable,
    .acknowledge = v2_acknowledge,
    .complete = v2_complete,
    .send = v2_send,
};

void gic_v2_init(volatile void *distributor_registers, volatile void *cpu_registers)
{
    distributor = distributor_registers;
    cpu_interface = cpu_registers;
    arch_device_write(distributor + GICD_CTLR, 0);
    gic_distributor_init(distributor);
    arch_device_write(distributor + GICD_CTLR, 1);
    irq_controller_set(&controller);
}
