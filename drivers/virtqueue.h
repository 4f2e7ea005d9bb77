/*
 * Split virtqueue (VIRTIO 1.2 section 2.7): the rings alone, on pointers, without a device. The host tests run this
 * very file against a device that lies.
 *
 * Owns: the rings and the record of what is in flight. Model: a slot is a descriptor at which a buffer begins, by its number.
 * The buffer may go on in others, as the driver chains them; which descriptors begin one, and what all of them say, is
 * the driver's. It posts slots, publishes them together, and takes back what the device has used, in batches. One
 * thread does all of this; nothing here locks.
 *
 * Invariants
 *   1. A slot is in flight from virtqueue_post() until virtqueue_take() returns it; held[] says which are. One that is taken and
 *      posted again in one go would look in flight all the time: so all of a batch are taken before the first is posted.
 *   2. Every number read from the used ring is checked in a private copy before it is used: the index
 *      against the slots in flight, the id against the size and against held[], the length against the
 *      bytes that the device may write. A second use of one slot, or of a slot that was never posted, is
 *      thereby refused.
 *   3. After a fault the queue hands out nothing more. What it had in flight stays the device's until that
 *      is reset.
 *   4. Nothing of the descriptors or of the available ring is ever read back: a device that scribbles on
 *      them harms itself only.
 *
 * Interrupts are off while the driver polls, and kicks are left out while the device says that it looks by itself. With EVENT_IDX
 * each side says at which entry it wants to hear of the other, so one interrupt stands for all entries until it is asked for again;
 * without it, by a flag, and a device may interrupt for each entry until the flag is seen.
 */
#ifndef DRIVERS_VIRTQUEUE_H
#define DRIVERS_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arch.h"

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

/* An element of the used ring lies on a 4-byte boundary, but one load gets it: id below, length above. */
typedef const volatile uint64_t __attribute__((aligned(4), may_alias)) virtqueue_used_word;

/*
 * Used entries that are being taken: a copy of what a loop over them needs, so that nothing is loaded again for each. The batch
 * ends where the ring does; what lies beyond is the next one.
 */
struct virtqueue_batch {
    virtqueue_used_word *entry; /* the next one */
    virtqueue_used_word *end;
    void **held;
    uint32_t mask;
    uint32_t count; /* entries from the first to `end` */
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
    uint16_t kicked;    /* index of the available ring up to which the device has been told, or need not be */
    bool events;        /* EVENT_IDX was negotiated */
    struct virtqueue_fault fault;
};

/*
 * Bytes that the rings take, as the legacy layout wants them: descriptors, available ring, then the used ring
 * on the next page. Modern devices are given the same layout. The memory must be zeroed and page aligned.
 */
uint32_t virtqueue_bytes(unsigned size);

/*
 * Sets the queue up over `memory` (virtqueue_bytes) and `held` (`size` pointers, NULL); the device may write `writable`
 * bytes of each buffer. `events`: EVENT_IDX was negotiated. Interrupts begin suppressed.
 */
void virtqueue_init(struct virtqueue *queue, unsigned size, void *memory, void **held, uint32_t writable,
                    bool events);

/* Gives a slot its indirect table: `entries` descriptors at the physical address `table`. Once, before its first post. */
void virtqueue_slot_set(struct virtqueue *queue, unsigned slot, uint64_t table, unsigned entries);

/*
 * Puts a slot, which is not in flight, with a token, which is not NULL, at `index` of the available ring: queue->next
 * for the first of a batch, and so on. The device sees it after virtqueue_publish(). Who posts many writes to the same two places
 * by himself: a run of at most virtqueue_run() slots from `index` on lies in one piece.
 */
static inline void virtqueue_post(struct virtqueue *queue, uint32_t index, uint32_t slot, void *token)
{
    queue->held[slot] = token;
    queue->available->ring[index & queue->mask] = (uint16_t)slot;
}

static inline uint32_t virtqueue_run(const struct virtqueue *queue, uint32_t index, uint32_t count)
{
    const uint32_t room = queue->size - (index & queue->mask);

    return count < room ? count : room;
}

/* Shows the device all that was posted, up to `index`, not included. It may look at once, or wait for a kick. Cost: one barrier. */
void virtqueue_publish(struct virtqueue *queue, uint32_t index);

/* How much was published since the device was last asked whether it wants a kick. */
static inline uint32_t virtqueue_unkicked(const struct virtqueue *queue)
{
    return (uint16_t)(queue->next - queue->kicked);
}

/* Whether the device wants a kick for that; the caller gives it. Cost: one barrier. */
bool virtqueue_kick(struct virtqueue *queue);

/* The device's index is too far ahead, or the queue has a fault already, which stays: nothing is to be taken. */
void virtqueue_refuse(struct virtqueue *queue, uint32_t pending);

/* Says in `fault` what is wrong with the entry at which a batch was left. */
void virtqueue_refuse_entry(struct virtqueue *queue, uint32_t id, uint32_t length);

/* Used entries that wait to be taken; unchecked, so only good for deciding whether to call virtqueue_take(). */
static inline unsigned virtqueue_pending(const struct virtqueue *queue)
{
    return (uint16_t)(__atomic_load_n(&queue->used->index, __ATOMIC_RELAXED) - queue->taken);
}

/*
 * Taking, in a loop of the driver's. Begin; then for each entry, while batch.entry is before batch.end: read it (one load, into a
 * private copy), take its slot, look at the length; then end, with the last word that was read. What was read is checked like this
 * (invariant 2): the index at the beginning; the id by virtqueue_take(), which returns the token, or NULL when that slot is not in
 * flight; the length by the driver, which knows what it expects, at the latest by virtqueue_length_good(). An entry that is not
 * good ends the batch where it stands: those in front of it are taken, and nothing after it ever is. Cost: 9 instructions a slot.
 */
static inline struct virtqueue_batch virtqueue_take_begin(struct virtqueue *queue, uint32_t count)
{
    const uint32_t pending = virtqueue_pending(queue), first = queue->taken & queue->mask;
    struct virtqueue_batch batch = {.held = queue->held, .mask = queue->mask};

    if (__builtin_expect(queue->fault.what || pending > queue->in_flight, 0)) {
        virtqueue_refuse(queue, pending);
        return batch;
    }
    /* Without it an element may be read before the index that says that it is there: an old one. */
    arch_dmb_oshld();
    if (count > pending)
        count = pending;
    if (count > queue->size - first)
        count = queue->size - first;
    batch.entry = (virtqueue_used_word *)(const void *)&queue->used->ring[first];
    batch.end = batch.entry + count;
    batch.count = count;
    return batch;
}

static inline void *virtqueue_take(struct virtqueue_batch *batch, uint64_t id)
{
    if (__builtin_expect(id > batch->mask, 0))
        return NULL;
    void *token = batch->held[id];
    batch->held[id] = NULL;
    return token;
}

static inline bool virtqueue_length_good(const struct virtqueue *queue, uint32_t length)
{
    return length <= queue->writable;
}

/* Returns how many were taken. `word`: what was read last, that is, of the entry at which the batch was left, if it was. */
static inline uint32_t virtqueue_take_end(struct virtqueue *queue, const struct virtqueue_batch *batch,
                                          uint64_t word)
{
    const uint32_t left = (uint32_t)(batch->end - batch->entry), taken = batch->count - left;

    queue->taken = (uint16_t)(queue->taken + taken);
    queue->in_flight -= taken;
    /* Said now: once the good ones are posted again, a slot that the device used twice would look right. */
    if (__builtin_expect(left > 0, 0))
        virtqueue_refuse_entry(queue, (uint32_t)word, (uint32_t)(word >> 32));
    return taken;
}

/* Asks the device not to interrupt. It may still do so for a while: a hint. */
void virtqueue_interrupts_off(struct virtqueue *queue);

/*
 * Asks for an interrupt at the used entry that is the `count`th from now (1: the next one), at the latest; a device without
 * EVENT_IDX interrupts at the next. Returns virtqueue_pending(), read after the request is visible: when that is `count` or more, no
 * interrupt may come, so the caller must not wait.
 */
unsigned virtqueue_interrupts_on(struct virtqueue *queue, uint32_t count);

#endif
