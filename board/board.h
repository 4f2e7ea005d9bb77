/*
 * What differs from board to board: which devices there are, where, and which drivers take them.
 *
 * Owns: nothing; each board is a file beside this one, and the build takes one (BATON_BOARD). What boards share is in
 * common.c. The addresses come from the device tree (board/device_tree.h), which must be open, except for
 * board_console_fallback.
 * All of it is for the boot, on CPU 0. Calls that return text return NULL, or what is missing, for "boot: ...".
 */
#ifndef BOARD_BOARD_H
#define BOARD_BOARD_H

#include <stdbool.h>
#include <stdint.h>

extern const char board_name[];

/* Where a UART is when no device tree tells: good enough to say just that. */
extern const uint64_t board_console_fallback;

/* The console's UART: what stdout-path names, else the first one. Sets its address and what device_tree_clock says. */
const char *board_console_find(uint64_t *phys, uint64_t *clock);

/* Lets the console's UART receive, on CPU 0: see uart_pl011_receive. After irq_cpu_init. */
const char *board_console_start(void (*notify)(void));

/* The interrupt controller; the caller calls irq_cpu_init() on each CPU. */
const char *board_interrupts_init(void);

/* That there is a generic timer, with its interrupt where core/irq.h has it. */
const char *board_timer_check(void);

/* How CPUs are started, and how the power goes off as far as a call to the firmware does it. Nothing is mapped yet. */
void board_firmware_init(void);

/* Gives every device that there is to its driver. Interfaces are numbered in the order of QEMU's -device options. */
void board_devices_init(void);

/* Sets the interfaces going: after services_start(), with all CPUs up. */
void board_devices_start(void);

/* Message objects that the rings of one interface can hold. */
extern const unsigned board_nic_messages;

/* Which interfaces there are drivers for, in words; and whether an appliance that is wired to some must have one. */
extern const char board_nic_kinds[];
extern const bool board_nic_required;

#endif
