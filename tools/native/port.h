/*
 * The sockets between the traffic generator and the NICs of a machine: whole frames in, whole frames out.
 *
 * On the wire a frame stands behind its length, 4 bytes big-endian. What a socket does not take at once waits in a buffer
 * here; all that is there to be read is read at once. So a busy machine costs two system calls for many frames.
 */
#ifndef TOOLS_NATIVE_PORT_H
#define TOOLS_NATIVE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tools/native/frames.h"

#define OUT_BYTES (256 * 1024)
#define IN_BYTES  (512 * 1024)

struct port {
    int fd;
    bool deaf;
    uint8_t out[OUT_BYTES], in[IN_BYTES];
    size_t out_used, out_done, in_used;
    uint64_t frames_out,
        frames_in; /* all that were put and taken, those that are not counted as traffic too */
};

extern struct port ports[PORTS];
extern int port_count;

/* Called for each frame that arrives, in order; the bytes are the port's. */
typedef void taker(int port, const uint8_t *frame, uint32_t size);

/* Queues one frame on its way out; false when there is no room now. Copies the bytes. */
bool port_put(struct port *port, const void *frame, uint32_t size);

/* Whether all that was put has been taken by the socket. */
bool port_empty(const struct port *port);

/* Moves bytes both ways on all ports, waiting at most so long for any of them; true when a frame has arrived. */
bool ports_exchange(double seconds, taker *take);

#endif
