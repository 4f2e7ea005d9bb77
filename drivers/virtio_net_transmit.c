/* From the driver's port to the device, and back to the pools: stations 7 to 10 of a frame's path. */
#include "drivers/virtio_net_queues.h"

#include <stddef.h>
#include "core/arch.h"
#include "ipc/page.h"
#include "ipc/port.h"
#include "mm/frame.h"

/* Used entries that make it worth while to collect them though there is other work. */
#define RECLAIM_BATCH 32u

bool virtio_net_transmit_create(struct virtio_net *net, const char *name, uint64_t header)
{
    struct transmit *transmit = &net->transmit;

    if (!virtio_queue_create(&net->transport, name, QUEUE_TRANSMIT, &transmit->queue, QUEUE_LEAST,
                             VIRTQUEUE_SIZE_MAX))
        return false;
    unsigned size = transmit->queue.size;
    transmit->tables = frame_alloc_bytes(size * sizeof(struct transmit_table), 64, name);
    transmit->slots = frame_alloc_bytes(size * sizeof(struct message *), 64, name);
    transmit->free = frame_alloc_bytes(size * sizeof(uint16_t), 64, name);
    for (unsigned id = 0; id < size; id++) {
        struct transmit_table *table = &transmit->tables[id];

        /* All slots share one header, of zeros: no offload is asked of the device. */
        table->part[0] = (struct virtqueue_descriptor){header, net->header_bytes, VIRTQUEUE_NEXT, 1};
        for (unsigned i = 1; i < TRANSMIT_PARTS; i++)
            table->part[i].next =
                (uint16_t)(i + 1); /* read only where NEXT is set, which it never is in the last */
        virtqueue_slot_set(&transmit->queue, id, arch_virt_to_phys(table), TRANSMIT_PARTS);
        transmit->free[transmit->free_count++] = (uint16_t)(size - 1 - id);
    }
    return true;
}

/* ---- Station 8: a message becomes descriptors ---- */

/* Station 8. The chain ends where NEXT is not set; the frame has 14 bytes at least, so it has a second part.
 */
static inline void descriptors_make(struct transmit_table *table, const struct message *message)
{
    const struct baton_message *abi = &message->abi;
    struct virtqueue_descriptor *part = &table->part[0];

    if (abi->inline_length > 0) {
        part++;
        part->address = message_inline_phys(message) + abi->inline_offset;
        part->length = abi->inline_length;
        part->flags = VIRTQUEUE_NEXT;
    }
    for (unsigned i = 0; i < abi->pieces; i++) {
        part++;
        part->address = page_phys(abi->piece[i].page) + (abi->piece[i].offset & BATON_PIECE_OFFSET_MASK);
        part->length = abi->piece[i].length;
        part->flags = VIRTQUEUE_NEXT;
    }
    part->flags = 0;
}

__attribute__((noinline, cold)) static void message_refuse(struct virtio_net *net, struct message *message)
{
    if (message->caller)
        net_count_drop(net, DROP_TX_REQUEST);
    else
        net_count_drop(net, message->abi.length < FRAME_LEAST ? DROP_TX_RUNT : DROP_TX_GIANT);
    message_drop(message);
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

    unsigned posted = 0;
    uint64_t bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        struct message *message = messages[i];

        if (message->abi.length - FRAME_LEAST > FRAME_MOST - FRAME_LEAST || message->caller) {
            message_refuse(net, message);
            continue;
        }
        unsigned id = transmit->free[--transmit->free_count];
        descriptors_make(&transmit->tables[id], message);
        transmit->slots[id] = message;
        virtqueue_post(&transmit->queue, id, 0);
        bytes += message->abi.length;
        posted++;
    }
    /* Station 9: NIC out. One index and one kick for the batch. */
    if (posted > 0 && virtqueue_publish(&transmit->queue))
        net->transport.ops->notify(&net->transport, QUEUE_TRANSMIT);
    stats->tx_frames += posted;
    stats->tx_bytes += bytes;
    net_count_messages(net, count, posted);
    return count;
}

/* ---- Station 10: back to the pools ---- */

/* Station 10: pages and message objects that the device has read to the end. Returns how many frames that
 * were. */
static unsigned used_reclaim(struct virtio_net *net)
{
    struct transmit *transmit = &net->transmit;
    struct virtqueue_element used[BATON_BATCH];
    struct message *messages[BATON_BATCH];
    int count = virtqueue_take(&transmit->queue, used, BATON_BATCH);

    if (count <= 0)
        return 0;
    for (int i = 0; i < count; i++) {
        uint32_t id = used[i].id;
        struct message *message = transmit->slots[id];

        for (unsigned k = 0; k < message->abi.pieces; k++)
            page_sent_out(message->abi.piece[k].page);
        messages[i] = message;
        transmit->slots[id] = NULL;
        transmit->free[transmit->free_count++] = (uint16_t)id;
    }
    message_free(messages, (unsigned)count);
    return (unsigned)count;
}

unsigned virtio_net_transmit(struct virtio_net *net)
{
    struct transmit *transmit = &net->transmit;
    unsigned pending = virtqueue_pending(&transmit->queue);
    unsigned done = 0;

    /* An index that cannot be right is looked at before the device might put it right again. */
    if (pending >= RECLAIM_BATCH || pending > transmit->queue.in_flight || transmit->free_count < BATON_BATCH)
        done = used_reclaim(net);
    unsigned sent = messages_send(net);
    if (sent == 0 && done == 0)
        done = used_reclaim(net); /* nothing better to do */
    return sent + done;
}

/* ---- Sleeping, and the end ---- */

bool virtio_net_transmit_arm(struct virtio_net *net)
{
    struct transmit *transmit = &net->transmit;
    bool work = false;

    /* Interrupts for used entries only while there are frames to come back: so pages do at every quiet point.
     */
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
        if (transmit->slots[id])
            message_drop(transmit->slots[id]);
        transmit->slots[id] = NULL;
    }
}
