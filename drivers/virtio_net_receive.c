/* From the device to the forwarder's port: stations 1 to 3 of a frame's path. */
#include "drivers/virtio_net_queues.h"

#include <stddef.h>
#include "core/arch.h"
#include "core/ledger.h"
#include "core/timer.h"
#include "ipc/observe.h"
#include "ipc/page.h"
#include "ipc/page_device.h"
#include "ipc/port.h"
#include "mm/frame.h"
#include "mm/space.h"

/* ---- Buffers ---- */

/* A slot that lacks something, for another try. */
static void slot_leave(struct receive *receive, uint32_t id, struct message *message)
{
    receive->empty[receive->empty_count++] = (struct receive_slot){.id = id, .message = message};
}

static void slots_publish(struct virtio_net *net, uint32_t next)
{
    if (virtqueue_publish(&net->receive.queue, next))
        net->transport.ops->notify(&net->transport, QUEUE_RECEIVE);
}

/*
 * Fills and posts slots: `messages` of them lack a message object, `pages` a page. What a pool does not give stays
 * missing, and the slot goes to the empty ones. All that was got is used, so that nothing idles in between.
 */
static __attribute__((cold)) void slots_fill(struct virtio_net *net, const struct receive_slot *slots,
                                             unsigned count, unsigned messages, unsigned pages)
{
    struct receive *receive = &net->receive;
    struct message *message[BATON_BATCH];
    uint32_t page[BATON_BATCH];
    uint32_t next = receive->queue.next;

    messages = messages ? message_alloc(message, messages) : 0;
    pages = pages ? page_get_device(page, pages) : 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t id = slots[i].id;
        struct receive_table *table = &receive->tables[id];
        struct message *token = slots[i].message;

        if (!token && messages) {
            token = message[--messages];
            table->in_message.address = message_inline_phys(token) - net_front(net);
        }
        if (table->page == NO_PAGE && pages) {
            table->page = page[--pages];
            table->in_page.address = page_phys(table->page);
        }
        if (token && table->page != NO_PAGE)
            virtqueue_post(&receive->queue, next++, id, token);
        else
            slot_leave(receive, id, token);
    }
    slots_publish(net, next);
}

/* Another try for slots that stayed empty because a pool was dry. Returns how many are posted now. */
static __attribute__((cold)) unsigned slots_retry(struct virtio_net *net)
{
    struct receive *receive = &net->receive;
    struct receive_slot slots[BATON_BATCH];
    unsigned before = receive->empty_count, count = 0, messages = 0, pages = 0;

    while (count < BATON_BATCH && receive->empty_count > 0) {
        const struct receive_slot *slot = &receive->empty[--receive->empty_count];

        messages += slot->message == NULL;
        pages += receive->tables[slot->id].page == NO_PAGE;
        slots[count++] = *slot;
    }
    slots_fill(net, slots, count, messages, pages);
    return before - receive->empty_count;
}

/*
 * The common case: slots that lack a message and nothing else, and the pool has enough. False: nothing was done. From here on the
 * device may use them.
 */
static bool slots_post(struct virtio_net *net, unsigned count)
{
    struct virtqueue *queue = &net->receive.queue;
    struct receive_table *tables = net->receive.tables;
    struct message *objects = message_objects;
    const uint64_t phys =
        message_inline_phys(objects) - net_front(net); /* of the first one: the others lie behind it */
    void **held = queue->held;
    uint32_t next = queue->next;
    unsigned there;
    const uint32_t *number = pool_peek(&message_pool, count, &there);
    const uint16_t *slots = net->receive.taken;

    if (there < count)
        return false;
    pool_taken(&message_pool, count);
    for (const uint16_t *end = slots + count; slots < end;) {
        uint32_t run = virtqueue_run(queue, next, (uint32_t)(end - slots));
        uint16_t *ring = &queue->available->ring[next & queue->mask];

        next += run;
        for (const uint16_t *stop = slots + run; slots < stop;) {
            uint64_t id = *slots++, object = *--number;
            struct message *message = message_at(objects, object);

            tables[id].in_message.address = phys + object;
            held[id] = message;
            *ring++ = (uint16_t)id;
        }
    }
    slots_publish(net, next);
    return true;
}

bool virtio_net_receive_create(struct virtio_net *net, const char *name, uint64_t header)
{
    struct receive *receive = &net->receive;
    uint32_t writable = net->header_bytes + BATON_INLINE_BYTES + BATON_PAGE_BYTES;
    const unsigned more = VIRTQUEUE_WRITE | VIRTQUEUE_NEXT, front = net_front(net);

    if (!virtio_queue_create(&net->transport, name, QUEUE_RECEIVE, &receive->queue, QUEUE_LEAST,
                             VIRTQUEUE_SIZE_MAX, writable))
        return false;
    unsigned size = receive->queue.size;
    receive->tables = frame_alloc_bytes(size * sizeof(struct receive_table), 64, name);
    receive->empty = frame_alloc_bytes(size * sizeof(struct receive_slot), 64, name);
    for (unsigned id = 0; id < size; id++) {
        struct receive_table *table = &receive->tables[id];

        table->header = (struct virtqueue_descriptor){header, VIRTQUEUE_REST(net->header_bytes, more, 1)};
        table->in_message.rest = VIRTQUEUE_REST(front + BATON_INLINE_BYTES, more, front > 0 ? 1 : 2);
        table->in_page.rest = VIRTQUEUE_REST(BATON_PAGE_BYTES, VIRTQUEUE_WRITE, 0);
        table->page = NO_PAGE;
        /* Legacy devices without ANY_LAYOUT want the header in a descriptor of its own. Nobody reads it. */
        if (front > 0)
            virtqueue_slot_set(&receive->queue, id, arch_virt_to_phys(&table->in_message), RECEIVE_PARTS - 1);
        else
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

/* False, and a fault, when the device cannot have written so many bytes: the slot is not taken then. */
__attribute__((noinline, cold)) static bool length_possible(struct virtio_net *net, uint32_t used_length)
{
    struct virtqueue *queue = &net->receive.queue;

    if (used_length >= net->header_bytes)
        return virtqueue_length_good(queue, used_length);
    queue->fault = (struct virtqueue_fault){.what = "used length too small",
                                            .value = used_length,
                                            .expected = "at least",
                                            .limit = net->header_bytes};
    return false;
}

/* Too short or too long for a frame: the slot keeps its message and page, and is posted again as it is. */
__attribute__((noinline, cold)) static void frame_refuse(struct virtio_net *net, uint32_t id,
                                                         struct message *message, uint32_t length)
{
    uint32_t shown = length < BATON_INLINE_BYTES ? length : BATON_INLINE_BYTES;

    header_set(&message->abi, length | (uint64_t)shown << HEADER_INLINE_LENGTH, net->nic->number);
    net_drop(net, length < FRAME_LEAST ? DROP_RUNT : DROP_GIANT, message);
    slot_leave(&net->receive, id, message);
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

/* Pages for slots whose page goes on with its frame: see page_device_peek(). */
struct fresh {
    const uint32_t *next, *last;
    uint64_t phys;      /* page_region_phys */
    struct page *table; /* page_table */
    bool dry;           /* some slot got none */
};

/* The part of a frame that lies in the slot's page becomes the message's piece, and the slot gets another page, if there is one. */
static inline void page_pass(struct receive_table *slot, struct message *message, uint64_t length,
                             struct fresh *fresh)
{
    uint64_t page = slot->page;

    *(piece_word *)(void *)&message->abi.piece[0] = page | length << 48;
    page_filled_by_device(fresh->table, page, length);
    if (__builtin_expect(fresh->next == fresh->last, 0)) {
        slot->page = NO_PAGE;
        fresh->dry = true;
        return;
    }
    page = *--fresh->next;
    page_posted(fresh->table, page);
    slot->page = (uint32_t)page;
    slot->in_page.address = fresh->phys + page * BATON_PAGE_BYTES;
}

/*
 * Station 1: NIC in. Takes used entries, checked. Station 2: makes messages of their frames, which then wait in receive->waiting;
 * where the device wrote the bytes is where they stay. Returns how many entries it took; the slots of the frames that wait lie in
 * receive->taken: they lack a message, and `*dry` says that some lack a page.
 */
static unsigned frames_accept(struct virtio_net *net, bool *dry)
{
    struct receive *receive = &net->receive;
    struct virtqueue_batch batch = virtqueue_take_begin(&receive->queue, BATON_BATCH);
    unsigned pages;
    const uint32_t *first = page_device_peek(batch.count, &pages);
    struct fresh fresh = {first, first - pages, page_region_phys, page_table, false};
    struct receive_table *tables = receive->tables;
    const uint64_t source = net->nic->number;
    const uint64_t header_bytes = net->header_bytes;
    struct message **waiting = receive->waiting;
    uint16_t *slots = receive->taken;
    uint64_t bytes = 0, word = 0;
    unsigned accepted = 0;

    for (; batch.entry < batch.end; batch.entry++) {
        word = *batch.entry;
        uint64_t id = (uint32_t)word,
                 length = (word >> 32) - header_bytes; /* one too small becomes very big */
        struct message *message;

        if (__builtin_expect(length - FRAME_LEAST > FRAME_MOST - FRAME_LEAST, 0)) {
            message = length_possible(net, (uint32_t)(word >> 32)) ? virtqueue_take(&batch, id) : NULL;
            if (!message)
                break;
            frame_refuse(net, (uint32_t)id, message, (uint32_t)length);
            continue;
        }
        message = virtqueue_take(&batch, id);
        if (__builtin_expect(!message, 0))
            break;
        bytes += length;
        if (length <= BATON_INLINE_BYTES) {
            header_set(&message->abi, length | length << HEADER_INLINE_LENGTH, source);
        } else {
            header_set(&message->abi,
                       length | (uint64_t)BATON_INLINE_BYTES << HEADER_INLINE_LENGTH |
                           UINT64_C(1) << HEADER_PIECES,
                       source);
            page_pass(&tables[id], message, length - BATON_INLINE_BYTES, &fresh);
        }
        slots[accepted] = (uint16_t)id;
        waiting[accepted++] = message;
    }
    page_device_taken(first, (unsigned)(first - fresh.next));
    receive->waiting_first = 0;
    receive->waiting_count = accepted;
    receive->waiting_bytes = bytes;
    *dry = fresh.dry;
    return virtqueue_take_end(&receive->queue, &batch, word);
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
    int sent = !net->out               ? BATON_EDEAD
               : net->spread.lanes > 1 ? spread_send(&net->spread, first, receive->waiting_count)
                                       : port_send(net->out, first, receive->waiting_count);

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

/* Brings used entries as far as the forwarder's port, and posts their slots again. Returns how many. */
static unsigned frames_take(struct virtio_net *net)
{
    struct receive *receive = &net->receive;
    uint64_t since = net_observed(net) ? timer_now() : 0;
    bool dry;
    unsigned count = frames_accept(net, &dry), accepted = receive->waiting_count;

    if (ledger_noting(cpu_self()))
        filled_note(receive);
    if (since)
        observe_in(net->nic->number, since, receive->waiting, accepted);
    net_count_messages(net, count, 0);
    if (net->spread.lanes > 1)
        spread_batch(&net->spread, receive->waiting, accepted);
    if (accepted > 0)
        frames_hand_over(net);
    if (dry || !slots_post(net, accepted))
        for (unsigned i = 0; i < accepted; i++)
            slot_leave(receive, receive->taken[i], NULL);
    if (receive->empty_count > 0)
        slots_retry(net);
    return count;
}

unsigned virtio_net_receive(struct virtio_net *net)
{
    struct receive *receive = &net->receive;
    unsigned done = 0;

    if (receive->empty_count > 0)
        done = slots_retry(net);
    if (receive->waiting_count > 0)
        done += frames_hand_over(net);
    /* While the port is full, what is in the ring stays there. */
    if (receive->waiting_count == 0 && virtqueue_pending(&receive->queue) > 0)
        done += frames_take(net);
    return done;
}

/* ---- Sleeping, and the end ---- */

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

/* For whatever virtio_net_receive_arm() and virtio_net_transmit_arm() ask for. */
bool virtio_net_listen(struct virtio_net *net)
{
    bool work = net->receive.waiting_count == 0 && virtqueue_interrupts_on(&net->receive.queue) > 0;

    if (net->transmit.queue.in_flight > 0)
        work |= virtqueue_interrupts_on(&net->transmit.queue) > 0;
    return work;
}

bool virtio_net_receive_arm(struct virtio_net *net)
{
    struct receive *receive = &net->receive;

    if (receive->waiting_count == 0)
        return virtqueue_interrupts_on(&receive->queue) > 0;
    /* The port is full: the receiver wakes us when it has taken something; frames of the device would not help. */
    if (net->spread.lanes > 1)
        spread_wait(&net->spread, net->thread);
    else
        port_sender_add(net->out, net->thread);
    return frames_hand_over(net) > 0 || receive->waiting_count == 0;
}

void virtio_net_receive_disarm(struct virtio_net *net)
{
    virtqueue_interrupts_off(&net->receive.queue);
    if (net->spread.lanes > 1)
        spread_wait_no_more(&net->spread, net->thread);
    else if (net->out)
        port_sender_remove(net->out, net->thread);
}

void virtio_net_receive_drain(struct virtio_net *net)
{
    struct receive *receive = &net->receive;

    waiting_drop(net);
    for (unsigned i = 0; i < receive->empty_count; i++)
        receive->queue.held[receive->empty[i].id] = receive->empty[i].message;
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
