/* Interrupts: see irq.h. */
#include "core/irq.h"

#include <stddef.h>
#include "core/arch.h"
#include "core/cpu.h"
#include "core/log.h"

#define IRQ_SGIS 16

static const struct irq_controller *controller;
static struct {
    irq_handler function;
    void *argument;
} handlers[IRQS_MAX + IRQ_MESSAGES_MAX]; /* those of messages last */

/* An interrupt's place in the table; -1 for a number that is none. */
static int place_of(unsigned irq)
{
    if (irq < IRQS_MAX)
        return (int)irq;
    return irq - IRQ_MESSAGE(0) < IRQ_MESSAGES_MAX ? (int)(irq - IRQ_MESSAGE(0) + IRQS_MAX) : -1;
}

void irq_controller_set(const struct irq_controller *chosen)
{
    controller = chosen;
}

void irq_cpu_init(void)
{
    controller->cpu_init();
}

void irq_register(unsigned irq, irq_handler handler, void *argument, unsigned cpu)
{
    int place = place_of(irq);

    invariant(place >= 0, "irq: numbers below 1020, or of messages");
    handlers[place].argument = argument;
    /* Release: a CPU that takes the interrupt at once must find the argument that belongs to the handler. */
    __atomic_store_n(&handlers[place].function, handler, __ATOMIC_RELEASE);
    controller->enable(irq, cpu);
}

void irq_disable(unsigned irq)
{
    controller->disable(irq);
}

/* This CPU takes no further part. Interrupts are masked, and stay so. */
static __attribute__((noreturn)) void stop_here(void)
{
    for (;;)
        arch_wait_for_interrupt();
}

static void irq_handle(unsigned irq, int place)
{
    irq_handler function = __atomic_load_n(&handlers[place].function, __ATOMIC_ACQUIRE);

    if (function) {
        function(handlers[place].argument);
        return;
    }
    if (irq == IPI_STOP) {
        controller->complete(irq);
        stop_here();
    }
    if (irq >= IRQ_SGIS) {
        controller->disable(irq);
        log_print("irq: %u has no handler, masked\n", irq);
    }
}

void irq_dispatch(void)
{
    for (;;) {
        unsigned irq = controller->acknowledge();
        int place = place_of(irq);
        if (place < 0)
            return;
        irq_handle(irq, place);
        controller->complete(irq);
    }
}

void irq_send(unsigned cpu, enum ipi ipi)
{
    if (controller)
        controller->send(cpu, ipi);
}
