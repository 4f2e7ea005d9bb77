/*
 * drivers/virtio_pci.c against a device whose registers are in software: what it is asked for, by which width and in which
 * order, and what becomes of it when it answers nonsense.
 */
#include "drivers/msi.h"
#include "drivers/pci_registers.h"
#include "drivers/virtio.h"
#include "drivers/virtio_net.h"
#include "drivers/virtio_pci.h"
#include "drivers/virtqueue.h"
#include "test/host/cases.h"
#include "test/host/machine.h"
#include "test/host/pci_model.h"

enum {
    COMMON = 0x0000,
    ISR = 0x1000,
    CONFIG = 0x2000,
    NOTIFY = 0x3000
}; /* in BAR 4 */

static struct pci_model *model;
static struct pci_function *function;
static struct {
    uint64_t offered, taken;
    uint32_t offered_half, taken_half;
    uint16_t select, notify_offset, limit, isr_reads;
    bool never_resets, no_vectors, enabled;
    uint8_t status;
    uint32_t queue[2][16]; /* what was written from QUEUE_SIZE on, by words of 32 bits from 0x18 on */
    uint16_t vector[2], config_vector;
    struct {
        uint64_t at;
        unsigned bytes;
        uint32_t value;
    } kick;
} device;

static bool master(void)
{
    return model->words[PCI_COMMAND / 4] & PCI_COMMAND_MASTER;
}

static void common_write(unsigned offset, unsigned bytes, uint32_t value)
{
    unsigned queue = device.select & 1;

    if (offset == 0x00)
        device.offered_half = value;
    else if (offset == 0x08)
        device.taken_half = value;
    else if (offset == 0x0c)
        device.taken |= (uint64_t)value << (device.taken_half ? 32 : 0);
    else if (offset == 0x10)
        device.config_vector = (uint16_t)value;
    else if (offset == 0x14)
        device.status = device.never_resets && value == 0 ? 0x40 : (uint8_t)value;
    else if (offset == 0x16)
        device.select = (uint16_t)value;
    else if (offset == 0x1a)
        device.vector[queue] = device.no_vectors ? 0xffff : (uint16_t)value;
    else if (offset == 0x18 || offset == 0x1c || offset >= 0x20)
        device.queue[queue][(offset - 0x18) / 4] = value;
    else
        machine_fail("%x, which is read-only, is written", offset);
    assert_int_equal(bytes, offset == 0x14 ? 1 : offset == 0x10 || (offset >= 0x16 && offset < 0x20) ? 2 : 4);
}

static uint32_t common_read(unsigned offset)
{
    unsigned queue = device.select & 1;

    switch (offset) {
    case 0x04:
        return (uint32_t)(device.offered >> (device.offered_half ? 32 : 0));
    case 0x14:
        return device.status;
    case 0x18:
        return device.limit;
    case 0x1a:
        return device.vector[queue];
    case 0x1c:
        return device.enabled;
    case 0x1e:
        return device.notify_offset + queue;
    default:
        machine_fail("a read of %x", offset);
    }
}

static bool device_access(uint64_t phys, unsigned bytes, bool write, uint32_t *value)
{
    uint64_t at = phys - function->bars[4].phys;

    if (at >= 0x4000)
        return false; /* the table of MSI-X */
    assert_true(model->words[PCI_COMMAND / 4] & PCI_COMMAND_MEMORY);
    if (at < COMMON + 0x38 && write) {
        common_write((unsigned)at, bytes, *value);
    } else if (at < COMMON + 0x38) {
        *value = common_read((unsigned)at);
    } else if (at >= NOTIFY && write) {
        device.kick.at = at - NOTIFY;
        device.kick.bytes = bytes;
        device.kick.value = *value;
    } else if (at == ISR && !write) {
        device.isr_reads++;
        *value = 1;
    } else if (at >= CONFIG && at < CONFIG + 6 && !write) {
        *value = (uint32_t)(at - CONFIG) + 0x50;
    } else {
        machine_fail("an access of %u bytes at %lx of the BAR", bytes, at);
    }
    return true;
}

static bool allocate(uint32_t number, struct msi *msi)
{
    (void)number;
    *msi = (struct msi){.address = 0x8080040, .data = 0, .irq = 77};
    return true;
}

static void part_add(unsigned offset, uint32_t kind, uint32_t place, uint32_t bytes)
{
    pci_model_capability(model, offset, PCI_CAP_VENDOR | 20 << 16 | kind << 24, 4,
                         (const uint32_t[]){4, place, bytes, 4});
}

static void begin(bool messages)
{
    static const struct msi_controller controller = {.name = "test", .allocate = allocate};
    unsigned last;

    pci_model_begin();
    model = pci_model_nic(NULL, 1, 0);
    part_add(0x40, 1, COMMON, 0x38);
    part_add(0x54, 3, ISR, 1);
    part_add(0x68, 4, CONFIG, 6);
    part_add(0x7c, 2, NOTIFY, 0x40);
    model->words[PCI_SUBSYSTEM / 4] = VIRTIO_ID_NET << 16;
    if (messages)
        pci_model_capability(model, 0x98, PCI_CAP_MSIX, 2, (const uint32_t[]){1, 0x801});
    pci_model_host.routes[0].pin = 1;
    pci_model_host.routes[0].irq = 36;
    pci_model_host.pin_mask = 7;
    pci_model_host.route_count = 1;
    pci_model_host.msi_count = 0x100;
    msi_controller_set(&controller);
    function = pci_model_scan(&last);
    memset(&device, 0, sizeof device);
    device.offered = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | 1;
    device.limit = 64;
    device.status = 7; /* as a boot loader left it */
    pci_model_access = device_access;
}

/* ---- What a driver does with it ---- */

static struct virtio_transport transport;
static struct virtqueue queues[2];
static bool negotiated, queues_made;

bool virtio_net_create(const struct virtio_transport *found)
{
    assert_true(master());
    assert_int_equal(device.status, 0); /* reset before it could reach memory */
    transport = *found;
    negotiated = virtio_negotiate(&transport, "test", VIRTIO_F_INDIRECT_DESC, VIRTIO_F_INDIRECT_DESC);
    if (!negotiated)
        return false;
    for (unsigned i = 0; i < 2; i++)
        if (!virtio_queue_create(&transport, "test", i, &queues[i], 32, 0))
            return false;
    queues_made = true;
    return true;
}

static void check_works(bool messages)
{
    begin(messages);
    assert_false(master());
    assert_true(virtio_pci_probe(function));
    assert_string_equal(transport.name, "virtio-pci 00:01.0");
    assert_int_equal(transport.irq, messages ? 77 : 36);
    assert_int_equal(device.taken, VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(device.queue[i][0], 64); /* its size */
        assert_int_equal(device.queue[i][1], 1);  /* enabled */
        assert_int_equal(machine_memory(device.queue[i][2] | (uint64_t)device.queue[i][3] << 32),
                         (uint8_t *)queues[i].descriptors);
        assert_int_equal(device.vector[i], 0);
        transport.ops->notify(&transport, i);
        assert_int_equal(device.kick.at, 4 * i);
        assert_int_equal(device.kick.bytes, 2);
        assert_int_equal(device.kick.value, i);
    }
    assert_int_equal(device.config_vector, messages ? 0xffff : 0);
    assert_int_equal(transport.ops->config_read(&transport, 5), 0x55);
    assert_int_equal(transport.ops->config_read(&transport, 6), 0); /* beyond what it has */
    assert_true(transport.ops->acknowledge(&transport));
    assert_int_equal(device.isr_reads, messages ? 0 : 1);
}

static void test_works(void **state)
{
    (void)state;
    check_works(true);
    check_works(false);
}

static void check_left(void)
{
    assert_false(virtio_pci_probe(function));
    assert_false(queues_made);
    assert_int_equal(model->words[PCI_COMMAND / 4] & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER), 0);
    assert_true(model->words[PCI_COMMAND / 4] & PCI_COMMAND_NO_LINE);
}

static void test_left(void **state)
{
    (void)state;
    begin(true);
    device.offered &= ~VIRTIO_F_VERSION_1;
    check_left();
    assert_false(negotiated);
    begin(true);
    device.never_resets = true;
    check_left();
    begin(true);
    device.no_vectors = true;
    check_left();
    begin(true);
    device.enabled = true; /* a queue that is in use after the reset */
    check_left();
    begin(true);
    device.limit = 16; /* too short */
    check_left();
    begin(true);
    device.notify_offset = 15; /* the second queue's kick would be behind the part's end */
    check_left();
    begin(true);
    device.notify_offset = 0xfffe;
    check_left();
    begin(true);
    function->subsystem = 4; /* a source of random numbers */
    check_left();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_works),
    cmocka_unit_test(test_left),
};

CASES_MAIN(tests)
