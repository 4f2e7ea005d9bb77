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

#define HEADER_BYTES_LEGACY 10u /* without num_buffers, as mergeable buffers are not negotiated */
#define HEADER_BYTES        12u

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
 * A receive buffer is what the pair of its slot points to: the message object, which is the slot's token while it is in flight, and the
 * page. The device writes its header before the inline data, where the message has its tag, which is set afterwards. Pairs have nothing
 * else in them, so that neighbours, which are used together, share a line of the cache: each line that a device looks at has been
 * written by us.
 */
struct pair {
    struct virtqueue_descriptor in_message, in_page;
};
#define NO_PAGE UINT32_MAX

/* A slot that is not in flight. */
struct receive_slot {
    uint32_t id;
    struct message *message; /* NULL: it has none */
};

struct receive {
    struct virtqueue queue;
    struct pair *pairs;         /* by slot */
    uint32_t *pages;            /* by slot: that in_page points to; NO_PAGE when it must be filled */
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

/*
 * A slot names its pair, for frames of two parts. A frame of one part has the slot's descriptor for itself, one of more, or one that is
 * observed, such a table, as long as it is in flight.
 */
struct transmit_table {
    struct virtqueue_descriptor part[TRANSMIT_PARTS];
};

/* How many frames may wait for one kick while more are on the way: three quarters of the ring. */
#define KICK_SHARE(size) ((size) - (size) / 4)

/* A slot's token is the message that it carries. */
struct transmit {
    struct virtqueue queue;
    struct pair *pairs; /* by slot */
    struct transmit_table *tables;
    uint64_t
        header; /* physical address of a device header of zeros, for frames whose own has no place before them */
    uint16_t *free; /* slots that are not in flight */
    uint32_t free_count;
    bool apart;      /* a slot in flight may name its table */
    uint32_t waited; /* how many waited for a kick when that was put off last */
};

struct virtio_net {
    struct nic *nic;
    struct service *service;
    struct port *port;    /* frames to transmit */
    struct port *out;     /* frames received; NULL when nothing is wired to this interface */
    struct spread spread; /* the same for a receiver with several lanes */
    struct thread *thread;
    struct virtio_transport transport;
    uint32_t header_bytes; /* of the device's header, right before a frame's inline data: 12, legacy 10 */
    struct poller poller;  /* what the idle thread looks at */
    struct receive receive;
    struct transmit transmit;
};

/* Boot: queues, tables, slots; nothing posted yet. False, with a line in the log, when the device lacks a queue, or it is too small. */
bool virtio_net_slots_create(struct virtio_net *net, const char *name);

/*
 * Stations 1 to 3: takes up to 64 frames from the device, hands them to the forwarder, fills the ring again.
 * Returns how many frames moved on, in either of the two steps. A fault of the device is left in
 * receive.queue.fault.
 */
unsigned virtio_net_receive(struct virtio_net *net);

/* Stations 7 to 10: takes up to 64 messages from the port to the device, and takes used ones back. As above. */
unsigned virtio_net_transmit(struct virtio_net *net);

/*
 * Tells the device what was posted, if it wants to be told. `more`: frames are under way here that may be posted soon; then it is put
 * off, as long as that brings something: until a call before which nothing was posted, or the ring is full but for a quarter. After each
 * pass in which something waits (virtqueue_unkicked), so that nothing waits when the thread sleeps.
 *
 * Why: whoever gets a kick begins to send at once. An emulator does that under a lock that the guest's CPU needs for its next exception, so
 * what is not posted by then waits until all that was has been sent; and its frames come back in just as small batches.
 */
void virtio_net_transmit_kick(struct virtio_net *net, bool more);

/* A slot of the receive ring that lacks something, for another try. */
static inline void slot_leave(struct receive *receive, uint32_t id, struct message *message)
{
    receive->empty[receive->empty_count++] = (struct receive_slot){.id = id, .message = message};
}

/* Another try for slots that stayed empty because a pool was dry. Returns how many are posted now. */
unsigned virtio_net_slots_retry(struct virtio_net *net);

/* Slots of the receive ring were posted up to `next`: shows them to the device, and kicks. */
void virtio_net_slots_publish(struct virtio_net *net, uint32_t next);

/* Station 3: hands on what waits for the forwarder; returns how many frames its port took. The rest goes on waiting. */
unsigned virtio_net_hand_over(struct virtio_net *net);

/* There is no receiver: what waits for it is dropped. */
void virtio_net_waiting_drop(struct virtio_net *net);

/*
 * Before and after the thread sleeps. arm makes everything that could give it work wake the thread, and then returns true when
 * there is work by now, so that it must not sleep.
 */
bool virtio_net_arm(struct virtio_net *net);
void virtio_net_disarm(struct virtio_net *net);

/*
 * The same for the idle thread while the thread sleeps armed (ipc/idle.h): quiet and listen switch the device's interrupts alone,
 * look says whether there is work that should not wait for one.
 */
void virtio_net_quiet(struct virtio_net *net);
bool virtio_net_look(const struct virtio_net *net);
bool virtio_net_listen(struct virtio_net *net);

/* After a reset of the device: all that lies in its slots goes back to the pools. */
void virtio_net_drain(struct virtio_net *net);

/* Whether somebody wants to see what passes here. What passes the capture interface is what was seen elsewhere. */
static inline bool net_observed(const struct virtio_net *net)
{
    return observed() && net->nic != nic_capture();
}

/* The one place for drops: counted under their reason, and shown to whoever looks. The message stays the caller's. */
void net_drop(struct virtio_net *net, enum net_drop drop, const struct message *message);

/* Adds to the service's counters, once per batch. */
static inline void net_count_messages(struct virtio_net *net, unsigned in, unsigned out)
{
    struct service_counts *counts = service_counts(net->service, cpu_number());

    counts->messages_in += in;
    counts->messages_out += out;
}

#endif
