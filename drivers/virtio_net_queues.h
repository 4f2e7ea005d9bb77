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
#include <stddef.h>
#include <stdint.h>
#include "core/abi.h"
#include "core/cpu.h"
#include "drivers/nic.h"
#include "drivers/spread.h"
#include "drivers/virtio.h"
#include "drivers/virtqueue.h"
#include "ipc/idle.h"
#include "ipc/message.h"
#include "ipc/observe.h"
#include "ipc/service.h"

#define QUEUE_RECEIVE  0u
#define QUEUE_TRANSMIT 1u
#define QUEUE_LEAST    32u /* a message of 16 pieces takes 18 descriptors: a chain may not exceed the queue */

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

/* The first word of a message's header, as one load or store. */
typedef uint64_t __attribute__((may_alias)) header_word;
#define HEADER_INLINE_OFFSET 32 /* bits; the length is below */
#define HEADER_INLINE_LENGTH 40
#define HEADER_PIECES        48 /* and the flags, which are 0, above */
_Static_assert(offsetof(struct baton_message, inline_offset) == HEADER_INLINE_OFFSET / 8, "first word");
_Static_assert(offsetof(struct baton_message, inline_length) == HEADER_INLINE_LENGTH / 8, "first word");
_Static_assert(offsetof(struct baton_message, pieces) == HEADER_PIECES / 8, "first word");

/* A piece, likewise: page, offset and flags, length. */
typedef uint64_t __attribute__((may_alias)) piece_word;
_Static_assert(sizeof(struct baton_piece) == 8 && offsetof(struct baton_piece, offset) == 4 &&
                   offsetof(struct baton_piece, length) == 6,
               "piece_word");

/*
 * A receive buffer is what the table of its slot points to: the message object, which is the slot's token while it is
 * in flight, and the page. The header's descriptor is for legacy devices: others write it before the inline data, where the
 * message has its tag, which is set afterwards; their slots point to the second descriptor.
 */
struct receive_table {
    struct virtqueue_descriptor header, in_message, in_page;
    uint32_t page; /* not for the device: the page that in_page points to; NO_PAGE when it must be filled */
    uint32_t unused[3];
};
_Static_assert(sizeof(struct receive_table) == 64, "one cache line");
#define RECEIVE_PARTS 3u
#define NO_PAGE       UINT32_MAX

/* A slot that is not in flight. */
struct receive_slot {
    uint32_t id;
    struct message *message; /* NULL: it has none */
};

struct receive {
    struct virtqueue queue;
    struct receive_table *tables;
    struct receive_slot *empty; /* slots that wait for a message or a page, or to be posted as they are */
    uint32_t empty_count;
    uint16_t taken[BATON_BATCH]; /* slots of the frames that wait, until they are posted again */
    /* Taken from the ring and not yet taken by the forwarder's port, because that was full: they go first. */
    uint32_t waiting_first, waiting_count;
    struct message *waiting[BATON_BATCH];
    uint64_t waiting_bytes;
};

#define TRANSMIT_PARTS (1u + 1u + BATON_PIECES) /* header, inline data, pieces */
_Static_assert(TRANSMIT_PARTS <= QUEUE_LEAST, "a chain may not exceed the queue");

struct transmit_table {
    struct virtqueue_descriptor part[TRANSMIT_PARTS];
};

/* A slot's token is the message that it carries. */
struct transmit {
    struct virtqueue queue;
    struct transmit_table *tables;
    uint64_t
        header; /* physical address of a device header of zeros, for frames whose own has no place before them */
    uint16_t *free; /* slots that are not in flight */
    uint32_t free_count;
};

struct virtio_net {
    struct nic *nic;
    struct service *service;
    struct port *port;    /* frames to transmit */
    struct port *out;     /* frames received; NULL when nothing is wired to this interface */
    struct spread spread; /* the same for a receiver with several lanes */
    struct thread *thread;
    struct virtio_transport transport;
    uint32_t header_bytes; /* of the device's header: 12, legacy 10 */
    struct poller poller;  /* what the idle thread looks at */
    struct receive receive;
    struct transmit transmit;
};

/* Bytes of a device's header that lie right before a frame's inline data; a legacy device wants a descriptor for its header. */
#define JOINED_HEADER 12u
static inline uint32_t net_front(const struct virtio_net *net)
{
    return net->transport.legacy ? 0 : JOINED_HEADER;
}

/* Boot: queue, tables, slots; nothing posted yet. `header`: the physical address of a place for device headers. */
bool virtio_net_receive_create(struct virtio_net *net, const char *name, uint64_t header);
bool virtio_net_transmit_create(struct virtio_net *net, const char *name, uint64_t header);

/*
 * Stations 1 to 3: takes up to 64 frames from the device, hands them to the forwarder, fills the ring again.
 * Returns how many frames moved on, in either of the two steps. A fault of the device is left in
 * receive.queue.fault.
 */
unsigned virtio_net_receive(struct virtio_net *net);

/* Stations 7 to 10: takes up to 64 messages from the port to the device, and takes used ones back. As above. */
unsigned virtio_net_transmit(struct virtio_net *net);

/*
 * Before and after the thread sleeps. arm makes everything that could give this direction work wake the
 * thread, and then returns true when there is work by now, so that it must not sleep.
 */
bool virtio_net_receive_arm(struct virtio_net *net);
void virtio_net_receive_disarm(struct virtio_net *net);
bool virtio_net_transmit_arm(struct virtio_net *net);
void virtio_net_transmit_disarm(struct virtio_net *net);

/*
 * The same for the idle thread while the thread sleeps armed (ipc/idle.h): quiet and listen switch the device's interrupts alone,
 * look says whether there is work that should not wait for one.
 */
void virtio_net_quiet(struct virtio_net *net);
bool virtio_net_look(const struct virtio_net *net);
bool virtio_net_listen(struct virtio_net *net);

/* After a reset of the device: all that lies in the direction's slots goes back to the pools. */
void virtio_net_receive_drain(struct virtio_net *net);
void virtio_net_transmit_drain(struct virtio_net *net);

/* Whether somebody wants to see what passes here. What passes the capture interface is what was seen elsewhere. */
static inline bool net_observed(const struct virtio_net *net)
{
    return observed() && net->nic != nic_capture();
}

/* The one place for drops: counted under their reason, and shown to whoever looks. The message stays the caller's. */
static inline void net_drop(struct virtio_net *net, enum net_drop drop, const struct message *message)
{
    struct nic_drop *row = &net->nic->stats.dropped[drop];

    row->count++;
    if (net_observed(net))
        observe_drop(net->nic->number, row->reason, message);
}

/* Adds to the service's counters, once per batch. */
static inline void net_count_messages(struct virtio_net *net, unsigned in, unsigned out)
{
    struct service_counts *counts = service_counts(net->service, cpu_number());

    counts->messages_in += in;
    counts->messages_out += out;
}

#endif
