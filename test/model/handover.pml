/*
 * models: unmap_flush_gathered tell_synchronous tell_fast queue_on unmap_pass unmap_through unmap_complete passed_here page_receive page_owner_map
 *
 * A page changes hands by each kind of unmap (DASH figure 3). Its sender ran on CPUs 0 and 1; the walkers of both fetch the
 * entry while it is seen to be valid. CPU 0 sends: the page was the sender's alone, or shared and so read-only; the unmap is
 * synchronous, fast or slow, whatever was right to choose. The first receiver, on CPU 0 or 2, trusts or not; one that trusts
 * may write to the page and sends it on, with what is pending, to one on CPU 3 that does not. A TLBI takes effect, on each CPU
 * that it is for, at any moment between its issue and the end of the issuer's next DSB; nobody else's DSB waits for it.
 * Checked: when a receiver that does not trust has the page, no CPU reaches it by the sender's writable translation (page 3);
 * when an owner writes, none reaches it by a read-only one (page 2).
 *
 * Mutants, each to be refuted:
 *   NO_ENTRY_BARRIER   TLBs are told before the entry is seen to be cleared (no DSB ISHST)
 *   TICKET_BEHIND      a fast unmap names the pass that its CPU has made
 *   PASS_LOCAL         a pass waits for what was invalidated on its own CPU alone (DSB NSH)
 *   ENDED_EARLY        a pass publishes its number, then waits
 *   FORGOTTEN_BY_ONE   the record is forgotten when one of the CPUs is through
 *   PENDING_LOST       what is pending does not go on with the page
 *   NOT_COMPLETED      who does not trust does not wait
 *   WAIT_ONLY          the receiver waits (DSB) for the TLBIs that the sender issued
 *   REISSUE_LOCAL      the receiver invalidates again on its own CPU alone
 *   REISSUE_NO_DSB     it invalidates again and does not wait
 *   WRITE_EARLY        an owner writes while others may still read
 */
#define PROCESSES 4
#define ENTRY    0
#define ENDED(c) (1 + (c))
#define VARIABLES 3
#include "memory.pml"

#define PASSED(ticket, ended) ((ticket) - (ended) - 1 < 0 || (ticket) - (ended) - 1 > 1)
#define UNDER_WAY(issuer, cpu) under_way[(issuer) * 2 + (cpu)]
#define SYNCHRONOUS 0
#define FAST        1
#define SLOW        2

bool cached[2], under_way[PROCESSES * 2];
bool wanted[2], queued[2];
byte begun[2];
bool counts[2], readers, writers; /* the record */
byte ticket[2];
byte port; /* 1, 2: the message waits for the first or second receiver */
byte place; /* the CPU of the first */
bool shared, protected, written;

proctype walker()
{
end:
    do
    :: atomic { memory[ENTRY] && !cached[0] -> cached[0] = true }
    :: atomic { memory[ENTRY] && !cached[1] -> cached[1] = true }
    od
}

#define EFFECT(issuer, cpu) atomic { UNDER_WAY(issuer, cpu) -> cached[cpu] = false; UNDER_WAY(issuer, cpu) = false }
proctype tlbi()
{
end:
    do
    :: EFFECT(0, 0)
    :: EFFECT(0, 1)
    :: EFFECT(1, 1)
    :: EFFECT(2, 0)
    :: EFFECT(2, 1)
    :: EFFECT(3, 0)
    :: EFFECT(3, 1)
    od
}

proctype violation()
{
end:
    atomic { (cached[0] || cached[1]) && (shared -> written : protected) -> assert(false) }
}

inline tlbi_broadcast(self)
{
    atomic {
        UNDER_WAY(self, 0) = true;
        UNDER_WAY(self, 1) = true
    }
}

inline dsb(self)
{
    !UNDER_WAY(self, 0) && !UNDER_WAY(self, 1) && stores_pending[self] == 0
}

inline unmap_pass(self)
{
    atomic {
        wanted[self] = false;
        begun[self]++;
        number = begun[self];
        UNDER_WAY(self, self) = UNDER_WAY(self, self) || queued[self];
        queued[self] = false
    }
#ifdef ENDED_EARLY
    store(self, ENDED(self), number);
#endif
#ifdef PASS_LOCAL
    !UNDER_WAY(self, self) && stores_pending[self] == 0;
#else
    dsb(self);
#endif
#ifndef ENDED_EARLY
    store(self, ENDED(self), number);
#endif
    number = 0
}

inline ticket_set(cpu)
{
    counts[cpu] = true;
    ticket[cpu] = begun[cpu] + 1;
    wanted[cpu] = true
}

inline unmap_flush(kind)
{
    store(0, ENTRY, 0);
#ifndef NO_ENTRY_BARRIER
    fence(0);
#endif
    if
    :: kind == SYNCHRONOUS ->
        tlbi_broadcast(0);
        dsb(0)
    :: kind == FAST ->
        tlbi_broadcast(0);
        atomic {
            ticket_set(0);
#ifdef TICKET_BEHIND
            ticket[0] = begun[0]
#endif
        }
    :: kind == SLOW ->
        atomic {
            queued[0] = true;
            ticket_set(0)
        }
        atomic {
            queued[1] = true;
            ticket_set(1)
        }
    fi
}

inline record_settle()
{
    counts[0] = false;
    counts[1] = false;
    readers = false;
    writers = false
}

/* `open` afterwards: something is not through. */
inline unmap_through(self)
{
    atomic {
        load(self, ENDED(0), number);
        open = counts[0] && !PASSED(ticket[0], number);
        load(self, ENDED(1), number);
#ifdef FORGOTTEN_BY_ONE
        open = open && counts[1] && !PASSED(ticket[1], number);
#else
        counts[0] = open;
        counts[1] = counts[1] && !PASSED(ticket[1], number);
        open = open || counts[1];
#endif
        number = 0;
        if
        :: !open -> record_settle()
        :: else
        fi
    }
}

inline unmap_complete(self)
{
    unmap_through(self);
    if
    :: open && self == 0 && !counts[1] -> /* passed_here */
        unmap_pass(self);
        unmap_through(self)
    :: else
    fi;
    if
    :: open ->
        dsb(self);
#ifdef REISSUE_LOCAL
        if
        :: self == 0 -> UNDER_WAY(0, 0) = true
        :: else
        fi;
#else
#ifndef WAIT_ONLY
        tlbi_broadcast(self);
#endif
#endif
#ifndef REISSUE_NO_DSB
        dsb(self);
#endif
        record_settle()
    :: else
    fi;
    open = false
}

/* page_receive, then perhaps page_owner_map for writing, then perhaps page_send to the second receiver. */
inline page_receive(self, may_trust)
{
    port = 0;
    if
    :: trust = may_trust
    :: trust = false
    fi;
#ifndef NOT_COMPLETED
    complete = !trust && writers;
#endif
again:
    if
    :: complete -> unmap_complete(self)
    :: else
    fi;
    if
    :: !received ->
        received = true;
        protected = !trust;
#ifdef WRITE_EARLY
        complete = false;
#else
        complete = readers;
#endif
        goto again
    :: else
    fi;
    written = true;
    received = false;
    complete = false;
    if
    :: trust ->
        atomic {
            written = false;
#ifdef PENDING_LOST
            record_settle();
#endif
            port = 2
        }
    :: else
    fi
}

/* CPU 0: the sender, and perhaps the first receiver. */
proctype cpu0()
{
    byte number;
    bool open, trust, complete, received;

    if
    :: place = 0
    :: place = 2
    fi;

    if
    :: shared = true -> /* an unmap that may not be complete is of readers */
        if
        :: unmap_flush(SYNCHRONOUS)
        :: readers = true; unmap_flush(SLOW)
        fi
    :: if
        :: unmap_flush(SYNCHRONOUS)
        :: writers = true; unmap_flush(FAST)
        :: writers = true; unmap_flush(SLOW)
        fi
    fi;
    port = 1;
end:
    do
    :: wanted[0] -> unmap_pass(0)
    :: port == 1 && place == 0 -> page_receive(0, true)
    od
}

proctype cpu1()
{
    byte number;

end:
    do
    :: wanted[1] -> unmap_pass(1)
    od
}

proctype receiver(byte self, at; bool may_trust)
{
    byte number;
    bool open, trust, complete, received;

end:
    port == at && (at == 2 || place == self);
    page_receive(self, may_trust)
}

init {
    atomic {
        memory[ENTRY] = 1;
        run drain(AT(0, ENTRY));
        run drain(AT(0, ENDED(0)));
        run drain(AT(1, ENDED(1)));
        run walker();
        run tlbi();
        run cpu0();
        run cpu1();
        run receiver(2, 1, true);
        run receiver(3, 2, false);
        run violation()
    }
}
