/*
 * Network interfaces, as the rest of the kernel sees them: a name, counters, and the service that drives each.
 *
 * Owns: the registry. Interface n is called "net<n>" and has number n, which the receiver of its frames finds in
 * message.source. Drivers register at boot, in the order in which the board found the devices; nothing is ever removed.
 *
 * Invariants
 *   1. The counters of an interface are written by its driver's thread alone, and only grow. They are read at any time
 *      by the console: a 64-bit load of a value that was there in the meantime.
 *   2. Every frame that arrives is counted once: in rx_frames, or under one reason in `dropped`.
 *      Every message that a service sends to the interface is counted once: in tx_frames, or under one reason.
 *   3. A reason is a string constant of [a-z0-9_]+; a slot of `dropped` with reason NULL ends the list.
 */
#ifndef DRIVERS_NIC_H
#define DRIVERS_NIC_H

#include <stdint.h>
#include "core/layout.h"

#define NIC_DROPS 12 /* reasons that one driver may have */

struct nic_drop {
    const char *reason;
    uint64_t count;
};

struct nic_stats {
    uint64_t rx_frames, rx_bytes; /* handed on to the receiving service; bytes of the frame without its FCS */
    uint64_t tx_frames, tx_bytes; /* given to the device */
    struct nic_drop dropped[NIC_DROPS];
};

struct service;

struct nic {
    char name[8]; /* "net0" */
    unsigned number;
    unsigned cpu;            /* where the driver's thread runs */
    struct service *service; /* of the driver; set by it before services_create() */
    const char *stopped;     /* why the driver gave the device up; NULL while it works */
    struct nic_stats stats;
};

/* Takes the next number. NULL when there are NICS_MAX already. Boot only. */
struct nic *nic_create(void);

/*
 * The interface for captures (ipc/capture.h), which no wire `net*` leads to: it has a name of its own, and no number
 * among the others. nic_capture: NULL when there is none.
 */
struct nic *nic_create_capture(void);
struct nic *nic_capture(void);

/* The interface by number, 0 .. until NULL. */
struct nic *nic_at(unsigned number);
unsigned nic_count(void);

#endif
