/*
 * models: unmap_queue_push unmap_pass unmap_queue_passed unmap_queue_wait unmap_through page_pool_give limbo_take
 *
 * Two CPUs each take a page away from a table that is live on CPU B, by an entry in B's queue (DASH 3.4, slow), and hand the
 * page out again when their ticket is through (page 4). B's queue has room for one: the second drops the whole ASID. B makes a
 * pass when one is wanted; its walker fetches what it sees to be valid at any moment. A TLBI takes effect at any moment between
 * its issue and the end of B's next DSB. A lock orders no walk, so the store to an entry leaves its buffer only by itself or by
 * a DSB. Numbers are taken modulo 16 and begin at 14: they run over. A third waits with a ticket kept for half a round.
 * Checked: B reaches no page that was handed out, and everybody gets through: who waits for ever is an invalid end state.
 *
 * Mutants, each to be refuted:
 *   NO_ENTRY_BARRIER   the page is queued before its entry is seen to be cleared (no DSB ISHST)
 *   TICKET_FIRST       the number is read before the page is in the queue
 *   TICKET_UNLOCKED    the number is read after the lock was let go
 *   ENDED_EARLY        the pass publishes its number, then waits (DSB)
 *   WANTED_LATE        `wanted` is cleared when the lock has been let go
 *   FULL_LOST          what has no room in the queue is forgotten
 *   RECYCLE_BLIND      a page is handed out without a look at its ticket
 *   AGE_COMPARED       a ticket is through when it is not ahead of `ended`, as signed numbers
 */
#define PRODUCERS 2
#define B         PRODUCERS
#define PROCESSES (PRODUCERS + 1)
#define ENTRY(page) (page)
#define ENDED     PRODUCERS
#define VARIABLES (PRODUCERS + 1)
#include "memory.pml"

#define CAPACITY 1
#define ROUND    16
#define START    14

bool lock, wanted, queued[PRODUCERS], drop; /* B's queue */
byte count, begun = START;
bool cached[PRODUCERS], under_way[PRODUCERS]; /* B's TLB, and TLBIs issued there */
bool handed_out[PRODUCERS];

#ifdef AGE_COMPARED
#define PASSED(ticket, ended) (((ended) + ROUND - (ticket)) % ROUND < ROUND / 2)
#else
#define PASSED(ticket, ended) (((ticket) + ROUND - (ended) - 1) % ROUND > 1)
#endif

proctype walker(byte page)
{
end:
    do
    :: atomic { memory[ENTRY(page)] && !cached[page] -> cached[page] = true }
    od
}

proctype tlbi(byte page)
{
end:
    do
    :: atomic { under_way[page] -> cached[page] = false; under_way[page] = false }
    od
}

proctype violation()
{
end:
    atomic { (handed_out[0] && cached[0]) || (handed_out[1] && cached[1]) -> assert(false) }
}

inline unmap_queue_push(self)
{
#ifdef TICKET_FIRST
    ticket = (begun + 1) % ROUND;
#endif
    atomic {
        !lock ->
        if
        :: count == CAPACITY ->
#ifndef FULL_LOST
            drop = true;
#endif
            skip
        :: else ->
            queued[self] = true;
            count++
        fi;
        wanted = true;
#ifndef TICKET_FIRST
        ticket = (begun + 1) % ROUND
#endif
    }
#ifdef TICKET_UNLOCKED
    ticket = (begun + 1) % ROUND
#endif
}

/* unmap_page, unmap_flush, then the limbo. */
proctype producer(byte self)
{
    byte ticket;

    store(self, ENTRY(self), 0);
#ifndef NO_ENTRY_BARRIER
    fence(self);
#endif
    unmap_queue_push(self);
#ifndef RECYCLE_BLIND
    PASSED(ticket, memory[ENDED]);
#endif
    handed_out[self] = true
}

/* A page that has been somebody's, its unmap pending, while numbers went half round. */
proctype keeper()
{
    PASSED((START + ROUND / 2) % ROUND, memory[ENDED])
}

inline unmap_pass()
{
    atomic {
        !lock ->
        lock = true;
        begun = (begun + 1) % ROUND;
        number = begun;
#ifndef WANTED_LATE
        wanted = false
#endif
    }
    /* DSB, TLBI for each entry, or for the ASID */
    atomic {
        fence(B);
        under_way[0] = under_way[0] || queued[0] || drop;
        under_way[1] = under_way[1] || queued[1] || drop;
        queued[0] = false;
        queued[1] = false;
        drop = false;
        count = 0;
        lock = false
    }
#ifdef WANTED_LATE
    wanted = false;
#endif
#ifdef ENDED_EARLY
    store(B, ENDED, number);
#endif
    !under_way[0] && !under_way[1] && stores_pending[B] == 0; /* DSB ISH */
#ifndef ENDED_EARLY
    store(B, ENDED, number);
#endif
    number = 0
}

proctype cpu()
{
    byte number;

end:
    do
    :: wanted -> unmap_pass()
    od
}

init {
    atomic {
        memory[ENTRY(0)] = 1;
        memory[ENTRY(1)] = 1;
        memory[ENDED] = START;
        run drain(AT(0, ENTRY(0)));
        run drain(AT(1, ENTRY(1)));
        run drain(AT(B, ENDED));
        run walker(0);
        run walker(1);
        run tlbi(0);
        run tlbi(1);
        run producer(0);
        run producer(1);
        run keeper();
        run cpu();
        run violation()
    }
}
