/* From the device to the forwarder's port: stations 1 to 3 of a frame's path. */
#include "drivers/virtio_net_queues.h"

#include <stddef.h>
#include "core/arch.h"
#include "core/ledger.h"
#include "core/timer.h"
#include "ipc/observe.h"
#include "ipc/page.h"
#include "ipc/port.h"
#include "mm/frame.h"
#include "mm/space.h"

/* ---- Buffers ---- */

/*
 * Fills and posts slots: `messages` of them lack a message object, `pages` a page. What a pool does not give stays
 * missing, and the slot goes to the empty ones. All that was got is used, so that nothing idles in between.
 */
static void buffers_fill(struct virtio_net *net, const struct virtqueue_element *slots, unsigned count,
                         unsigned messages, unsigned pages)
{
    struct receive *receive = &net->receive;
    struct receive_table *tables = receive->tables;
    struct message *message[BATON_BATCH];
    uint32_t page[BATON_BATCH];
    uint32_t next = receive->queue.next;

    messages = messages ? message_alloc(message, messages) : 0;
    pages = pages ? page_get_device(page, pages) : 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t id = slots[i].id;
        struct receive_table *table = &tables[id];
        struct message *token = slots[i].token;

        if (!token && messages) {
            token = message[--messages];
            table->in_message.address = message_inline_phys(token);
        }
        if (table->page == NO_PAGE && pages) {
            table->page = page[--pages];
            table->in_page.address = page_phys(table->page);
        }
        if (token && table->page != NO_PAGE)
            virtqueue_post(&receive->queue, next++, id, token);
        else
            receive->empty[receive->empty_count++] = (struct virtqueue_element){.id = id, .token = token};
    }
    if (virtqueue_publish(&receive->queue, next))
        net->transport.ops->notify(&net->transport, QUEUE_RECEIVE);
}

/* Another try for slots that stayed empty because a pool was dry. Returns how many are posted now. */
static unsigned buffers_retry(struct virtio_net *net)
{
    struct receive *receive = &net->receive;
    struct virtqueue_element slots[BATON_BATCH];
    unsigned before = receive->empty_count, count = 0, messages = 0, pages = 0;

    while (count < BATON_BATCH && receive->empty_count > 0) {
        const struct virtqueue_element *slot = &receive->empty[--receive->empty_count];

        messages += slot->token == NULL;
        pages += receive->tables[slot->id].page == NO_PAGE;
        slots[count++] = *slot;
    }
    buffers_fill(net, slots, count, messages, pages);
    return before - receive->empty_count;
}

bool virtio_net_receive_create(struct virtio_net *net, const char *name, uint64_t header)
{
    struct receive *receive = &net->receive;
    uint32_t writable = net->header_bytes + BATON_INLINE_BYTES + BATON_PAGE_BYTES;
    const unsigned more = VIRTQUEUE_WRITE | VIRTQUEUE_NEXT;

    if (!virtio_queue_create(&net->transport, name, QUEUE_RECEIVE, &receive->queue, QUEUE_LEAST,
                             VIRTQUEUE_SIZE_MAX, writable))
        return false;
    unsigned size = receive->queue.size;
    receive->tables = frame_alloc_bytes(size * sizeof(struct receive_table), 64, name);
    receive->empty = frame_alloc_bytes(size * sizeof(struct virtqueue_element), 64, name);
    for (unsigned id = 0; id < size; id++) {
        struct receive_table *table = &receive->tables[id];

        /* The header has a descriptor of its own: legacy devices without ANY_LAYOUT want it so. Nobody reads it. */
        table->header = (struct virtqueue_descriptor){header, VIRTQUEUE_REST(net->header_bytes, more, 1)};
        table->in_message.rest = VIRTQUEUE_REST(BATON_INLINE_BYTES, more, 2);
        table->in_page.rest = VIRTQUEUE_REST(BATON_PAGE_BYTES, VIRTQUEUE_WRITE, 0);
        table->page = NO_PAGE;
        virtqueue_slot_set(&receive->queue, id, arch_virt_to_phys(table), RECEIVE_PARTS);
        receive->empty[receive->empty_count++].id = id;
    }
    return true;
}

/* ---- Station 2: a frame becomes a message ---- */

_Static_assert(offsetof(struct baton_message, source) == 12 && offsetof(struct baton_message, reply) == 16 &&
                   offsetof(struct baton_message, tag) == 24,
               "the four words of header_set");

/* The header in four stores. Inline offset, flags, type, reply and tag are 0. */
static inline void header_set(struct baton_message *message, uint64_t first, uint64_t source)
{
    header_word *words = (header_word *)(void *)message;

    words[0] = first;
    words[1] = source << 32;
    words[2] = 0;
    words[3] = 0;
}

/* The slot keeps its message and page, and is posted again as it is. */
__attribute__((noinline, cold)) static void frame_refuse(struct virtio_net *net, struct message *message,
                                                         uint32_t used_length)
{
    uint32_t length = used_length - net->header_bytes;
    uint32_t shown = length < BATON_INLINE_BYTES ? length : BATON_INLINE_BYTES;

    if (used_length < net->header_bytes) {
        net->receive.queue.fault = (struct virtqueue_fault){.what = "used length too small",
                                                            .value = used_length,
                                                            .expected = "at least",
                                                            .limit = net->header_bytes};
        return;
    }
    header_set(&message->abi, length | (uint64_t)shown << HEADER_INLINE_LENGTH, net->nic->number);
    net_drop(net, length < FRAME_LEAST ? DROP_RUNT : DROP_GIANT, message);
}

/* The pages of the messages that wait are full: noted together, before anybody else has them. */
__attribute__((noinline, cold)) static void filled_note(const struct receive *receive)
{
    for (unsigned i = 0; i < receive->waiting_count; i++) {
        const struct baton_message *abi = &receive->waiting[i]->abi;
        if (abi->pieces)
            ledger_note(cpu_self(), LEDGER_FILLED, 0, abi->piece[0].page, abi->piece[0].length);
    }
}

/*
 * Station 2: checks the frames and makes messages of them, which then wait in receive->waiting. Returns how many; the
 * number that needed their page is in *pages. Where the device wrote the bytes is where they stay. A slot whose message
 * has gone is left without token.
 */
static unsigned frames_accept(struct virtio_net *net, struct virtqueue_element *used, unsigned count,
                              unsigned *pages)
{
    struct receive *receive = &net->receive;
    struct receive_table *tables = receive->tables;
    const uint64_t source = net->nic->number;
    const uint32_t header_bytes = net->header_bytes;
    unsigned accepted = 0, long_frames = 0;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < count; i++) {
        struct message *message = used[i].token;
        uint32_t length = used[i].length - header_bytes; /* one too small becomes very big */

        if (length - FRAME_LEAST > FRAME_MOST - FRAME_LEAST) {
            frame_refuse(net, message, used[i].length);
            continue;
        }
        used[i].token = NULL;
        if (length <= BATON_INLINE_BYTES) {
            header_set(&message->abi, length | (uint64_t)length << HEADER_INLINE_LENGTH, source);
        } else {
            struct receive_table *table = &tables[used[i].id];
            uint32_t rest = length - BATON_INLINE_BYTES;

            header_set(&message->abi,
                       length | (uint64_t)BATON_INLINE_BYTES << HEADER_INLINE_LENGTH |
                           UINT64_C(1) << HEADER_PIECES,
                       source);
            message->abi.piece[0] = (struct baton_piece){.page = table->page, .length = (uint16_t)rest};
            page_filled(table->page, rest);
            table->page = NO_PAGE;
            long_frames++;
        }
        receive->waiting[accepted++] = message;
        bytes += length;
    }
    receive->waiting_first = 0;
    receive->waiting_count = accepted;
    receive->waiting_bytes = bytes;
    if (ledger_noting(cpu_self()))
        filled_note(receive);
    *pages = long_frames;
    return accepted;
}

/* ---- Station 3: the port of the forwarder ---- */

__attribute__((noinline, cold)) static void waiting_drop(struct virtio_net *net)
{
    struct receive *receive = &net->receive;

    for (; receive->waiting_count > 0; receive->waiting_count--) {
        struct message *message = receive->waiting[receive->waiting_first++];

        net_drop(net, DROP_NO_RECEIVER, message);
        message_drop(message);
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

/* Station 1: NIC in. Takes used entries, checked, and brings their frames as far as the forwarder's port. */
static unsigned frames_take(struct virtio_net *net)
{
    struct receive *receive = &net->receive;
    struct virtqueue_element used[BATON_BATCH];
    uint64_t since = net_observed(net) ? timer_now() : 0;
    unsigned pages;
    int count = virtqueue_take(&receive->queue, used, BATON_BATCH);

    if (count <= 0)
        return 0;
    unsigned accepted = frames_accept(net, used, (unsigned)count, &pages);
    if (since)
        observe_in(net->nic->number, since, receive->waiting, accepted);
    net_count_messages(net, (unsigned)count, 0);
    if (accepted > 0)
        frames_hand_over(net);
    buffers_fill(net, used, (unsigned)count, accepted, pages);
    return (unsigned)count;
}

unsigned virtio_net_receive(struct virtio_net *net)
{
    struct receive *receive = &net->receive;
    unsigned done = 0;

    if (receive->empty_count > 0)
        done = buffers_retry(net);
    if (receive->waiting_count > 0)
        done += frames_hand_over(net);
    /* While the port is full, what is in the ring stays there. */
    if (receive->waiting_count == 0 && virtqueue_pending(&receive->queue) > 0)
        done += frames_take(net);
    return done;
}

/* ---- Sleeping, and the end ---- */

bool virtio_net_receive_arm(struct virtio_net *net)
{
    struct receive *receive = &net->receive;

    if (receive->waiting_count == 0)
        return virtqueue_interrupts_on(&receive->queue) > 0;
    /* The port is full: the receiver wakes us when it has taken something; frames of the device would not help. */
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
    for (unsigned i = 0; i < receive->empty_count; i++)
        receive->queue.held[receive->empty[i].id] = receive->empty[i].token;
    for (unsigned id = 0; id < receive->queue.size; id++) {
        struct message *message = receive->queue.held[id];

        if (message)
            message_free(&message, 1);
        if (receive->tables[id].page != NO_PAGE)
            page_release(space_at(0), receive->tables[id].page);
        receive->queue.held[id] = NULL;
        receive->tables[id].page = NO_PAGE;
    }
    receive->empty_count = 0;
}
