/*
 * QEMU's virt machine: PL011, GICv2 or v3, PSCI, the generic timer, virtio over mmio. Everything from the device tree.
 */
#include "board/board.h"

#include "board/device_tree.h"
#include "core/irq.h"
#include "core/log.h"
#include "core/string.h"
#include "drivers/gic.h"
#include "drivers/psci.h"
#include "drivers/uart_pl011.h"
#include "drivers/virtio_mmio.h"
#include "mm/kernel_map.h"

#define SLOTS_MAX 64

const char board_name[] = "virt";
const uint64_t board_console_fallback = 0x09000000;

static int console_node = -1;

const char *board_console_find(uint64_t *phys, uint64_t *clock)
{
    uint64_t size;
    const char *path = device_tree_string(device_tree_path("/chosen"), "stdout-path");

    console_node = path ? device_tree_path(path) : -1;
    if (!device_tree_compatible(console_node, "arm,pl011"))
        console_node = device_tree_next(-1, "arm,pl011");
    if (console_node < 0 || !device_tree_reg(console_node, 0, phys, &size))
        return "no UART (arm,pl011) in the device tree";
    *clock = device_tree_clock(console_node);
    return NULL;
}

const char *board_console_start(void (*notify)(void))
{
    unsigned irq;

    if (!device_tree_irq(console_node, 0, &irq))
        return "the UART has no interrupt in the device tree";
    uart_pl011_receive(irq, 0, notify);
    return NULL;
}

static const char *gic_v3_start(int node)
{
    uint64_t phys, size, regions = 1;

    if (!device_tree_reg(node, 0, &phys, &size))
        return "the GIC has no registers in the device tree";
    gic_v3_init(kernel_map_device(phys, size), kernel_map_device);
    device_tree_number(node, "#redistributor-regions", &regions);
    for (unsigned i = 1; i <= regions && device_tree_reg(node, i, &phys, &size); i++)
        gic_v3_region_add(phys, size);
    return NULL;
}

static const char *gic_v2_start(int node)
{
    uint64_t distributor, interface, distributor_size, interface_size;

    if (!device_tree_reg(node, 0, &distributor, &distributor_size) ||
        !device_tree_reg(node, 1, &interface, &interface_size))
        return "the GIC has no registers in the device tree";
    gic_v2_init(kernel_map_device(distributor, distributor_size),
                kernel_map_device(interface, interface_size));
    return NULL;
}

const char *board_interrupts_init(void)
{
    static const char *const second[] = {"arm,cortex-a15-gic", "arm,gic-400"};
    int node = device_tree_next(-1, "arm,gic-v3");

    if (node >= 0)
        return gic_v3_start(node);
    for (unsigned i = 0; i < sizeof second / sizeof second[0]; i++) {
        node = device_tree_next(-1, second[i]);
        if (node >= 0)
            return gic_v2_start(node);
    }
    return "no interrupt controller (GICv2, GICv3) in the device tree";
}

const char *board_timer_check(void)
{
    unsigned irq;
    int node = device_tree_next(-1, "arm,armv8-timer");

    if (node < 0)
        return "no generic timer (arm,armv8-timer) in the device tree";
    if (!device_tree_irq(node, 2, &irq) || irq != IRQ_TIMER) /* secure, physical, virtual, hypervisor */
        return "the virtual timer's interrupt is not PPI 11";
    return NULL;
}

void board_firmware_init(void)
{
    static const char *const versions[] = {"arm,psci-0.2", "arm,psci-1.0"};

    for (unsigned i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        int node = device_tree_next(-1, versions[i]);
        const char *method = node < 0 ? NULL : device_tree_string(node, "method");
        if (method)
            psci_init(!strcmp(method, "smc"));
    }
}

/* QEMU fills the slots from the highest address down, in the order of the -device options. */
void board_devices_init(void)
{
    struct {
        uint64_t phys, size;
        unsigned irq;
    } slots[SLOTS_MAX], slot;
    unsigned count = 0;

    for (int node = device_tree_next(-1, "virtio,mmio"); node >= 0;
         node = device_tree_next(node, "virtio,mmio")) {
        if (count == SLOTS_MAX || !device_tree_reg(node, 0, &slot.phys, &slot.size) ||
            !device_tree_irq(node, 0, &slot.irq))
            continue;
        unsigned place = count++;
        for (; place > 0 && slots[place - 1].phys < slot.phys; place--)
            slots[place] = slots[place - 1];
        slots[place] = slot;
    }
    for (unsigned i = 0; i < count; i++)
        virtio_mmio_probe(kernel_map_device(slots[i].phys, slots[i].size), slots[i].irq);
}
