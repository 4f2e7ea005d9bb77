/*
 * Flows of the traffic generator: what their frames must look like, and what became of each of them.
 *
 * A frame: its headers (frames.h), then magic, flow and a sequence number, then bytes of a pseudo-random table from a place
 * that depends on flow and sequence number. So a frame that carries any byte of another one, or of no one, is found.
 */
#ifndef TOOLS_NATIVE_FLOW_H
#define TOOLS_NATIVE_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#define FLOWS       256
#define SIZES       16
#define FRAME_LIMIT 9000
#define STAMPS      65536 /* frames of a flow that can be under way with the time at which they left known */

struct flow {
    int from, to, conversation;
    bool loose, known;
    uint64_t sent, received, wrong, duplicated, reordered, next;
    uint64_t given_up; /* of those sent: no longer waited for (--resume) */
    uint64_t skipped;  /* not sent, since their time was over (--rate) */
    uint64_t blocked;  /* of those: the socket was full */
    double came;       /* when a frame of it arrived last, or was given up */
    uint8_t *seen;     /* a bit for each sequence number */
    double *stamps;    /* when the frames left, or should have (--rate), by sequence number modulo STAMPS */
};

extern struct flow flows[FLOWS];
extern int flow_count;
extern uint32_t sizes[SIZES];
extern int size_count;
extern uint64_t misdelivered, foreign, flooded;
extern bool flow_timing; /* latencies are noted */

/* Makes the table and the flows' books, for so many frames of each. */
void flows_ready(uint64_t frames);

/* A broadcast by which the station at a port says where it is. */
void flow_say_hello(int port);

/* A frame of a flow that only finds out whether frames arrive. */
void flow_probe(int index);

/* Sends the next frame of a flow, which left (or should have) at `stamp`; false when there is no room for it now. */
bool flow_send(int index, double stamp);

/* Looks at a frame that has arrived (a `taker`). */
void flow_take(int port, const uint8_t *frame, uint32_t size);

/* Frames of all flows that have arrived. */
uint64_t flows_received(void);

/* Latencies noted so far, in microseconds, smallest first; sorts them. */
const float *flow_latencies(uint64_t *count);

#endif
