/*
 * models: service_stop thread_exit service_finish port_close port_drain message_drop page_release_all release_whole page_release_batch unmap_flush_gathered page_pool_give limbo_take unmap_pass
 *
 * A service is stopped. Its threads run on CPUs 0 and 1, whose walkers fetch what is seen to be valid. It owns pages 0 and 1
 * and has them mapped; page 2 was its own too, sent with trust, and has come back to its port with that unmap still in the
 * queues of both CPUs. Thread 0 may receive page 2, thread 1 may send page 1, with trust, to a service on CPU 2 that frees it.
 * At any moment the stop is seen; the last thread to end gives all back. Deallocation is slow: pages wait in limbo until the
 * passes were made (ipc/page_limbo.h). Checked: no CPU reaches a page that is free again (page 4), each page is given up by who
 * owns it, once (message 3), and all are free in the end (page 5): a lost one is an invalid end state. That passes and tickets
 * are right belongs to test/model/queue.pml.
 *
 * Mutants, each to be refuted:
 *   FREED_AT_ONCE      the pages of the dead are free while their unmaps are queued
 *   DROPPED_AT_ONCE    so are those in the messages that its port held
 *   FLUSH_LATE         pages are given up, then what was gathered is told: nothing seems to be pending
 *   QUEUES_EMPTIED     what a dead service has in the queues is taken out: nobody runs in its table
 *   FIRST_FINISHES     the first thread to end gives all back
 *   NOT_DRAINED        what its port holds stays there
 *   NO_ENTRY_BARRIER   pages are queued before their entries are seen to be cleared (no DSB ISHST)
 */
#define PAGES     3
#define PROCESSES 2
#define ENTRY(page) (page) /* of the dying service's table */
#define VARIABLES 2        /* page 2 is not mapped any more */
#include "memory.pml"

#define SERVICE 0
#define KERNEL  1 /* in a message */
#define OTHER   2
#define NOBODY  3
#define LIMBO   4
#define FREE    5

#define AT_CPU(page, cpu) ((page) * 2 + (cpu))
byte owner[PAGES];
bool cached[PAGES * 2], queued[PAGES * 2], counts[PAGES * 2];
byte ticket[PAGES * 2], begun[2];
bool wanted[2], stopping, port_holds, message_sent;
byte alive = 2, ended;

#define THROUGH(page) ((!counts[AT_CPU(page, 0)] || begun[0] >= ticket[AT_CPU(page, 0)]) && \
                       (!counts[AT_CPU(page, 1)] || begun[1] >= ticket[AT_CPU(page, 1)]))

#define WALK(page, cpu) atomic { memory[ENTRY(page)] && !cached[AT_CPU(page, cpu)] -> cached[AT_CPU(page, cpu)] = true }
proctype walker()
{
end:
    do
    :: WALK(0, 0)
    :: WALK(0, 1)
    :: WALK(1, 0)
    :: WALK(1, 1)
    od
}

#define REACHED(page) (owner[page] == FREE && (cached[AT_CPU(page, 0)] || cached[AT_CPU(page, 1)]))
proctype violation()
{
end:
    atomic { REACHED(0) || REACHED(1) || REACHED(2) -> assert(false) }
}

#define TAKE(page, cpu)                                                                                              \
    cached[AT_CPU(page, cpu)] = cached[AT_CPU(page, cpu)] && !queued[AT_CPU(page, cpu)];                             \
    queued[AT_CPU(page, cpu)] = false
/* Passes are made whatever the CPU runs; begun = ended, as one step. */
proctype passes(byte cpu)
{
end:
    do
    :: atomic {
           wanted[cpu] ->
           wanted[cpu] = false;
           begun[cpu]++;
           TAKE(0, cpu);
           TAKE(1, cpu);
           TAKE(2, cpu)
       }
    od
}

inline queue_push(page, cpu)
{
    atomic {
        queued[AT_CPU(page, cpu)] = true;
        counts[AT_CPU(page, cpu)] = true;
        ticket[AT_CPU(page, cpu)] = begun[cpu] + 1;
        wanted[cpu] = true
    }
}

inline unmap_flush(self, page)
{
#ifndef NO_ENTRY_BARRIER
    fence(self);
#endif
    queue_push(page, 0);
    queue_push(page, 1)
}

inline page_pool_give(page)
{
    atomic {
        assert(owner[page] == NOBODY);
        owner[page] = (THROUGH(page) -> FREE : LIMBO)
    }
}

/* Takes the page from `from`, if it is that one's. */
inline page_release(self, page, from)
{
    atomic {
        mine = owner[page] == from;
        if
        :: mine -> owner[page] = NOBODY
        :: else
        fi
    }
    if
    :: mine && from == SERVICE && page < 2 ->
        store(self, ENTRY(page), 0);
#ifdef FLUSH_LATE
        page_pool_give(page);
        unmap_flush(self, page)
#else
        unmap_flush(self, page);
#ifdef FREED_AT_ONCE
        owner[page] = FREE
#else
        page_pool_give(page)
#endif
#endif
    :: mine && !(from == SERVICE && page < 2) ->
#ifdef DROPPED_AT_ONCE
        owner[page] = FREE
#else
        page_pool_give(page)
#endif
    :: else
    fi
}

inline service_finish(self)
{
#ifndef NOT_DRAINED
    if
    :: port_holds ->
        port_holds = false;
        page_release(self, 2, KERNEL);
        assert(mine)
    :: else
    fi;
#endif
    page = 0;
    do
    :: page < PAGES ->
        page_release(self, page, SERVICE);
        page++
    :: else -> break
    od;
#ifdef QUEUES_EMPTIED
    atomic {
        for (page : 0 .. 2 * PAGES - 1) {
            queued[page] = false
        }
    }
#endif
    page = 0
}

proctype thread(byte self)
{
    byte page;
    bool mine, last;

    if
    :: self == 0 && port_holds ->
        atomic {
            port_holds ->
            port_holds = false; /* port_take */
            owner[2] = SERVICE
        }
    :: self == 1 ->
        atomic {
            mine = owner[1] == SERVICE;
            if
            :: mine -> owner[1] = KERNEL
            :: else
            fi
        }
        if
        :: mine ->
            store(self, ENTRY(1), 0);
            unmap_flush(self, 1);
            message_sent = true
        :: else
        fi
    :: true
    fi;
    stopping; /* on the way back to service code, or by an interrupt */
    atomic {
        alive--;
#ifdef FIRST_FINISHES
        last = alive == 1
#else
        last = alive == 0
#endif
    }
    if
    :: last -> service_finish(self)
    :: else
    fi;
    ended++
}

/* The service on CPU 2: receives with trust and frees. What is pending goes to limbo with the page. */
proctype receiver()
{
    byte page;
    bool mine;

end:
    message_sent;
    owner[1] = OTHER;
    page_release(0, 1, OTHER)
}

/* Whoever gets pages, or a tick. */
#define REAP(page) atomic { owner[page] == LIMBO && THROUGH(page) -> owner[page] = FREE }
proctype limbo_take()
{
end:
    do
    :: REAP(0)
    :: REAP(1)
    :: REAP(2)
    od
}

proctype at_end()
{
    ended == 2;
    owner[0] == FREE && owner[1] == FREE && owner[2] == FREE
}

init {
    atomic {
        memory[ENTRY(0)] = 1;
        memory[ENTRY(1)] = 1;
        cached[AT_CPU(2, 0)] = true;
        cached[AT_CPU(2, 1)] = true;
        owner[2] = NOBODY;
        queue_push(2, 0);
        queue_push(2, 1);
        owner[2] = KERNEL;
        port_holds = true;
        run drain(AT(0, ENTRY(0)));
        run drain(AT(0, ENTRY(1)));
        run drain(AT(1, ENTRY(0)));
        run drain(AT(1, ENTRY(1)));
        run walker();
        run passes(0);
        run passes(1);
        run limbo_take();
        run receiver();
        run thread(0);
        run thread(1);
        run at_end();
        run violation();
        stopping = true
    }
}
