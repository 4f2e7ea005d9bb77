/* A virtio network device in software: see virtio_device.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "test/host/virtio_device.h"
#include "drivers/virtio_net_queues.h"
#include "test/host/machine.h"

struct device device;

static uint64_t features_read(const struct virtio_transport *transport)
{
    (void)transport;
    return device.offered;
}

static void features_write(const struct virtio_transport *transport, uint64_t features)
{
    (void)transport;
    device.accepted = features;
}

static uint32_t status_read(const struct virtio_transport *transport)
{
    (void)transport;
    return device.status;
}

static void status_write(const struct virtio_transport *transport, uint32_t status)
{
    (void)transport;
    /* FEATURES_OK sticks only when the device can live with what was accepted. */
    device.status = device.accepted & ~device.offered ? status & ~VIRTIO_FEATURES_OK : status;
}

static unsigned queue_limit(const struct virtio_transport *transport, unsigned queue)
{
    (void)transport, (void)queue;
    return device.limit;
}

static const char *queue_start(struct virtio_transport *transport, unsigned queue,
                               const struct virtqueue *rings)
{
    (void)transport;
    device.queue[queue] = rings;
    return NULL;
}

static void notify(const struct virtio_transport *transport, unsigned queue)
{
    (void)transport, (void)queue;
    device.kicks++;
}

const struct virtio_transport_ops device_ops = {
    .features_read = features_read,
    .features_write = features_write,
    .status_read = status_read,
    .status_write = status_write,
    .queue_limit = queue_limit,
    .queue_start = queue_start,
    .notify = notify,
};

bool device_next(unsigned queue, uint32_t *slot)
{
    const struct virtqueue *rings = device.queue[queue];

    if (device.seen[queue] == rings->available->index)
        return false;
    *slot = rings->available->ring[device.seen[queue]++ % rings->size];
    return true;
}

static uint32_t part_length(const struct virtqueue_descriptor *part)
{
    return (uint32_t)part->rest;
}

static unsigned part_flags(const struct virtqueue_descriptor *part)
{
    return part->rest >> 32 & 0xffff;
}

/* The parts of a slot's buffer, as a device finds them: its descriptor, or a table that this names. Returns how many. */
static unsigned device_parts(unsigned queue, uint32_t slot, struct virtqueue_descriptor *parts)
{
    const struct virtqueue_descriptor *descriptor = &device.queue[queue]->descriptors[slot];
    const struct virtqueue_descriptor *table = (const void *)machine_memory(descriptor->address);
    unsigned count = 0, at = 0;

    device.direct = part_flags(descriptor) == 0;
    if (device.direct) {
        parts[0] = *descriptor;
        assert_true(part_length(descriptor) > 0);
        return 1;
    }
    assert_int_equal(part_flags(descriptor), VIRTQUEUE_INDIRECT);
    for (;; at = (unsigned)(table[at].rest >> 48)) {
        assert_in_range(at, 0, part_length(descriptor) / sizeof *table - 1);
        parts[count++] = table[at];
        assert_true(part_length(&table[at]) > 0);
        if (!(part_flags(&table[at]) & VIRTQUEUE_NEXT))
            return count;
    }
}

void device_used(unsigned queue, uint32_t slot, uint32_t length)
{
    struct virtqueue_used *used = (struct virtqueue_used *)(uintptr_t)device.queue[queue]->used;

    unsigned at = used->index++ % device.queue[queue]->size;
    used->ring[at].id = slot;
    used->ring[at].length = length;
}

bool device_interrupts(unsigned queue, uint16_t before)
{
    const struct virtqueue *rings = device.queue[queue];
    uint16_t event = rings->available->ring[rings->size], now = rings->used->index;

    if (device.accepted & VIRTIO_F_EVENT_IDX)
        return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
    return now != before && !(rings->available->flags & 1);
}

bool device_receives(const uint8_t *frame, uint32_t length, uint32_t header)
{
    struct virtqueue_descriptor parts[TRANSMIT_PARTS];
    uint8_t written[16 + BATON_INLINE_BYTES + BATON_PAGE_BYTES];
    uint32_t slot, done = 0;

    if (!device_next(QUEUE_RECEIVE, &slot))
        return false;
    unsigned count = device_parts(QUEUE_RECEIVE, slot, parts);
    assert_int_equal(count, 2);
    assert_int_equal(part_length(&parts[0]), header + BATON_INLINE_BYTES);
    assert_int_equal(part_length(&parts[1]), BATON_PAGE_BYTES);
    memset(written, 0xee, header);
    memcpy(written + header, frame, length);
    for (unsigned i = 0; i < count && done < header + length; i++) {
        uint32_t part = part_length(&parts[i]);
        if (part > header + length - done)
            part = header + length - done;
        assert_true(part_flags(&parts[i]) & VIRTQUEUE_WRITE);
        memcpy(machine_memory(parts[i].address), written + done, part);
        done += part;
    }
    device_used(QUEUE_RECEIVE, slot, header + length);
    return true;
}

uint32_t device_transmits(uint8_t *frame, uint32_t header, bool complete)
{
    struct virtqueue_descriptor parts[TRANSMIT_PARTS];
    static uint8_t sent[16 + (BATON_PIECES + 1) * BATON_PAGE_BYTES];
    static const uint8_t zeros[16];
    uint32_t slot, done = 0;

    if (!device_next(QUEUE_TRANSMIT, &slot))
        return 0;
    device.parts = device_parts(QUEUE_TRANSMIT, slot, parts);
    for (unsigned i = 0; i < device.parts; i++) {
        assert_false(part_flags(&parts[i]) & VIRTQUEUE_WRITE);
        memcpy(sent + done, machine_memory(parts[i].address), part_length(&parts[i]));
        done += part_length(&parts[i]);
    }
    assert_memory_equal(sent, zeros, header); /* no offload is asked for, whatever a sender has written */
    memcpy(frame, sent + header, done - header);
    if (complete)
        device_used(QUEUE_TRANSMIT, slot, 0);
    return done - header;
}
