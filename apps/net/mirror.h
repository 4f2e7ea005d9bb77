/*
 * Frames for observers: a second way for a frame, and the record of one that is dropped.
 *
 * Owns: nothing but the sequence of the records, which the threads of a service share; a mirror belongs to one of them. Pages
 * are never copied: both calls share them, and what is shared is read-only for all its owners.
 */
#ifndef APPS_NET_MIRROR_H
#define APPS_NET_MIRROR_H

#include "apps/baton.h"

/* Number of frames that a mirror has passed on, and that its port did not take. */
struct mirror {
    int port; /* what baton_port_find gave; negative: there is no such port, and nothing is mirrored */
    uint64_t sent, missed;
};

/*
 * Sends a duplicate of each message to the mirror's port; the messages stay the caller's, and their pages are read-only
 * from now on. Does not wait: what the port does not take is missed, and counted. Before the messages are sent on: then
 * they are no longer the caller's. Cost: one trap, and the inline bytes of each.
 */
void mirror_batch(struct mirror *mirror, struct baton_message *const *messages, unsigned count);

/*
 * To be called where a service drops a frame, with the name of the counter under which it counts that and the interface
 * where: when frames are captured (./baton run --pcap) the capture gets it. The message stays the caller's, who frees it.
 * Does not wait. Cost: a compare when nothing is captured; else a trap and two messages.
 */
void mirror_drop(struct baton_message *message, unsigned interface, const char *reason);

#endif
