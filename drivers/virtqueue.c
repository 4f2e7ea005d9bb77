#include "drivers/virtqueue.h"

#include <stddef.h>
#include "core/arch.h"
#include "core/layout.h"

#define NO_INTERRUPT 1u /* in available->flags: please do not interrupt */
#define NO_NOTIFY    1u /* in used->flags: no need to kick */

static uint32_t available_offset(unsigned size)
{
    return size * (uint32_t)sizeof(struct virtqueue_descriptor);
}

static uint32_t used_offset(unsigned size)
{
    /* flags, index, one entry per slot, and the word of EVENT_IDX */
    uint32_t end = available_offset(size) + 2 * (3 + size);
    return (end + (uint32_t)PAGE_MASK) & ~(uint32_t)PAGE_MASK;
}

uint32_t virtqueue_bytes(unsigned size)
{
    uint32_t used = 6 + 8 * size;

    return used_offset(size) + ((used + (uint32_t)PAGE_MASK) & ~(uint32_t)PAGE_MASK);
}

/* The driver's word of EVENT_IDX behind the available ring: interrupt when the used entry of this index is written. */
static uint16_t *used_event(const struct virtqueue *queue)
{
    return &queue->available->ring[queue->size];
}

/* The device's, behind the used ring: kick when the available entry of this index is written. */
static const uint16_t *available_event(const struct virtqueue *queue)
{
    return (const void *)&queue->used->ring[queue->size];
}

void virtqueue_init(struct virtqueue *queue, unsigned size, void *memory, void **held, uint32_t writable,
                    bool events)
{
    *queue = (struct virtqueue){
        .descriptors = memory,
        .available = (void *)((char *)memory + available_offset(size)),
        .used = (const void *)((char *)memory + used_offset(size)),
        .held = held,
        .size = size,
        .mask = size - 1,
        .writable = writable,
        .events = events,
    };
    virtqueue_interrupts_off(queue);
}

void virtqueue_slot_set(struct virtqueue *queue, unsigned slot, uint64_t table, unsigned entries)
{
    queue->descriptors[slot] = (struct virtqueue_descriptor){
        .address = table,
        .rest = VIRTQUEUE_REST(entries * sizeof(struct virtqueue_descriptor), VIRTQUEUE_INDIRECT, 0),
    };
}

void virtqueue_publish(struct virtqueue *queue, uint32_t index)
{
    queue->in_flight += (uint16_t)(index - queue->next);
    queue->next = (uint16_t)index;
    /* Without it the device may see the new index before the entries and tables, and follow old ones. */
    arch_dmb_oshst();
    __atomic_store_n(&queue->available->index, queue->next, __ATOMIC_RELAXED);
}

bool virtqueue_kick(struct virtqueue *queue)
{
    const uint32_t count = virtqueue_unkicked(queue);

    queue->kicked = queue->next;
    /*
     * Without it the flags or the event may be read before the index is written: we would see "no kick needed" of a
     * device that has meanwhile looked, found nothing, and gone to wait for a kick. Also orders the index before the
     * kick itself.
     */
    arch_dmb_osh();
    if (queue->events)
        return (uint16_t)(queue->next - 1 - __atomic_load_n(available_event(queue), __ATOMIC_RELAXED)) <
               count;
    return !(__atomic_load_n(&queue->used->flags, __ATOMIC_RELAXED) & NO_NOTIFY);
}

static void fault(struct virtqueue *queue, const char *what, uint32_t value, const char *expected,
                  uint32_t limit)
{
    if (!queue->fault.what)
        queue->fault =
            (struct virtqueue_fault){.what = what, .expected = expected, .value = value, .limit = limit};
}

void virtqueue_refuse(struct virtqueue *queue, uint32_t pending)
{
    fault(queue, "used index runs ahead", pending, "at most", queue->in_flight);
}

void virtqueue_refuse_entry(struct virtqueue *queue, uint32_t id, uint32_t length)
{
    if (id >= queue->size)
        fault(queue, "used id out of range", id, "below", queue->size);
    else if (!virtqueue_length_good(queue, length))
        fault(queue, "used length too big", length, "at most", queue->writable);
    else
        fault(queue, "used id not in flight", id, "a slot in flight, of which there are", queue->in_flight);
}

void virtqueue_interrupts_off(struct virtqueue *queue)
{
    /* An entry that has been written is written again in 65,536 entries: an interrupt too many does no harm. */
    if (queue->events)
        __atomic_store_n(used_event(queue), (uint16_t)(queue->taken - 1), __ATOMIC_RELAXED);
    else
        __atomic_store_n(&queue->available->flags, NO_INTERRUPT, __ATOMIC_RELAXED);
}

unsigned virtqueue_interrupts_on(struct virtqueue *queue, uint32_t count)
{
    if (queue->events)
        __atomic_store_n(used_event(queue), (uint16_t)(queue->taken + count - 1), __ATOMIC_RELAXED);
    else
        __atomic_store_n(&queue->available->flags, 0, __ATOMIC_RELAXED);
    /*
     * Without it the index may be read before the request is written: the device adds an entry in between, still
     * sees that no interrupt is wanted, and the frame waits for the next one.
     */
    arch_dmb_osh();
    return virtqueue_pending(queue);
}
