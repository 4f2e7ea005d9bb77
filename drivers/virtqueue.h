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
 *   1. A slot is in flight from virtqueue_post() until virtqueue_take() returns it; held[] says which are.
 *   2. Every number read from the used ring is checked in a private copy before it is used: the index
 *      against the slots in flight, the id against the size and against held[], the length against the
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
    uint64_t rest; /* length in 31:0, flags in 47:32, next in 63:48: one store */
};
_Static_assert(sizeof(struct virtqueue_descriptor) == 16, "VIRTIO 1.2, 2.7.5");

#define VIRTQUEUE_REST(length, flags, next)                                                                  \
    ((uint64_t)(length) | (uint64_t)(flags) << 32 | (uint64_t)(next) << 48)

struct virtqueue_available {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[];
};

struct virtqueue_used {
    uint16_t flags;
    uint16_t index;
    struct {
        uint32_t id;
        uint32_t length;
    } ring[];
};

/* A slot that came back. */
struct virtqueue_element {
    uint32_t id;
    uint32_t length; /* bytes that the device says it wrote */
    void *token;     /* what the driver posted with it */
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
    void **held;        /* per slot: the token it was posted with; NULL when it is not in flight */
    uint32_t size;      /* a power of two */
    uint32_t mask;      /* size - 1 */
    uint32_t writable;  /* bytes of a slot's buffer that the device may write */
    uint32_t in_flight; /* slots published and not taken back */
    uint16_t next;      /* index of the available ring that the next post gets */
    uint16_t taken;     /* index of the used ring that is taken next */
    struct virtqueue_fault fault;
};

/*
 * Bytes that the rings take, as the legacy layout wants them: descriptors, available ring, then the used ring
 * on the next page. Modern devices are given the same layout. The memory must be zeroed and page aligned.
 */
uint32_t virtqueue_bytes(unsigned size);

/*
 * Sets the queue up over `memory` (virtqueue_bytes) and `held` (`size` pointers, NULL); the device may write `writable`
 * bytes of each buffer. Interrupts begin suppressed.
 */
void virtqueue_init(struct virtqueue *queue, unsigned size, void *memory, void **held, uint32_t writable);

/* Gives a slot its indirect table: `entries` descriptors at the physical address `table`. Once, before its first post. */
void virtqueue_slot_set(struct virtqueue *queue, unsigned slot, uint64_t table, unsigned entries);

/*
 * Puts a slot, which is not in flight, with a token, which is not NULL, at `index` of the available ring: queue->next
 * for the first of a batch, and so on. The device sees it after virtqueue_publish(). Cost: 6 instructions.
 */
static inline void virtqueue_post(struct virtqueue *queue, uint32_t index, uint32_t slot, void *token)
{
    queue->held[slot] = token;
    queue->available->ring[index & queue->mask] = (uint16_t)slot;
}

/* Shows the device all that was posted, up to `index`, not included. True: it wants a kick. Cost: two barriers. */
bool virtqueue_publish(struct virtqueue *queue, uint32_t index);

/*
 * Takes up to `count` used slots, checked (invariant 2). Returns how many; -1 when the device wrote nonsense. `fault` is
 * set as soon as a bad entry is met; good ones in front of it are still returned, and nothing after it ever is.
 */
int virtqueue_take(struct virtqueue *queue, struct virtqueue_element *elements, unsigned count);

/* Used entries that wait to be taken; unchecked, so only good for deciding whether to call virtqueue_take(). */
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
