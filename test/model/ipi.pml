/*
 * models: tell_synchronous unmap_queue_push unmap_queue_wait unmap_pass unmap_ipi page_lock page_lock_wait rpc_wait idle_loop
 *
 * With tlb=ipi: CPUs 0 and 1 each take a page away from a table that is live on both, synchronously: an entry in the other's
 * queue, an interrupt, and a wait for its pass (DASH 3.4, synchronous_unmap). Each does so under the lock of a page, which may
 * be the same one, and with interrupts masked; CPU 1 may instead be a caller whose answer CPU 0 sends afterwards, and that
 * spins (rpc_wait). Then they sleep, and are woken by interrupts alone. Checked: when the wait is over the other CPU does not
 * reach the page; and nobody waits for ever (invalid end state).
 *
 * Mutants, each to be refuted:
 *   WAIT_MASKED        who waits for the other's pass makes none
 *   LOCK_MASKED        who waits for a page's lock makes none
 *   ANSWER_MASKED      who waits for an answer under way makes none
 *   RING_FIRST         the interrupt is sent before the page is in the queue
 *   RING_NOT           no interrupt is sent
 *   NO_ENTRY_BARRIER   the page is queued before its entry is seen to be cleared (no DSB ISHST)
 */
#define PROCESSES 2
#define ENTRY(p) (p) /* of the page that CPU p unmaps */
#define ENDED(c) (2 + (c))
#define VARIABLES 4
#include "memory.pml"

#define OTHER(c) (1 - (c))
/* The TLB of the other CPU: the page that this one unmaps. */
bool cached[2], under_way[2];
bool queued[2], wanted[2], interrupt[2];
byte begun[2];
bool locked[2], same_lock, calls, answered;
bool unmapped[2];

proctype walker(byte page)
{
end:
    do
    :: atomic { memory[ENTRY(page)] && !cached[page] -> cached[page] = true }
    :: atomic { under_way[page] -> cached[page] = false; under_way[page] = false }
    od
}

proctype violation()
{
end:
    atomic { (unmapped[0] && cached[0]) || (unmapped[1] && cached[1]) -> assert(false) }
}

inline unmap_pass(self)
{
    atomic {
        begun[self]++;
        wanted[self] = false;
        under_way[OTHER(self)] = under_way[OTHER(self)] || queued[self];
        queued[self] = false
    }
    !under_way[OTHER(self)] && stores_pending[self] == 0; /* DSB ISH */
    store(self, ENDED(self), begun[self])
}

inline ring(self)
{
    fence(self); /* DSB before the interrupt */
    interrupt[OTHER(self)] = true
}

inline unmap_synchronous(self)
{
    store(self, ENTRY(self), 0);
#ifndef NO_ENTRY_BARRIER
    fence(self);
#endif
#ifdef RING_FIRST
    ring(self);
#endif
    atomic { /* under the queue's lock */
        queued[OTHER(self)] = true;
        wanted[OTHER(self)] = true;
        ticket = begun[OTHER(self)] + 1
    }
#ifndef RING_FIRST
#ifndef RING_NOT
    ring(self);
#endif
#endif
    do
    :: memory[ENDED(OTHER(self))] >= ticket -> break
#ifndef WAIT_MASKED
    :: wanted[self] -> unmap_pass(self)
#endif
    od;
    unmapped[self] = true
}

#define PAGE(self) locked[(same_lock -> 0 : self)]

inline page_lock(self)
{
    do
    :: atomic { !PAGE(self) -> PAGE(self) = true; break }
#ifndef LOCK_MASKED
    :: wanted[self] -> unmap_pass(self)
#endif
    od
}

inline rpc_wait(self)
{
    do
    :: answered -> break
#ifndef ANSWER_MASKED
    :: wanted[self] -> unmap_pass(self)
#endif
    od
}

proctype cpu(byte self)
{
    byte ticket;

    if
    :: self == 1 && calls -> rpc_wait(self)
    :: else ->
        page_lock(self);
        unmap_synchronous(self);
        PAGE(self) = false
    fi;
    if
    :: self == 0 -> answered = true
    :: else
    fi;
    /* Interrupts are let in; idle_loop */
    if
    :: wanted[self] -> unmap_pass(self)
    :: else
    fi;
end:
    do
    :: interrupt[self] ->
        interrupt[self] = false;
        unmap_pass(self) /* unmap_ipi */
    od
}

init {
    atomic {
        memory[ENTRY(0)] = 1;
        memory[ENTRY(1)] = 1;
        run drain(AT(0, ENTRY(0)));
        run drain(AT(1, ENTRY(1)));
        run drain(AT(0, ENDED(0)));
        run drain(AT(1, ENDED(1)));
        run walker(0);
        run walker(1);
        run violation();
        if
        :: same_lock = true
        :: calls = true
        :: true
        fi;
        run cpu(0);
        run cpu(1)
    }
}
