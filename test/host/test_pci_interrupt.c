/*
 * drivers/pci_interrupt.c on a bus in software: messages, those that are not as they must be, and lines, which may be shared;
 * and the numbers of core/irq.h.
 */
#include "core/irq.h"
#include "drivers/msi.h"
#include "drivers/pci.h"
#include "drivers/pci_interrupt.h"
#include "drivers/pci_registers.h"
#include "test/host/cases.h"
#include "test/host/machine.h"
#include "test/host/pci_model.h"

static struct pci_function *scan(void)
{
    unsigned bus_last;

    return pci_model_scan(&bus_last);
}

static struct pci_model *one_nic(struct pci_function **function)
{
    pci_model_begin();
    struct pci_model *nic = pci_model_nic(NULL, 1, 0);
    *function = scan();
    assert_non_null(*function);
    return nic;
}

static uint32_t message_device;
static bool message_left = true;

static bool allocate(uint32_t device, struct msi *msi)
{
    message_device = device;
    *msi = (struct msi){.address = UINT64_C(0x108080040), .data = 0x55, .irq = 77};
    return message_left;
}

static const struct msi_controller controller = {.name = "test", .allocate = allocate};

static void routes_set(void)
{
    pci_model_host.device_mask = 0x1800;
    pci_model_host.pin_mask = 7;
    for (unsigned i = 0; i < 16; i++) {
        pci_model_host.routes[i].device = i / 4 << 11;
        pci_model_host.routes[i].pin = i % 4 + 1;
        pci_model_host.routes[i].irq = 35 + (i / 4 + i % 4) % 4;
    }
    pci_model_host.route_count = 16;
}

/* A function with MSI-X of `entries`, its table and its pending bits at `table` and `pending` (with the BAR in bits 2:0). */
static struct pci_function *message_nic(struct pci_model **model, unsigned entries, uint32_t table,
                                        uint32_t pending)
{
    struct pci_function *function;

    *model = one_nic(&function);
    pci_model_capability(*model, 0x98, PCI_CAP_MSIX | (entries - 1) << 16, 2,
                         (const uint32_t[]){table, pending});
    routes_set();
    pci_model_host.msi_count = 0x10000;
    msi_controller_set(&controller);
    pci_function_enable(function);
    return function;
}

static uint32_t entry_word(const struct pci_function *function, unsigned offset)
{
    return *(uint32_t *)(void *)pci_model_memory(function->bars[1].phys + offset);
}

static void test_message(void **state)
{
    struct pci_interrupt interrupt;
    struct pci_model *model;
    struct pci_function *function = message_nic(&model, 3, 0x001, 0x801);

    (void)state;
    machine_interrupts_connect();
    pci_model_host.msi_base = 0x300;
    assert_true(pci_interrupt_create(function, &interrupt));
    assert_int_equal(message_device, 0x300 + (1 << 3));
    assert_int_equal(interrupt.irq, 77);
    assert_non_null(interrupt.entry);
    assert_int_equal(entry_word(function, 0), 0x08080040);
    assert_int_equal(entry_word(function, 4), 1);
    assert_int_equal(entry_word(function, 8), 0x55);
    assert_int_equal(entry_word(function, 12), 1); /* masked until somebody listens */
    assert_int_equal(model->words[0x98 / 4] >> 30, 2);
    pci_interrupt_start(&interrupt, NULL, NULL, 0);
    assert_int_equal(entry_word(function, 12), 0);
    assert_true(model->words[PCI_COMMAND / 4] & PCI_COMMAND_NO_LINE);
    pci_interrupt_stop(&interrupt);
    assert_int_equal(entry_word(function, 12), 1);
}

/* Of each of these the line is taken, and MSI-X is off. */
static void check_line(unsigned entries, uint32_t table, uint32_t pending)
{
    struct pci_interrupt interrupt;
    struct pci_model *model;
    struct pci_function *function = message_nic(&model, entries, table, pending);

    model->words[0x98 / 4] |= 0x80000000; /* on, as a boot loader left it: the line would be silent */
    assert_true(pci_interrupt_create(function, &interrupt));
    assert_null(interrupt.entry);
    assert_int_equal(interrupt.irq, 36);
    assert_int_equal(model->words[0x98 / 4] >> 31, 0);
}

static void test_broken_messages(void **state)
{
    (void)state;
    check_line(3, 0x002, 0x801);     /* a BAR that is not there */
    check_line(3, 0x001, 0x800);     /* one of I/O ports */
    check_line(3, 0x007, 0x801);     /* no number of a BAR */
    check_line(3, 0xfe1, 0x801);     /* beyond its end */
    check_line(2048, 0x001, 0x801);  /* too long */
    check_line(3, 0x001, 0xff9 + 8); /* pending bits beyond it */
    check_line(3, 0x001, 0x029);     /* both in one place */
    check_line(3, 0x801, 0x801);
    check_line(3, 0xfffffff9, 0x801); /* far away */
    message_left = false;             /* no number is left for it */
    check_line(3, 0x001, 0x801);
    message_left = true;
    msi_controller_set(NULL);
}

static void test_no_way_for_messages(void **state)
{
    struct pci_interrupt interrupt;
    struct pci_model *model;
    struct pci_function *function = message_nic(&model, 3, 0x001, 0x801);

    (void)state;
    function->aliased = true;
    assert_true(pci_interrupt_create(function, &interrupt));
    assert_null(interrupt.entry);
    function->aliased = false;
    pci_model_host.msi_first = 9; /* the function is 8 */
    assert_true(pci_interrupt_create(function, &interrupt));
    assert_null(interrupt.entry);
    pci_model_host.msi_first = 0;
    pci_model_host.msi_count = 8;
    assert_true(pci_interrupt_create(function, &interrupt));
    assert_null(interrupt.entry);
    pci_model_host.msi_count = 9;
    assert_true(pci_interrupt_create(function, &interrupt));
    assert_non_null(interrupt.entry);
    msi_controller_set(NULL);
    assert_true(pci_interrupt_create(function, &interrupt));
    assert_null(interrupt.entry);
    pci_model_host.route_count = 0;
    assert_false(pci_interrupt_create(function, &interrupt));
}

static void test_lines(void **state)
{
    struct pci_interrupt interrupt;

    (void)state;
    pci_model_begin();
    routes_set();
    struct pci_model *port = pci_model_bridge(NULL, 2, 0, PCI_MODEL_ROOT_PORT);
    pci_model_nic(port, 0, 0);
    pci_model_nic(pci_model_bridge(NULL, 3, 0, PCI_MODEL_CONVENTIONAL), 6, 0);
    pci_model_nic(NULL, 5, 0)->words[PCI_INTERRUPT / 4] = 3 << 8;
    pci_model_nic(NULL, 6, 0)->words[PCI_INTERRUPT / 4] = 0;
    pci_model_nic(NULL, 7, 0)->words[PCI_INTERRUPT / 4] = 5 << 8;
    const struct pci_function *at = scan();
    /* Pin 1 behind port 2; pin 1 of device 6 is pin 3 behind bridge 3; pin 3 of device 5, which is as device 1. */
    const unsigned irqs[] = {35 + 2, 35 + (3 + 2) % 4, 35 + (1 + 2) % 4};
    for (unsigned i = 0; i < 3; i++, at = at->next) {
        assert_true(pci_interrupt_create(at, &interrupt));
        assert_int_equal(interrupt.irq, irqs[i]);
    }
    assert_false(pci_interrupt_create(at, &interrupt));
    assert_false(pci_interrupt_create(at->next, &interrupt));
}

static unsigned asked[3];

static void ask(void *argument)
{
    (*(unsigned *)argument)++;
}

static unsigned raised = 1023; /* none */

static unsigned raised_acknowledge(void)
{
    unsigned irq = raised;

    raised = 1023;
    return irq;
}

static void nothing(unsigned irq)
{
    (void)irq;
}

static void nothing_for(unsigned irq, unsigned cpu)
{
    (void)irq, (void)cpu;
}

static const struct irq_controller line_controller = {
    .name = "test",
    .enable = nothing_for,
    .disable = nothing,
    .acknowledge = raised_acknowledge,
    .complete = nothing,
};

/* Two on one line are both asked, and one on another is not. */
static void test_shared_line(void **state)
{
    struct pci_interrupt interrupts[3];

    (void)state;
    pci_model_begin();
    irq_controller_set(&line_controller);
    routes_set();
    struct pci_model *nics[] = {pci_model_nic(NULL, 1, 0), pci_model_nic(NULL, 2, 0),
                                pci_model_nic(NULL, 5, 0)};
    const struct pci_function *at = scan();
    for (unsigned i = 0; i < 3; i++, at = at->next) {
        assert_true(pci_interrupt_create(at, &interrupts[i]));
        assert_true(nics[i]->words[PCI_COMMAND / 4] & PCI_COMMAND_NO_LINE);
        pci_interrupt_start(&interrupts[i], ask, &asked[i], 0);
        assert_false(nics[i]->words[PCI_COMMAND / 4] & PCI_COMMAND_NO_LINE);
    }
    raised = interrupts[0].irq;
    irq_dispatch();
    assert_int_equal(asked[0], 1);
    assert_int_equal(asked[1], 0);
    assert_int_equal(asked[2], 1);
    pci_interrupt_stop(&interrupts[0]);
    assert_true(nics[0]->words[PCI_COMMAND / 4] & PCI_COMMAND_NO_LINE);
    assert_false(nics[2]->words[PCI_COMMAND / 4] & PCI_COMMAND_NO_LINE);
}

static unsigned disabled;

static void disable(unsigned irq)
{
    disabled = irq;
}

/* Numbers of core/irq.h: lines below 1020, messages from 8192 on; one that nobody handles is masked. */
static void test_numbers(void **state)
{
    static struct irq_controller counting;
    const unsigned good[] = {32, 1019, IRQ_MESSAGE(0), IRQ_MESSAGE(IRQ_MESSAGES_MAX - 1)};
    const unsigned bad[] = {1020, 8191, IRQ_MESSAGE(IRQ_MESSAGES_MAX), UINT32_MAX};
    unsigned calls[4] = {0};

    (void)state;
    pci_model_begin();
    counting = line_controller;
    counting.disable = disable;
    irq_controller_set(&counting);
    for (unsigned i = 0; i < 4; i++) {
        raised = good[i];
        irq_dispatch();
        assert_int_equal(disabled, good[i]);
        irq_register(good[i], ask, &calls[i], 0);
        raised = good[i];
        irq_dispatch();
        for (unsigned j = 0; j < 4; j++)
            assert_int_equal(calls[j], j <= i);
        assert_true(machine_fails(irq_register(bad[i], ask, &calls[i], 0)));
        raised = bad[i];
        irq_dispatch();
        assert_int_equal(disabled, good[i]);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_message),
    cmocka_unit_test(test_broken_messages),
    cmocka_unit_test(test_no_way_for_messages),
    cmocka_unit_test(test_lines),
    cmocka_unit_test(test_shared_line),
    cmocka_unit_test(test_numbers),
};

CASES_MAIN(tests)
