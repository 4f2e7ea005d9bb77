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
} handlers[IRQS_MAX];

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
    invariant(irq < IRQS_MAX, "irq: numbers below 1020");
    handlers[irq].argument = argument;
    /* Release: a CPU that takes the interrupt at once must find the argument that belongs to the handler. */
    __atomic_store_n(&handlers[irq].function, handler, __ATOMIC_RELEASE);
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

static void irq_handle(unsigned irq)
{
    irq_handler function = __atomic_load_n(&handlers[irq].function, __ATOMIC_ACQUIRE);

    if (function) {
        function(handlers[irq].argument);
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
        if (irq >= IRQS_MAX)
            return;
        irq_handle(irq);
        controller->complete(irq);
    }
}

void irq_send(unsigned cpu, enum ipi ipi)
{
    if (controller)
        controller->send(cpu, ipi);
}
