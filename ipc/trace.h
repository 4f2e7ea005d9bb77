/*
 * The trace: when each of the next few frames was at which station of its way (DESIGN.md, section 3). `trace packet` on
 * the console arms it, waits, and prints.
 *
 * Owns: TRACE_FRAMES rows. A frame that is traced carries the number of its row in its tag, which services pass on
 * unchanged when they send what they received; a service that makes a new message of it ends its trace. Each station
 * writes its own word of the row, so rows need no lock; of a frame that was duplicated the first copy is noted.
 *
 * Limits: one trace at a time. A service can make up a tag, and so spoil what is printed, but nothing else.
 */
#ifndef IPC_TRACE_H
#define IPC_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include "ipc/message.h"

#define TRACE_FRAMES   16
#define TRACE_STATIONS 11 /* numbers 1 to 10 */

struct trace_row {
    uint64_t time[TRACE_STATIONS]; /* (atomic) counter ticks; 0: it was not there */
    uint32_t cpu[TRACE_STATIONS];
    uint32_t interface, length;
    uint8_t header[14];
    uint32_t copies;     /* (atomic) sent by the service */
    const char *service; /* which received it */
    const char *to;      /* port that it was sent to first */
    const char *dropped; /* by a driver: why */
};

/* Arms: the next `count` (at most TRACE_FRAMES) frames that come in are noted. Console only. */
void trace_arm(unsigned count);

/* Whether all of them have come, and been sent out or dropped; ends the trace; the rows of those that came. */
bool trace_complete(void);
void trace_disarm(void);
const struct trace_row *trace_row(unsigned number);

/* From the stations: see observe.h. Interrupts masked. */
void trace_begin(unsigned interface, uint64_t since, struct message *const *messages, unsigned count);
void trace_mark(unsigned station, const char *name, struct message *const *messages, unsigned count);
void trace_drop(const char *reason, const struct message *message);

#endif
