/*
 * The network driver's two directions on the simulated machine, with the device in software of virtio_device.h: what its tests
 * begin and end with. The driver's thread is played by the tests.
 *
 * Owns: the one interface, and what it counts. One fixture at a time.
 */
#ifndef TEST_HOST_VIRTIO_NET_MODEL_H
#define TEST_HOST_VIRTIO_NET_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include "drivers/virtio_net_queues.h"
#include "ipc/port.h"
#include "test/host/virtio_device.h"

#define RING    64u
#define LONGEST (BATON_INLINE_BYTES + BATON_PAGE_BYTES)

extern struct virtio_net net;
extern struct nic nic;
extern struct service service;
extern uint32_t free_pages,
    free_messages;       /* once its ring is filled: what must be free at the end of a test */
extern unsigned aborted; /* calls that were aborted */

/* Of a group of tests, once: the pools cannot be made twice. */
int net_boot(void **state);

/*
 * Before each test: the interface with a ring of RING slots, wired to a port of 256 places, or of so many. A legacy one has the short header
 * and no EVENT_IDX.
 */
int net_setup(void **state);
int net_setup_legacy(void **state);
void net_setup_with(bool legacy, unsigned port_size);

/* At the end of each test: nothing lies about, and after a reset everything is back. */
int net_teardown(void **state);

uint32_t pages_free(void);
uint64_t dropped(enum net_drop drop);

/* Bytes of a frame, others for each seed. */
void frame_make(uint8_t *frame, uint32_t length, uint32_t seed);

/* A message of `pieces` pages with `length` bytes each after `in_message` bytes, as a service would have sent it; `frame` is what it says. */
struct message *message_make(uint32_t in_message, unsigned pieces, uint16_t length, uint8_t *frame);

#endif
