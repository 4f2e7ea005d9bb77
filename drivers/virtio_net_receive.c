/* From the device to the forwarder's port: stations 1 to 3 of a frame's path. */
#include "drivers/virtio_net_queues.h"

#include <stddef.h>
#include "core/arch.h"
#include "ipc/page.h"
#include "ipc/port.h"
#include "mm/frame.h"
#include "mm/space.h"

/* ---- Buffers ---- */

/*
 * Fills and posts slots: `messages` of them lack a message object, `pages` a page. What a pool does not give
 * stays missing, and the slot goes to the empty ones. All that was got is used, so that nothing idles in
 * between.
 */
static void buffers_fill(struct virtio_net *net, const struct virtqueue_element *ids, unsigned count,
                         unsigned messages, unsigned pages)
{
    struct receive *receive = &net->receive;
    struct message *message[BATON_BATCH];
    uint32_t page[BATON_BATCH];

    messages = messages ? message_alloc(message, messages) : 0;
    pages = pages ? page_get_device(page, pages) : 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t id = ids[i].id;
        struct receive_slot *slot = &receive->slots[id];

        if (!slot->message && messages) {
            slot->message = message[--messages];
            receive->tables[id].in_message.address = message_inline_phys(slot->message);
        }
        if (slot->page == NO_PAGE && pages) {
            slot->page = page[--pages];
            receive->tables[id].in_page.address = page_phys(slot->page);
        }
        if (slot->message && slot->page != NO_PAGE)
            virtqueue_post(&receive->queue, id, receive->writable);
        else
            receive->empty[receive->empty_count++].id = id;
    }
    if (virtqueue_publish(&receive->queue))
        net->transport.ops->notify(&net->transport, QUEUE_RECEIVE);
}

/* Another try for slots that stayed empty because a pool was dry. Returns how many are posted now. */
static unsigned buffers_retry(struct virtio_net *net)
{
    struct receive *receive = &net->receive;
    struct virtqueue_element ids[BATON_BATCH];
    unsigned before = receive->empty_count, count = 0, messages = 0, pages = 0;

    while (count < BATON_BATCH && receive->empty_count > 0) {
        const struct virtqueue_element *element = &receive->empty[--receive->empty_count];
        const struct receive_slot *slot = &receive->slots[element->id];

        messages += slot->message == NULL;
        pages += slot->page == NO_PAGE;
        ids[count++] = *element;
    }
    buffers_fill(net, ids, count, messages, pages);
    return before - receive->empty_count;
}

bool virtio_net_receive_create(struct virtio_net *net, const char *name, uint64_t header)
{
    struct receive *receive = &net->receive;

    if (!virtio_queue_create(&net->transport, name, QUEUE_RECEIVE, &receive->queue, QUEUE_LEAST,
                             VIRTQUEUE_SIZE_MAX))
        return false;
    unsigned size = receive->queue.size;
    receive->writable = net->header_bytes + BATON_INLINE_BYTES + BATON_PAGE_BYTES;
    receive->tables = frame_alloc_bytes(size * sizeof(struct receive_table), 64, name);
    receive->slots = frame_alloc_bytes(size * sizeof(struct receive_slot), 64, name);
    receive->empty = frame_alloc_bytes(size * sizeof(struct virtqueue_element), 64, name);
    for (unsigned id = 0; id < size; id++) {
        struct receive_table *table = &receive->tables[id];

        /* The header has a descriptor of its own: legacy devices without ANY_LAYOUT want it so. Nobody reads
         * it. */
        table->header =
            (struct virtqueue_descriptor){header, net->header_bytes, VIRTQUEUE_WRITE | VIRTQUEUE_NEXT, 1};
        table->in_message =
            (struct virtqueue_descriptor){0, BATON_INLINE_BYTES, VIRTQUEUE_WRITE | VIRTQUEUE_NEXT, 2};
        table->in_page = (struct virtqueue_descriptor){0, BATON_PAGE_BYTES, VIRTQUEUE_WRITE, 0};
        virtqueue_slot_set(&receive->queue, id, arch_virt_to_phys(table), RECEIVE_PARTS);
        receive->slots[id].page = NO_PAGE;
        receive->empty[receive->empty_count++].id = id;
    }
    return true;
}

/* ---- Station 2: a frame becomes a message ---- */

typedef uint64_t __attribute__((may_alias)) header_word;

#define HEADER_INLINE_LENGTH                                                                                 \
    40 /* bit of the first word where inline_length begins; below it, inline_offset is 0 */
#define HEADER_PIECES 48
#define HEADER_SOURCE 32 /* of the third word; below it, type is 0 */
_Static_assert(offsetof(struct baton_message, inline_length) == HEADER_INLINE_LENGTH / 8, "first word");
_Static_assert(offsetof(struct baton_message, pieces) == HEADER_PIECES / 8, "first word");
_Static_assert(offsetof(struct baton_message, source) == 8 + HEADER_SOURCE / 8, "second word");
_Static_assert(offsetof(struct baton_message, reply) == 16 && offsetof(struct baton_message, tag) == 24,
               "last words");

/* The header in four stores; what is not named is 0. */
static inline void header_set(struct baton_message *message, uint64_t length, uint64_t inline_length,
                              uint64_t pieces, uint64_t source)
{
    header_word *words = (header_word *)(void *)message;

    words[0] = length | inline_length << HEADER_INLINE_LENGTH | pieces << HEADER_PIECES;
    words[1] = source << HEADER_SOURCE;
    words[2] = 0;
    words[3] = 0;
}

/* The slot keeps its message and page, and is posted again as it is. */
__attribute__((noinline, cold)) static void frame_refuse(struct virtio_net *net, uint32_t used_length)
{
    if (used_length < net->header_bytes)
        net->receive.queue.fault = (struct virtqueue_fault){.what = "used length too small",
                                                            .value = used_length,
                                                            .expected = "at least",
                                                            .limit = net->header_bytes};
    else
        net_count_drop(net, used_length - net->header_bytes < FRAME_LEAST ? DROP_RUNT : DROP_GIANT);
}

/*
 * Station 2: checks the frames and makes messages of them, which then wait in receive->waiting. Returns how
 * many; the number that needed their page is in *pages. Where the device wrote the bytes is where they stay.
 */
static unsigned frames_accept(struct virtio_net *net, const struct virtqueue_element *used, unsigned count,
                              unsigned *pages)
{
    struct receive *receive = &net->receive;
    struct message **next = receive->waiting;
    uint64_t bytes = 0;
    unsigned long_frames = 0;

    for (unsigned i = 0; i < count; i++) {
        struct receive_slot *slot = &receive->slots[used[i].id];
        uint32_t length = used[i].length - net->header_bytes; /* one too small becomes very big */

        if (length - FRAME_LEAST > FRAME_MOST - FRAME_LEAST) {
            frame_refuse(net, used[i].length);
            continue;
        }
        struct message *message = slot->message;
        if (length <= BATON_INLINE_BYTES) {
            header_set(&message->abi, length, length, 0, net->nic->number);
        } else {
            header_set(&message->abi, length, BATON_INLINE_BYTES, 1, net->nic->number);
            message->abi.piece[0] =
                (struct baton_piece){.page = slot->page, .length = (uint16_t)(length - BATON_INLINE_BYTES)};
            page_filled(slot->page, length - BATON_INLINE_BYTES);
            slot->page = NO_PAGE;
            long_frames++;
        }
        slot->message = NULL;
        *next++ = message;
        bytes += length;
    }
    receive->waiting_first = 0;
    receive->waiting_count = (uint32_t)(next - receive->waiting);
    receive->waiting_bytes = bytes;
    *pages = long_frames;
    return receive->waiting_count;
}

/* ---- Station 3: the port of the forwarder ---- */

__attribute__((noinline, cold)) static void waiting_drop(struct virtio_net *net)
{
    struct receive *receive = &net->receive;

    for (; receive->waiting_count > 0; receive->waiting_count--) {
        message_drop(receive->waiting[receive->waiting_first++]);
        net_count_drop(net, DROP_NO_RECEIVER);
    }
}

/* Station 3: hands on what waits; returns how many the port took. The rest goes on waiting. */
static unsigned frames_hand_over(struct virtio_net *net)
{
    struct receive *receive = &net->receive;
    struct nic_stats *stats = &net->nic->stats;
    struct message **first = &receive->waiting[receive->waiting_first];
    int sent = net->out ? port_send(net->out, first, receive->waiting_count) : BATON_EDEAD;

    if (sent == BATON_EDEAD) {
        waiting_drop(net);
        return 0;
    }
    if (sent < 0)
        return 0;
    receive->waiting_first += (uint32_t)sent;
    receive->waiting_count -= (uint32_t)sent;

    uint64_t left = 0; /* bytes of what the port did not take: the rest is no longer ours to look at */
    for (unsigned i = 0; i < receive->waiting_count; i++)
        left += receive->waiting[receive->waiting_first + i]->abi.length;
    stats->rx_frames += (unsigned)sent;
    stats->rx_bytes += receive->waiting_bytes - left;
    receive->waiting_bytes = left;
    net_count_messages(net, 0, (unsigned)sent);
    return (unsigned)sent;
}

unsigned virtio_net_receive(struct virtio_net *net)
{
    struct receive *receive = &net->receive;
    struct virtqueue_element used[BATON_BATCH];
    unsigned done = 0, pages;

    if (receive->empty_count > 0)
        done = buffers_retry(net);
    if (receive->waiting_count > 0) {
        done += frames_hand_over(net);
        if (receive->waiting_count > 0)
            return done; /* the port is full: what is still in the ring stays there */
    }
    /* Station 1: NIC in. Used entries, checked. */
    int count = virtqueue_take(&receive->queue, used, BATON_BATCH);
    if (count <= 0)
        return done;
    unsigned accepted = frames_accept(net, used, (unsigned)count, &pages);
    net_count_messages(net, (unsigned)count, 0);
    if (accepted > 0)
        frames_hand_over(net);
    buffers_fill(net, used, (unsigned)count, accepted, pages);
    return done + (unsigned)count;
}

/* ---- Sleeping, and the end ---- */

bool virtio_net_receive_arm(struct virtio_net *net)
{
    struct receive *receive = &net->receive;

    if (receive->waiting_count == 0)
        return virtqueue_interrupts_on(&receive->queue) > 0;
    /* The port is full: the receiver wakes us when it has taken something; frames of the device would not
     * help. */
    port_sender_add(net->out, net->thread);
    return frames_hand_over(net) > 0 || receive->waiting_count == 0;
}

void virtio_net_receive_disarm(struct virtio_net *net)
{
    virtqueue_interrupts_off(&net->receive.queue);
    if (net->out)
        port_sender_remove(net->out, net->thread);
}

void virtio_net_receive_drain(struct virtio_net *net)
{
    struct receive *receive = &net->receive;

    waiting_drop(net);
    for (unsigned id = 0; id < receive->queue.size; id++) {
        struct receive_slot *slot = &receive->slots[id];

        if (slot->page != NO_PAGE)
            page_release(space_at(0), slot->page);
        if (slot->message)
            message_free(&slot->message, 1);
        *slot = (struct receive_slot){.page = NO_PAGE};
    }
}
