#include "drivers/gic_v2m.h"

#include "core/arch.h"
#include "core/irq.h"
#include "core/log.h"
#include "drivers/gic.h"
#include "drivers/msi.h"

enum {
    MSI_TYPER = 0x008, /* first INTID in 25:16, how many in 9:0 */
    MSI_SETSPI = 0x040,
};

static uint64_t frame;
static unsigned next, end; /* INTIDs that are left */

static bool v2m_allocate(uint32_t device, struct msi *msi)
{
    if (next == end) {
        log_print("gic-v2m: no interrupt left for device %x\n", device);
        return false;
    }
    *msi = (struct msi){.address = frame + MSI_SETSPI, .data = next, .irq = next};
    gic_edge(next++);
    return true;
}

static const struct msi_controller controller = {.name = "GICv2m", .allocate = v2m_allocate};

bool gic_v2m_init(volatile void *registers, uint64_t phys)
{
    uint32_t type = arch_device_read((volatile uint8_t *)registers + MSI_TYPER);
    unsigned first = type >> 16 & 0x3ff, count = type & 0x3ff;

    if (first < IRQ_SPI(0) || count == 0 || first + count > IRQS_MAX) {
        log_print("gic-v2m: has interrupts %u to %u, expected some of %u to %u: not used\n", first,
                  first + count, IRQ_SPI(0), IRQS_MAX - 1);
        return false;
    }
    frame = phys;
    next = first;
    end = first + count;
    msi_controller_set(&controller);
    return true;
}
