#include "drivers/virtqueue.h"

#include <stddef.h>
#include "core/arch.h"
#include "core/layout.h"

#define NO_INTERRUPT 1u /* in available->flags: please do not interrupt */
#define NO_NOTIFY    1u /* in used->flags: no need to kick */

/* An element of the used ring lies on a 4-byte boundary, but one load gets it: id below, length above. */
typedef const volatile uint64_t __attribute__((aligned(4), may_alias)) used_word;

static uint32_t available_offset(unsigned size)
{
    return size * (uint32_t)sizeof(struct virtqueue_descriptor);
}

static uint32_t used_offset(unsigned size)
{
    /* flags, index, one entry per slot, and the event word that is not used here but belongs to the layout */
    uint32_t end = available_offset(size) + 2 * (3 + size);
    return (end + (uint32_t)PAGE_MASK) & ~(uint32_t)PAGE_MASK;
}

uint32_t virtqueue_bytes(unsigned size)
{
    uint32_t used = 6 + 8 * size;

    return used_offset(size) + ((used + (uint32_t)PAGE_MASK) & ~(uint32_t)PAGE_MASK);
}

void virtqueue_init(struct virtqueue *queue, unsigned size, void *memory, void **held, uint32_t writable)
{
    *queue = (struct virtqueue){
        .descriptors = memory,
        .available = (void *)((char *)memory + available_offset(size)),
        .used = (const void *)((char *)memory + used_offset(size)),
        .held = held,
        .size = size,
        .mask = size - 1,
        .writable = writable,
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

bool virtqueue_publish(struct virtqueue *queue, uint32_t index)
{
    queue->in_flight += (uint16_t)(index - queue->next);
    queue->next = (uint16_t)index;
    /* Without it the device may see the new index before the entries and tables, and follow old ones. */
    arch_dmb_oshst();
    __atomic_store_n(&queue->available->index, queue->next, __ATOMIC_RELAXED);
    /*
     * Without it the flags may be read before the index is written: we would see "no kick needed" of a device
     * that has meanwhile looked, found nothing, and gone to wait for a kick. Also orders the index before the
     * kick itself.
     */
    arch_dmb_osh();
    return !(__atomic_load_n(&queue->used->flags, __ATOMIC_RELAXED) & NO_NOTIFY);
}

static int fault(struct virtqueue *queue, const char *what, uint32_t value, const char *expected,
                 uint32_t limit)
{
    queue->fault =
        (struct virtqueue_fault){.what = what, .expected = expected, .value = value, .limit = limit};
    return -1;
}

/* Says what is wrong with an element that virtqueue_take() refused. */
static void fault_of_element(struct virtqueue *queue, uint32_t id, uint32_t length)
{
    if (id >= queue->size)
        fault(queue, "used id out of range", id, "below", queue->size);
    else if (!queue->held[id])
        fault(queue, "used id not in flight", id, "a slot in flight, of which there are", queue->in_flight);
    else
        fault(queue, "used length too big", length, "at most", queue->writable);
}

int virtqueue_take(struct virtqueue *queue, struct virtqueue_element *elements, unsigned count)
{
    const struct virtqueue_used *used = queue->used;
    const uint32_t mask = queue->mask, writable = queue->writable, first = queue->taken;
    unsigned pending = virtqueue_pending(queue), taken;
    uint32_t id = 0, length = 0;
    void **held = queue->held;

    if (queue->fault.what)
        return -1;
    if (pending > queue->in_flight)
        return fault(queue, "used index runs ahead", pending, "at most", queue->in_flight);
    /* Without it an element may be read before the index that says that it is there: an old one. */
    arch_dmb_oshld();
    if (count > pending)
        count = pending;
    for (taken = 0; taken < count; taken++) {
        uint64_t word = *(used_word *)&used->ring[(first + taken) & mask];
        id = (uint32_t)word;
        length = (uint32_t)(word >> 32);

        if (id > mask || length > writable || !held[id])
            break;
        elements[taken] = (struct virtqueue_element){.id = id, .length = length, .token = held[id]};
        held[id] = NULL;
    }
    queue->taken = (uint16_t)(first + taken);
    queue->in_flight -= taken;
    if (taken == count)
        return (int)taken;
    /* Said now: once the good ones are posted again, a slot that the device used twice would look right. */
    fault_of_element(queue, id, length);
    return taken > 0 ? (int)taken : -1;
}

void virtqueue_interrupts_off(struct virtqueue *queue)
{
    __atomic_store_n(&queue->available->flags, NO_INTERRUPT, __ATOMIC_RELAXED);
}

unsigned virtqueue_interrupts_on(struct virtqueue *queue)
{
    __atomic_store_n(&queue->available->flags, 0, __ATOMIC_RELAXED);
    /*
     * Without it the index may be read before the flag is written: the device adds an entry in between, still
     * sees that no interrupt is wanted, and the frame waits for the next one.
     */
    arch_dmb_osh();
    return virtqueue_pending(queue);
}
