/*
 * Seeing frames: the few places on a frame's way at which the kernel lets an observer look. The observers are the capture
 * (ipc/capture.h), which sends what passes to a recorder outside, and the trace (ipc/trace.h), which notes when the next
 * frames were at which station.
 *
 * Owns: `observers`, which says who looks. While nobody does, a place costs one load and one compare a batch.
 * Model: a place calls its function with the messages that it holds at this moment; an observer looks at them, may take
 * further ownerships of their pages, and changes nothing but the tag of a frame that it traces. Interrupts masked.
 *
 * Invariants
 *   1. No observer waits, and the work for one frame is bounded: who cannot keep up loses records, and says how many.
 *   2. No observer reads or maps a page: payload goes to the recorder by the capture device.
 */
#ifndef IPC_OBSERVE_H
#define IPC_OBSERVE_H

#include <stdint.h>
#include "ipc/message.h"

#define OBSERVER_CAPTURE 1u
#define OBSERVER_TRACE   2u
extern uint32_t observers; /* (atomic) */

static inline uint32_t observed(void)
{
    return __builtin_expect(__atomic_load_n(&observers, __ATOMIC_RELAXED), 0);
}

/* `service` has received the messages (station 4), or sends them to `port` (5, 6). */
struct service;
struct port;
void observe_receive(const struct service *service, struct message *const *messages, unsigned count);
void observe_send(const struct port *port, struct message *const *messages, unsigned count);

/* Frames that came in by an interface (1 to 3): `since` is when the driver began to take them. */
void observe_in(unsigned interface, uint64_t since, struct message *const *messages, unsigned count);

/* Frames for an interface, taken from its port (7); given to the device (8, 9); read by it to the end (10). */
void observe_out(unsigned interface, struct message *const *messages, unsigned count);
void observe_posted(struct message *const *messages, unsigned count);
void observe_done(struct message *const *messages, unsigned count);

/* A driver drops the message, for the reason under which it counts it. */
void observe_drop(unsigned interface, const char *reason, const struct message *message);

#endif
