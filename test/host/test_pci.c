/*
 * drivers/pci*.c against a PCI that tells the truth, or does not: what is found, where it is put, who answers there; lists of
 * capabilities that lead nowhere; messages and lines.
 */
#include "core/layout.h"
#include "drivers/msi.h"
#include "drivers/pci.h"
#include "drivers/pci_interrupt.h"
#include "drivers/pci_registers.h"
#include "test/host/cases.h"
#include "test/host/machine.h"
#include "test/host/pci_model.h"

#define NIC_ID    0x10001af4u
#define OTHER_ID  0x10d38086u
#define BRIDGE_ID 0x000c1b36u
#define ROOT_PORT (4u << 20)
#define UPSTREAM  (5u << 20)
#define TO_PCI    (7u << 20)

static unsigned bus_last;

static void begin(void)
{
    machine_reset(1);
    machine_add_ram();
    machine_run_on(0);
    pci_model_reset();
}

static bool wanted(const struct pci_function *function)
{
    return function->vendor == 0x1af4;
}

static struct pci_function *scan(void)
{
    return pci_scan(&pci_model_host, wanted, &bus_last);
}

/* As QEMU's: ports, a page of MSI-X, and the registers, of 64 bits. */
static struct pci_model *nic_add(struct pci_model *bridge, unsigned device, unsigned function)
{
    struct pci_model *nic = pci_model_add(bridge, device, function, NIC_ID, 0);

    nic->words[PCI_BAR / 4] = 1; /* I/O ports */
    nic->bar_bits[0] = 0xffffffe0;
    nic->words[PCI_INTERRUPT / 4] = 1 << 8;
    pci_model_bar(nic, 1, 0x1000, false);
    pci_model_bar(nic, 4, 0x4000, true);
    return nic;
}

static struct pci_model *bridge_add(struct pci_model *bridge, unsigned device, unsigned function,
                                    uint32_t port)
{
    struct pci_model *added = pci_model_add(bridge, device, function, BRIDGE_ID, 1);

    if (port)
        pci_model_capability(added, 0x40, PCI_CAP_EXPRESS | (port & 0xf00000), 0, NULL);
    return added;
}

static unsigned count_of(const struct pci_function *list)
{
    return list ? 1 + count_of(list->next) : 0;
}

/* All BARs of the functions found: in the window, on pages of their own, and exactly their function answers there. */
static void check_places(struct pci_function *list)
{
    const struct pci_function *a, *b;

    for (a = list; a; a = a->next)
        pci_function_enable(a);
    for (a = list; a; a = a->next)
        for (unsigned i = 0; i < PCI_BARS; i++) {
            const struct pci_model *model;
            if (!a->bars[i].size)
                continue;
            uint64_t start = a->bars[i].phys, end = start + a->bars[i].size;
            assert_int_equal(start % (a->bars[i].size < PAGE_SIZE ? PAGE_SIZE : a->bars[i].size), 0);
            assert_in_range(start, PCI_MODEL_MEMORY, PCI_MODEL_MEMORY + PCI_MODEL_MEMORY_SIZE - 1);
            assert_true(end <= PCI_MODEL_MEMORY + PCI_MODEL_MEMORY_SIZE);
            for (uint64_t at = start; at < end; at += PAGE_SIZE) {
                assert_int_equal(pci_model_answers(at, &model), 1);
                assert_int_equal(model->device * 8 + model->function, a->device * 8 + a->function);
            }
            for (b = list; b; b = b->next)
                for (unsigned j = 0; j < PCI_BARS; j++)
                    if (b->bars[j].size && (a != b || i != j))
                        assert_true(b->bars[j].phys / PAGE_SIZE > (end - 1) / PAGE_SIZE ||
                                    (b->bars[j].phys + b->bars[j].size - 1) / PAGE_SIZE < start / PAGE_SIZE);
        }
}

/* ---- What is found, and where it is put ---- */

static void test_nothing(void **state)
{
    (void)state;
    begin();
    assert_null(scan());
    pci_model_add(NULL, 0, 0, OTHER_ID, 0)->words[PCI_COMMAND / 4] = 7;
    assert_null(scan());
    assert_int_equal(bus_last, 0);
}

static void test_order_and_places(void **state)
{
    (void)state;
    begin();
    nic_add(NULL, 9, 0);
    nic_add(NULL, 2, 3);
    pci_model_add(NULL, 2, 0, OTHER_ID, 0x80); /* many functions, of which it is the first */
    nic_add(NULL, 2, 1);
    pci_model_add(NULL, 3, 0, OTHER_ID, 0);
    nic_add(NULL, 3, 1); /* function 0 says that there are no others */
    struct pci_function *list = scan();
    assert_int_equal(count_of(list), 3);
    assert_string_equal(list->name, "00:02.1");
    assert_string_equal(list->next->name, "00:02.3");
    assert_string_equal(list->next->next->name, "00:09.0");
    assert_int_equal(list->bars[0].size, 0);
    assert_int_equal(list->bars[1].size, 0x1000);
    assert_int_equal(list->bars[4].size, 0x4000);
    check_places(list);
}

/* A boot loader has put two at one address, and gave two bridges the same bus; nothing of that is left. */
static void test_leftovers(void **state)
{
    (void)state;
    begin();
    struct pci_model *first = bridge_add(NULL, 1, 0, ROOT_PORT), *second = bridge_add(NULL, 2, 0, ROOT_PORT);
    struct pci_model *nics[] = {nic_add(first, 0, 0), nic_add(second, 0, 0), nic_add(NULL, 3, 0)};
    first->words[PCI_BUSES / 4] = second->words[PCI_BUSES / 4] = 0x00070100;
    for (unsigned i = 0; i < 3; i++) {
        nics[i]->words[PCI_COMMAND / 4] = 0x0407;
        nics[i]->words[PCI_BAR / 4 + 1] = (uint32_t)PCI_MODEL_BUS;
        nics[i]->words[PCI_BAR / 4 + 5] = 0x80;
    }
    struct pci_model *other = pci_model_add(NULL, 4, 0, OTHER_ID, 0);
    other->words[PCI_COMMAND / 4] = 0x0007;
    struct pci_function *list = scan();
    assert_int_equal(count_of(list), 3);
    /* Nobody decodes, masters or interrupts before it is told to. */
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(nics[i]->words[PCI_COMMAND / 4] & 0xffff, PCI_COMMAND_NO_LINE | 1);
    assert_int_equal(other->words[PCI_COMMAND / 4] & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER), 0);
    assert_true(other->words[PCI_COMMAND / 4] & PCI_COMMAND_NO_LINE);
    check_places(list);
    assert_int_equal(nics[0]->words[PCI_BAR / 4 + 5], 0);
}

static void test_bridges(void **state)
{
    (void)state;
    begin();
    struct pci_model *port = bridge_add(NULL, 1, 0, ROOT_PORT);
    port->words[PCI_HEADER / 4] |= 0x80 << 16;
    nic_add(port, 0, 0);
    struct pci_model *empty = bridge_add(NULL, 1, 2, ROOT_PORT); /* with nothing behind it */
    struct pci_model *up = bridge_add(bridge_add(NULL, 1, 1, ROOT_PORT), 0, 0, UPSTREAM);
    struct pci_model *old = bridge_add(up, 7, 0, TO_PCI);
    nic_add(old, 5, 0);
    nic_add(old, 3, 0);
    nic_add(up, 2, 0);
    nic_add(NULL, 4, 0);
    struct pci_function *list = scan();
    const char *const names[] = {"01:00.0", "03:02.0", "04:03.0", "04:05.0", "00:04.0"};
    const struct pci_function *at = list;
    for (unsigned i = 0; i < 5; i++, at = at->next) {
        assert_non_null(at);
        assert_string_equal(at->name, names[i]);
        assert_int_equal(at->aliased, at->bus == 4);
    }
    assert_null(at);
    assert_int_equal(bus_last, 5);
    assert_int_equal(port->words[PCI_BUSES / 4], 0x010100);
    assert_int_equal(up->bridge->words[PCI_BUSES / 4], 0x040200);
    assert_int_equal(up->words[PCI_BUSES / 4], 0x040302);
    assert_int_equal(old->words[PCI_BUSES / 4], 0x040403);
    assert_int_equal(empty->words[PCI_BUSES / 4], 0x050500);
    assert_true((empty->words[PCI_MEMORY / 4] & 0xfff0) > empty->words[PCI_MEMORY / 4] >>
                16); /* nothing passes */
    check_places(list);
}

static void test_too_many_buses(void **state)
{
    (void)state;
    begin();
    pci_model_host.bus_last = 3;
    for (unsigned i = 0; i < 6; i++)
        nic_add(bridge_add(NULL, 1 + i, 0, ROOT_PORT), 0, 0);
    struct pci_function *list = scan();
    assert_int_equal(count_of(list), 3);
    assert_int_equal(bus_last, 3);
    check_places(list);
}

static void test_too_deep(void **state)
{
    struct pci_model *bridge = NULL;

    (void)state;
    begin();
    for (unsigned i = 0; i < 6; i++) {
        bridge = bridge_add(bridge, 1, 0, 0);
        nic_add(bridge, 2, 0);
    }
    struct pci_function *list = scan();
    assert_int_equal(count_of(list), 4);
    check_places(list);
}

/* Functions that cannot be used, each between two that can: those are. */
static void check_refused(void (*spoil)(struct pci_model *nic))
{
    begin();
    nic_add(NULL, 1, 0);
    struct pci_model *bad = nic_add(NULL, 2, 0);
    nic_add(NULL, 3, 0);
    spoil(bad);
    struct pci_function *list = scan();
    assert_int_equal(count_of(list), 2);
    assert_int_equal(list->device, 1);
    assert_int_equal(list->next->device, 3);
    check_places(list);
    assert_int_equal(bad->words[PCI_COMMAND / 4] & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER), 0);
}

static void bar_with_holes(struct pci_model *nic)
{
    nic->bar_bits[1] = 0xffff5000;
}

static void bar_of_no_type(struct pci_model *nic)
{
    nic->words[PCI_BAR / 4 + 1] = 6;
}

static void bar_below_a_megabyte(struct pci_model *nic)
{
    nic->words[PCI_BAR / 4 + 1] = 2;
}

static void bar_wide_at_the_end(struct pci_model *nic)
{
    nic->words[PCI_BAR / 4 + 4] = 1;
    nic->bar_bits[5] = 0xfffff000;
    nic->words[PCI_BAR / 4 + 5] = 4;
    nic->words[PCI_BAR / 4 + 6] = UINT32_MAX; /* what lies behind would do for an upper half */
}

static void bar_too_big(struct pci_model *nic)
{
    pci_model_bar(nic, 4, UINT64_C(0x100000000), true);
}

static void bar_of_everything(struct pci_model *nic)
{
    nic->bar_bits[4] = 0;
    nic->bar_bits[5] = 0x80000000;
}

static void header_unknown(struct pci_model *nic)
{
    nic->words[PCI_HEADER / 4] = 2 << 16;
}

static void not_ready(struct pci_model *nic)
{
    nic->words[PCI_ID / 4] = 0xffff0001;
}

static void test_refused(void **state)
{
    void (*const all[])(struct pci_model *) = {
        bar_with_holes, bar_of_no_type,    bar_below_a_megabyte, bar_wide_at_the_end,
        bar_too_big,    bar_of_everything, header_unknown,       not_ready,
    };

    (void)state;
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
        check_refused(all[i]);
}

/* A BAR smaller than a page has one for itself; one that is not there has no size. */
static void test_small_bars(void **state)
{
    (void)state;
    begin();
    struct pci_model *nic = pci_model_add(NULL, 1, 0, NIC_ID, 0);
    pci_model_bar(nic, 0, 0x10, false);
    pci_model_bar(nic, 2, 0x80, false);
    struct pci_function *list = scan();
    assert_int_equal(list->bars[0].size, 0x10);
    assert_int_equal(list->bars[1].size, 0);
    assert_int_equal(list->bars[2].phys - list->bars[0].phys, PAGE_SIZE);
    assert_int_equal(pci_bar_range(list, 0, 0, 0x10, "all of it"), list->bars[0].phys);
    assert_int_equal(pci_bar_range(list, 0, 8, 8, "its half"), list->bars[0].phys + 8);
    assert_int_equal(pci_bar_range(list, 0, 8, 9, "too much"), 0);
    assert_int_equal(pci_bar_range(list, 0, 0x11, 0, "behind"), 0);
    assert_int_equal(pci_bar_range(list, 0, UINT64_MAX, 2, "wrapping"), 0);
    assert_int_equal(pci_bar_range(list, 0, 2, UINT64_MAX, "wrapping"), 0);
    assert_int_equal(pci_bar_range(list, 1, 0, 1, "no BAR"), 0);
    assert_int_equal(pci_bar_range(list, 6, 0, 1, "no number"), 0);
    assert_int_equal(pci_bar_range(list, 255, 0, 1, "no number"), 0);
}

static void test_window_full(void **state)
{
    (void)state;
    begin();
    for (uint64_t size = 0x8000; size < 0x10000; size += 0x1000) { /* the second would need all of that */
        begin();
        pci_model_host.memory_size = size;
        for (unsigned i = 1; i < 4; i++)
            nic_add(NULL, i, 0);
        struct pci_function *list = scan();
        assert_int_equal(count_of(list), 1);
        assert_true(list->bars[4].phys + list->bars[4].size <= PCI_MODEL_MEMORY + size);
        check_places(list);
    }
}

/* ---- Capabilities ---- */

static struct pci_model *one_nic(struct pci_function **function)
{
    begin();
    struct pci_model *nic = nic_add(NULL, 1, 0);
    *function = scan();
    assert_int_equal(count_of(*function), 1);
    return nic;
}

static void test_capabilities(void **state)
{
    struct pci_function *function;
    struct pci_model *nic = one_nic(&function);

    (void)state;
    struct pci_walk walk = pci_capabilities(function);
    assert_false(pci_capability_next(&walk, PCI_CAP_VENDOR));
    assert_false(walk.fault);
    pci_model_capability(nic, 0x40, PCI_CAP_VENDOR, 0, NULL);
    pci_model_capability(nic, 0x50, PCI_CAP_MSIX, 0, NULL);
    pci_model_capability(nic, 0xfc, PCI_CAP_VENDOR, 0, NULL);
    nic->words[PCI_LIST / 4] |= 3; /* reserved bits, to be masked */
    walk = pci_capabilities(function);
    assert_true(pci_capability_next(&walk, PCI_CAP_VENDOR));
    assert_int_equal(walk.offset, 0xfc);
    assert_true(pci_capability_next(&walk, PCI_CAP_VENDOR));
    assert_int_equal(walk.offset, 0x40);
    assert_false(pci_capability_next(&walk, PCI_CAP_VENDOR));
    assert_false(pci_capability_next(&walk, PCI_CAP_VENDOR));
    assert_false(walk.fault);
    nic->words[PCI_COMMAND / 4] &= ~PCI_STATUS_LIST; /* there is no list, whatever the pointer says */
    walk = pci_capabilities(function);
    assert_false(pci_capability_next(&walk, PCI_CAP_VENDOR));
}

static unsigned walk_all(const struct pci_function *function, bool *fault)
{
    struct pci_walk walk = pci_capabilities(function);
    unsigned count = 0;

    while (pci_capability_next(&walk, PCI_CAP_VENDOR))
        count++;
    *fault = walk.fault;
    return count;
}

static void test_broken_lists(void **state)
{
    struct pci_function *function;
    struct pci_model *nic = one_nic(&function);
    bool fault;

    (void)state;
    /* All 48 that there can be. */
    for (unsigned offset = 0x40; offset <= 0xfc; offset += 4)
        pci_model_capability(nic, offset, PCI_CAP_VENDOR, 0, NULL);
    assert_int_equal(walk_all(function, &fault), 48);
    assert_false(fault);
    nic->words[0x40 / 4] = PCI_CAP_VENDOR | 0xfc << 8; /* the last leads back to the first */
    assert_int_equal(walk_all(function, &fault), 48);
    assert_true(fault);
    nic->words[0xfc / 4] = PCI_CAP_VENDOR | 0xfc << 8; /* to itself */
    walk_all(function, &fault);
    assert_true(fault);
    nic->words[0xfc / 4] = PCI_CAP_MSIX | 0xfc << 8; /* to itself, and not what was asked for */
    assert_int_equal(walk_all(function, &fault), 0);
    assert_true(fault);
    nic->words[0xfc / 4] = PCI_CAP_VENDOR | 0x3c << 8; /* into the header */
    assert_int_equal(walk_all(function, &fault), 1);
    assert_true(fault);
    nic->words[0xfc / 4] = UINT32_MAX; /* nothing answers */
    assert_int_equal(walk_all(function, &fault), 0);
    assert_true(fault);
    nic->words[PCI_LIST / 4] = 4;
    assert_int_equal(walk_all(function, &fault), 0);
    assert_true(fault);
}

/* ---- Interrupts ---- */

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
    begin();
    routes_set();
    struct pci_model *port = bridge_add(NULL, 2, 0, ROOT_PORT);
    nic_add(port, 0, 0);
    nic_add(bridge_add(NULL, 3, 0, 0), 6, 0);
    nic_add(NULL, 5, 0)->words[PCI_INTERRUPT / 4] = 3 << 8;
    nic_add(NULL, 6, 0)->words[PCI_INTERRUPT / 4] = 0;
    nic_add(NULL, 7, 0)->words[PCI_INTERRUPT / 4] = 5 << 8;
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
    begin();
    irq_controller_set(&line_controller);
    routes_set();
    struct pci_model *nics[] = {nic_add(NULL, 1, 0), nic_add(NULL, 2, 0), nic_add(NULL, 5, 0)};
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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_nothing),         cmocka_unit_test(test_order_and_places),
    cmocka_unit_test(test_leftovers),       cmocka_unit_test(test_bridges),
    cmocka_unit_test(test_too_many_buses),  cmocka_unit_test(test_too_deep),
    cmocka_unit_test(test_refused),         cmocka_unit_test(test_small_bars),
    cmocka_unit_test(test_window_full),     cmocka_unit_test(test_capabilities),
    cmocka_unit_test(test_broken_lists),    cmocka_unit_test(test_message),
    cmocka_unit_test(test_broken_messages), cmocka_unit_test(test_no_way_for_messages),
    cmocka_unit_test(test_lines),           cmocka_unit_test(test_shared_line),
};

CASES_MAIN(tests)
