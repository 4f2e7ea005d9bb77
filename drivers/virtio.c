#include "drivers/virtio.h"

#include "core/arch.h"
#include "core/log.h"
#include "core/timer.h"
#include "drivers/virtio_net.h"
#include "drivers/virtqueue.h"
#include "mm/frame.h"

#define RESET_NS UINT64_C(10000000)

bool virtio_attach(const struct virtio_transport *transport, uint32_t device)
{
    if (device == VIRTIO_ID_NET)
        return virtio_net_create(transport);
    log_print("%s: no driver for device number %u (interrupt %u): left alone\n", transport->name, device,
              transport->irq);
    return false;
}

bool virtio_reset(const struct virtio_transport *transport)
{
    uint64_t deadline = timer_deadline(RESET_NS);

    transport->ops->status_write(transport, 0);
    while (transport->ops->status_read(transport) != 0) {
        if (timer_now() >= deadline)
            return false;
        arch_relax();
    }
    /* Without it memory that the device has read or written until now might be used before the status was read. */
    arch_dmb_osh();
    return true;
}

void virtio_status_add(const struct virtio_transport *transport, uint32_t bits)
{
    transport->ops->status_write(transport, transport->ops->status_read(transport) | bits);
}

static bool refuse(const struct virtio_transport *transport)
{
    virtio_status_add(transport, VIRTIO_FAILED);
    return false;
}

bool virtio_negotiate(struct virtio_transport *transport, const char *name, uint64_t wanted,
                      uint64_t required)
{
    if (!virtio_reset(transport)) {
        log_print("%s: does not reset: status %x, expected 0\n", name,
                  transport->ops->status_read(transport));
        return false;
    }
    virtio_status_add(transport, VIRTIO_ACKNOWLEDGE);
    virtio_status_add(transport, VIRTIO_DRIVER);

    uint64_t offered = transport->ops->features_read(transport);
    if (!transport->legacy) {
        wanted |= VIRTIO_F_VERSION_1;
        required |= VIRTIO_F_VERSION_1;
    }
    if ((offered & required) != required) {
        log_print("%s: lacks features %lx (offers %lx, expected at least %lx)\n", name, required & ~offered,
                  offered, required);
        return refuse(transport);
    }
    transport->features = offered & wanted;
    transport->ops->features_write(transport, transport->features);
    if (transport->legacy)
        return true; /* had no FEATURES_OK: the device takes what the driver writes */

    virtio_status_add(transport, VIRTIO_FEATURES_OK);
    if (!(transport->ops->status_read(transport) & VIRTIO_FEATURES_OK)) {
        log_print("%s: refused features %lx out of %lx offered\n", name, transport->features, offered);
        return refuse(transport);
    }
    return true;
}

bool virtio_queue_create(struct virtio_transport *transport, const char *name, unsigned number,
                         struct virtqueue *queue, unsigned least, uint32_t writable)
{
    unsigned limit = transport->ops->queue_limit(transport, number);
    unsigned size = VIRTQUEUE_SIZE_MAX;

    while (size > limit)
        size /= 2;
    if (size < least) {
        log_print("%s: queue %u: %u entries%s, expected at least %u\n", name, number, limit,
                  limit == 0 ? " (missing)" : "", least);
        return refuse(transport);
    }
    unsigned frames = virtqueue_bytes(size) / (unsigned)PAGE_SIZE;
    void *memory = arch_phys_to_virt(frame_alloc(frames, name));
    virtqueue_init(queue, size, memory, frame_alloc_bytes(size * sizeof(void *), 64, name), writable,
                   transport->features & VIRTIO_F_EVENT_IDX);
    const char *wrong = transport->ops->queue_start(transport, number, queue);
    if (!wrong)
        return true;
    log_print("%s: queue %u: %s\n", name, number, wrong);
    return refuse(transport);
}
