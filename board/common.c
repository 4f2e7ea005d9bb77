/* What boards with parts of Arm's share: the PL011, GICv2, the generic timer. See board.h and common.h. */
#include "board/common.h"

#include "board/board.h"
#include "board/device_tree.h"
#include "core/irq.h"
#include "drivers/gic.h"
#include "drivers/uart_pl011.h"
#include "mm/kernel_map.h"

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

const char *board_gic_v2_start(int node)
{
    uint64_t distributor, interface, distributor_size, interface_size;

    if (!device_tree_reg(node, 0, &distributor, &distributor_size) ||
        !device_tree_reg(node, 1, &interface, &interface_size))
        return "the GIC has no registers in the device tree";
    gic_v2_init(kernel_map_device(distributor, distributor_size),
                kernel_map_device(interface, interface_size));
    return NULL;
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
