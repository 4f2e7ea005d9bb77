/*
 * Ports: bounded queues of message objects with one receiving service (DASH 3.2; design section 4).
 *
 * Owns: the ring of each port and the objects in it. Model: many senders on any CPU, one receiving service. A
 * sender reserves places by moving `tail`, fills them, and publishes each by a non-NULL pointer; the receiver
 * takes from `head` up to the first NULL. No lock on the way in; receivers of one port exclude each other by
 * a lock that only they take. Threads that wait are bits of a word, one for those at either end: no lock there, since who is
 * woken on another CPU runs at once, and would spin while the waker is still ringing. A thread can be among the receivers of
 * one port and the senders of another at once, as a driver is whose forwarder is behind. Model-checked: test/model/port.pml.
 *
 * Invariants
 *   1. tail - head <= capacity, so a place is NULL whenever it is reserved.
 *   2. Messages of one sender arrive in the order in which they were sent.
 *   3. No wake-up is lost: a sender publishes, then (full barrier) looks for waiting receivers; a receiver
 * makes itself known as waiting, then (full barrier) looks for messages. The same pair between receivers and
 * waiting senders.
 *   4. A closed port holds nothing: what is published while it closes is dropped by whichever of the two sees
 * it.
 *   5. The messages queued carry at most `capacity` pages and those of one batch more per CPU, of which each message
 *      but the last is within the capacity too: so a message of 4 MiB passes any port, one at a time. Pages in flight are
 *      charged to no service, so it is the ports that keep one sender from filling the IPC region.
 *
 * Errors: enum baton_error. Interrupts are masked in every call.
 */
#ifndef IPC_PORT_H
#define IPC_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include "core/lock.h"
#include "ipc/message.h"

struct service;
struct thread;

#define PORTS_MAX 64
#define PORT_NAME 32

struct port {
    char name[PORT_NAME];
    struct service *receiver;
    uint32_t capacity;         /* a power of two */
    uint32_t requests;         /* (atomic) that are to be answered to this port: ipc/request.h */
    uint32_t pages;            /* (atomic) IPC pages in the messages queued: invariant 5 */
    uint32_t tail;             /* (atomic) places reserved by senders, ever */
    uint32_t head;             /* (take_lock; read by all) places emptied, ever */
    bool closed;               /* (atomic) the receiver has stopped */
    uint32_t dropped;          /* (atomic) messages dropped while closed, not yet reported */
    struct spinlock take_lock; /* between threads of the receiving service */
    struct message **ring;
    uint64_t receivers; /* (atomic) threads that wait for messages: a bit for each thread->number */
    uint64_t senders;   /* (atomic) threads that wait for places */
    struct thread *
        receiver_last; /* (atomic) who came to wait for messages last: for ipc/direct.c, which looks whether it does */
};

/* Makes a port. Boot only. `capacity` is a power of two. */
struct port *port_create(const char *name, struct service *receiver, uint32_t capacity);
struct port *port_find(const char *name);
/* Places in all ports together: that many message objects can be queued at once. */
unsigned port_places(void);
/* Ports by number, 0 .. until NULL. */
struct port *port_at(unsigned number);

/*
 * Sends up to `count` objects; returns how many the port took, from the front: those are the port's now, the
 * rest are still the caller's. BATON_EFULL when none fitted (places or pages), BATON_EDEAD when the port is closed. Wakes the
 * receiver. Does not wait. Cost: one exclusive update, one full barrier per call.
 */
int port_send(struct port *port, struct message *const *messages, unsigned count);

/*
 * Takes up to `count` objects; returns how many; they are the caller's now. Wakes senders that wait for a
 * place. Does not wait.
 */
unsigned port_take(struct port *port, struct message **messages, unsigned count);

/*
 * The same for who knows already what port_pages_of() would find by looking at each message: what message_pages() says of all of them
 * together. A take is in two then: port_take_end is told of what port_take_begin gave; until then the pages are counted as queued,
 * and no sender is woken.
 */
int port_send_counted(struct port *port, struct message *const *messages, unsigned count, uint32_t pages);
unsigned port_take_begin(struct port *port, struct message **messages, unsigned count);
void port_take_end(struct port *port, uint32_t pages);
uint32_t port_pages_of(struct message *const *messages, unsigned count);

/* The same for one message: true when the port took it. One message, or NULL. */
bool port_send_one(struct port *port, struct message *message);
struct message *port_take_one(struct port *port);

/* Messages queued, as seen now. */
unsigned port_depth(const struct port *port);

/*
 * Waiting, in three steps, so that a thread can wait for a port and for something else at once (a driver: its
 * interrupt): make yourself known; look once more whether there is something; park (ipc/thread.h); forget.
 */
void port_receiver_add(struct port *port, struct thread *thread);
void port_receiver_remove(struct port *port, struct thread *thread);
void port_sender_add(struct port *port, struct thread *thread);
void port_sender_remove(struct port *port, struct thread *thread);

/*
 * Closes: drops what is queued, wakes all who wait; returns how many messages that were, also those that were sent while it
 * was closed the last time. port_open makes it usable again, for a restarted service.
 */
uint32_t port_close(struct port *port);
void port_open(struct port *port);

#endif
