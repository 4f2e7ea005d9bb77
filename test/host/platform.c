/*
 * What the kernel's objects of the host build need and the simulated machine does not bring: the
 * interrupt controller, panic, and the log on standard output.
 */
#include "core/cpu.h"
#include "core/irq.h"
#include "core/log.h"
#include "mm/frame.h"
#include "test/host/machine.h"

#include <stdio.h>

void panic(const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    machine_fail("panic: %s", text);
}

void log_print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
}

void machine_add_ram(void)
{
    frame_range_add(MACHINE_PHYS, MACHINE_MEMORY);
}

static void nothing_for_cpu(void)
{
}

static void nothing_for(unsigned irq)
{
    (void)irq;
}

static void nothing_for_one(unsigned irq, unsigned cpu)
{
    (void)irq;
    (void)cpu;
}

void machine_interrupts_connect(void)
{
    static const struct irq_controller controller = {
        .name = "the simulated machine",
        .cpu_init = nothing_for_cpu,
        .enable = nothing_for_one,
        .disable = nothing_for,
        .acknowledge = machine_interrupt_acknowledge,
        .complete = nothing_for,
        .send = machine_interrupt_raise,
    };

    irq_controller_set(&controller);
    machine_interrupt = irq_dispatch;
}
