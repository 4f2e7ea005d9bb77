/*
 * drivers/pci*.c against a PCI that tells the truth, or does not: what is found, where it is put, who answers there; lists of
 * capabilities that lead nowhere.
 */
#include "core/layout.h"
#include "drivers/pci.h"
#include "drivers/pci_registers.h"
#include "test/host/cases.h"
#include "test/host/pci_model.h"

#define OTHER_ID 0x10d38086u

static unsigned bus_last;

static struct pci_function *scan(void)
{
    return pci_model_scan(&bus_last);
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
    pci_model_begin();
    assert_null(scan());
    pci_model_add(NULL, 0, 0, OTHER_ID, 0)->words[PCI_COMMAND / 4] = 7;
    assert_null(scan());
    assert_int_equal(bus_last, 0);
}

static void test_order_and_places(void **state)
{
    (void)state;
    pci_model_begin();
    pci_model_nic(NULL, 9, 0);
    pci_model_nic(NULL, 2, 3);
    pci_model_add(NULL, 2, 0, OTHER_ID, 0x80); /* many functions, of which it is the first */
    pci_model_nic(NULL, 2, 1);
    pci_model_add(NULL, 3, 0, OTHER_ID, 0);
    pci_model_nic(NULL, 3, 1); /* function 0 says that there are no others */
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
    pci_model_begin();
    struct pci_model *first = pci_model_bridge(NULL, 1, 0, PCI_MODEL_ROOT_PORT),
                     *second = pci_model_bridge(NULL, 2, 0, PCI_MODEL_ROOT_PORT);
    struct pci_model *nics[] = {pci_model_nic(first, 0, 0), pci_model_nic(second, 0, 0),
                                pci_model_nic(NULL, 3, 0)};
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
    pci_model_begin();
    struct pci_model *port = pci_model_bridge(NULL, 1, 0, PCI_MODEL_ROOT_PORT);
    port->words[PCI_HEADER / 4] |= 0x80 << 16;
    pci_model_nic(port, 0, 0);
    struct pci_model *empty = pci_model_bridge(NULL, 1, 2, PCI_MODEL_ROOT_PORT); /* with nothing behind it */
    struct pci_model *up =
        pci_model_bridge(pci_model_bridge(NULL, 1, 1, PCI_MODEL_ROOT_PORT), 0, 0, PCI_MODEL_UPSTREAM);
    struct pci_model *old = pci_model_bridge(up, 7, 0, PCI_MODEL_TO_PCI);
    pci_model_nic(old, 5, 0);
    pci_model_nic(old, 3, 0);
    pci_model_nic(up, 2, 0);
    pci_model_nic(NULL, 4, 0);
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
    pci_model_begin();
    pci_model_host.bus_last = 3;
    for (unsigned i = 0; i < 6; i++)
        pci_model_nic(pci_model_bridge(NULL, 1 + i, 0, PCI_MODEL_ROOT_PORT), 0, 0);
    struct pci_function *list = scan();
    assert_int_equal(count_of(list), 3);
    assert_int_equal(bus_last, 3);
    check_places(list);
}

static void test_too_deep(void **state)
{
    struct pci_model *bridge = NULL;

    (void)state;
    pci_model_begin();
    for (unsigned i = 0; i < 6; i++) {
        bridge = pci_model_bridge(bridge, 1, 0, 0);
        pci_model_nic(bridge, 2, 0);
    }
    struct pci_function *list = scan();
    assert_int_equal(count_of(list), 4);
    check_places(list);
}

/* Functions that cannot be used, each between two that can: those are. */
static void check_refused(void (*spoil)(struct pci_model *nic))
{
    pci_model_begin();
    pci_model_nic(NULL, 1, 0);
    struct pci_model *bad = pci_model_nic(NULL, 2, 0);
    pci_model_nic(NULL, 3, 0);
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
    pci_model_begin();
    struct pci_model *nic = pci_model_add(NULL, 1, 0, PCI_MODEL_NIC_ID, 0);
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
    pci_model_begin();
    for (uint64_t size = 0x8000; size < 0x10000; size += 0x1000) { /* the second would need all of that */
        pci_model_begin();
        pci_model_host.memory_size = size;
        for (unsigned i = 1; i < 4; i++)
            pci_model_nic(NULL, i, 0);
        struct pci_function *list = scan();
        assert_int_equal(count_of(list), 1);
        assert_true(list->bars[4].phys + list->bars[4].size <= PCI_MODEL_MEMORY + size);
        check_places(list);
    }
}

/* ---- Capabilities ---- */

static struct pci_model *one_nic(struct pci_function **function)
{
    pci_model_begin();
    struct pci_model *nic = pci_model_nic(NULL, 1, 0);
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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_nothing),        cmocka_unit_test(test_order_and_places),
    cmocka_unit_test(test_leftovers),      cmocka_unit_test(test_bridges),
    cmocka_unit_test(test_too_many_buses), cmocka_unit_test(test_too_deep),
    cmocka_unit_test(test_refused),        cmocka_unit_test(test_small_bars),
    cmocka_unit_test(test_window_full),    cmocka_unit_test(test_capabilities),
    cmocka_unit_test(test_broken_lists),
};

CASES_MAIN(tests)
