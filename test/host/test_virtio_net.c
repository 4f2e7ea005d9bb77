/*
 * The network driver's two directions on the simulated machine, with a device in software: what it writes arrives at
 * the forwarder's port, what is sent to the driver's port is what the device reads, and every page and message object
 * comes back. The driver's thread is played by the tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "ipc/page.h"
#include "ipc/thread.h"
#include "mm/space.h"
#include "test/host/machine.h"
#include "test/host/virtio_net_model.h"

/* ---- Whole frames, both ways ---- */

static void test_every_length_goes_through(void **state)
{
    uint8_t in[LONGEST], out[LONGEST];
    struct message *message;
    uint64_t bytes = 0;

    (void)state;
    for (uint32_t length = FRAME_LEAST; length <= FRAME_MOST; length++) {
        frame_make(in, length, length);
        assert_true(device_receives(in, length, net.header_bytes));
        assert_int_equal(virtio_net_receive(&net), 1);
        assert_int_equal(port_take(net.out, &message, 1), 1);
        assert_int_equal(message->abi.length, length);
        assert_int_equal(message->abi.source, nic.number);
        assert_int_equal(message->abi.type | message->abi.flags | message->abi.inline_offset, 0);
        assert_true(message->abi.reply == 0 && message->abi.tag == 0 && !message->special);
        assert_int_equal(message->abi.pieces, length > BATON_INLINE_BYTES);
        assert_int_equal(port_send(net.port, &message, 1), 1);
        assert_int_equal(virtio_net_transmit(&net), 1);
        assert_int_equal(device_transmits(out, net.header_bytes, true), length);
        assert_memory_equal(in, out, length);
        assert_int_equal(virtio_net_transmit(&net), 1);
        bytes += length;
    }
    unsigned frames = FRAME_MOST - FRAME_LEAST + 1;
    assert_int_equal(nic.stats.rx_frames, frames);
    assert_int_equal(nic.stats.tx_frames, frames);
    assert_int_equal(nic.stats.rx_bytes, bytes);
    assert_int_equal(nic.stats.tx_bytes, bytes);
    assert_int_equal(service.counts[0].messages_in, 2 * frames);
    assert_int_equal(service.counts[0].messages_out, 2 * frames);
}

static void test_runts_and_giants(void **state)
{
    uint8_t frame[LONGEST] = {0};
    struct message *message;
    uint32_t giants = 0;

    (void)state;
    for (uint32_t length = 0; length < FRAME_LEAST; length++) {
        assert_true(device_receives(frame, length, net.header_bytes));
        virtio_net_receive(&net);
    }
    for (uint32_t length = FRAME_MOST + 1; length <= LONGEST; length += 7, giants++) {
        assert_true(device_receives(frame, length, net.header_bytes));
        virtio_net_receive(&net);
    }
    assert_int_equal(dropped(DROP_RUNT), FRAME_LEAST);
    assert_int_equal(dropped(DROP_GIANT), giants);
    assert_int_equal(nic.stats.rx_frames, 0);
    assert_int_equal(port_take(net.out, &message, 1), 0);
    assert_int_equal(net.receive.queue.in_flight, RING); /* their slots were posted again */
}

static void test_length_below_the_header(void **state)
{
    uint32_t slot;

    (void)state;
    assert_true(device_next(QUEUE_RECEIVE, &slot));
    device_used(QUEUE_RECEIVE, slot, 3);
    virtio_net_receive(&net);
    assert_non_null(net.receive.queue.fault.what);
    assert_int_equal(net.receive.queue.fault.value, 3);
    assert_int_equal(net.receive.queue.fault.limit, net.header_bytes);
}

/* ---- Pushing back ---- */

/* The forwarder's port is full: what was taken waits, the rest stays in the ring, the order is kept. */
static void test_full_port_of_the_forwarder(void **state)
{
    uint8_t frame[200];
    struct message *messages[8];
    uint32_t sent = 0, seen = 0;

    net_setup_with(false, 8);
    (void)state;
    while (seen < 1000) {
        memset(frame, 0, sizeof frame);
        for (; memcpy(frame, &sent, sizeof sent), device_receives(frame, sizeof frame, net.header_bytes);
             sent++)
            ;
        virtio_net_receive(&net);
        assert_in_range(net.receive.waiting_count, 0, BATON_BATCH);
        unsigned count = port_take(net.out, messages, 1 + sent % 8);
        for (unsigned i = 0; i < count; i++, seen++) {
            assert_memory_equal(messages[i]->abi.data, &seen, sizeof seen);
            message_drop(messages[i]);
        }
    }
    assert_int_equal(nic.stats.rx_frames, seen + port_depth(net.out));
    assert_int_equal(nic.stats.rx_bytes, nic.stats.rx_frames * sizeof frame);
    struct thread thread = {.name = "net0"};
    net.thread = &thread;
    if (net.receive.waiting_count > 0) {
        while (virtio_net_receive(&net) > 0)
            ;
        assert_false(virtio_net_arm(&net)); /* nothing to do until somebody takes */
        virtio_net_disarm(&net);
    }
}

static void test_stopped_receiver(void **state)
{
    uint8_t frame[200] = {0};

    (void)state;
    port_close(net.out);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(device_receives(frame, sizeof frame, net.header_bytes));
        virtio_net_receive(&net);
    }
    assert_int_equal(dropped(DROP_NO_RECEIVER), 100);
    assert_int_equal(nic.stats.rx_frames, 0);
    port_open(net.out);
    assert_true(device_receives(frame, sizeof frame, net.header_bytes));
    virtio_net_receive(&net);
    assert_int_equal(nic.stats.rx_frames, 1);
}

/* Nothing is wired to the interface. */
static void test_no_receiver(void **state)
{
    uint8_t frame[200] = {0};
    struct port *out = net.out;
    struct thread thread = {.name = "net0"};

    (void)state;
    net.thread = &thread;
    net.out = NULL;
    assert_true(device_receives(frame, sizeof frame, net.header_bytes));
    virtio_net_receive(&net);
    assert_false(virtio_net_arm(&net));
    virtio_net_disarm(&net);
    assert_int_equal(dropped(DROP_NO_RECEIVER), 1);
    net.out = out;
}

/* The pool runs dry: slots stay empty, the device waits, and all goes on when pages come back. */
static void test_dry_pool(void **state)
{
    uint8_t frame[200] = {0};
    uint32_t hoard[512];
    struct message *messages[RING + 20];
    unsigned held = 0;

    (void)state;
    unsigned hoarded = page_get_device(hoard, pages_free() - 20);
    while (device_receives(frame, sizeof frame, net.header_bytes)) {
        virtio_net_receive(&net);
        held += port_take(net.out, &messages[held], 1);
    }
    assert_int_equal(held, RING + 20);
    assert_int_equal(net.receive.empty_count, RING);
    assert_int_equal(pages_free(), 0);
    assert_int_equal(virtio_net_receive(&net), 0);
    while (held > 0)
        message_drop(messages[--held]);
    assert_int_equal(virtio_net_receive(&net), RING);
    assert_int_equal(net.receive.empty_count, 0);
    while (hoarded > 0)
        page_release(space_at(0), hoard[--hoarded]);
    assert_true(device_receives(frame, sizeof frame, net.header_bytes));
}

/* ---- Transmit ---- */

static void test_many_pieces(void **state)
{
    uint8_t in[LONGEST], out[LONGEST];

    (void)state;
    for (unsigned pieces = 0; pieces <= BATON_PIECES; pieces++)
        for (uint32_t in_message = pieces ? 0 : 14; in_message <= BATON_INLINE_BYTES; in_message += 57) {
            struct message *message = message_make(in_message, pieces, 80, in);
            uint32_t length = message->abi.length;

            assert_int_equal(port_send(net.port, &message, 1), 1);
            virtio_net_transmit(&net);
            assert_int_equal(device_transmits(out, net.header_bytes, true), length);
            assert_memory_equal(in, out, length);
        }
}

/*
 * What a sender writes into tag, reply and the room before its data never reaches the device as its header, wherever the data
 * begins; and few parts make a frame.
 */
static void test_header_is_the_drivers_own(void **state)
{
    uint8_t in[LONGEST], out[LONGEST], frame[LONGEST];

    (void)state;
    memset(frame, 0xff, sizeof frame);
    for (unsigned pieces = 0; pieces <= 2; pieces++)
        for (uint32_t offset = 0; offset <= BATON_INLINE_BYTES - FRAME_LEAST; offset++) {
            struct message *message = message_make(FRAME_LEAST, pieces, 60, in);
            uint32_t length = message->abi.length;

            memset(message->abi.data, 0xff, sizeof message->abi.data);
            message->abi.inline_offset = (uint8_t)offset;
            message->abi.reply = message->abi.tag = UINT64_MAX;
            message->abi.type = message->abi.source = UINT32_MAX;
            assert_int_equal(port_send(net.port, &message, 1), 1);
            virtio_net_transmit(&net);
            assert_int_equal(device_transmits(out, net.header_bytes, true), length); /* looks at the header */
            assert_memory_equal(out, frame, FRAME_LEAST);
            assert_memory_equal(out + FRAME_LEAST, in + FRAME_LEAST, length - FRAME_LEAST);
            assert_int_equal(device.parts, pieces + (pieces > 1 ? 2 : 1));
            assert_int_equal(device.direct, pieces == 0);
        }
}

/* Who traces frames finds them again by their tags: these are not written over then. */
static void test_tag_stays_while_observed(void **state)
{
    uint8_t in[LONGEST], out[LONGEST];
    struct message *message = message_make(60, 1, 60, in);

    (void)state;
    message->abi.tag = 0x1234567890abcdef;
    message->abi.inline_offset = 0;
    memcpy(message->abi.data, in, 60);
    assert_int_equal(port_send(net.port, &message, 1), 1);
    observers = OBSERVER_TRACE;
    virtio_net_transmit(&net);
    assert_int_equal(device_transmits(out, net.header_bytes, true), 120);
    assert_memory_equal(in, out, 120);
    assert_true(message->abi.tag == 0x1234567890abcdef);
    virtio_net_transmit(&net);
    observers = 0;
}

static void test_what_is_no_frame_is_not_sent(void **state)
{
    uint8_t frame[16 * BATON_PAGE_BYTES];
    struct thread caller = {.name = "caller"};
    struct message *messages[] = {
        message_make(FRAME_LEAST - 1, 0, 0, frame),
        message_make(0, 1, 1, frame),
        message_make(128, 1, FRAME_MOST - 127, frame),
        message_make(0, 16, 2000, frame),
        message_make(60, 0, 0, frame),
        message_make(60, 1, 60, frame),
    };

    (void)state;
    messages[4]->special = MESSAGE_CALL;
    messages[4]->caller = &caller;
    assert_int_equal(port_send(net.port, messages, 6), 6);
    assert_int_equal(virtio_net_transmit(&net), 6);
    assert_int_equal(device_transmits(frame, net.header_bytes, true), 120);
    assert_int_equal(device_transmits(frame, net.header_bytes, true), 0);
    assert_int_equal(dropped(DROP_TX_RUNT), 2);
    assert_int_equal(dropped(DROP_TX_GIANT), 2);
    assert_int_equal(dropped(DROP_TX_REQUEST), 1);
    assert_int_equal(aborted, 1);
    assert_int_equal(nic.stats.tx_frames, 1);
}

/* The ring is full of frames that the device does not send: messages stay in the port, and their senders see it. */
static void test_full_ring_pushes_back(void **state)
{
    uint8_t frame[LONGEST];
    unsigned accepted = 0;

    (void)state;
    for (;; accepted++) {
        struct message *message = message_make(60, 1, 60, frame);
        if (port_send(net.port, &message, 1) != 1) {
            message_drop(message);
            break;
        }
        virtio_net_transmit(&net);
    }
    assert_int_equal(accepted, RING + net.port->capacity);
    assert_int_equal(port_depth(net.port), net.port->capacity);
    struct thread thread = {.name = "net0"};
    net.thread = &thread;
    assert_false(virtio_net_arm(&net)); /* only the device can change something */
    for (unsigned sent = 0; sent < RING / 2; sent++) {
        uint16_t before = net.transmit.queue.used->index;
        assert_int_equal(device_transmits(frame, net.header_bytes, true), 120);
        /* With EVENT_IDX when half of them are back, else at each. */
        bool last = sent == RING / 2 - 1;
        assert_int_equal(device_interrupts(QUEUE_TRANSMIT, before), net.transport.legacy || last);
    }
    virtio_net_disarm(&net);
    for (unsigned sent = RING / 2; sent < accepted; sent++) {
        assert_int_equal(device_transmits(frame, net.header_bytes, true), 120);
        virtio_net_transmit(&net);
    }
}

/* ---- Kicks and interrupts ---- */

static void frames_send(unsigned count)
{
    uint8_t frame[LONGEST];

    for (unsigned i = 0; i < count; i++) {
        struct message *message = message_make(60, 0, 0, frame);
        assert_int_equal(port_send(net.port, &message, 1), 1);
    }
    while (port_depth(net.port) > 0)
        virtio_net_transmit(&net);
}

/* One pass of the driver's thread over what it sends; returns the kicks that the device got. */
static unsigned pass(unsigned frames, bool more)
{
    unsigned before = device.kicks;

    frames_send(frames);
    if (virtqueue_unkicked(&net.transmit.queue) > 0)
        virtio_net_transmit_kick(&net, more);
    return device.kicks - before;
}

/* With nothing under way a frame is told at once; else once for all, and at the latest when nothing was added, or three quarters are full. */
static void test_kicks_are_put_off(void **state)
{
    (void)state;
    assert_int_equal(pass(1, false), 1);
    /* a device of the other kind sets its flag or its event by itself; here it wants each kick that it can get */
    volatile uint16_t *event = (uint16_t *)(uintptr_t)&net.transmit.queue.used->ring[RING];
    *event = net.transmit.queue.next;
    assert_int_equal(pass(5, true), 0);
    assert_int_equal(pass(5, true), 0);
    assert_int_equal(pass(0, true), 1); /* nothing was added */
    assert_int_equal(virtqueue_unkicked(&net.transmit.queue), 0);
    *event = net.transmit.queue.next;
    assert_int_equal(pass(5, true), 0);
    assert_int_equal(pass(5, false), 1); /* nothing is under way any more */
    *event = net.transmit.queue.next;
    assert_int_equal(pass(RING / 4, true), 0);
    assert_int_equal(pass(RING / 4 - 1, true), 0);
    uint8_t frame[LONGEST];
    for (unsigned i = 0; i < 21; i++)
        assert_int_equal(device_transmits(frame, net.header_bytes, true), 60);
    while (virtio_net_transmit(&net) > 0)
        ;
    assert_int_equal(pass(RING / 4 + 1, true), 1); /* three quarters of the ring wait */
}

/* Asleep: the next frame received interrupts once; of those sent, the last that comes back. Awake: none does. */
static void test_interrupts_while_asleep(void **state)
{
    uint8_t frame[200] = {0};
    struct thread thread = {.name = "net0"};

    (void)state;
    net.thread = &thread;
    frames_send(3);
    for (unsigned asleep = 0; asleep < 2; asleep++) {
        if (asleep)
            assert_false(virtio_net_arm(&net));
        for (unsigned i = 0; i < 3; i++) {
            uint16_t before = net.receive.queue.used->index;
            assert_true(device_receives(frame, sizeof frame, net.header_bytes));
            assert_int_equal(device_interrupts(QUEUE_RECEIVE, before),
                             asleep && (net.transport.legacy || i == 0));
            before = net.transmit.queue.used->index;
            assert_int_equal(device_transmits(frame, net.header_bytes, true), 60);
            assert_int_equal(device_interrupts(QUEUE_TRANSMIT, before),
                             asleep && (net.transport.legacy || i == 2));
        }
        if (asleep)
            assert_true(virtio_net_look(&net) &&
                        virtio_net_listen(&net)); /* there it is: it must not sleep on */
        virtio_net_disarm(&net);
        assert_int_equal(virtio_net_receive(&net), 3);
        assert_int_equal(virtio_net_transmit(&net), 3);
        frames_send(asleep ? 0 : 3);
    }
}

/* A used entry is a lie, and the device is reset: what it had comes back, whether it had sent it or not. */
static void test_drain_after_a_lie(void **state)
{
    uint8_t frame[LONGEST];

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        struct message *message = message_make(60, 2, 60, frame);
        assert_int_equal(port_send(net.port, &message, 1), 1);
        virtio_net_transmit(&net);
    }
    device_transmits(frame, net.header_bytes, true);
    device_used(QUEUE_TRANSMIT, 9999, 0);
    while (virtio_net_transmit(&net) > 0)
        ;
    assert_non_null(net.transmit.queue.fault.what);
    virtio_net_drain(&net);
    free_pages = page_region_count();
    free_messages = message_pool_total();
    device.seen[QUEUE_TRANSMIT] = device.queue[QUEUE_TRANSMIT]->available->index;
}

/* ---- Negotiation ---- */

static void test_devices_that_cannot_be_used(void **state)
{
    struct virtqueue queue;
    struct virtio_transport legacy = {.ops = &device_ops, .legacy = true};
    struct virtio_transport modern = {.ops = &device_ops};
    const uint64_t wanted = VIRTIO_F_INDIRECT_DESC | 1 << 5;

    (void)state;
    device.offered = UINT64_MAX;
    assert_true(virtio_negotiate(&modern, "net9", wanted, VIRTIO_F_INDIRECT_DESC));
    assert_int_equal(device.accepted, wanted | VIRTIO_F_VERSION_1);
    assert_true(modern.features == device.accepted);
    assert_true(virtio_negotiate(&legacy, "net9", wanted, VIRTIO_F_INDIRECT_DESC));
    assert_int_equal(device.accepted, wanted);
    device.offered = VIRTIO_F_VERSION_1;
    assert_false(virtio_negotiate(&modern, "net9", wanted, VIRTIO_F_INDIRECT_DESC));
    assert_true(device.status & VIRTIO_FAILED);
    device.offered = VIRTIO_F_INDIRECT_DESC;
    assert_false(virtio_negotiate(&modern, "net9", wanted, VIRTIO_F_INDIRECT_DESC));
    device.limit = 0;
    assert_false(virtio_queue_create(&modern, "net9", 0, &queue, QUEUE_LEAST, 0));
    device.limit = QUEUE_LEAST - 1;
    assert_false(virtio_queue_create(&modern, "net9", 0, &queue, QUEUE_LEAST, 0));
    device.limit = 200;
    assert_true(virtio_queue_create(&modern, "net9", 0, &queue, QUEUE_LEAST, 0));
    assert_int_equal(queue.size, 128);
    device.queue[0] = &net.receive.queue;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_length_goes_through, net_setup, net_teardown),
        cmocka_unit_test_setup_teardown(test_every_length_goes_through, net_setup_legacy, net_teardown),
        cmocka_unit_test_setup_teardown(test_runts_and_giants, net_setup, net_teardown),
        cmocka_unit_test_setup_teardown(test_length_below_the_header, net_setup, net_teardown),
        cmocka_unit_test_teardown(test_full_port_of_the_forwarder, net_teardown),
        cmocka_unit_test_setup_teardown(test_stopped_receiver, net_setup, net_teardown),
        cmocka_unit_test_setup_teardown(test_no_receiver, net_setup, net_teardown),
        cmocka_unit_test_setup_teardown(test_dry_pool, net_setup, net_teardown),
        cmocka_unit_test_setup_teardown(test_many_pieces, net_setup, net_teardown),
        cmocka_unit_test_setup_teardown(test_many_pieces, net_setup_legacy, net_teardown),
        cmocka_unit_test_setup_teardown(test_header_is_the_drivers_own, net_setup, net_teardown),
        cmocka_unit_test_setup_teardown(test_header_is_the_drivers_own, net_setup_legacy, net_teardown),
        cmocka_unit_test_setup_teardown(test_tag_stays_while_observed, net_setup, net_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_frame_is_not_sent, net_setup, net_teardown),
        cmocka_unit_test_setup_teardown(test_full_ring_pushes_back, net_setup, net_teardown),
        cmocka_unit_test_setup_teardown(test_full_ring_pushes_back, net_setup_legacy, net_teardown),
        cmocka_unit_test_setup_teardown(test_kicks_are_put_off, net_setup, net_teardown),
        cmocka_unit_test_setup_teardown(test_interrupts_while_asleep, net_setup, net_teardown),
        cmocka_unit_test_setup_teardown(test_interrupts_while_asleep, net_setup_legacy, net_teardown),
        cmocka_unit_test_setup_teardown(test_drain_after_a_lie, net_setup, net_teardown),
        cmocka_unit_test_setup_teardown(test_devices_that_cannot_be_used, net_setup, net_teardown),
    };

    return cmocka_run_group_tests_name("virtio-net", tests, net_boot, NULL);
}
