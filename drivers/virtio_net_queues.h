/*
 * The two directions of a virtio-net device, as its thread (virtio_net.c) sees them. See virtio_net.h for the
 * whole.
 *
 * Owns: struct virtio_net, one per device. All of it belongs to the device's thread: no locks, no atomics.
 * Every call here: interrupts masked, does not wait.
 */
#ifndef DRIVERS_VIRTIO_NET_QUEUES_H
#define DRIVERS_VIRTIO_NET_QUEUES_H

#include <stdbool.h>
#include <stdint.h>
#include "core/abi.h"
#include "core/cpu.h"
#include "drivers/nic.h"
#include "drivers/virtio.h"
#include "drivers/virtqueue.h"
#include "ipc/message.h"
#include "ipc/service.h"

#define QUEUE_RECEIVE  0u
#define QUEUE_TRANSMIT 1u
#define QUEUE_LEAST                                                                                          \
    32u /* a message of 16 pieces takes 18 descriptors, and a chain may not exceed the queue */

#define FRAME_LEAST 14u   /* two addresses and a type */
#define FRAME_MOST  1522u /* 1500 of payload, 14 of header, two VLAN tags */

/* Indices of nic->stats.dropped[]; the names are in virtio_net.c. */
enum net_drop {
    DROP_RUNT,
    DROP_GIANT,
    DROP_NO_RECEIVER,
    DROP_TX_RUNT,
    DROP_TX_GIANT,
    DROP_TX_REQUEST,
    DROPS
};
_Static_assert(DROPS < NIC_DROPS, "the list ends with a reason NULL");

#define NO_PAGE UINT32_MAX

/* A receive buffer: what the table of the slot points to. */
struct receive_slot {
    struct message *message; /* NULL: must be filled */
    uint32_t page;           /* NO_PAGE: must be filled */
};

struct receive_table {
    struct virtqueue_descriptor header, in_message, in_page,
        unused; /* the last for the sake of a cache line */
};
_Static_assert(sizeof(struct receive_table) == 64, "one cache line");
#define RECEIVE_PARTS 3u

struct receive {
    struct virtqueue queue;
    struct receive_table *tables;
    struct receive_slot *slots;
    struct virtqueue_element *empty; /* slots that wait for a message or page, by id */
    uint32_t empty_count;
    uint32_t writable; /* bytes of one buffer, device header included */
    /* Taken from the ring and not yet taken by the forwarder's port, because that was full: they go first. */
    struct message *waiting[BATON_BATCH];
    uint32_t waiting_first, waiting_count;
    uint64_t waiting_bytes;
};

#define TRANSMIT_PARTS (1u + 1u + BATON_PIECES) /* header, inline data, pieces */
_Static_assert(TRANSMIT_PARTS <= QUEUE_LEAST, "a chain may not exceed the queue");

struct transmit_table {
    struct virtqueue_descriptor part[TRANSMIT_PARTS];
};

struct transmit {
    struct virtqueue queue;
    struct transmit_table *tables;
    struct message **slots; /* the message that a slot has in flight, NULL for a free slot */
    uint16_t *free;         /* free slots */
    uint32_t free_count;
};

struct virtio_net {
    struct nic *nic;
    struct service *service;
    struct port *port; /* frames to transmit */
    struct port *out;  /* frames received; NULL when nothing is wired to this interface */
    struct thread *thread;
    struct virtio_transport transport;
    unsigned irq;
    uint32_t header_bytes; /* of the device's header: 12, legacy 10 */
    uint64_t
        quiet_since; /* counter value at the first pass that found nothing to do; 0 while there is work */
    struct receive receive;
    struct transmit transmit;
};

/* Boot: queue, tables, slots; nothing posted yet. `header` is the physical address of a place for device
 * headers. */
bool virtio_net_receive_create(struct virtio_net *net, const char *name, uint64_t header);
bool virtio_net_transmit_create(struct virtio_net *net, const char *name, uint64_t header);

/*
 * Stations 1 to 3: takes up to 64 frames from the device, hands them to the forwarder, fills the ring again.
 * Returns how many frames moved on, in either of the two steps. A fault of the device is left in
 * receive.queue.fault.
 */
unsigned virtio_net_receive(struct virtio_net *net);

/* Stations 7 to 10: takes up to 64 messages from the port to the device, and takes used ones back. As above.
 */
unsigned virtio_net_transmit(struct virtio_net *net);

/*
 * Before and after the thread sleeps. arm makes everything that could give this direction work wake the
 * thread, and then returns true when there is work by now, so that it must not sleep.
 */
bool virtio_net_receive_arm(struct virtio_net *net);
void virtio_net_receive_disarm(struct virtio_net *net);
bool virtio_net_transmit_arm(struct virtio_net *net);
void virtio_net_transmit_disarm(struct virtio_net *net);

/* After a reset of the device: all that lies in the direction's slots goes back to the pools. */
void virtio_net_receive_drain(struct virtio_net *net);
void virtio_net_transmit_drain(struct virtio_net *net);

static inline void net_count_drop(struct virtio_net *net, enum net_drop drop)
{
    net->nic->stats.dropped[drop].count++;
}

/* Adds to the service's counters, once per batch. */
static inline void net_count_messages(struct virtio_net *net, unsigned in, unsigned out)
{
    struct service_counts *counts = service_counts(net->service, cpu_number());

    counts->messages_in += in;
    counts->messages_out += out;
}

#endif
