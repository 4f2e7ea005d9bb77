/* From the driver's port to the device, and back to the pools: stations 7 to 10 of a frame's path. */
#include "drivers/virtio_net_queues.h"

#include <stddef.h>
#include "core/arch.h"
#include "ipc/observe.h"
#include "ipc/page.h"
#include "ipc/port.h"
#include "mm/frame.h"

/* Used entries that make it worth while to collect them though there is other work. */
#define RECLAIM_BATCH 32u

bool virtio_net_transmit_create(struct virtio_net *net, const char *name, uint64_t header)
{
    struct transmit *transmit = &net->transmit;

    if (!virtio_queue_create(&net->transport, name, QUEUE_TRANSMIT, &transmit->queue, QUEUE_LEAST,
                             VIRTQUEUE_SIZE_MAX, 0))
        return false;
    unsigned size = transmit->queue.size;
    transmit->tables = frame_alloc_bytes(size * sizeof(struct transmit_table), 64, name);
    transmit->free = frame_alloc_bytes(size * sizeof(uint16_t), 64, name);
    for (unsigned id = 0; id < size; id++) {
        struct transmit_table *table = &transmit->tables[id];

        /* All slots share one header, of zeros: no offload is asked of the device. */
        table->part[0] =
            (struct virtqueue_descriptor){header, VIRTQUEUE_REST(net->header_bytes, VIRTQUEUE_NEXT, 1)};
        virtqueue_slot_set(&transmit->queue, id, arch_virt_to_phys(table), TRANSMIT_PARTS);
        transmit->free[transmit->free_count++] = (uint16_t)(size - 1 - id);
    }
    return true;
}

/* ---- Station 8: a message becomes descriptors ---- */

/* More descriptors than the one of the inline data. */
static void pieces_describe(struct transmit_table *table, const struct baton_message *abi,
                            uint32_t inline_length)
{
    struct virtqueue_descriptor *part = &table->part[inline_length > 0 ? 1 : 0];
    uint64_t next = VIRTQUEUE_REST(0, VIRTQUEUE_NEXT, part - table->part + 1);

    part->rest = (uint32_t)part->rest | next;
    for (unsigned i = 0; i < abi->pieces; i++) {
        const struct baton_piece *piece = &abi->piece[i];

        part++;
        next += VIRTQUEUE_REST(0, 0, 1);
        part->address = page_phys(piece->page) + (piece->offset & BATON_PIECE_OFFSET_MASK);
        part->rest = piece->length | next;
    }
    part->rest = (uint32_t)part->rest; /* the last one */
}

/* Station 8. The frame has 14 bytes at least, so there is a part after the header. `first`: see header_word. */
static inline void descriptors_make(struct transmit_table *table, const struct message *message,
                                    uint64_t first)
{
    uint32_t inline_length = first >> HEADER_INLINE_LENGTH & 0xff;

    if (inline_length > 0) {
        table->part[1].address = message_inline_phys(message) + (first >> HEADER_INLINE_OFFSET & 0xff);
        table->part[1].rest = inline_length;
    }
    if (first >> HEADER_PIECES)
        pieces_describe(table, &message->abi, inline_length);
}

__attribute__((noinline, cold)) static void message_refuse(struct virtio_net *net, struct message *message)
{
    net_drop(net,
             message->special                    ? DROP_TX_REQUEST
             : message->abi.length < FRAME_LEAST ? DROP_TX_RUNT
                                                 : DROP_TX_GIANT,
             message);
    message_drop(message);
}

/* The slots of those messages that were taken are the ones that `free` has been moved down over. */
__attribute__((noinline, cold)) static void posted_observe(struct virtio_net *net, const uint16_t *free,
                                                           unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct message *message = net->transmit.queue.held[free[i]];

        observe_posted(&message, 1);
    }
}

/* Stations 7 to 9: takes messages from the port as far as slots are free. Returns how many it took. */
static unsigned messages_send(struct virtio_net *net)
{
    struct transmit *transmit = &net->transmit;
    struct nic_stats *stats = &net->nic->stats;
    struct message *messages[BATON_BATCH];
    unsigned room = transmit->free_count < BATON_BATCH ? transmit->free_count : BATON_BATCH;

    /* Station 7: the driver's port. What finds no slot stays there, and pushes back on those who send. */
    unsigned count = room > 0 ? port_take(net->port, messages, room) : 0;
    if (count == 0)
        return 0;
    const bool observing = net_observed(net);
    if (observing)
        observe_out(net->nic->number, messages, count);

    struct transmit_table *tables = transmit->tables;
    const uint16_t *free = &transmit->free[transmit->free_count];
    const uint32_t start = transmit->queue.next;
    uint32_t next = start;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < count; i++) {
        struct message *message = messages[i];
        uint64_t first = *(const header_word *)(const void *)&message->abi;
        uint32_t length = (uint32_t)first;

        if (length - FRAME_LEAST > FRAME_MOST - FRAME_LEAST || message->special) {
            message_refuse(net, message);
            continue;
        }
        uint32_t id = *--free;
        descriptors_make(&tables[id], message, first);
        virtqueue_post(&transmit->queue, next++, id, message);
        bytes += length;
    }
    unsigned posted = next - start;
    transmit->free_count -= posted;
    if (observing)
        posted_observe(net, free, posted);
    /* Station 9: NIC out. One index and one kick for the batch. */
    if (posted > 0 && virtqueue_publish(&transmit->queue, next))
        net->transport.ops->notify(&net->transport, QUEUE_TRANSMIT);
    stats->tx_frames += posted;
    stats->tx_bytes += bytes;
    net_count_messages(net, count, posted);
    return count;
}

/* ---- Station 10: back to the pools ---- */

/* Station 10: pages and message objects that the device has read to the end. Returns how many frames that were. */
static unsigned used_reclaim(struct virtio_net *net)
{
    struct transmit *transmit = &net->transmit;
    struct virtqueue_element used[BATON_BATCH];
    struct message *messages[BATON_BATCH];
    uint32_t pages[BATON_BATCH];
    unsigned page_count = 0;
    int count = virtqueue_take(&transmit->queue, used, BATON_BATCH);

    if (count <= 0)
        return 0;
    uint16_t *free = &transmit->free[transmit->free_count];
    for (int i = 0; i < count; i++) {
        struct message *message = messages[i] = used[i].token;

        free[i] = (uint16_t)used[i].id;
        for (unsigned k = 0; k < message->abi.pieces; k++) {
            pages[page_count++] = message->abi.piece[k].page;
            if (page_count == BATON_BATCH) {
                page_sent_out(pages, page_count);
                page_count = 0;
            }
        }
    }
    transmit->free_count += (unsigned)count;
    page_sent_out(pages, page_count);
    if (net_observed(net))
        observe_done(messages, (unsigned)count);
    message_free(messages, (unsigned)count);
    return (unsigned)count;
}

unsigned virtio_net_transmit(struct virtio_net *net)
{
    struct transmit *transmit = &net->transmit;
    unsigned pending = virtqueue_pending(&transmit->queue);
    unsigned done = 0;

    /* An index that cannot be right is looked at before the device might put it right again. */
    if (pending >= RECLAIM_BATCH || pending > transmit->queue.in_flight ||
        (pending > 0 && transmit->free_count < BATON_BATCH))
        done = used_reclaim(net);
    if (port_depth(net->port) > 0)
        done += messages_send(net);
    if (done == 0 && pending > 0)
        done = used_reclaim(net); /* nothing better to do */
    return done;
}

/* ---- Sleeping, and the end ---- */

bool virtio_net_transmit_arm(struct virtio_net *net)
{
    struct transmit *transmit = &net->transmit;
    bool work = false;

    /* Interrupts for used entries only while there are frames to come back: so pages do at every quiet point. */
    if (transmit->queue.in_flight > 0)
        work = virtqueue_interrupts_on(&transmit->queue) > 0;
    /* While the ring is full, messages in the port are no work. */
    if (transmit->free_count > 0) {
        port_receiver_add(net->port, net->thread);
        work |= port_depth(net->port) > 0;
    }
    return work;
}

void virtio_net_transmit_disarm(struct virtio_net *net)
{
    virtqueue_interrupts_off(&net->transmit.queue);
    port_receiver_remove(net->port, net->thread);
}

void virtio_net_transmit_drain(struct virtio_net *net)
{
    struct transmit *transmit = &net->transmit;

    for (unsigned id = 0; id < transmit->queue.size; id++) {
        if (transmit->queue.held[id])
            message_drop(transmit->queue.held[id]);
        transmit->queue.held[id] = NULL;
    }
}
