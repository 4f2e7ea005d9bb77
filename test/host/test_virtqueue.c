/*
 * drivers/virtqueue.c against two devices: one that does what it should, in any order, and one that lies. The
 * rings lie in memory of exactly their size, so that the sanitizer sees every access beside them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "core/arch.h"
#include "core/layout.h"
#include "drivers/virtqueue.h"

#define SIZE     64u
#define WRITABLE 200u

/* ---- The device's side, and memory ---- */

struct device {
    struct virtqueue queue; /* the driver's */
    struct virtqueue_descriptor tables[VIRTQUEUE_SIZE_MAX][2];
    void **held_tokens;
    void *memory;
    struct virtqueue_used *used; /* the same ring as queue.used, but the device may write it */
    uint16_t seen;               /* available entries that it has read */
    uint32_t held[VIRTQUEUE_SIZE_MAX], held_count; /* slots that it has and has not given back */
};

/* What the barriers of the code under test are told to: the order in which things become visible. */
static struct device *watched;
static uint16_t index_at_barrier[4];
static unsigned barriers;

void machine_barrier(enum machine_barrier barrier)
{
    (void)barrier;
    if (watched && barriers < 4)
        index_at_barrier[barriers] = watched->queue.available->index;
    barriers++;
}

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % limit);
}

static void device_create_with(struct device *device, unsigned size, bool events)
{
    memset(device, 0, sizeof *device);
    device->memory = aligned_alloc(PAGE_SIZE, virtqueue_bytes(size));
    memset(device->memory, 0, virtqueue_bytes(size));
    device->held_tokens = calloc(size, sizeof(void *));
    virtqueue_init(&device->queue, size, device->memory, device->held_tokens, WRITABLE, events);
    device->used = (struct virtqueue_used *)(uintptr_t)device->queue.used;
    for (unsigned slot = 0; slot < size; slot++)
        virtqueue_slot_set(&device->queue, slot, (uintptr_t)device->tables[slot], 2);
}

static void device_create(struct device *device, unsigned size)
{
    device_create_with(device, size, false);
}

static void device_destroy(struct device *device)
{
    free(device->memory);
    free(device->held_tokens);
}

/* Reads what is newly available, as a device does: by the ring's index, then through the slot's descriptor.
 */
static void device_fetch(struct device *device)
{
    const struct virtqueue *queue = &device->queue;

    for (; device->seen != queue->available->index; device->seen++) {
        uint32_t slot = queue->available->ring[device->seen % queue->size];
        const struct virtqueue_descriptor *descriptor = &queue->descriptors[slot];

        assert_in_range(slot, 0, queue->size - 1);
        assert_int_equal(descriptor->rest,
                         VIRTQUEUE_REST(2 * sizeof(struct virtqueue_descriptor), VIRTQUEUE_INDIRECT, 0));
        assert_ptr_equal((void *)(uintptr_t)descriptor->address, device->tables[slot]);
        device->held[device->held_count++] = slot;
    }
}

static void device_write(struct device *device, unsigned index, uint32_t id, uint32_t length)
{
    device->used->ring[index % device->queue.size].id = id;
    device->used->ring[index % device->queue.size].length = length;
}

static void device_say(struct device *device, uint32_t id, uint32_t length)
{
    device_write(device, device->used->index, id, length);
    device->used->index++;
}

/* Gives back any slot that it holds; returns which. */
static uint32_t device_complete(struct device *device, uint32_t length)
{
    uint32_t which = random_below(device->held_count);
    uint32_t slot = device->held[which];

    device->held[which] = device->held[--device->held_count];
    device_say(device, slot, length);
    return slot;
}

/* What the driver posts with a slot: comes back with it. */
static char tokens[VIRTQUEUE_SIZE_MAX];

static void post(struct device *device, unsigned from, unsigned count)
{
    uint32_t next = device->queue.next;

    for (unsigned slot = from; slot < from + count; slot++)
        virtqueue_post(&device->queue, next++, slot, &tokens[slot]);
    virtqueue_publish(&device->queue, next);
    device_fetch(device);
}

/* A slot that came back. */
struct element {
    uint32_t id, length;
    void *token;
};

/* As drivers do it: up to `count` entries. -1 when none was taken because of a fault, now or earlier. */
static int take(struct virtqueue *queue, struct element *elements, unsigned count)
{
    struct virtqueue_batch batch = virtqueue_take_begin(queue, count);
    uint64_t word = 0;
    unsigned taken = 0;

    assert_in_range(batch.count, 0, count);
    for (; batch.entry < batch.end; batch.entry++) {
        word = *batch.entry;
        uint32_t id = (uint32_t)word, length = (uint32_t)(word >> 32);
        void *token = virtqueue_length_good(queue, length) ? virtqueue_take(&batch, id) : NULL;

        if (!token)
            break;
        elements[taken++] = (struct element){id, length, token};
    }
    assert_int_equal(virtqueue_take_end(queue, &batch, word), taken);
    return taken == 0 && queue->fault.what ? -1 : (int)taken;
}

/* ---- A device that does what it should ---- */

static void test_layout(void **state)
{
    (void)state;
    for (unsigned size = 1; size <= VIRTQUEUE_SIZE_MAX; size *= 2) {
        struct device device;

        device_create(&device, size);
        const char *base = device.memory;
        const char *used = (const char *)device.queue.used;
        assert_ptr_equal(device.queue.descriptors, base);
        assert_ptr_equal(device.queue.available, base + 16 * size);
        assert_int_equal((used - base) % (long)PAGE_SIZE, 0);
        assert_true(used - base >= 16 * (long)size + 6 + 2 * (long)size);
        assert_true(virtqueue_bytes(size) >= (unsigned long)(used - base) + 6 + 8 * size);
        assert_int_equal(virtqueue_bytes(size) % PAGE_SIZE, 0);
        device_destroy(&device);
    }
}

static void test_any_order_over_the_index_wrap(void **state)
{
    struct device device;
    struct element elements[16];
    uint32_t expected[SIZE], free_slots[SIZE], free_count = 0;
    unsigned done = 0;

    (void)state;
    device_create(&device, SIZE);
    for (unsigned slot = 0; slot < SIZE; slot++)
        free_slots[free_count++] = slot;
    while (done < 200000) {
        uint32_t next = device.queue.next;
        for (unsigned n = random_below(free_count + 1); n > 0; n--, next++) {
            free_count--;
            virtqueue_post(&device.queue, next, free_slots[free_count], &tokens[free_slots[free_count]]);
        }
        virtqueue_publish(&device.queue, next);
        device_fetch(&device);
        assert_int_equal(device.queue.in_flight, SIZE - free_count);
        for (unsigned n = random_below(device.held_count + 1); n > 0; n--) {
            uint32_t length = random_below(WRITABLE + 1);
            expected[device_complete(&device, length)] = length;
        }
        unsigned pending = virtqueue_pending(&device.queue);
        int count = take(&device.queue, elements, 1 + random_below(16));
        assert_in_range(count, pending > 0, pending);
        for (int i = 0; i < count; i++) {
            assert_int_equal(elements[i].length, expected[elements[i].id]);
            assert_ptr_equal(elements[i].token, &tokens[elements[i].id]);
            expected[elements[i].id] = UINT32_MAX; /* it must not come twice */
            free_slots[free_count++] = elements[i].id;
            done++;
        }
    }
    assert_null(device.queue.fault.what);
    device_destroy(&device);
}

static void test_publish(void **state)
{
    struct device device;

    (void)state;
    device_create(&device, SIZE);
    watched = &device;
    barriers = 0;
    virtqueue_post(&device.queue, 0, 5, &tokens[5]);
    assert_int_equal(device.queue.available->index, 0); /* posted, but not to be seen yet */
    virtqueue_publish(&device.queue, 1);
    assert_int_equal(virtqueue_unkicked(&device.queue), 1);
    assert_true(virtqueue_kick(&device.queue));
    assert_int_equal(virtqueue_unkicked(&device.queue), 0);
    assert_int_equal(barriers, 2);
    assert_int_equal(index_at_barrier[0], 0); /* first the entries, */
    assert_int_equal(index_at_barrier[1], 1); /* then the index, then the look at the device's flags */
    device.used->flags = 1;
    virtqueue_post(&device.queue, 1, 6, &tokens[6]);
    virtqueue_publish(&device.queue, 2);
    assert_false(virtqueue_kick(&device.queue));
    assert_int_equal(device.queue.in_flight, 2);
    assert_int_equal(device.queue.available->index, 2);
    watched = NULL;
    device_destroy(&device);
}

static void test_interrupts(void **state)
{
    struct device device;

    (void)state;
    device_create(&device, SIZE);
    assert_int_equal(device.queue.available->flags, 1);
    post(&device, 0, 3);
    assert_int_equal(virtqueue_interrupts_on(&device.queue, 3), 0);
    assert_int_equal(device.queue.available->flags, 0);
    virtqueue_interrupts_off(&device.queue);
    assert_int_equal(device.queue.available->flags, 1);
    device_complete(&device, 1); /* between the last look and the request: the driver must be told */
    assert_int_equal(virtqueue_interrupts_on(&device.queue, 1), 1);
    device_destroy(&device);
}

/* ---- EVENT_IDX: the device's side of it, as VIRTIO 1.2 has it in 2.7.7.2 and 2.7.10 ---- */

static bool need_event(uint16_t event, uint16_t next, uint16_t before)
{
    return (uint16_t)(next - event - 1) < (uint16_t)(next - before);
}

/* Uses `count` entries, one by one, and interrupts where the driver asked for it. Returns how often. */
static unsigned device_complete_many(struct device *device, unsigned count)
{
    unsigned interrupts = 0;

    for (; count > 0; count--) {
        uint16_t before = device->used->index;
        device_complete(device, 1);
        interrupts +=
            need_event(device->queue.available->ring[device->queue.size], device->used->index, before);
    }
    return interrupts;
}

/* One interrupt, at the entry that was asked for and at no other; none while they are off. Over the wrap of the index. */
static void test_events_interrupt_once(void **state)
{
    struct device device;
    struct element elements[SIZE];

    (void)state;
    device_create_with(&device, SIZE, true);
    for (unsigned round = 0; round < 3000; round++) {
        unsigned count = 1 + round % SIZE, wanted = 1 + round % count;

        post(&device, 0, count);
        assert_int_equal(device.queue.available->flags, 0); /* means nothing any more, and must be 0 */
        if (round % 3 == 0) {
            virtqueue_interrupts_off(&device.queue);
            assert_int_equal(device_complete_many(&device, count), 0);
        } else {
            assert_int_equal(virtqueue_interrupts_on(&device.queue, wanted), 0);
            assert_int_equal(device_complete_many(&device, wanted - 1), 0);
            assert_int_equal(device_complete_many(&device, 1), 1);
            assert_int_equal(device_complete_many(&device, count - wanted), 0);
        }
        for (unsigned taken = 0; taken < count;)
            taken += (unsigned)take(&device.queue, elements, SIZE);
    }
    assert_null(device.queue.fault.what);
    device_destroy(&device);
}

/* What came between the last look and the request is told, and the caller sees that its interrupt will not come. */
static void test_events_asked_too_late(void **state)
{
    struct device device;

    (void)state;
    device_create_with(&device, SIZE, true);
    post(&device, 0, 5);
    assert_int_equal(device_complete_many(&device, 2), 0);
    assert_int_equal(virtqueue_interrupts_on(&device.queue, 2), 2);
    assert_int_equal(device_complete_many(&device, 3), 0);
    device_destroy(&device);
}

/* A kick when the entry is published at which the device wants one, however many are published for one question. */
static void test_events_kick(void **state)
{
    struct device device;
    unsigned kicks = 0;

    (void)state;
    device_create_with(&device, SIZE, true);
    uint16_t *event = (uint16_t *)(void *)&device.used->ring[SIZE];
    struct element elements[SIZE];
    for (unsigned round = 0; round < 4000; round++) {
        unsigned first = round % 7, second = round % 11;
        uint16_t from = device.queue.next, to = (uint16_t)(from + first + second);

        *event = (uint16_t)(from + round % 23);
        post(&device, 0, first);
        post(&device, first, second);
        assert_int_equal(virtqueue_unkicked(&device.queue), first + second);
        bool kick = virtqueue_kick(&device.queue);
        assert_int_equal(kick, round % 23 < first + second);
        assert_int_equal(kick, need_event(*event, to, from));
        assert_false(virtqueue_kick(&device.queue)); /* once */
        kicks += kick;
        device_complete_many(&device, first + second);
        for (unsigned taken = 0; taken < first + second;)
            taken += (unsigned)take(&device.queue, elements, SIZE);
    }
    assert_in_range(kicks, 1000, 3000);
    device_destroy(&device);
}

/* ---- A device that lies ---- */

/* After the lie: nothing more is handed out, and the fault says what was seen and what was expected. */
static void expect_fault(struct device *device, const char *what, uint32_t value, uint32_t limit)
{
    struct element elements[SIZE];
    void *before[SIZE];

    memcpy(before, device->held_tokens, sizeof before);
    assert_int_equal(take(&device->queue, elements, SIZE), -1);
    assert_string_equal(device->queue.fault.what, what);
    assert_non_null(device->queue.fault.expected);
    assert_int_equal(device->queue.fault.value, value);
    assert_int_equal(device->queue.fault.limit, limit);
    assert_memory_equal(before, device->held_tokens, sizeof before);
    device->used->index = device->queue.taken; /* it thinks better of it: too late */
    assert_int_equal(take(&device->queue, elements, SIZE), -1);
    device_destroy(device);
}

static void test_wrong_index(void **state)
{
    static const struct {
        uint16_t index;
        uint32_t pending;
    } lies[] = {{11, 11}, {SIZE, SIZE}, {SIZE + 1, SIZE + 1}, {5000, 5000}, {UINT16_MAX, UINT16_MAX}};

    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct device device;

        device_create(&device, SIZE);
        post(&device, 0, 10);
        device.used->index = lies[i].index;
        expect_fault(&device, "used index runs ahead", lies[i].pending, 10);
    }
}

static void test_index_goes_back(void **state)
{
    struct device device;
    struct element elements[SIZE];

    (void)state;
    device_create(&device, SIZE);
    post(&device, 0, 10);
    device_complete(&device, 0);
    device_complete(&device, 0);
    assert_int_equal(take(&device.queue, elements, SIZE), 2);
    device.used->index = 1;
    expect_fault(&device, "used index runs ahead", UINT16_MAX, 8);
}

static void test_wrong_id(void **state)
{
    static const uint32_t lies[] = {SIZE, SIZE + 3, 0x9999, 0x10003, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct device device;

        device_create(&device, SIZE);
        post(&device, 0, 10);
        device_say(&device, lies[i], 0);
        expect_fault(&device, "used id out of range", lies[i], SIZE);
    }
}

static void test_id_of_a_free_slot(void **state)
{
    struct device device;

    (void)state;
    device_create(&device, SIZE);
    post(&device, 0, 10);
    device_say(&device, 10, 0);
    expect_fault(&device, "used id not in flight", 10, 10);
}

static void test_doubled_id(void **state)
{
    struct element elements[SIZE];

    (void)state;
    for (unsigned batch = 1; batch <= SIZE; batch += SIZE - 1) {
        struct device device;

        device_create(&device, SIZE);
        post(&device, 0, 10);
        device_say(&device, 3, 7);
        device_say(&device, 3, 7);
        device_say(&device, 4, 7);
        /* The good one in front of the bad one is handed out, whether the batch ends there or not. */
        assert_int_equal(take(&device.queue, elements, batch), 1);
        assert_int_equal(elements[0].id, 3);
        assert_int_equal(elements[0].length, 7);
        assert_int_equal(device.queue.fault.what != NULL, batch > 1); /* before slot 3 can be posted again */
        expect_fault(&device, "used id not in flight", 3, 9);
    }
}

static void test_wrong_length(void **state)
{
    static const uint32_t lies[] = {WRITABLE + 1, 60000, UINT32_MAX - 1, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct device device;

        device_create(&device, SIZE);
        post(&device, 0, 10);
        device_say(&device, 2, lies[i]);
        expect_fault(&device, "used length too big", lies[i], WRITABLE);
    }
}

/* A buffer that the device only reads: any length but 0 is too big. */
static void test_length_of_what_is_only_read(void **state)
{
    struct device device;
    struct element elements[SIZE];

    (void)state;
    device_create(&device, SIZE);
    device.queue.writable = 0;
    post(&device, 0, 2);
    device_say(&device, 1, 0);
    assert_int_equal(take(&device.queue, elements, SIZE), 1);
    device_say(&device, 0, 1);
    expect_fault(&device, "used length too big", 1, 0);
}

/* Descriptors and available ring are written, never read: scribbling on them changes nothing for the driver.
 */
static void test_scribbles_on_what_is_the_drivers(void **state)
{
    struct device device;
    struct element elements[SIZE];

    (void)state;
    device_create(&device, SIZE);
    post(&device, 0, SIZE);
    memset(device.memory, 0xff, (size_t)((char *)device.used - (char *)device.memory));
    for (unsigned i = 0; i < SIZE; i++)
        device_complete(&device, i);
    assert_int_equal(take(&device.queue, elements, SIZE), SIZE);
    virtqueue_post(&device.queue, SIZE, 1, &tokens[1]);
    virtqueue_publish(&device.queue, SIZE + 1);
    assert_int_equal(device.queue.available->index, SIZE + 1);
    assert_int_equal(device.queue.available->ring[0], 1);
    device_destroy(&device);
}

/* Rubbish all over the used ring, near enough to the truth to be taken at times: what is handed out was in
 * flight. */
static void test_rubbish(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct device device;
        struct element elements[SIZE];
        bool flying[SIZE] = {false};
        int count;

        device_create(&device, SIZE);
        post(&device, 0, 1 + random_below(SIZE));
        for (uint32_t i = 0; i < device.held_count; i++)
            flying[device.held[i]] = true;
        for (unsigned i = 0; i < SIZE; i++) {
            uint32_t id = random_below(8) ? random_below(SIZE) : random_below(UINT32_MAX);
            uint32_t length = random_below(8) ? random_below(WRITABLE + 1) : random_below(UINT32_MAX);
            device_write(&device, i, id, length);
        }
        device.used->index = (uint16_t)random_below(random_below(8) ? SIZE : UINT16_MAX + 1);
        while ((count = take(&device.queue, elements, 1 + random_below(SIZE))) > 0)
            for (int i = 0; i < count; i++) {
                assert_in_range(elements[i].id, 0, SIZE - 1);
                assert_true(flying[elements[i].id]);
                flying[elements[i].id] = false;
                assert_in_range(elements[i].length, 0, WRITABLE);
            }
        assert_true(count == 0 || device.queue.fault.what);
        device_destroy(&device);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_any_order_over_the_index_wrap),
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_interrupts),
        cmocka_unit_test(test_events_interrupt_once),
        cmocka_unit_test(test_events_asked_too_late),
        cmocka_unit_test(test_events_kick),
        cmocka_unit_test(test_wrong_index),
        cmocka_unit_test(test_index_goes_back),
        cmocka_unit_test(test_wrong_id),
        cmocka_unit_test(test_id_of_a_free_slot),
        cmocka_unit_test(test_doubled_id),
        cmocka_unit_test(test_wrong_length),
        cmocka_unit_test(test_length_of_what_is_only_read),
        cmocka_unit_test(test_scribbles_on_what_is_the_drivers),
        cmocka_unit_test(test_rubbish),
    };

    return cmocka_run_group_tests_name("virtqueue", tests, NULL, NULL);
}
