/* The BCM2835's power manager: see bcm2835_pm.h. */
#include "drivers/bcm2835_pm.h"

#include <stdint.h>
#include "core/arch.h"
#include "drivers/power.h"

/* Registers: byte offsets */
enum {
    RSTC = 0x1c,
    RSTS = 0x20,
    WDOG = 0x24,
};

#define PASSWORD        0x5a000000u /* without it a write is ignored */
#define RSTC_CONFIG     0x30u
#define RSTC_FULL_RESET 0x20u
#define RSTS_HALT       0x555u /* partition 63: the firmware stops there */
#define WDOG_TICKS      10u    /* of 1/65536 s */

static volatile uint8_t *manager;

static void bcm2835_pm_off(void)
{
    arch_device_write(manager + RSTS, PASSWORD | arch_device_read(manager + RSTS) | RSTS_HALT);
    arch_device_write(manager + WDOG, PASSWORD | WDOG_TICKS);
    arch_device_write(manager + RSTC, PASSWORD |
                                          (arch_device_read(manager + RSTC) & ~RSTC_CONFIG & 0xffffffu) |
                                          RSTC_FULL_RESET);
}

void bcm2835_pm_init(volatile void *registers)
{
    manager = registers;
    power_off_set(bcm2835_pm_off);
}
