#include "drivers/virtio_mmio.h"

#include <stddef.h>
#include "core/arch.h"
#include "core/layout.h"
#include "core/log.h"
#include "drivers/virtio.h"
#include "drivers/virtqueue.h"

/* Registers (VIRTIO 1.2, 4.2.2 and 4.2.4): byte offsets */
enum {
    MAGIC = 0x000,
    VERSION = 0x004,
    DEVICE = 0x008,
    FEATURES_OFFERED = 0x010,
    FEATURES_OFFERED_HALF = 0x014,
    FEATURES_TAKEN = 0x020,
    FEATURES_TAKEN_HALF = 0x024,
    PAGE_BYTES = 0x028, /* legacy */
    QUEUE_SELECT = 0x030,
    QUEUE_LIMIT = 0x034,
    QUEUE_SIZE = 0x038,
    QUEUE_ALIGN = 0x03c, /* legacy */
    QUEUE_FRAME = 0x040, /* legacy */
    QUEUE_READY = 0x044,
    NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACKNOWLEDGE = 0x064,
    STATUS = 0x070,
    QUEUE_DESCRIPTORS = 0x080, /* and the upper half at + 4; so the next two */
    QUEUE_AVAILABLE = 0x090,
    QUEUE_USED = 0x0a0,
    CONFIG = 0x100,
};

#define MAGIC_VALUE    0x74726976u /* "virt" */
#define VERSION_LEGACY 1u
#define VERSION_MODERN 2u

static uint32_t read(const struct virtio_transport *transport, unsigned offset)
{
    return arch_device_read(transport->registers + offset);
}

static void write(const struct virtio_transport *transport, unsigned offset, uint32_t value)
{
    arch_device_write(transport->registers + offset, value);
}

static void write_address(const struct virtio_transport *transport, unsigned offset,
                          const volatile void *memory)
{
    uint64_t phys = arch_virt_to_phys((const void *)memory);

    write(transport, offset, (uint32_t)phys);
    write(transport, offset + 4, (uint32_t)(phys >> 32));
}

static uint64_t mmio_features_read(const struct virtio_transport *transport)
{
    write(transport, FEATURES_OFFERED_HALF, 1);
    uint64_t high = read(transport, FEATURES_OFFERED);
    write(transport, FEATURES_OFFERED_HALF, 0);
    return high << 32 | read(transport, FEATURES_OFFERED);
}

static void mmio_features_write(const struct virtio_transport *transport, uint64_t features)
{
    write(transport, FEATURES_TAKEN_HALF, 1);
    write(transport, FEATURES_TAKEN, (uint32_t)(features >> 32));
    write(transport, FEATURES_TAKEN_HALF, 0);
    write(transport, FEATURES_TAKEN, (uint32_t)features);
}

static uint32_t mmio_status_read(const struct virtio_transport *transport)
{
    return read(transport, STATUS);
}

static void mmio_status_write(const struct virtio_transport *transport, uint32_t status)
{
    write(transport, STATUS, status);
}

static uint8_t mmio_config_read(const struct virtio_transport *transport, unsigned offset)
{
    return transport->registers[CONFIG + offset];
}

static unsigned mmio_queue_limit(const struct virtio_transport *transport, unsigned queue)
{
    write(transport, QUEUE_SELECT, queue);
    return read(transport, QUEUE_LIMIT);
}

static const char in_use[] = "in use already, expected unused after a reset";

static const char *modern_queue_start(struct virtio_transport *transport, unsigned queue,
                                      const struct virtqueue *rings)
{
    write(transport, QUEUE_SELECT, queue);
    if (read(transport, QUEUE_READY) != 0)
        return in_use;
    write(transport, QUEUE_SIZE, rings->size);
    write_address(transport, QUEUE_DESCRIPTORS, rings->descriptors);
    write_address(transport, QUEUE_AVAILABLE, rings->available);
    write_address(transport, QUEUE_USED, rings->used);
    /* Without it the device may start on rings that are not written yet. */
    arch_dmb_osh();
    write(transport, QUEUE_READY, 1);
    transport->notify[queue] = transport->registers + NOTIFY;
    return NULL;
}

/* One frame number says where all three rings are: virtqueue_bytes() has laid them out as this expects. */
static const char *legacy_queue_start(struct virtio_transport *transport, unsigned queue,
                                      const struct virtqueue *rings)
{
    write(transport, PAGE_BYTES, (uint32_t)PAGE_SIZE);
    write(transport, QUEUE_SELECT, queue);
    if (read(transport, QUEUE_FRAME) != 0)
        return in_use;
    write(transport, QUEUE_SIZE, rings->size);
    write(transport, QUEUE_ALIGN, (uint32_t)PAGE_SIZE);
    /* Without it the device may start on rings that are not written yet. */
    arch_dmb_osh();
    write(transport, QUEUE_FRAME, (uint32_t)(arch_virt_to_phys(rings->descriptors) >> PAGE_SHIFT));
    transport->notify[queue] = transport->registers + NOTIFY;
    return NULL;
}

static void mmio_notify(const struct virtio_transport *transport, unsigned queue)
{
    arch_device_write(transport->notify[queue], queue);
}

static bool mmio_acknowledge(const struct virtio_transport *transport)
{
    uint32_t raised = read(transport, INTERRUPT_STATUS);

    write(transport, INTERRUPT_ACKNOWLEDGE, raised);
    return raised != 0;
}

static void mmio_interrupt_start(const struct virtio_transport *transport, irq_handler handler,
                                 void *argument, unsigned cpu)
{
    irq_register(transport->irq, handler, argument, cpu);
}

static void mmio_interrupt_stop(const struct virtio_transport *transport)
{
    irq_disable(transport->irq);
}

static const struct virtio_transport_ops modern_ops = {
    .interrupt = "interrupt",
    .features_read = mmio_features_read,
    .features_write = mmio_features_write,
    .status_read = mmio_status_read,
    .status_write = mmio_status_write,
    .config_read = mmio_config_read,
    .queue_limit = mmio_queue_limit,
    .queue_start = modern_queue_start,
    .notify = mmio_notify,
    .acknowledge = mmio_acknowledge,
    .interrupt_start = mmio_interrupt_start,
    .interrupt_stop = mmio_interrupt_stop,
};

static const struct virtio_transport_ops legacy_ops = {
    .interrupt = "interrupt",
    .features_read = mmio_features_read,
    .features_write = mmio_features_write,
    .status_read = mmio_status_read,
    .status_write = mmio_status_write,
    .config_read = mmio_config_read,
    .queue_limit = mmio_queue_limit,
    .queue_start = legacy_queue_start,
    .notify = mmio_notify,
    .acknowledge = mmio_acknowledge,
    .interrupt_start = mmio_interrupt_start,
    .interrupt_stop = mmio_interrupt_stop,
};

bool virtio_mmio_probe(volatile void *registers, unsigned irq)
{
    struct virtio_transport transport = {
        .ops = &modern_ops, .name = "virtio-mmio", .registers = registers, .irq = irq};
    uint32_t magic = read(&transport, MAGIC);
    uint32_t version = read(&transport, VERSION);

    if (magic != MAGIC_VALUE) {
        log_print("virtio-mmio (interrupt %u): magic number %x, expected %x\n", irq, magic, MAGIC_VALUE);
        return false;
    }
    if (version != VERSION_LEGACY && version != VERSION_MODERN) {
        log_print("virtio-mmio (interrupt %u): version %u, expected 1 (legacy) or 2\n", irq, version);
        return false;
    }
    if (version == VERSION_LEGACY) {
        transport.ops = &legacy_ops;
        transport.name = "virtio-mmio (legacy)";
        transport.legacy = true;
    }
    uint32_t device = read(&transport, DEVICE);
    return device != VIRTIO_ID_NONE && virtio_attach(&transport, device);
}
