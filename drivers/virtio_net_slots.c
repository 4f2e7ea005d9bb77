/* The slots of both rings, off the path of frames: made, filled when a pool was dry, kicked, slept on, and given back in the end. */
#include "drivers/virtio_net_queues.h"

#include <stddef.h>
#include "core/arch.h"
#include "ipc/page.h"
#include "ipc/page_device.h"
#include "ipc/port.h"
#include "mm/frame.h"
#include "mm/space.h"

/* ---- Made ---- */

/* What the slots of a queue have, for as many as there may be. */
struct receive_memory {
    struct pair pairs[VIRTQUEUE_SIZE_MAX];
    uint32_t pages[VIRTQUEUE_SIZE_MAX];
    struct receive_slot empty[VIRTQUEUE_SIZE_MAX];
};

struct transmit_memory {
    struct pair pairs[VIRTQUEUE_SIZE_MAX];
    struct transmit_table tables[VIRTQUEUE_SIZE_MAX];
    uint16_t free[VIRTQUEUE_SIZE_MAX];
    uint8_t header[HEADER_BYTES];
};

static void receive_create(struct virtio_net *net, struct receive_memory *memory)
{
    struct receive *receive = &net->receive;

    receive->pairs = memory->pairs;
    receive->pages = memory->pages;
    receive->empty = memory->empty;
    for (unsigned id = 0; id < receive->queue.size; id++) {
        struct pair *pair = &receive->pairs[id];

        pair->in_message.rest =
            VIRTQUEUE_REST(net->header_bytes + BATON_INLINE_BYTES, VIRTQUEUE_WRITE | VIRTQUEUE_NEXT, 1);
        pair->in_page.rest = VIRTQUEUE_REST(BATON_PAGE_BYTES, VIRTQUEUE_WRITE, 0);
        virtqueue_slot_set(&receive->queue, id, arch_virt_to_phys(pair), 2);
        receive->pages[id] = NO_PAGE;
        slot_leave(receive, id, NULL);
    }
}

static void transmit_create(struct transmit *transmit, struct transmit_memory *memory)
{
    unsigned size = transmit->queue.size;

    transmit->pairs = memory->pairs;
    transmit->tables = memory->tables;
    transmit->free = memory->free;
    transmit->header = arch_virt_to_phys(memory->header);
    while (size > 0) {
        transmit->free[transmit->free_count++] = (uint16_t)--size;
        virtqueue_slot_set(&transmit->queue, size, arch_virt_to_phys(&transmit->pairs[size]), 2);
    }
}

bool virtio_net_slots_create(struct virtio_net *net, const char *name)
{
    if (!virtio_queue_create(&net->transport, name, QUEUE_RECEIVE, &net->receive.queue, QUEUE_LEAST,
                             net->header_bytes + BATON_INLINE_BYTES + BATON_PAGE_BYTES) ||
        !virtio_queue_create(&net->transport, name, QUEUE_TRANSMIT, &net->transmit.queue, QUEUE_LEAST, 0))
        return false;
    receive_create(net, frame_alloc_bytes(sizeof(struct receive_memory), 64, name));
    transmit_create(&net->transmit, frame_alloc_bytes(sizeof(struct transmit_memory), 64, name));
    return true;
}

/* ---- Filled ---- */

/* The slot gets what it lacks; what a pool does not give stays missing, and what was got stays with the slot. */
static bool slot_fill(struct virtio_net *net, struct receive_slot *slot)
{
    struct pair *pair = &net->receive.pairs[slot->id];
    uint32_t *page = &net->receive.pages[slot->id];

    if ((!slot->message && !message_alloc(&slot->message, 1)) ||
        (*page == NO_PAGE && !page_get_device(page, 1)))
        return false;
    pair->in_message.address = message_inline_phys(slot->message) - net->header_bytes;
    pair->in_page.address = page_phys(*page);
    return true;
}

unsigned virtio_net_slots_retry(struct virtio_net *net)
{
    struct receive *receive = &net->receive;
    uint32_t next = receive->queue.next;
    unsigned posted = 0;

    for (; posted < BATON_BATCH && receive->empty_count > 0; posted++) {
        struct receive_slot *slot = &receive->empty[receive->empty_count - 1];

        if (!slot_fill(net, slot))
            break;
        virtqueue_post(&receive->queue, next++, slot->id, slot->message);
        receive->empty_count--;
    }
    virtio_net_slots_publish(net, next);
    return posted;
}

/* ---- Kicked ---- */

static void kick(struct virtio_net *net, struct virtqueue *queue, unsigned number)
{
    if (virtqueue_kick(queue))
        net->transport.ops->notify(&net->transport, number);
}

void virtio_net_slots_publish(struct virtio_net *net, uint32_t next)
{
    virtqueue_publish(&net->receive.queue, next);
    kick(net, &net->receive.queue, QUEUE_RECEIVE);
}

void virtio_net_transmit_kick(struct virtio_net *net, bool more)
{
    struct transmit *transmit = &net->transmit;
    uint32_t waits = virtqueue_unkicked(&transmit->queue);

    if (!more || waits == transmit->waited || waits >= KICK_SHARE(transmit->queue.size)) {
        waits = 0;
        kick(net, &transmit->queue, QUEUE_TRANSMIT);
    }
    transmit->waited = waits;
}

/* ---- Slept on ---- */

void virtio_net_quiet(struct virtio_net *net)
{
    virtqueue_interrupts_off(&net->receive.queue);
    virtqueue_interrupts_off(&net->transmit.queue);
}

/* Frames that were sent come back with the next one, unless slots run short. */
bool virtio_net_look(const struct virtio_net *net)
{
    const struct receive *receive = &net->receive;
    const struct transmit *transmit = &net->transmit;

    return (virtqueue_pending(&receive->queue) > 0 && receive->waiting_count == 0) ||
           (transmit->free_count < BATON_BATCH && virtqueue_pending(&transmit->queue) > 0);
}

/*
 * An interrupt for the next frame received, unless the port is full: then frames would not help. And for those that were sent only while
 * there are some to come back, so that pages do at every quiet point: one, for the last of them, or, with a full ring, for half of them.
 */
bool virtio_net_listen(struct virtio_net *net)
{
    struct transmit *transmit = &net->transmit;
    uint32_t count = transmit->queue.in_flight;
    bool work = net->receive.waiting_count == 0 && virtqueue_interrupts_on(&net->receive.queue, 1) > 0;

    if (transmit->free_count == 0)
        count = (count + 1) / 2;
    return (count > 0 && virtqueue_interrupts_on(&transmit->queue, count) >= count) || work;
}

bool virtio_net_arm(struct virtio_net *net)
{
    bool work = virtio_net_listen(net);

    /* The port is full: the receiver wakes us when it has taken something. */
    if (net->receive.waiting_count > 0) {
        if (net->spread.lanes > 1)
            spread_wait(&net->spread, net->thread);
        else
            port_sender_add(net->out, net->thread);
        work |= virtio_net_hand_over(net) > 0 || net->receive.waiting_count == 0;
    }
    /* While the ring is full, messages in the port are no work. */
    if (net->transmit.free_count > 0) {
        port_receiver_add(net->port, net->thread);
        work |= port_depth(net->port) > 0;
    }
    return work;
}

void virtio_net_disarm(struct virtio_net *net)
{
    virtio_net_quiet(net);
    if (net->spread.lanes > 1)
        spread_wait_no_more(&net->spread, net->thread);
    else if (net->out)
        port_sender_remove(net->out, net->thread);
    port_receiver_remove(net->port, net->thread);
}

/* ---- Given back ---- */

void net_drop(struct virtio_net *net, enum net_drop drop, const struct message *message)
{
    struct nic_drop *row = &net->nic->stats.dropped[drop];

    row->count++;
    if (net_observed(net))
        observe_drop(net->nic->number, row->reason, message);
}

void virtio_net_waiting_drop(struct virtio_net *net)
{
    struct receive *receive = &net->receive;

    for (; receive->waiting_count > 0; receive->waiting_count--) {
        struct message *message = receive->waiting[receive->waiting_first++];

        net_drop(net, DROP_NO_RECEIVER, message);
        message_drop(message);
    }
}

void virtio_net_drain(struct virtio_net *net)
{
    struct receive *receive = &net->receive;
    struct transmit *transmit = &net->transmit;

    virtio_net_waiting_drop(net);
    for (; receive->empty_count > 0; receive->empty_count--) {
        const struct receive_slot *slot = &receive->empty[receive->empty_count - 1];
        receive->queue.held[slot->id] = slot->message;
    }
    for (unsigned id = 0; id < receive->queue.size; id++) {
        struct message *message = receive->queue.held[id];

        if (message)
            message_free(&message, 1);
        if (receive->pages[id] != NO_PAGE)
            page_release(space_at(0), receive->pages[id]);
        receive->queue.held[id] = NULL;
        receive->pages[id] = NO_PAGE;
    }
    for (unsigned id = 0; id < transmit->queue.size; id++) {
        if (transmit->queue.held[id])
            message_drop(transmit->queue.held[id]);
        transmit->queue.held[id] = NULL;
    }
}
