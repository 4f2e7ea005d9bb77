/*
 * models: give_way share_turn sched_push_remote sched_switch thread_preempt
 *
 * CPU 0 begins to run a thread whose share is spent, as nobody else wants the CPU (ipc/share.h), or finds at a tick that the share of
 * the thread that runs is spent: from then on it must be rung for whoever comes from another CPU. Who came just before that was seen
 * did not ring; so it looks once more, and rings itself. Lost, until the period ends, is a thread that is in the inbox while no
 * interrupt is on its way: Spin reports an invalid end state.
 *
 * Mutants, each to be refuted:
 *   NO_RING_BARRIER     the CPU looks at its inbox before `must_ring` is seen
 *   NO_LOOK             it does not look again after it has set `must_ring`
 *   NO_PUSH_BARRIER     the waker looks at `must_ring` before its thread is seen in the inbox
 */
#define PROCESSES 2
#define VARIABLES 2
#define INBOX     0
#define MUST_RING 1
#include "memory.pml"

#define CPU0 1 /* as a process of memory.pml; the waker is 0 */

bool interrupt;

/* sched_push_remote() */
proctype waker(byte self)
{
    byte ring;

    store(self, INBOX, 1);
#ifndef NO_PUSH_BARRIER
    fence(self);
#endif
    load(self, MUST_RING, ring);
    if
    :: ring ->
        fence(self); /* the DSB of who sends an interrupt */
        interrupt = true
    :: else
    fi;
    ring = 0
}

proctype cpu()
{
    byte found;

    load(CPU0, INBOX, found); /* sched_switch: inbox_empty */
    if
    :: found -> goto done /* who came has its turn */
    :: else
    fi;
    store(CPU0, MUST_RING, 1); /* give_way */
#ifndef NO_RING_BARRIER
    fence(CPU0);
#endif
#ifndef NO_LOOK
    load(CPU0, INBOX, found);
    if
    :: found -> interrupt = true
    :: else
    fi;
#endif
    do
    :: interrupt -> /* the service runs until then */
        interrupt = false;
        load(CPU0, INBOX, found); /* thread_preempt */
        if
        :: found -> break
        :: else
        fi
    od;
done:
    skip
}

init {
    atomic {
        run drain(AT(0, INBOX));
        run drain(AT(CPU0, MUST_RING));
        run waker(0);
        run cpu()
    }
}
