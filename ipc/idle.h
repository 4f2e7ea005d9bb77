/*
 * What a CPU does before it sleeps: polls on for a while, when that is worth it.
 *
 * Owns: for each CPU, the pollers of the drivers whose threads run there, and what the last pauses were like. Model: a driver's
 * thread that has nothing to do asks its device for interrupts and parks. When nobody can run, the idle thread may take these
 * interrupts back and look at the devices by itself, for the grace at most: so the answer to a frame costs no interrupt and no
 * wake-up of a sleeping CPU. Whoever becomes ready ends that at once, as nobody but the idle thread polls: it takes no time from
 * services, on this CPU or another.
 *
 * When it is worth it: the last pause on this CPU ended within the grace, and the work before this one was few frames, but some. A pause that
 * is longer than the grace is slept through from its beginning the next time, so a CPU to which nothing comes sleeps, and one to
 * which something comes seldom polls in vain once at most. After a batch the wake-up is shared by its frames, and the time is better
 * left to whoever makes the next batch.
 *
 * Invariants
 *   1. A device may be left without interrupts only while somebody looks: by its thread, or here. Whenever the idle thread goes
 *      on, the devices of all threads that still park are asked for interrupts again, and looked at once more.
 *   2. A CPU sleeps at the latest when the grace has passed since it last had anything to do.
 *
 * Interrupts masked in every call; they are let in between two looks.
 */
#ifndef IPC_IDLE_H
#define IPC_IDLE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/cpu.h"

struct thread;

#define GRACE_DEFAULT                                                                                        \
    200 /* microseconds, of the only CPU: some times the way of a frame through an emulator and back */
#define GRACE_MANY                                                                                           \
    0 /* of one of several: an emulator's CPUs that poll take the time of the one that has work */
#define GRACE_MOST 100000 /* beyond it is no grace any more */

/* Work of at most so many frames is few. */
#define IDLE_FEW 4

/* A driver's thread, for the idle thread of its CPU. The functions do not wait; the argument is theirs. */
struct poller {
    struct thread *thread;
    void (*quiet)(void *argument);  /* the device need not interrupt */
    bool (*look)(void *argument);   /* there is work */
    bool (*listen)(void *argument); /* it must interrupt again; true: there is work by now */
    void *argument;
    struct poller *next; /* (b) of this CPU */
};

/* Boot: how long is polled, in microseconds, by the only CPU, and by each of several; 0: never. */
void idle_init(uint32_t alone, uint32_t many);

/* Boot: the thread of the poller runs on that CPU, and stays. What stands in the poller stays, too. */
void idle_poller_add(struct poller *poller, unsigned cpu);

/* A driver's thread of this CPU has moved so many frames: from its device, or to it; not those that come back, sent. */
static inline void idle_moved(unsigned frames)
{
    cpu_self()->moved += frames;
}

/* Since the last pause of this CPU that was only a few. Never where nothing is polled for: the pauses are not noted then. */
static inline bool idle_few(void)
{
    return cpu_self()->moved <= IDLE_FEW;
}

/* Nobody can run: polls, when that is worth it, until somebody can or the grace is over. For the idle thread. */
void idle_poll(void);

/*
 * The pause is over: another thread runs. Returns the time, or, as long as that was polled through, what it is at most: reading a
 * clock is dear under an emulator, and this is on the way of a frame. Likewise.
 */
uint64_t idle_end(void);

#endif
