/*
 * QEMU's virt machine: PL011, GICv2 or v3, PSCI, the generic timer, virtio over mmio and PCI. Everything from the device tree.
 */
#include "board/board.h"

#include "board/common.h"
#include "board/device_tree.h"
#include "board/virt_pci.h"
#include "core/layout.h"
#include "core/log.h"
#include "core/string.h"
#include "drivers/gic.h"
#include "drivers/gic_its.h"
#include "drivers/gic_v2m.h"
#include "drivers/psci.h"
#include "drivers/virtio_mmio.h"
#include "drivers/virtio_net.h"
#include "drivers/virtqueue.h"
#include "mm/kernel_map.h"

#define SLOTS_MAX 64

const char board_name[] = "virt";
const uint64_t board_console_fallback = 0x09000000;
const unsigned board_nic_messages = 2 * VIRTQUEUE_SIZE_MAX;
const char board_nic_kinds[] = "virtio-net over mmio or PCI";
const bool board_nic_required = true;

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

const char *board_interrupts_init(void)
{
    static const char *const second[] = {"arm,cortex-a15-gic", "arm,gic-400"};
    int node = device_tree_next(-1, "arm,gic-v3");

    if (node >= 0)
        return gic_v3_start(node);
    for (unsigned i = 0; i < sizeof second / sizeof second[0]; i++) {
        node = device_tree_next(-1, second[i]);
        if (node >= 0)
            return board_gic_v2_start(node);
    }
    return "no interrupt controller (GICv2, GICv3) in the device tree";
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

/* The two that machines of this kind have, by the version of their GIC. */
static void msi_start(int node, unsigned devices)
{
    uint64_t phys, size;

    if (!device_tree_reg(node, 0, &phys, &size) || size < PAGE_SIZE)
        log_print("pci: the controller of messages has no registers in the device tree: no MSI-X\n");
    else if (device_tree_compatible(node, "arm,gic-v3-its"))
        gic_its_init(kernel_map_device(phys, PAGE_SIZE), phys, devices);
    else if (device_tree_compatible(node, "arm,gic-v2m-frame"))
        gic_v2m_init(kernel_map_device(phys, PAGE_SIZE), phys);
    else
        log_print("pci: the controller of messages is neither an ITS nor a GICv2m: no MSI-X\n");
}

/* QEMU fills the slots from the highest address down, in the order of the -device options. */
static void mmio_start(void)
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

/* Where there are both, those over mmio come first. */
void board_devices_init(void)
{
    mmio_start();
    virt_pci_start(msi_start);
}

void board_devices_start(void)
{
    virtio_net_start();
}
