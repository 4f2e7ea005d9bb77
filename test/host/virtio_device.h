/*
 * A virtio network device in software, for the tests of the driver: it finds its buffers as a device does, from the
 * rings and by physical addresses, and its lies are those that a test asks for.
 *
 * Owns: `device`, the one that there is. Everything that it finds in a buffer is checked by cmocka's assertions.
 */
#ifndef TEST_HOST_VIRTIO_DEVICE_H
#define TEST_HOST_VIRTIO_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include "drivers/virtio.h"
#include "drivers/virtqueue.h"

struct device {
    const struct virtqueue *queue[2]; /* as the driver started them: receive, transmit */
    uint16_t seen[2];                 /* available entries that it has read */
    unsigned limit, kicks;            /* entries that it allows in a queue; notifications that came */
    unsigned parts;                   /* of the frame that it transmitted last */
    bool direct;                      /* that lay in the slot's own descriptor */
    uint32_t status;
    uint64_t offered, accepted; /* features */
};
extern struct device device;
extern const struct virtio_transport_ops device_ops;

/* The next available slot of a queue; false when there is none. */
bool device_next(unsigned queue, uint32_t *slot);

/* Writes a used entry, true or not. */
void device_used(unsigned queue, uint32_t slot, uint32_t length);

/* Whether it interrupts for what it has used since the queue's index was `before`. */
bool device_interrupts(unsigned queue, uint16_t before);

/* A frame arrives, after `header` bytes of the device's own. False when there is no buffer: the device keeps it. */
bool device_receives(const uint8_t *frame, uint32_t length, uint32_t header);

/*
 * Sends one frame: `frame` is what the descriptors say it is. Returns its length, 0 when there is none. With `complete`
 * the slot is given back at once.
 */
uint32_t device_transmits(uint8_t *frame, uint32_t header, bool complete);

#endif
