/*
 * Powering the machine off, by whatever the board has for it.
 * Owns: the function that does it. It is set at boot, by PSCI's driver or that of a power manager.
 */
#ifndef DRIVERS_POWER_H
#define DRIVERS_POWER_H

/* `off` tries to power off; it is called with interrupts masked, and may return when it cannot. */
void power_off_set(void (*off)(void));

/* Powers off. Where nothing can, or until it is done, this CPU waits. */
__attribute__((noreturn)) void power_off(void);

#endif
