/*
 * From one interface to the lanes of a forwarder: each lane is a port of its own with a thread of its own, and a flow
 * (drivers/flow.h) always takes the same one. So a flow stays in order: its frames come from one interface, are sent by one
 * driver to one port, are taken by one thread, and are sent by it to one port (port 2). Both directions of a conversation take
 * the same lane, though they come in by two interfaces: all interfaces hash alike.
 *
 * Owns: how many messages of a batch are for each lane. Used by one driver's thread, interrupts masked.
 *
 * Invariants
 *   1. The batch lies in the order of the lanes, and within each in the order of arrival; count[] says how many there are of
 *      each that no lane has taken yet.
 *   2. The lane of a frame depends on its bytes and on the boot only.
 *
 * A lane that is full holds up the others of its interface: the driver takes no further batch before all of this one is gone.
 */
#ifndef DRIVERS_SPREAD_H
#define DRIVERS_SPREAD_H

#include <stdint.h>
#include "core/abi.h"

struct message;
struct port;
struct service;
struct thread;

struct spread {
    unsigned lanes; /* 0 and 1: there is nothing to spread */
    struct port *port[BATON_THREADS];
    uint32_t count[BATON_THREADS];
};

/* Boot, after the wires were laid: the lanes of the service to which the driver is wired. */
void spread_wire(struct spread *spread, const struct service *driver);

/* A new batch of `count` messages with inline data, at most BATON_BATCH: brings them into the order of invariant 1. */
void spread_batch(struct spread *spread, struct message **messages, unsigned count);

/*
 * Sends what the lanes take of the `count` messages that are left of the batch; returns how many that were. The others are the
 * last ones of the array then. BATON_EFULL: none; BATON_EDEAD: none, and the service has stopped. See port_send.
 */
int spread_send(struct spread *spread, struct message **messages, unsigned count);

/* Makes the thread known to the lanes for which something is left, and to none any more: see port_sender_add. */
void spread_wait(const struct spread *spread, struct thread *thread);
void spread_wait_no_more(const struct spread *spread, struct thread *thread);

#endif
