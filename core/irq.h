/*
 * Interrupts: numbers and handlers here, the controller behind a table of operations that its driver sets.
 *
 * Owns: the table of handlers. Handlers run with interrupts masked, on the stack of what was interrupted, and do
 * not wait.
 * Invariant 1: an interrupt without a handler is masked and reported once, so that it cannot storm.
 */
#ifndef CORE_IRQ_H
#define CORE_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#define IRQ_PPI(n) (16 + (n))
#define IRQ_SPI(n) (32 + (n))
#define IRQ_TIMER  IRQ_PPI(11) /* virtual timer */
#define IRQS_MAX   1020

/* Sent as messages, by devices that need no line for it: the LPIs of a GICv3. */
#define IRQ_MESSAGE(n)   (8192 + (n))
#define IRQ_MESSAGES_MAX 64

enum ipi {
    IPI_WAKE,  /* there is something in your inbox */
    IPI_STOP,  /* the machine has panicked */
    IPI_UNMAP, /* there is something in your unmap queue, and somebody waits for it */
};

typedef void (*irq_handler)(void *argument);

struct irq_controller {
    const char *name;
    void (*cpu_init)(void);                     /* on every CPU */
    void (*enable)(unsigned irq, unsigned cpu); /* unmask, level triggered, deliver to `cpu` */
    void (*disable)(unsigned irq);
    unsigned (*acknowledge)(void); /* INTID; 1020 to 8191 when there is none */
    void (*complete)(unsigned irq);
    void (*send)(unsigned cpu, unsigned sgi);
};

/* Boot: the controller to use from now on; it stays the driver's. */
void irq_controller_set(const struct irq_controller *controller);

/* Lets the calling CPU take interrupts, once it unmasks them. After irq_controller_set, on every CPU. */
void irq_cpu_init(void);

/*
 * Unmasks an interrupt, to be handled on `cpu` by handler(argument) until irq_disable. One handler each: a second call
 * replaces the first. Per-CPU interrupts (below 32) are registered on the CPU itself. Panics for numbers that are neither below IRQS_MAX
 * nor an IRQ_MESSAGE.
 */
void irq_register(unsigned irq, irq_handler handler, void *argument, unsigned cpu);

/* Masks it. A handler that runs on another CPU meanwhile is not waited for. */
void irq_disable(unsigned irq);

/* Called by the vectors for every IRQ: acknowledges and handles until none is pending. */
void irq_dispatch(void);

/* Rings another CPU. Cost: one device or system register write. */
void irq_send(unsigned cpu, enum ipi ipi);

#endif
