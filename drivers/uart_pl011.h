/*
 * PL011 UART: the console's device. Output polls, input comes by interrupts into a small ring.
 *
 * Owns: one UART's registers and the ring of what was received. The ring is filled by the interrupt's handler and
 * emptied by one reader on the same CPU. While it is full, characters wait in the device: it holds back a sender that can be held
 * back, as QEMU's other ends are; at the end of a plain wire, what comes while its FIFO (16 characters and more) is full too is lost,
 * and UART_LOST stands where that was.
 * Manual: Arm DDI 0183, PrimeCell UART (PL011).
 */
#ifndef DRIVERS_UART_PL011_H
#define DRIVERS_UART_PL011_H

#include <stddef.h>
#include <stdint.h>

/* 115200 8N1 when the UART's clock is known (Hz), else as the firmware left it. The log goes there from now on. */
void uart_pl011_init(volatile void *registers, uint64_t clock);

/* Lets characters in on `cpu`; `notify` is called, with interrupts masked, whenever some came. */
void uart_pl011_receive(unsigned irq, unsigned cpu, void (*notify)(void));

#define UART_LOST 0 /* instead of a character: some are missing here, or it was damaged */

/* The next character, -1 when there is none. On the CPU that lets them in. */
int uart_pl011_read(void);

/* Prints; waits for the device. A line feed becomes CR LF. */
void uart_pl011_write(const char *text, size_t length);

#endif
