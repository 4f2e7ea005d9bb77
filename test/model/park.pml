/*
 * models: thread_park thread_unpark thread_wake sched_push_remote inbox_empty idle_loop
 *
 * A thread on CPU 0 looks for two words that two other CPUs write, and parks until it has seen both (ipc/thread.h: "look,
 * then park" loses nothing). When it parks CPU 0 idles: it announces that it sleeps, looks at its inbox, and waits for an
 * interrupt, which is sent only to a CPU that sleeps. Lost is a wake-up when the model stops with a word unseen: Spin
 * reports an invalid end state.
 *
 * Mutants, each to be refuted:
 *   NO_PUSH_BARRIER     the waker looks at `sleeping` before its thread is seen in the inbox
 *   NO_IDLE_BARRIER     the idle CPU looks at its inbox before `sleeping` is seen
 *   IDLE_LOOKS_FIRST    it looks at its inbox, then announces that it sleeps
 *   NOTIFIED_BY_LOOK    who finds the thread notified already goes away without an exchange, and the thread takes the
 *                       notification back by a plain store
 */
#define PROCESSES 3
#define VARIABLES 5
#define WORD(waker) (waker) /* 0 and 1: what is waited for */
#define STATE    2
#define INBOX    3
#define SLEEPING 4
#include "memory.pml"

#define RUN      0
#define NOTIFIED 1
#define PARKED   2
#define CPU0     2 /* as a process of memory.pml; wakers are 0 and 1 */

bool interrupt;

/* thread_wake() from another CPU. */
proctype waker(byte self)
{
    byte old, sleeping;

    store(self, WORD(self), 1);
#ifdef NOTIFIED_BY_LOOK
    load(self, STATE, old);
    if
    :: old == NOTIFIED -> goto out
    :: else
    fi;
#endif
    fence(self); /* the exchange is a release */
    atomic {
        old = memory[STATE];
        memory[STATE] = (old == PARKED -> RUN : NOTIFIED)
    }
    if
    :: old == PARKED ->
        store(self, INBOX, 1);
#ifndef NO_PUSH_BARRIER
        fence(self);
#endif
        load(self, SLEEPING, sleeping);
        if
        :: sleeping -> interrupt = true
        :: else
        fi
    :: else
    fi;
    old = 0;
    sleeping = 0;
#ifdef NOTIFIED_BY_LOOK
out:
#endif
    skip
}

/* CPU 0: the thread, and the idle loop while it is parked. */
proctype cpu()
{
    byte first, second, found, old;

look:
    load(CPU0, WORD(0), first);
    load(CPU0, WORD(1), second);
    if
    :: first && second -> goto done
    :: else
    fi;
    /* thread_park: the compare-and-swap, which fails when a wake came first */
    atomic {
        !pending[AT(CPU0, STATE)];
        old = memory[STATE];
        if
        :: old == RUN -> memory[STATE] = PARKED
        :: else
        fi
    }
    if
    :: old == RUN
    :: else ->
#ifdef NOTIFIED_BY_LOOK
        store(CPU0, STATE, RUN);
#else
        memory[STATE] = RUN; /* an exchange */
#endif
        goto look
    fi;
idle:
#ifdef IDLE_LOOKS_FIRST
    load(CPU0, INBOX, found);
    store(CPU0, SLEEPING, 1);
    fence(CPU0);
#else
    store(CPU0, SLEEPING, 1);
#ifndef NO_IDLE_BARRIER
    fence(CPU0);
#endif
    load(CPU0, INBOX, found);
#endif
    if
    :: found
    :: else ->
        fence(CPU0); /* the DSB before WFI */
        interrupt    /* waits */
    fi;
    store(CPU0, SLEEPING, 0);
    interrupt = false;
    load(CPU0, INBOX, found);
    if
    :: !found -> goto idle
    :: else
    fi;
    memory[INBOX] = 0; /* inbox_empty: an exchange */
    found = 0;
    goto look;
done:
    skip
}

init {
    atomic {
        run drain(AT(0, WORD(0)));
        run drain(AT(1, WORD(1)));
        run drain(AT(0, INBOX));
        run drain(AT(1, INBOX));
        run drain(AT(CPU0, SLEEPING));
        run drain(AT(CPU0, STATE));
        run waker(0);
        run waker(1);
        run cpu()
    }
}
