/* From the driver's port to the device, and back to the pools: stations 7 to 10 of a frame's path. */
#include "drivers/virtio_net_queues.h"

#include <stddef.h>
#include "core/arch.h"
#include "core/log.h"
#include "ipc/observe.h"
#include "ipc/page.h"
#include "ipc/port.h"
#include "mm/frame.h"

/* Used entries that make it worth while to collect them though there is other work. */
#define RECLAIM_BATCH 32u

/* ---- Station 8: a message becomes descriptors ---- */

/*
 * Any number of pieces, with inline data or without; the device's header lies apart. All slots share that one, of zeros: no offload
 * is asked of the device.
 */
static __attribute__((noinline, cold)) void descriptors_apart(struct virtio_net *net, uint32_t id,
                                                              const struct message *message)
{
    const struct baton_message *abi = &message->abi;
    struct virtqueue_descriptor *first = net->transmit.tables[id].part, *part = first;
    uint64_t next = VIRTQUEUE_REST(0, VIRTQUEUE_NEXT, 1);

    *part = (struct virtqueue_descriptor){net->transmit.header, net->header_bytes | next};
    if (abi->inline_length > 0) {
        next += VIRTQUEUE_REST(0, 0, 1);
        *++part = (struct virtqueue_descriptor){message_inline_phys(message) + abi->inline_offset,
                                                abi->inline_length | next};
    }
    for (unsigned i = 0; i < abi->pieces; i++) {
        const struct baton_piece *piece = &abi->piece[i];

        next += VIRTQUEUE_REST(0, 0, 1);
        *++part = (struct virtqueue_descriptor){
            page_phys(piece->page) + (piece->offset & BATON_PIECE_OFFSET_MASK), piece->length | next};
    }
    part->rest = (uint32_t)part->rest; /* the last one */
    virtqueue_slot_set(&net->transmit.queue, id, arch_virt_to_phys(first), TRANSMIT_PARTS);
    net->transmit.apart = true;
}

#define ONE_PIECE (UINT64_C(1) << (HEADER_PIECES - HEADER_INLINE_LENGTH))

typedef uint64_t __attribute__((may_alias, aligned(1))) loose_word;
typedef uint32_t __attribute__((may_alias, aligned(1))) loose_half;
_Static_assert(offsetof(struct baton_message, data) - HEADER_BYTES >= offsetof(struct baton_message, reply),
               "before the inline data there is nothing that the driver reads");

/* What is the same for all messages of a batch. */
struct places {
    struct virtqueue_descriptor *descriptors; /* of the slots */
    struct pair *pairs;
    uint64_t to_phys; /* added to the address of a message's data: where the header begins */
    uint64_t header_bytes;
    uint64_t pages_phys;
    uint64_t pair_rest; /* of a pair's first descriptor, but for `shape` */
};

/*
 * Station 8, the common case: inline data, and one piece at most. The device's header is the bytes before the inline data, where
 * the message has its tag, or room that its service left: nobody looks at these again, and a sender could have written there what
 * a device takes for an order. So they are zeroed. One part needs no table: the slot's descriptor is the frame's, which saves a device
 * a look at memory; it names the pair again when the frame has come back. False: it is not that simple. `first`: see header_word.
 */
static inline bool descriptors_join(const struct places *places, uint64_t id, struct message *message,
                                    uint64_t first)
{
    uint64_t shape = first >> HEADER_INLINE_LENGTH; /* length of the inline data, and the pieces above */
    uint8_t *data = message->abi.data + (first >> HEADER_INLINE_OFFSET & 0xff);
    uint64_t start = (uint64_t)data + places->to_phys;

    if (shape - 1 < ONE_PIECE - 1) {
        places->descriptors[id] = (struct virtqueue_descriptor){start, shape + places->header_bytes};
    } else if (shape - (ONE_PIECE + 1) < ONE_PIECE - 1) {
        uint64_t piece = *(const piece_word *)(const void *)&message->abi.piece[0];

        struct pair *pair = &places->pairs[id];

        pair->in_message = (struct virtqueue_descriptor){start, shape + places->pair_rest};
        pair->in_page =
            (struct virtqueue_descriptor){places->pages_phys + (piece & UINT32_MAX) * BATON_PAGE_BYTES +
                                              (piece >> 32 & BATON_PIECE_OFFSET_MASK),
                                          piece >> 48};
    } else {
        return false;
    }
    *(loose_word *)(void *)(data - HEADER_BYTES) = 0;
    *(loose_half *)(void *)(data - HEADER_BYTES + sizeof(loose_word)) = 0;
    return true;
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

    room = virtqueue_run(&transmit->queue, transmit->queue.next,
                         room); /* one piece of the ring: the rest in another pass */

    /* Station 7: the driver's port. What finds no slot stays there, and pushes back on those who send. */
    unsigned count = room > 0 ? port_take(net->port, messages, room) : 0;
    if (count == 0)
        return 0;
    const bool observing = net_observed(net);
    if (observing)
        observe_out(net->nic->number, messages, count);

    const struct places places = {
        .descriptors = transmit->queue.descriptors,
        .pairs = transmit->pairs,
        .to_phys =
            message_inline_phys(message_objects) - (uint64_t)message_objects->abi.data - net->header_bytes,
        .header_bytes = net->header_bytes,
        .pair_rest = net->header_bytes + VIRTQUEUE_REST(0, VIRTQUEUE_NEXT, 1) - ONE_PIECE,
        .pages_phys = page_region_phys,
    };
    const uint16_t *free = &transmit->free[transmit->free_count];
    void **held = transmit->queue.held;
    const uint32_t start = transmit->queue.next;
    uint16_t *const ring = &transmit->queue.available->ring[start & transmit->queue.mask], *place = ring;
    uint64_t bytes = 0;

    for (struct message *const *end = messages + count, *const *at = messages; at < end;) {
        struct message *message = *at++;
        uint64_t first = *(const header_word *)(const void *)&message->abi, length = (uint32_t)first;

        if (__builtin_expect(length - FRAME_LEAST > FRAME_MOST - FRAME_LEAST || message->special, 0)) {
            message_refuse(net, message);
            continue;
        }
        uint64_t id = *--free;
        /* Who observes finds frames again by their tag, which the device's header would lie over. */
        if (__builtin_expect(observing || !descriptors_join(&places, id, message, first), 0))
            descriptors_apart(net, (uint32_t)id, message);
        held[id] = message;
        *place++ = (uint16_t)id;
        bytes += length;
    }
    unsigned posted = (unsigned)(place - ring);
    transmit->free_count -= posted;
    if (observing)
        posted_observe(net, free, posted);
    /* Station 9: NIC out. One index for the batch; the kick is for several, see virtio_net_transmit_kick(). */
    if (posted > 0)
        virtqueue_publish(&transmit->queue, start + posted);
    stats->tx_frames += posted;
    stats->tx_bytes += bytes;
    net_count_messages(net, count, posted);
    idle_moved(posted);
    return count;
}

/* ---- Station 10: back to the pools ---- */

/* Of a message with more pieces than one: all pages, at once. */
static __attribute__((noinline, cold)) void pieces_release(const struct baton_message *abi)
{
    uint32_t pages[BATON_PIECES];

    for (unsigned i = 0; i < abi->pieces; i++)
        pages[i] = abi->piece[i].page;
    page_sent_out(pages, abi->pieces);
}

__attribute__((noinline, cold)) static void done_observe(const uint32_t *numbers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct message *message = message_at(message_objects, numbers[i]);

        observe_done(&message, 1);
    }
}

/* Station 10: pages and message objects that the device has read to the end. Returns how many frames that were. */
static unsigned used_reclaim(struct virtio_net *net)
{
    struct transmit *transmit = &net->transmit;
    struct virtqueue_batch batch = virtqueue_take_begin(&transmit->queue, BATON_BATCH);
    struct message *objects = message_objects;
    invariant(pool_has_room(&message_pool, batch.count), "message 1");
    uint32_t *numbers = pool_room(&message_pool), *number = numbers, pages[BATON_BATCH], *page = pages;
    uint16_t *free = &transmit->free[transmit->free_count];
    struct virtqueue_descriptor *descriptors = transmit->queue.descriptors;
    const uint64_t pairs = arch_virt_to_phys(transmit->pairs);
    const bool apart = transmit->apart;
    uint64_t word = 0;

    for (; batch.entry < batch.end; batch.entry++) {
        word = *batch.entry;
        /* One look at the id and at the length, which is 0 of what the device only reads */
        struct message *message =
            __builtin_expect(word <= batch.mask, 1) ? virtqueue_take(&batch, word) : NULL;

        if (__builtin_expect(!message, 0))
            break;
        *free++ = (uint16_t)word;
        *number++ = message_number(objects, message); /* it has been sent, so it is nothing special */
        if (message->abi.pieces == 1)
            *page++ = message->abi.piece[0].page;
        else if (message->abi.pieces)
            pieces_release(&message->abi);
        /* The slot's descriptor was not the pair's name but this frame's, or may have been */
        if (message->abi.pieces != 1 || apart)
            descriptors[word] =
                (struct virtqueue_descriptor){pairs + word * sizeof(struct pair),
                                              VIRTQUEUE_REST(sizeof(struct pair), VIRTQUEUE_INDIRECT, 0)};
    }
    unsigned count = virtqueue_take_end(&transmit->queue, &batch, word);
    transmit->free_count += count;
    transmit->apart = apart && transmit->queue.in_flight > 0;
    if (net_observed(net))
        done_observe(numbers, count);
    pool_given(&message_pool, count);
    if (page > pages)
        page_sent_out(pages, (unsigned)(page - pages));
    return count;
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
