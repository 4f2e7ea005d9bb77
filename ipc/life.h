/*
 * The lives of services: how one ends, what it gives back, whether and how the next one begins; and the watchdog.
 *
 * Owns: service->state and service->life; the keeper, a kernel thread on CPU 0 which prepares new lives and watches.
 *
 *   RUNNING -> STOPPING   service_stop(), or the last thread ended by itself
 *   STOPPING -> STOPPED   the last thread is out: service_finish() has given everything back
 *   STOPPING -> STARTING  the same, and the policy wants another life (enum baton_policy)
 *   STOPPED -> STARTING   the console's `start`
 *   STARTING -> RUNNING   the keeper has made data and heap as they were at the boot, opened the ports, started a thread
 *   STARTING -> STOPPED   meanwhile the operator said `stop`
 *
 * What a death gives back, at once, on the CPU on which the last thread ended: messages in its ports (dropped and counted:
 * `lost`), answers that others wait for (BATON_EDEAD), every page that it owns. Pages whose unmaps wait in queues of CPUs,
 * this one or others, go to limbo until those are through (ipc/page_limbo.h); pages that it had sent to a device are the
 * kernel's and come back when the device is done. Until the new life runs who sends to it gets BATON_EDEAD.
 * Its neighbours lose nothing but what was in its hands: what it had received and not sent on, and what `lost` says.
 *
 * Cost of an end: interrupts masked for one look at the state word of every IPC page, about 15 instructions each, and one
 * barrier for every 64 pages that were mapped; data and heap are cleared with interrupts open, by the keeper.
 *
 * Invariants
 *   1. A stopped service owns no page, holds no message, and its ports are closed (BATON_EDEAD for all who use them).
 *   2. RUNNING and the first thread of a life come at once, under service_lock: who stops a running service finds a thread
 *      that will finish it.
 *   3. Only the keeper touches the memory of a service that is STARTING; only the last thread out leaves STOPPING.
 */
#ifndef IPC_LIFE_H
#define IPC_LIFE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/abi.h"

struct service;

struct life {
    uint64_t started;  /* when it began, in counter ticks */
    bool faulted;      /* (service_lock) a fault ended it: the policy applies */
    bool held;         /* (service_lock) the operator wants it stopped: no policy starts it */
    bool given_up;     /* its policy allows no further life */
    const char *ended; /* why the last one ended; NULL: none ever did */
    uint32_t lost;     /* messages that its ends found in its ports, and dropped: see life_lost */
    uint32_t quick;    /* lives of less than a second in a row */
    uint32_t granted;  /* BATON_RESTART_WITHIN: restarts so far, and when the last ones were */
    uint64_t granted_at[BATON_RESTARTS_MAX];
    uint32_t heads;         /* (keeper) how much it had received when the watchdog looked last */
    bool waiting;           /* (keeper) there was something to receive then */
    uint64_t waiting_since; /* (keeper) since when there was something to receive and it did not */
};

/*
 * Stops a running service: no thread of it returns to service code any more. From the violating thread itself, or from
 * another; its threads on other CPUs are rung. With `fault` its policy applies, else it stays stopped. `why` is constant
 * text. When the last thread is out, that CPU does the rest.
 */
void service_stop(struct service *service, const char *why, bool fault);

/* The last thread of the service has ended. Interrupts masked. */
void service_finish(struct service *service);

/*
 * What the operator asks for. Each returns NULL, or why it cannot be done. life_hold ends the service and keeps it so,
 * life_start begins a new life and forgets what the policy had counted, life_kill is as a fault.
 */
const char *life_hold(struct service *service);
const char *life_start(struct service *service);
const char *life_kill(struct service *service);

/* What `services` and `stats` call its state. */
const char *life_state(const struct service *service);

/*
 * Messages that were in its ports when it ended, or came into them while they were being closed, ever. A sender that meets a
 * port that closes drops what it has just put there itself, so this may grow for a moment after the end was reported.
 */
uint32_t life_lost(const struct service *service);

/*
 * The watchdog's clock, for the scheduler. life_tick wakes the keeper when it is time for a look; on every tick of the timer, of
 * any CPU, which a busy CPU has every 2 ms. life_deadline is for a CPU that goes to sleep: when it must wake for the next look, as a counter
 * value; UINT64_MAX when no message waits for a service that has a watchdog. That is enough: whoever sends one
 * later is awake, and comes here when it goes to sleep itself. Cost: a load and a compare; a few loads for each port that is watched.
 */
void life_tick(uint64_t now);
uint64_t life_deadline(void);

/* Boot: makes the keeper; the services begin. */
void life_create(void);
void life_start_all(void);

#endif
