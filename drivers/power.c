/* Powering off: see power.h. */
#include "drivers/power.h"

#include <stddef.h>
#include "core/arch.h"

static void (*board_off)(void);

void power_off_set(void (*off)(void))
{
    board_off = off;
}

void power_off(void)
{
    arch_irq_disable();
    if (board_off)
        board_off();
    for (;;)
        arch_wait_for_interrupt();
}
