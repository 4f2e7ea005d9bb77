/* The operations of drivers/virtio.h over PCI: see virtio_pci.h. */
#include "drivers/virtio_pci.h"

#include <stddef.h>
#include "core/arch.h"
#include "core/layout.h"
#include "core/log.h"
#include "drivers/virtio.h"
#include "drivers/virtqueue.h"
#include "mm/frame.h"
#include "mm/kernel_map.h"

#define VENDOR             0x1af4u
#define PRODUCT_OLD        0x1000u /* transitional devices; what they are, the subsystem says */
#define PRODUCT_MODERN     0x1040u /* plus the device's number */
#define PRODUCT_MODERN_END 0x1080u

/* The common registers (VIRTIO 1.2, 4.1.4.3) */
enum {
    FEATURES_OFFERED_HALF = 0x00,
    FEATURES_OFFERED = 0x04,
    FEATURES_TAKEN_HALF = 0x08,
    FEATURES_TAKEN = 0x0c,
    CONFIG_VECTOR = 0x10, /* 16 bits */
    STATUS = 0x14,        /* 8 bits */
    QUEUE_SELECT = 0x16,  /* 16 bits, as the next five */
    QUEUE_SIZE = 0x18,
    QUEUE_VECTOR = 0x1a,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY = 0x1e,
    QUEUE_DESCRIPTORS = 0x20, /* 64 bits, as the next two */
    QUEUE_AVAILABLE = 0x28,
    QUEUE_USED = 0x30,
    COMMON_BYTES = 0x38,
};
#define VECTOR      0u
#define VECTOR_NONE 0xffffu

#define ISR_QUEUE 1u

static uint16_t read16(const struct virtio_transport *transport, unsigned offset)
{
    return arch_device_read16(transport->registers + offset);
}

static void write16(const struct virtio_transport *transport, unsigned offset, unsigned value)
{
    arch_device_write16(transport->registers + offset, (uint16_t)value);
}

static uint32_t read32(const struct virtio_transport *transport, unsigned offset)
{
    return arch_device_read(transport->registers + offset);
}

static void write32(const struct virtio_transport *transport, unsigned offset, uint32_t value)
{
    arch_device_write(transport->registers + offset, value);
}

static void write_address(const struct virtio_transport *transport, unsigned offset,
                          const volatile void *memory)
{
    uint64_t phys = arch_virt_to_phys((const void *)memory);

    write32(transport, offset, (uint32_t)phys);
    write32(transport, offset + 4, (uint32_t)(phys >> 32));
}

static uint64_t pci_features_read(const struct virtio_transport *transport)
{
    write32(transport, FEATURES_OFFERED_HALF, 1);
    uint64_t high = read32(transport, FEATURES_OFFERED);
    write32(transport, FEATURES_OFFERED_HALF, 0);
    return high << 32 | read32(transport, FEATURES_OFFERED);
}

static void pci_features_write(const struct virtio_transport *transport, uint64_t features)
{
    write32(transport, FEATURES_TAKEN_HALF, 1);
    write32(transport, FEATURES_TAKEN, (uint32_t)(features >> 32));
    write32(transport, FEATURES_TAKEN_HALF, 0);
    write32(transport, FEATURES_TAKEN, (uint32_t)features);
}

static uint32_t pci_status_read(const struct virtio_transport *transport)
{
    return arch_device_read8(transport->registers + STATUS);
}

static void pci_status_write(const struct virtio_transport *transport, uint32_t status)
{
    arch_device_write8(transport->registers + STATUS, (uint8_t)status);
}

static uint8_t pci_config_byte(const struct virtio_transport *transport, unsigned offset)
{
    return offset < transport->pci->config_bytes ? arch_device_read8(transport->pci->config + offset) : 0;
}

static unsigned pci_queue_limit(const struct virtio_transport *transport, unsigned queue)
{
    write16(transport, QUEUE_SELECT, queue);
    return read16(transport, QUEUE_SIZE);
}

/* Where the selected queue is kicked; NULL when that lies outside of the part for it. */
static volatile uint8_t *notify_address(const struct virtio_transport *transport)
{
    const struct virtio_pci *pci = transport->pci;
    uint64_t offset = (uint64_t)read16(transport, QUEUE_NOTIFY) * pci->notify_step;

    return offset + 2 <= pci->notify_bytes ? kernel_map_device(pci->notify + offset, 2) : NULL;
}

static const char *pci_queue_start(struct virtio_transport *transport, unsigned queue,
                                   const struct virtqueue *rings)
{
    bool message = transport->pci->interrupt.entry;

    write16(transport, QUEUE_SELECT, queue);
    if (read16(transport, QUEUE_ENABLE) != 0)
        return "in use already, expected unused after a reset";
    transport->notify[queue] = notify_address(transport);
    if (!transport->notify[queue])
        return "its kick lies outside of the part for kicks";
    write16(transport, QUEUE_SIZE, rings->size);
    if (message) {
        write16(transport, CONFIG_VECTOR, VECTOR_NONE);
        write16(transport, QUEUE_VECTOR, VECTOR);
        if (read16(transport, QUEUE_VECTOR) != VECTOR)
            return "the device does not take its interrupt's number";
    }
    write_address(transport, QUEUE_DESCRIPTORS, rings->descriptors);
    write_address(transport, QUEUE_AVAILABLE, rings->available);
    write_address(transport, QUEUE_USED, rings->used);
    /* Without it the device may start on rings that are not written yet. */
    arch_dmb_osh();
    write16(transport, QUEUE_ENABLE, 1);
    return NULL;
}

static void pci_notify(const struct virtio_transport *transport, unsigned queue)
{
    arch_device_write16(transport->notify[queue], (uint16_t)queue);
}

/* Reading the register lowers the line. */
static bool line_acknowledge(const struct virtio_transport *transport)
{
    return arch_device_read8(transport->pci->isr) & ISR_QUEUE;
}

static bool message_acknowledge(const struct virtio_transport *transport)
{
    (void)transport;
    return true;
}

static void interrupt_start(const struct virtio_transport *transport, irq_handler handler, void *argument,
                            unsigned cpu)
{
    pci_interrupt_start(&transport->pci->interrupt, handler, argument, cpu);
}

static void interrupt_stop(const struct virtio_transport *transport)
{
    pci_interrupt_stop(&transport->pci->interrupt);
}

#define COMMON_OPS                                                                                           \
    .features_read = pci_features_read, .features_write = pci_features_write,                                \
    .status_read = pci_status_read, .status_write = pci_status_write, .config_read = pci_config_byte,        \
    .queue_limit = pci_queue_limit, .queue_start = pci_queue_start, .notify = pci_notify,                    \
    .interrupt_start = interrupt_start, .interrupt_stop = interrupt_stop

static const struct virtio_transport_ops message_ops = {
    .interrupt = "MSI-X interrupt",
    .acknowledge = message_acknowledge,
    COMMON_OPS,
};

static const struct virtio_transport_ops line_ops = {
    .interrupt = "INTx interrupt",
    .acknowledge = line_acknowledge,
    COMMON_OPS,
};

bool virtio_pci_wanted(const struct pci_function *function)
{
    return function->vendor == VENDOR && function->product >= PRODUCT_OLD &&
           function->product < PRODUCT_MODERN_END;
}

static uint32_t device_number(const struct pci_function *function)
{
    return function->product < PRODUCT_MODERN ? function->subsystem : function->product - PRODUCT_MODERN;
}

/* Maps the parts, which lie on pages of the function's own, and chooses the interrupt. */
static bool connect(const struct pci_function *function, const struct virtio_pci_parts *parts,
                    struct virtio_transport *transport)
{
    struct virtio_pci *pci = frame_alloc_bytes(sizeof *pci, 8, "a virtio device");

    *pci = (struct virtio_pci){
        .isr = kernel_map_device(parts->isr, 1),
        .config_bytes = parts->config_bytes < PAGE_SIZE ? parts->config_bytes : PAGE_SIZE,
        .notify = parts->notify,
        .notify_bytes = parts->notify_bytes,
        .notify_step = parts->notify_step,
    };
    pci->config = kernel_map_device(parts->config, pci->config_bytes);
    log_format_line(pci->name, sizeof pci->name, "virtio-pci %s", function->name);
    if (!pci_interrupt_create(function, &pci->interrupt))
        return false;
    *transport = (struct virtio_transport){
        .ops = pci->interrupt.entry ? &message_ops : &line_ops,
        .name = pci->name,
        .registers = kernel_map_device(parts->common, COMMON_BYTES),
        .pci = pci,
        .irq = pci->interrupt.irq,
    };
    return true;
}

/* Before it may reach memory: a boot loader may have left it at work, on rings that are ours now. */
static bool reset(const struct pci_function *function, const struct virtio_transport *transport)
{
    if (!virtio_reset(transport)) {
        log_print("%s: does not reset: not used\n", transport->name);
        return false;
    }
    pci_function_master(function);
    return true;
}

bool virtio_pci_probe(const struct pci_function *function)
{
    struct virtio_pci_parts parts;
    struct virtio_transport transport;

    if (virtio_pci_find(function, &parts)) {
        pci_function_enable(function);
        if (connect(function, &parts, &transport) && reset(function, &transport) &&
            virtio_attach(&transport, device_number(function)))
            return true;
        pci_function_disable(function);
    }
    return false;
}
