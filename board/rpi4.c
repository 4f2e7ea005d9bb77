/*
 * The Raspberry Pi 4: PL011, GIC-400, CPUs in a spin table, the generic timer, the power manager. All of it from the device
 * tree, whose addresses are those of the VideoCore's bus and are translated by its `ranges`.
 *
 * Limit: no driver for Ethernet (GENET) yet, and none for the SD card. Nothing is touched that has no driver here: of what
 * the tree names, QEMU's raspi4b lacks GENET, PCIe, RNG200 and the thermal sensor.
 */
#include "board/board.h"

#include "board/common.h"
#include "board/device_tree.h"
#include "drivers/bcm2835_pm.h"
#include "drivers/spin_table.h"
#include "mm/kernel_map.h"

const char board_name[] = "rpi4";
const uint64_t board_console_fallback = 0xfe201000;
const unsigned board_nic_messages = 0;
const char board_nic_kinds[] = "the driver for the Pi's Ethernet comes with a later version";
const bool board_nic_required = false;

const char *board_interrupts_init(void)
{
    int node = device_tree_next(-1, "arm,gic-400");

    return node < 0 ? "no interrupt controller (GIC-400) in the device tree" : board_gic_v2_start(node);
}

void board_firmware_init(void)
{
    spin_table_init();
}

/* Without a power manager the board boots and runs; only it cannot switch itself off. */
void board_devices_init(void)
{
    uint64_t phys, size;
    int node = device_tree_next(-1, "brcm,bcm2835-pm-wdt");

    if (node >= 0 && device_tree_reg(node, 0, &phys, &size))
        bcm2835_pm_init(kernel_map_device(phys, size));
}

void board_devices_start(void)
{
}
