/* The network driver on the simulated machine: see virtio_net_model.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "test/host/virtio_net_model.h"
#include "core/timer.h"
#include "drivers/virtio_net.h"
#include "ipc/page.h"
#include "ipc/rpc.h"
#include "ipc/thread.h"
#include "mm/frame.h"
#include "mm/space.h"
#include "test/host/machine.h"

#define PAGES    512u
#define MESSAGES 512u

/* ---- What the driver's files need of the rest of the kernel, and nothing here does ---- */

uint64_t timer_now(void)
{
    return 0;
}

uint64_t timer_deadline(uint64_t ns)
{
    return ns;
}

uint64_t timer_ns(uint64_t ticks)
{
    return ticks;
}

struct thread *thread_at(unsigned number)
{
    (void)number;
    return NULL;
}

void thread_wake(struct thread *thread)
{
    (void)thread;
}

struct port *service_wire_out(const struct service *driver)
{
    (void)driver;
    return NULL;
}

unsigned aborted;

void rpc_abort(struct message *message)
{
    message->special = 0;
    aborted++;
}

bool virtio_net_create(const struct virtio_transport *transport)
{
    (void)transport;
    return false;
}

/* ---- The driver, set up ---- */

struct virtio_net net;
struct nic nic;
struct service service;
uint32_t free_pages, free_messages;

uint32_t pages_free(void)
{
    struct page_counts counts;

    page_count(&counts);
    assert_int_equal(counts.free + counts.owned + counts.in_flight, counts.total);
    return counts.free;
}

int net_boot(void **state)
{
    (void)state;
    machine_reset(1);
    machine_add_ram();
    machine_run_on(0);
    uint64_t phys = frame_alloc_block((uint64_t)PAGES * PAGE_SIZE, PAGE_SIZE);
    space_init(PAGES, 8);
    page_region_init(phys, PAGES);
    machine_hide(phys, (uint64_t)PAGES * PAGE_SIZE);
    message_pool_init(MESSAGES);
    return 0;
}

void net_setup_with(bool legacy, unsigned port_size)
{
    device = (struct device){.limit = RING};
    nic = (struct nic){.name = "net0", .number = 3};
    service = (struct service){.name = "net0"};
    net = (struct virtio_net){.nic = &nic, .service = &service, .header_bytes = legacy ? 10 : 12};
    net.transport = (struct virtio_transport){.ops = &device_ops, .legacy = legacy};
    net.port = port_create("net0", &service, RING);
    net.out = port_create("forward", &service, port_size);
    if (!legacy) /* the one and the other way of asking for interrupts and kicks, with either length of header */
        net.transport.features = device.offered = device.accepted = VIRTIO_F_EVENT_IDX;
    assert_true(virtio_net_slots_create(&net, "net0"));
    while (virtio_net_receive(&net) > 0)
        ;
    free_pages = pages_free();
    free_messages = message_pool_free();
    aborted = 0;
}

int net_setup(void **state)
{
    (void)state;
    net_setup_with(false, 256);
    return 0;
}

int net_setup_legacy(void **state)
{
    (void)state;
    net_setup_with(true, 256);
    return 0;
}

int net_teardown(void **state)
{
    struct message *message;
    uint8_t frame[LONGEST];

    (void)state;
    while (virtio_net_receive(&net) || port_depth(net.out) > 0)
        while (port_take(net.out, &message, 1))
            message_drop(message);
    while (virtio_net_transmit(&net) || device_transmits(frame, net.header_bytes, true))
        ;
    assert_int_equal(pages_free(), free_pages);
    assert_int_equal(message_pool_free(), free_messages);
    virtio_net_drain(&net);
    assert_int_equal(pages_free(), page_region_count());
    assert_int_equal(message_pool_free(), message_pool_total());
    return 0;
}

void frame_make(uint8_t *frame, uint32_t length, uint32_t seed)
{
    for (uint32_t i = 0; i < length; i++)
        frame[i] = (uint8_t)((seed + i) * 2654435761u >> 24);
}

uint64_t dropped(enum net_drop drop)
{
    return nic.stats.dropped[drop].count;
}

struct message *message_make(uint32_t in_message, unsigned pieces, uint16_t length, uint8_t *frame)
{
    struct message *message;
    uint32_t pages[BATON_PIECES], done = in_message;

    assert_int_equal(message_alloc(&message, 1), 1);
    assert_int_equal(page_get_device(pages, pieces), pieces);
    message->abi = (struct baton_message){.length = in_message + pieces * length,
                                          .inline_offset = (uint8_t)(BATON_INLINE_BYTES - in_message),
                                          .inline_length = (uint8_t)in_message,
                                          .pieces = (uint8_t)pieces};
    frame_make(frame, message->abi.length, pieces + length);
    memcpy(message->abi.data + message->abi.inline_offset, frame, in_message);
    for (unsigned i = 0; i < pieces; i++, done += length) {
        uint16_t offset = (uint16_t)(i * 100);
        page_filled(pages[i], (uint32_t)offset + length);
        memcpy(machine_memory(page_phys(pages[i])) + offset, frame + done, length);
        message->abi.piece[i] =
            (struct baton_piece){pages[i], (uint16_t)(offset | BATON_PIECE_READ_ONLY), length};
    }
    return message;
}
