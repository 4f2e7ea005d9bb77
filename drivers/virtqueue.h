/*
 * Split virtqueue with indirect descriptors (VIRTIO 1.2 section 2.7): the rings alone, on pointers, without a
 * device. The host tests run this very file against a device that lies.
 *
 * Owns: the rings and the record of what is in flight. Model: the queue has `size` slots. Each slot has one
 * descriptor in the ring's table, set once, that points to an indirect table of the driver's; so a slot
 * carries a buffer of many parts and all `size` slots can be in flight at once. The driver posts slots,
 * publishes them together, and takes back what the device has used, in batches. One thread does all of this;
 * nothing here locks.
 *
 * Invariants
 *   1. A slot is in flight from virtqueue_post() until virtqueue_take() returns it; posted[] says which
 *      are.
 *   2. Every number read from the used ring is checked in a private copy before it is used: the index
 *      against the slots in flight, the id against the size and against posted[], the length against the
 *      bytes that the device may write. A second use of one slot, or of a slot that was never posted, is
 *      thereby refused.
 *   3. After a fault the queue hands out nothing more. What it had in flight stays the device's until that
 *      is reset.
 *   4. Nothing of the descriptors or of the available ring is ever read back: a device that scribbles on
 *      them harms itself only.
 *
 * Suppression is by flags (no EVENT_IDX): interrupts are off while the driver polls, and kicks are left out
 * while the device says that it looks by itself.
 */
#ifndef DRIVERS_VIRTQUEUE_H
#define DRIVERS_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#define VIRTQUEUE_SIZE_MAX 256

#define VIRTQUEUE_NEXT     1u /* the chain goes on at `next` */
#define VIRTQUEUE_WRITE    2u /* the device writes this part */
#define VIRTQUEUE_INDIRECT 4u

struct virtqueue_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};
_Static_assert(sizeof(struct virtqueue_descriptor) == 16, "VIRTIO 1.2, 2.7.5");

struct virtqueue_available {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[];
};

struct virtqueue_element {
    uint32_t id;
    uint32_t length;
};

struct virtqueue_used {
    uint16_t flags;
    uint16_t index;
    struct virtqueue_element ring[];
};

/* What the device did wrong: "<what> (<value>, expected <expected> <limit>)". */
struct virtqueue_fault {
    const char *what; /* NULL: nothing so far */
    const char *expected;
    uint32_t value;
    uint32_t limit;
};

struct virtqueue {
    struct virtqueue_descriptor *descriptors;
    struct virtqueue_available *available;
    const struct virtqueue_used *used;
    uint32_t *posted; /* per slot: bytes that the device may write, plus 1; 0 when not in flight */
    uint32_t size;    /* a power of two */
    uint32_t in_flight;
    uint16_t next;  /* index of the available ring that the next post gets */
    uint16_t taken; /* index of the used ring that is taken next */
    struct virtqueue_fault fault;
};

/*
 * Bytes that the rings take, as the legacy layout wants them: descriptors, available ring, then the used ring
 * on the next page. Modern devices are given the same layout. The memory must be zeroed and page aligned.
 */
uint32_t virtqueue_bytes(unsigned size);

/* Sets the queue up over `memory` (virtqueue_bytes) and `posted` (`size` words, zeroed). Interrupts begin
 * suppressed. */
void virtqueue_init(struct virtqueue *queue, unsigned size, void *memory, uint32_t *posted);

/* Gives a slot its indirect table: `entries` descriptors at the physical address `table`. Once, before its
 * first post. */
void virtqueue_slot_set(struct virtqueue *queue, unsigned slot, uint64_t table, unsigned entries);

/*
 * Puts a slot, which is not in flight, into the available ring; the device sees it after virtqueue_publish().
 * It may write `writable` bytes at most. Cost: 10 instructions.
 */
static inline void virtqueue_post(struct virtqueue *queue, unsigned slot, uint32_t writable)
{
    queue->posted[slot] = writable + 1;
    queue->available->ring[queue->next++ & (queue->size - 1)] = (uint16_t)slot;
    queue->in_flight++;
}

/* Shows the device all that was posted. True: it wants a kick. Cost: two barriers. */
bool virtqueue_publish(struct virtqueue *queue);

/*
 * Takes up to `count` used slots, checked (invariant 2). Returns how many; -1, with `fault` set, when the
 * device wrote nonsense. Good entries in front of a bad one are returned first; the bad one is met by the
 * next call.
 */
int virtqueue_take(struct virtqueue *queue, struct virtqueue_element *elements, unsigned count);

/* Used entries that wait to be taken; unchecked, so only good for deciding whether to call virtqueue_take().
 */
static inline unsigned virtqueue_pending(const struct virtqueue *queue)
{
    return (uint16_t)(__atomic_load_n(&queue->used->index, __ATOMIC_RELAXED) - queue->taken);
}

/* Asks the device not to interrupt. It may still do so for a while: a hint. */
void virtqueue_interrupts_off(struct virtqueue *queue);

/*
 * Asks for an interrupt at the next used entry. Returns virtqueue_pending(), read after the request is
 * visible: when it is not 0, no interrupt may come for those entries, so the caller must not wait.
 */
unsigned virtqueue_interrupts_on(struct virtqueue *queue);

#endif
