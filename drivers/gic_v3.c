/* GIC version 3 and 4, affinity routing: see gic.h. The CPU interface is system registers. */
#include "drivers/gic.h"

#include <stddef.h>
#include "core/arch.h"
#include "core/cpu.h"
#include "core/irq.h"
#include "core/log.h"
#include "drivers/gic_its.h"

#define CTLR_GROUP1 (1u << 1)
#define CTLR_ARE    (1u << 4)
#define CTLR_RWP    (1u << 31) /* a write is still on its way */

/* Registers of a redistributor, and its second frame, which is laid out as a distributor */
enum {
    GICR_TYPER = 0x0008,
    GICR_WAKER = 0x0014,
    GICR_SGI_FRAME = 0x10000,
};
#define TYPER_VLPIS  (1u << 1) /* four frames, not two */
#define TYPER_LAST   (1u << 4) /* of its region */
#define WAKER_SLEEP  (1u << 1)
#define WAKER_ASLEEP (1u << 2)
#define FRAMES_BYTES 0x20000u

/* System registers, which the assembler knows by these names for every CPU */
#define ICC_PMR_EL1     S3_0_C4_C6_0
#define ICC_SGI1R_EL1   S3_0_C12_C11_5
#define ICC_IAR1_EL1    S3_0_C12_C12_0
#define ICC_EOIR1_EL1   S3_0_C12_C12_1
#define ICC_BPR1_EL1    S3_0_C12_C12_3
#define ICC_CTLR_EL1    S3_0_C12_C12_4
#define ICC_SRE_EL1     S3_0_C12_C12_5
#define ICC_IGRPEN1_EL1 S3_0_C12_C12_7
/* One more step, so that the names above are replaced before they become text. */
#define icc_read(name)         arch_sysreg_read(name)
#define icc_write(name, value) arch_sysreg_write(name, value)

#define REGIONS_MAX 4

static volatile uint8_t *distributor;
static volatile void *(*map_device)(uint64_t phys, uint64_t size);
static struct {
    uint64_t phys, size;
} regions[REGIONS_MAX];
static unsigned region_count;
static volatile uint8_t *redistributor[CPUS_MAX];

/* Affinity as GICR_TYPER has it, from that of MPIDR: Aff3 moves down. */
static uint32_t affinity_packed(uint64_t hardware_id)
{
    return (uint32_t)(hardware_id >> 8 & 0xff000000) | (uint32_t)(hardware_id & 0xffffff);
}

/* Maps only the pages that are used: a region has room for hundreds of CPUs. */
static volatile uint8_t *redistributor_find(uint32_t affinity)
{
    for (unsigned i = 0; i < region_count; i++) {
        uint32_t type = 0;
        for (uint64_t at = 0; at < regions[i].size && !(type & TYPER_LAST);) {
            volatile uint8_t *frame = map_device(regions[i].phys + at, PAGE_SIZE);
            type = arch_device_read(frame + GICR_TYPER);
            if (arch_device_read(frame + GICR_TYPER + 4) == affinity) {
                map_device(regions[i].phys + at + GICR_SGI_FRAME, PAGE_SIZE);
                return frame;
            }
            at += type & TYPER_VLPIS ? 2 * FRAMES_BYTES : FRAMES_BYTES;
        }
    }
    return NULL;
}

static void v3_cpu_init(void)
{
    struct cpu *cpu = cpu_self();
    volatile uint8_t *frame = redistributor_find(affinity_packed(cpu->hardware_id));

    if (!frame)
        panic("boot: CPU %u has no redistributor in the GIC", cpu->number);
    redistributor[cpu->number] = frame;
    arch_device_write(frame + GICR_WAKER, arch_device_read(frame + GICR_WAKER) & ~WAKER_SLEEP);
    while (arch_device_read(frame + GICR_WAKER) & WAKER_ASLEEP)
        arch_relax();
    volatile uint8_t *private = frame + GICR_SGI_FRAME;
    arch_device_write(private + GICD_IGROUPR, UINT32_MAX);
    arch_device_write(private + GICD_ICENABLER, 0xffff0000u);
    arch_device_write(private + GICD_ISENABLER, 0x0000ffffu); /* all SGIs */
    for (unsigned irq = 0; irq < GIC_PRIVATE; irq += 4)
        arch_device_write(private + GICD_IPRIORITYR + irq, GIC_PRIORITIES);

    icc_write(ICC_SRE_EL1, icc_read(ICC_SRE_EL1) | 1);
    arch_isb(); /* else the accesses below may still go the memory-mapped way, and fault */
    icc_write(ICC_PMR_EL1, 0xff);
    icc_write(ICC_BPR1_EL1, 0);
    icc_write(ICC_CTLR_EL1, 0); /* EOIR also deactivates */
    icc_write(ICC_IGRPEN1_EL1, 1);
    arch_isb();
}

volatile uint8_t *gic_v3_redistributor(unsigned cpu)
{
    return redistributor[cpu];
}

static volatile uint8_t *frame_of(unsigned irq)
{
    return irq < GIC_PRIVATE ? redistributor[cpu_number()] + GICR_SGI_FRAME : distributor;
}

static void v3_enable(unsigned irq, unsigned cpu)
{
    if (irq >= IRQ_MESSAGE(0)) {
        gic_its_enable(irq, cpu);
        return;
    }
    if (irq >= GIC_PRIVATE) {
        uint64_t route = cpus[cpu].hardware_id;
        arch_device_write(distributor + GICD_IROUTER + irq * 8, (uint32_t)route);
        arch_device_write(distributor + GICD_IROUTER + irq * 8 + 4, (uint32_t)(route >> 32));
    }
    arch_device_write(frame_of(irq) + GICD_ISENABLER + irq / 32 * 4, 1u << irq % 32);
}

static void v3_disable(unsigned irq)
{
    if (irq >= IRQ_MESSAGE(0)) {
        gic_its_disable(irq);
        return;
    }
    arch_device_write(frame_of(irq) + GICD_ICENABLER + irq / 32 * 4, 1u << irq % 32);
}

static unsigned v3_acknowledge(void)
{
    unsigned irq = (unsigned)icc_read(ICC_IAR1_EL1);

    arch_dsb_sy(); /* the interrupt is acknowledged before its device is touched: else it may come twice */
    return irq;
}

static void v3_complete(unsigned irq)
{
    icc_write(ICC_EOIR1_EL1, irq);
    arch_isb(); /* else interrupts may be unmasked before this one has ended */
}

/* Aff3.Aff2.Aff1 name a cluster; the list of targets in it has 16 bits, of the range that RS selects. */
static void v3_send(unsigned cpu, unsigned sgi)
{
    uint64_t id = cpus[cpu].hardware_id;
    uint64_t target = (id >> 32 & 0xff) << 48 | (id >> 16 & 0xff) << 32 | (id >> 8 & 0xff) << 16 |
                      (id >> 4 & 0xf) << 44 | 1u << (id & 0xf);

    arch_dsb_sy(); /* else the other CPU may be interrupted before it can see why */
    icc_write(ICC_SGI1R_EL1, target | (uint64_t)sgi << 24);
    arch_isb();
}

static const struct irq_controller controller = {
    .name = "GICv3",
    .cpu_init = v3_cpu_init,
    .enable = v3_enable,
    .disable = v3_disable,
    .acknowledge = v3_acknowledge,
    .complete = v3_complete,
    .send = v3_send,
};

void gic_v3_region_add(uint64_t phys, uint64_t size)
{
    if (region_count == REGIONS_MAX)
        return;
    regions[region_count].phys = phys;
    regions[region_count++].size = size;
}

void gic_v3_init(volatile void *registers, volatile void *(*map)(uint64_t phys, uint64_t size))
{
    distributor = registers;
    map_device = map;
    arch_device_write(distributor + GICD_CTLR, 0);
    while (arch_device_read(distributor + GICD_CTLR) & CTLR_RWP)
        arch_relax();
    gic_distributor_init(distributor);
    unsigned lines = 32 * ((arch_device_read(distributor + GICD_TYPER) & 0x1f) + 1);
    for (unsigned irq = GIC_PRIVATE; irq < lines; irq += 32)
        arch_device_write(distributor + GICD_IGROUPR + irq / 8, UINT32_MAX);
    arch_device_write(distributor + GICD_CTLR, CTLR_ARE | CTLR_GROUP1);
    while (arch_device_read(distributor + GICD_CTLR) & CTLR_RWP)
        arch_relax();
    irq_controller_set(&controller);
}
