/*
 * virtio, the part that all devices and all transports share: features, status, and the operations by which a
 * driver reaches its device. A driver is written against struct virtio_transport only; virtio_mmio.c and
 * virtio_pci.c make them.
 *
 * Owns: nothing; a transport belongs to the driver that was given it.
 *
 * Invariants
 *   1. Nothing of the device is touched but through the operations, and none of them is called per frame:
 *      the only one on the data path is notify, once per batch, which is one device write.
 *   2. The order of VIRTIO 1.2 section 3.1.1 is kept: reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK
 *      (version 1 only), queues, DRIVER_OK. A driver that gives up leaves FAILED behind.
 *   3. Memory that was posted to a device is used again only after a used entry gave it back, or after
 *      virtio_reset() returned true.
 *
 * Errors: false or 0, after one line in the log that names the device, what was found and what was expected.
 * Manual: Virtual I/O Device (VIRTIO) Version 1.2, sections 2, 3 and 4.2.
 */
#ifndef DRIVERS_VIRTIO_H
#define DRIVERS_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>
#include "core/irq.h"

#define VIRTIO_QUEUES_MAX 2 /* of one device, that a driver may start */

/* Feature bits */
#define VIRTIO_F_ANY_LAYOUT    (UINT64_C(1) << 27)
#define VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX     (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1     (UINT64_C(1) << 32)

/* Device status */
#define VIRTIO_ACKNOWLEDGE 1u
#define VIRTIO_DRIVER      2u
#define VIRTIO_DRIVER_OK   4u
#define VIRTIO_FEATURES_OK 8u
#define VIRTIO_FAILED      0x80u

/* Device numbers */
#define VIRTIO_ID_NONE 0u
#define VIRTIO_ID_NET  1u

struct virtqueue;
struct virtio_transport;

struct virtio_transport_ops {
    const char *interrupt; /* what its interrupt is, in words */
    uint64_t (*features_read)(const struct virtio_transport *transport);
    void (*features_write)(const struct virtio_transport *transport, uint64_t features);
    uint32_t (*status_read)(const struct virtio_transport *transport);
    void (*status_write)(const struct virtio_transport *transport, uint32_t status); /* 0 resets */
    uint8_t (*config_read)(const struct virtio_transport *transport, unsigned offset);
    /* Entries that the device allows in this queue; 0 when it does not have it. */
    unsigned (*queue_limit)(const struct virtio_transport *transport, unsigned queue);
    /* Tells the device where the queue's rings lie. NULL, or what was wrong. Once each after a reset. */
    const char *(*queue_start)(struct virtio_transport *transport, unsigned queue,
                               const struct virtqueue *rings);
    /* "Look at the available ring." One device write. The rings are published before, see virtqueue_publish(). */
    void (*notify)(const struct virtio_transport *transport, unsigned queue);
    /*
     * Lowers the interrupt line; true when the device had raised it. From the interrupt handler. Where an interrupt is a
     * message, there is no line: true, and the device is not touched.
     */
    bool (*acknowledge)(const struct virtio_transport *transport);
    /* From now on handler(argument) is called for its interrupts, interrupts masked, on `cpu`; or no more. */
    void (*interrupt_start)(const struct virtio_transport *transport, irq_handler handler, void *argument,
                            unsigned cpu);
    void (*interrupt_stop)(const struct virtio_transport *transport);
};

struct virtio_pci;

struct virtio_transport {
    const struct virtio_transport_ops *ops;
    const char *name;                            /* "virtio-mmio", "virtio-pci 00:01.0"; lives for good */
    volatile uint8_t *registers;                 /* mmio: of the slot; PCI: the common ones */
    volatile uint8_t *notify[VIRTIO_QUEUES_MAX]; /* where a kick of that queue goes; set by queue_start */
    const struct virtio_pci *pci;                /* NULL for mmio */
    unsigned irq;
    bool legacy;       /* version 1 of the mmio transport: before VIRTIO 1.0 */
    uint64_t features; /* what device and driver have agreed on */
};

/*
 * Gives a device that a transport found to the driver for its number: true when one took it. Numbers without
 * a driver are named in the log and left alone. Boot only, before services_create().
 */
bool virtio_attach(const struct virtio_transport *transport, uint32_t device);

/* Resets and waits until the device is done with all memory; false when it does not come to an end (10 ms). */
bool virtio_reset(const struct virtio_transport *transport);

/*
 * Steps 1 to 6 of invariant 2: accepts what is in `wanted` and offered, VERSION_1 (which a modern transport
 * must offer) included. `required` must be offered. Returns false, with FAILED set and a line in the log,
 * when the device refuses; else what was agreed on is in transport->features.
 */
bool virtio_negotiate(struct virtio_transport *transport, const char *name, uint64_t wanted,
                      uint64_t required);

/*
 * Makes the rings of one queue, of as many entries as the device allows but at most VIRTQUEUE_SIZE_MAX and at least
 * `least`, a power of two, with buffers of which the device may write `writable` bytes, and starts it. Memory
 * comes from mm/frame.h (boot only). False, with a line in the log, when the queue is missing or too small.
 */
bool virtio_queue_create(struct virtio_transport *transport, const char *name, unsigned number,
                         struct virtqueue *queue, unsigned least, uint32_t writable);

/* Adds bits to the status. */
void virtio_status_add(const struct virtio_transport *transport, uint32_t bits);

#endif
