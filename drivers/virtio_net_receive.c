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

/*
 * The common case: slots that lack a message and nothing else, and the pool has enough. False: nothing was done. From here on the
 * device may use them.
 */
static bool slots_post(struct virtio_net *net, unsigned count)
{
    struct virtqueue *queue = &net->receive.queue;
    struct pair *pairs = net->receive.pairs;
    struct message *objects = message_objects;
    const uint64_t phys =
        message_inline_phys(objects) - net->header_bytes; /* of the first one: the others lie behind it */
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

            pairs[id].in_message.address = phys + object;
            held[id] = message;
            *ring++ = (uint16_t)id;
        }
    }
    virtio_net_slots_publish(net, next);
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
static inline void page_pass(struct receive *receive, uint64_t id, struct message *message, uint64_t length,
                             struct fresh *fresh)
{
    uint64_t page = receive->pages[id];

    *(piece_word *)(void *)&message->abi.piece[0] = page | length << 48;
    page_filled_by_device(fresh->table, page, length);
    if (__builtin_expect(fresh->next == fresh->last, 0)) {
        receive->pages[id] = NO_PAGE;
        fresh->dry = true;
        return;
    }
    page = *--fresh->next;
    page_posted(fresh->table, page);
    receive->pages[id] = (uint32_t)page;
    receive->pairs[id].in_page.address = fresh->phys + page * BATON_PAGE_BYTES;
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
            page_pass(receive, id, message, length - BATON_INLINE_BYTES, &fresh);
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

/* Station 3: hands on what waits; returns how many the port took. The rest goes on waiting. */
unsigned virtio_net_hand_over(struct virtio_net *net)
{
    struct receive *receive = &net->receive;
    struct nic_stats *stats = &net->nic->stats;
    struct message **first = &receive->waiting[receive->waiting_first];
    int sent = !net->out               ? BATON_EDEAD
               : net->spread.lanes > 1 ? spread_send(&net->spread, first, receive->waiting_count)
                                       : port_send(net->out, first, receive->waiting_count);

    if (sent == BATON_EDEAD) {
        virtio_net_waiting_drop(net);
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
        virtio_net_hand_over(net);
    if (dry || !slots_post(net, accepted))
        for (unsigned i = 0; i < accepted; i++)
            slot_leave(receive, receive->taken[i], NULL);
    if (receive->empty_count > 0)
        virtio_net_slots_retry(net);
    return count;
}

unsigned virtio_net_receive(struct virtio_net *net)
{
    struct receive *receive = &net->receive;
    unsigned done = 0;

    if (receive->empty_count > 0)
        done = virtio_net_slots_retry(net);
    if (receive->waiting_count > 0)
        done += virtio_net_hand_over(net);
    /* While the port is full, what is in the ring stays there. */
    if (receive->waiting_count == 0 && virtqueue_pending(&receive->queue) > 0)
        done += frames_take(net);
    return done;
}
