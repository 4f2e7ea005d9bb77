/*
 * models: page_send stays_in_set send_locked page_receive receive_is_plain receive_locked page_tables_allowed page_lock page_sets_close page_take_strays page_describe unmap_settle
 *
 * A page goes to and fro between two services of one trust set, on CPUs 0 and 1, and stays mapped in both (ipc/page.h 9),
 * while CPU 2 ends the trust: it takes the set away from both, waits until each has made a pass (unmap_settle), and then takes
 * the page out of every table that is no owner's. A hand-over is one compare-and-swap of the state word, or is done under the
 * page's lock; passes are made between hand-overs, while waiting for a page's lock, and with tlb=ipi under it. Checked: when
 * the trust has ended, no table but its owner's has the page, now or later; and a receiver that does not trust leaves nothing
 * pending that can write (page 3).
 *
 * Mutants, each to be refuted:
 *   NOT_SETTLED        the pages are looked at while a hand-over that has seen the trust is under way
 *   TRUST_LAST         the trust is taken away after the wait
 *   KEPT_BEFORE_LOCK   the sender decides that the translations stay, then waits for the page's lock, making passes
 *   LOOKED_UNLOCKED    the one who ends the trust looks at the page without its lock
 *   STRAYS_LATE        a receiver waits for what is pending, then unmaps what the set left behind
 *   NO_RELEASE         the trust's end may be seen after the wish for a pass
 */
#define CLOSER    2
#define PROCESSES 3
#define TRUSTS(space) (space)
#define VARIABLES 2
#include "memory.pml"

#define OTHER(space) (1 - (space))
#define KERNEL 2
#define HOPS   3

byte owner, hops;
bool locked, mapped[2], writers; /* the page */
bool wanted[2], closed;
byte begun[2];
#define MAPPED (mapped[0] || mapped[1])

proctype violation()
{
end:
    atomic { closed && !locked && ((mapped[0] && owner != 0) || (mapped[1] && owner != 1)) -> assert(false) }
}

inline unmap_pass(self)
{
    atomic {
        wanted[self] = false;
        begun[self]++
    }
}

inline page_lock(self)
{
    do
    :: atomic { !locked -> locked = true; break }
    :: wanted[self] -> unmap_pass(self)
    od
}

/* Reads the words one after the other. */
inline stays_in_set(self)
{
    load(self, TRUSTS(self), keep);
    if
    :: keep -> load(self, TRUSTS(OTHER(self)), keep)
    :: else
    fi
}

inline word_load()
{
    atomic {
        seen_owner = owner;
        seen_locked = locked;
        seen_mapped = MAPPED
    }
}

/* `done` when the word was still what it was. */
inline word_change(to)
{
    atomic {
        done = !seen_locked && !locked && owner == seen_owner && MAPPED == seen_mapped;
        if
        :: done -> owner = to
        :: else
        fi
    }
}

inline send_locked(self)
{
#ifdef KEPT_BEFORE_LOCK
    stays_in_set(self);
    page_lock(self);
#else
    page_lock(self);
    stays_in_set(self);
#endif
    if
    :: wanted[self] -> unmap_pass(self) /* while it waits for another CPU */
    :: true
    fi;
    atomic {
        if
        :: !keep ->
            mapped[0] = false;
            mapped[1] = false
        :: else
        fi;
        owner = KERNEL;
        locked = false
    }
}

inline page_send(self)
{
    word_load();
    stays_in_set(self);
    if
    :: !seen_mapped || keep -> word_change(KERNEL)
    :: else
    fi;
    if
    :: !done -> send_locked(self)
    :: else
    fi;
    done = false;
    keep = false;
    hops++
}

inline receive_locked(self)
{
    page_lock(self);
#ifdef STRAYS_LATE
    writers = false; /* unmap_complete */
#endif
    load(self, TRUSTS(self), keep);
    atomic {
        owner = self;
        if
        :: !keep && mapped[OTHER(self)] -> /* strays: fast */
            mapped[OTHER(self)] = false;
            writers = true
        :: else
        fi;
#ifndef STRAYS_LATE
        writers = false;
#endif
        assert(!writers);
        locked = false
    }
}

inline page_receive(self)
{
    word_load();
    load(self, TRUSTS(self), keep); /* receive_is_plain */
    if
    :: !seen_mapped || keep -> word_change(self)
    :: else
    fi;
    if
    :: !done -> receive_locked(self)
    :: else
    fi;
    done = false;
    keep = false
}

proctype cpu(byte self)
{
    byte seen_owner;
    bool seen_locked, seen_mapped, keep, done;

end:
    do
    :: owner == KERNEL && hops % 2 == self -> page_receive(self)
    :: owner == self ->
        page_lock(self); /* page_fault */
        atomic {
            mapped[self] = true;
            locked = false
        }
        if
        :: hops < HOPS -> page_send(self)
        :: else -> break
        fi
    :: wanted[self] -> unmap_pass(self)
    od;
over:
    do
    :: wanted[self] -> unmap_pass(self)
    :: closed -> break
    od
}

inline trust_end()
{
    store(CLOSER, TRUSTS(0), 0);
    store(CLOSER, TRUSTS(1), 0)
}

inline pass_wait(on)
{
    atomic {
        ticket = begun[on] + 1;
        wanted[on] = true
    }
    begun[on] >= ticket
}

proctype page_sets_close()
{
    byte ticket;

#ifndef TRUST_LAST
    trust_end();
#endif
#ifndef NO_RELEASE
    fence(CLOSER); /* the release of the queue's lock */
#endif
#ifndef NOT_SETTLED
    pass_wait(0);
    pass_wait(1);
#endif
#ifdef TRUST_LAST
    trust_end();
    fence(CLOSER);
#endif
    /* page_take_strays */
    atomic {
#ifndef LOOKED_UNLOCKED
        !locked ->
#endif
        mapped[0] = mapped[0] && owner == 0;
        mapped[1] = mapped[1] && owner == 1;
        closed = true
    }
}

/* Somebody who only looks, under the lock. */
proctype page_describe()
{
end:
    do
    :: atomic { !locked -> locked = true }
       locked = false
    od
}

init {
    atomic {
        memory[TRUSTS(0)] = 1;
        memory[TRUSTS(1)] = 1;
        mapped[0] = true;
        run drain(AT(CLOSER, TRUSTS(0)));
        run drain(AT(CLOSER, TRUSTS(1)));
        run cpu(0);
        run cpu(1);
        run page_sets_close();
        run page_describe();
        run violation()
    }
}
