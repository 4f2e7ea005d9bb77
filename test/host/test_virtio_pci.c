/* drivers/virtio_pci_find.c against capabilities that are as VIRTIO 1.2, 4.1.4 has them, and against those that are not. */
#include "drivers/pci_registers.h"
#include "drivers/virtio_pci.h"
#include "test/host/cases.h"
#include "test/host/pci_model.h"

enum {
    COMMON,
    NOTIFY,
    ISR,
    CONFIG,
    PARTS
};

static struct pci_model *model;
static struct pci_function *function;
/* Where QEMU puts its parts, in the words of their capabilities. */
static const struct part {
    uint32_t offset, length, kind, place, bytes;
} parts_of_qemu[PARTS] = {
    [COMMON] = {0x40, 16, 1, 0x0000, 0x1000},
    [NOTIFY] = {0x50, 20, 2, 0x3000, 0x1000},
    [ISR] = {0x64, 16, 3, 0x1000, 0x1000},
    [CONFIG] = {0x74, 16, 4, 0x2000, 0x1000},
};
static struct part parts[PARTS];
static uint32_t bar, step;

static void begin(void)
{
    unsigned last;

    pci_model_begin();
    model = pci_model_add(NULL, 1, 0, 0x10411af4, 0);
    pci_model_bar(model, 1, 0x1000, false);
    pci_model_bar(model, 4, 0x4000, true);
    function = pci_model_scan(&last);
    memcpy(parts, parts_of_qemu, sizeof parts);
    bar = 4;
    step = 4;
}

/* Puts the capabilities into the list, the first part in front, and looks. Words of an older list are written over. */
static bool find(struct virtio_pci_parts *found)
{
    memset(&model->words[0x40 / 4], 0, 0xc0);
    model->words[PCI_LIST / 4] = 0;
    for (unsigned i = PARTS; i-- > 0;) {
        const struct part *part = &parts[i];
        if (part->length)
            pci_model_capability(model, part->offset, PCI_CAP_VENDOR | part->length << 16 | part->kind << 24,
                                 i == NOTIFY ? 4 : 3,
                                 (const uint32_t[]){bar, part->place, part->bytes, step});
    }
    return virtio_pci_find(function, found);
}

static void check_good(void)
{
    struct virtio_pci_parts found;

    assert_true(find(&found));
    assert_int_equal(found.common, function->bars[bar].phys + parts[COMMON].place);
    assert_int_equal(found.notify, function->bars[bar].phys + parts[NOTIFY].place);
    assert_int_equal(found.isr, function->bars[bar].phys + parts[ISR].place);
    assert_int_equal(found.config, function->bars[bar].phys + parts[CONFIG].place);
    assert_int_equal(found.config_bytes, parts[CONFIG].bytes);
    assert_int_equal(found.notify_bytes, parts[NOTIFY].bytes);
    assert_int_equal(found.notify_step, step);
}

static void check_bad(void)
{
    struct virtio_pci_parts found;

    assert_false(find(&found));
}

static void test_good(void **state)
{
    (void)state;
    begin();
    check_good();
    step = 0;
    check_good();
    step = 2;
    check_good();
    step = 0x1000;
    check_good();
    parts[COMMON].bytes = 56; /* the least, and to the last byte of the BAR */
    parts[NOTIFY].bytes = 2;
    parts[ISR].bytes = 1;
    parts[ISR].place = 0x3fff;
    parts[CONFIG].bytes = 6;
    check_good();
    parts[COMMON].length = 64; /* longer than it must be, and to the end of configuration space */
    parts[COMMON].offset = 0xc0;
    check_good();
}

static void test_missing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PARTS; i++) {
        begin();
        parts[i].length = 0;
        check_bad();
    }
    begin();
    for (unsigned i = 0; i < PARTS; i++)
        parts[i].length = 0;
    check_bad();
}

static void test_lengths(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PARTS; i++) {
        begin();
        parts[i].length = i == NOTIFY ? 19 : 15;
        check_bad();
        parts[i].length = 3;
        check_bad();
        parts[i].length = 0xff; /* beyond configuration space */
        check_bad();
        begin();
        parts[i].offset = 0xf4; /* the same */
        check_bad();
    }
}

static void test_places(void **state)
{
    static const uint32_t least[PARTS] = {56, 2, 1, 6}, align[PARTS] = {4, 2, 1, 4};

    (void)state;
    for (unsigned i = 0; i < PARTS; i++) {
        begin();
        parts[i].bytes = least[i] - 1;
        check_bad();
        begin();
        parts[i].place = 0x4000 - least[i] + 4;
        check_bad();
        begin();
        parts[i].place = 0x4000;
        check_bad();
        begin();
        parts[i].place = 0xfffffffc; /* the end wraps in 32 bits */
        parts[i].bytes = 0x1000;
        check_bad();
        begin();
        parts[i].bytes = UINT32_MAX;
        check_bad();
        if (align[i] > 1) {
            begin();
            parts[i].place += align[i] / 2;
            parts[i].bytes -= 0x100;
            check_bad();
        }
    }
}

static void test_bars(void **state)
{
    static const uint32_t bars[] = {0, 1, 2, 3, 5, 6, 7, 0xff};

    (void)state;
    for (unsigned i = 0; i < sizeof bars / sizeof bars[0]; i++) {
        begin();
        bar = bars[i];
        check_bad();
    }
}

static void test_overlaps(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PARTS; i++)
        for (unsigned j = 0; j < PARTS; j++) {
            begin();
            parts[i].place = parts[j].place;
            if (i != j)
                check_bad();
            parts[i].place += 0x800;
            if (i != j)
                check_bad();
        }
}

static void test_steps(void **state)
{
    static const uint32_t steps[] = {1, 3, 6, 0x1001, UINT32_MAX};

    (void)state;
    for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        begin();
        step = steps[i];
        check_bad();
    }
}

/* Of two of a kind the first counts; kinds that are not known, and those that are not used, are passed over. */
static void test_others(void **state)
{
    struct virtio_pci_parts found;

    (void)state;
    begin();
    assert_true(find(&found));
    pci_model_capability(model, 0xa0, PCI_CAP_VENDOR | 16 << 16 | 1 << 24, 3,
                         (const uint32_t[]){4, 0x800, 0x40});
    assert_true(virtio_pci_find(function, &found));
    assert_int_equal(found.common, function->bars[4].phys + 0x800);
    pci_model_capability(model, 0xb0, PCI_CAP_VENDOR | 16 << 16 | 9u << 24, 3, (const uint32_t[]){9, 9, 9});
    pci_model_capability(model, 0xc0, PCI_CAP_VENDOR | 20 << 16 | 5u << 24, 3, (const uint32_t[]){0, 0, 0});
    pci_model_capability(model, 0xd4, PCI_CAP_VENDOR | 0 << 16 | 0u << 24, 0, NULL);
    assert_true(virtio_pci_find(function, &found));
    assert_int_equal(found.common, function->bars[4].phys + 0x800);
    /* Kicks by I/O ports, which QEMU can offer in front of those by memory; and in a BAR that there will be one day. */
    pci_model_capability(model, 0xd8, PCI_CAP_VENDOR | 20 << 16 | 2 << 24, 4, (const uint32_t[]){0, 0, 4, 0});
    pci_model_capability(model, 0xec, PCI_CAP_VENDOR | 20 << 16 | 2 << 24, 4, (const uint32_t[]){6, 0, 4, 0});
    assert_true(virtio_pci_find(function, &found));
    assert_int_equal(found.notify, function->bars[4].phys + 0x3000);
    model->words[0x74 / 4] |= 0x40 << 8; /* the last leads back: all parts are there, and yet */
    assert_false(virtio_pci_find(function, &found));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_good),   cmocka_unit_test(test_missing), cmocka_unit_test(test_lengths),
    cmocka_unit_test(test_places), cmocka_unit_test(test_bars),    cmocka_unit_test(test_overlaps),
    cmocka_unit_test(test_steps),  cmocka_unit_test(test_others),
};

CASES_MAIN(tests)
