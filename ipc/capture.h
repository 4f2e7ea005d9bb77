/*
 * The capture: what passes at named points goes, as records, to a port of its own, whose driver sends them out by an
 * interface of its own ("capture": the setting capture=MAC names the device). `./baton run --pcap` adds that device, reads
 * the records and writes a pcapng.
 *
 * Owns: per CPU, a sequence number and the count of what was missed. A record (struct baton_capture, core/abi.h) is one or
 * two messages: header and inline bytes are copied, pages are shared (page_share) and read by the capture device where
 * they lie. Services send records of what they drop to the same port (apps/net/mirror.h); while there is a capture
 * interface each of them has a wire to it. What a service says in a record is its own word.
 *
 * Limits: the port's queue. When it is full a record is missed, and the next one that goes says so.
 */
#ifndef IPC_CAPTURE_H
#define IPC_CAPTURE_H

#include <stdint.h>
#include "core/abi.h"

struct port;

/* Boot: records go to this port from now on. */
void capture_start(struct port *port);

/*
 * One record of a frame. `reason`: the name of the counter of a drop, at most BATON_COUNTER_NAME - 1 characters; else
 * empty. Interrupts masked. Cost: two message objects, the inline bytes, a lock for each page.
 */
void capture_record(unsigned point, unsigned interface, const char *reason,
                    const struct baton_message *frame);

/* Records of the kernel's that went, and that were missed. */
void capture_count(uint64_t *sent, uint64_t *missed);

#endif
