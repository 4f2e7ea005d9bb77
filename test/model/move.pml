/*
 * models: thread_return sched_move sched_push_remote inbox_empty sched_switch wait_until_left service_stop service_check_stopping
 *
 * Thread 0 moves from CPU 0 to CPU 1 while thread 1 moves from CPU 1 to CPU 0 (ipc/thread.h, moves). A thread puts itself into
 * the other CPU's inbox while it is still on its stack, saves its registers, and goes to the idle thread; who takes it out of
 * the inbox waits until it has left. Meanwhile the service is stopped: who stops it rings the CPU on which it finds each
 * thread, and thread 0 looks once, on its way back to service code. Checked: a thread goes on with the registers that it
 * saved, on a stack that no other CPU is on; both arrive; and thread 0 learns of the stop. Who waits for ever is an invalid
 * end state.
 *
 * Mutants, each to be refuted:
 *   NOT_WAITED        a CPU goes on with a thread without a look at `leaving`
 *   LEAVING_LATE      the thread is in the inbox before `leaving` is set
 *   LEFT_EARLY        `leaving` is cleared, then the registers are saved
 *   LEFT_RELAXED      `leaving` is cleared by a plain store
 *   NEXT_IN_LINE      who moves away goes to the next in line, and waits for it to leave, in place of the idle thread
 *   STOP_NO_BARRIER   who stops the service reads where a thread is before the stop is seen
 */
#define STOPPER   2
#define PROCESSES 3
#define SAVED(thread)   (thread) /* its registers */
#define LEAVING(thread) (2 + (thread))
#define CPU_OF_0  4
#define STOPPING  5
#define VARIABLES 6
#include "memory.pml"

#define OTHER(cpu) (1 - (cpu))
bool inbox[2];             /* of CPU c: the thread that moves there, number OTHER(c) */
bool on_stack[2];          /* thread t: a CPU is on its stack */
bool interrupt[2];

/* The CPU goes on with the thread that moved to it. */
inline switch_to(self, thread)
{
#ifndef NOT_WAITED
    SEEN(self, LEAVING(thread)) == 0; /* wait_until_left */
#endif
    atomic {
        assert(!on_stack[thread]);
        assert(SEEN(self, SAVED(thread)));
        on_stack[thread] = true
    }
}

inline sched_move(self)
{
#ifndef LEAVING_LATE
    store(self, LEAVING(self), 1);
#endif
    if
    :: self == 0 -> store(self, CPU_OF_0, 1)
    :: else
    fi;
    fence(self); /* the push is a release */
    inbox[OTHER(self)] = true;
#ifdef LEAVING_LATE
    store(self, LEAVING(self), 1);
#endif
#ifdef NEXT_IN_LINE
    if
    :: inbox[self] ->
        inbox[self] = false;
        SEEN(self, LEAVING(OTHER(self))) == 0;
        next = true
    :: else
    fi;
#endif
    /* context_move */
#ifdef LEFT_EARLY
    store(self, LEAVING(self), 0);
    fence(self);
#endif
    store(self, SAVED(self), 1);
    on_stack[self] = false;
#ifndef LEFT_EARLY
#ifndef LEFT_RELAXED
    fence(self);
#endif
    store(self, LEAVING(self), 0)
#endif
}

proctype cpu(byte self)
{
    bool next, stopping;

    sched_move(self);
    /* Idle, then the thread that comes */
    if
    :: next
    :: !next && inbox[self] -> inbox[self] = false
    fi;
    switch_to(self, OTHER(self));
    /* Thread 0 on CPU 1: service_check_stopping, then service code until an interrupt */
    if
    :: self == 1 ->
        load(self, STOPPING, stopping);
        if
        :: stopping
        :: !stopping && interrupt[1]
        fi;
    :: else
    fi
}

proctype service_stop()
{
    byte place;

    store(STOPPER, STOPPING, 1);
#ifndef STOP_NO_BARRIER
    fence(STOPPER);
#endif
    load(STOPPER, CPU_OF_0, place);
    interrupt[place] = true
}

init {
    atomic {
        on_stack[0] = true;
        on_stack[1] = true;
        run drain(AT(0, SAVED(0)));
        run drain(AT(0, LEAVING(0)));
        run drain(AT(0, CPU_OF_0));
        run drain(AT(1, SAVED(1)));
        run drain(AT(1, LEAVING(1)));
        run drain(AT(STOPPER, STOPPING));
        run cpu(0);
        run cpu(1);
        run service_stop()
    }
}
