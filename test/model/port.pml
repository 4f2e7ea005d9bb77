/*
 * models: port_send port_take places_reserve waiters_add waiters_remove waiters_wake_all port_receiver_add port_sender_add
 *
 * Two senders and one receiver at a port of two places (ipc/port.h). Checked: each message arrives once, with what was
 * written into it before it was sent (message 1); one sender's messages in their order (port 2); a place is empty when it
 * is reserved (port 1); and nobody sleeps for ever: parking is a notification that stays (test/model/park.pml), so a
 * lost wake-up (port 3) is an invalid end state. Who wakes those that wait takes their bits by an exchange, and wakes them some
 * time later: the wake may find that its thread has gone on by itself, and is then one for nothing.
 *
 * Mutants, each to be refuted:
 *   NO_CONTENT_BARRIER   the pointer may be seen before what it points to
 *   NO_SENDER_BARRIER    the sender looks for waiting receivers before its message is seen
 *   NO_WAITER_BARRIER    who waits looks at the queue before it is known to wait
 *   NO_TAKE_BARRIER      the receiver looks for waiting senders before the room is seen
 *   HEAD_NOT_RELEASED    a place may be reserved before it is seen to be empty
 *   LOOK_THEN_ADD        the receiver looks at the queue, makes itself known, and parks
 *   ADDED_ONCE           who was woken, and whose bit was taken, looks once more and parks
 *   BIT_LEFT             a wake is given to who waits by a look at its bit, which is cleared by a store of its own later
 */
#define SENDERS  2
#define EACH     2
#define CAPACITY 2
#define RECEIVER SENDERS

#define PROCESSES (SENDERS + 1)
#define RING(i)     (i)          /* 0: empty, else the message's number + 1 */
#define TAIL        (CAPACITY)
#define HEAD        (CAPACITY + 1)
#define RECEIVERS   (CAPACITY + 2)          /* how many wait */
#define WAITING(s)  (CAPACITY + 3 + (s))    /* this sender waits */
#define CONTENT(m)  (CAPACITY + 3 + SENDERS + (m))
#define VARIABLES   (CAPACITY + 3 + SENDERS + SENDERS * EACH)
#include "memory.pml"

bool notified[PROCESSES]; /* thread_wake / thread_park */
byte arrivals, next_of[SENDERS];

/* waiters_wake: a look, an exchange, and the wake, each a step of its own. */
inline waiters_wake(self, waiting_at, thread)
{
    load(self, waiting_at, waiting);
    if
    :: waiting ->
#ifdef BIT_LEFT
        notified[thread] = true;
        memory[waiting_at] = 0;
#else
        atomic {
            waiting = memory[waiting_at];
            memory[waiting_at] = 0
        }
        if
        :: waiting -> notified[thread] = true
        :: else
        fi
#endif
    :: else
    fi;
    waiting = 0
}

/* waiters_remove */
inline forget(self, waiting_at)
{
    load(self, waiting_at, waiting);
    if
    :: waiting -> store(self, waiting_at, 0)
    :: else
    fi;
    waiting = 0
}

inline park(self)
{
    atomic {
        notified[self] -> notified[self] = false
    }
}

/* One place, or none: `place` is CAPACITY * 2 then. Numbers run modulo twice the capacity. */
#define NONE 15
inline places_reserve(self, place)
{
    load(self, HEAD, head); /* acquire */
    atomic {
        tail = memory[TAIL];
        if
        :: (tail + 2 * CAPACITY - head) % (2 * CAPACITY) >= CAPACITY -> place = NONE
        :: else ->
            memory[TAIL] = (tail + 1) % (2 * CAPACITY);
            place = tail % CAPACITY
        fi;
        tail = 0;
        head = 0
    }
}

proctype sender(byte self)
{
    byte k, head, tail, place, waiting;
#ifdef ADDED_ONCE
    bool added;
#endif

    do
    :: k == EACH -> break
    :: else ->
        store(self, CONTENT(self * EACH + k), 1);
again:
        places_reserve(self, place);
        if
        :: place == NONE ->
#ifdef ADDED_ONCE
parked_again:
            if
            :: !added -> store(self, WAITING(self), 1)
            :: else
            fi;
            added = true;
#else
            store(self, WAITING(self), 1);
#endif
#ifndef NO_WAITER_BARRIER
            fence(self);
#endif
            places_reserve(self, place);
            if
            :: place == NONE ->
                park(self);
#ifdef ADDED_ONCE
                goto parked_again;
#endif
                skip
            :: else
            fi;
#ifdef ADDED_ONCE
            added = false;
#endif
            forget(self, WAITING(self));
            if
            :: place == NONE -> goto again
            :: else
            fi
        :: else
        fi;
#ifndef NO_CONTENT_BARRIER
        fence(self);
#endif
        assert(memory[RING(place)] == 0); /* port 1 */
        store(self, RING(place), self * EACH + k + 1);
#ifndef NO_SENDER_BARRIER
        fence(self);
#endif
        waiters_wake(self, RECEIVERS, RECEIVER);
        place = 0;
        k++
    od
}

inline arrived(message)
{
    assert(memory[CONTENT(message - 1)] == 1);
    assert((message - 1) % EACH == next_of[(message - 1) / EACH]); /* port 2, and once only */
    next_of[(message - 1) / EACH]++;
    arrivals++;
    message = 0
}

/* port_take for up to two messages: `first` and `second` are 0 when there are none. */
inline port_take()
{
    load(RECEIVER, HEAD, head);
    load(RECEIVER, RING(head % CAPACITY), first);
    if
    :: first ->
        store(RECEIVER, RING(head % CAPACITY), 0);
        load(RECEIVER, RING((head + 1) % CAPACITY), second);
        if
        :: second -> store(RECEIVER, RING((head + 1) % CAPACITY), 0)
        :: else
        fi;
#ifndef HEAD_NOT_RELEASED
        fence(RECEIVER);
#endif
        store(RECEIVER, HEAD, (head + (second -> 2 : 1)) % (2 * CAPACITY));
#ifndef NO_TAKE_BARRIER
        fence(RECEIVER);
#endif
        waiters_wake(RECEIVER, WAITING(0), 0);
        waiters_wake(RECEIVER, WAITING(1), 1)
    :: else
    fi;
    head = 0
}

proctype receiver()
{
    byte head, first, second, waiting;

    do
    :: arrivals == SENDERS * EACH -> break
    :: else ->
#ifdef LOOK_THEN_ADD
        port_take();
        if
        :: first == 0 ->
            store(RECEIVER, RECEIVERS, 1);
            fence(RECEIVER);
            park(RECEIVER);
            forget(RECEIVER, RECEIVERS)
        :: else
        fi;
#else
        store(RECEIVER, RECEIVERS, 1);
#ifndef NO_WAITER_BARRIER
        fence(RECEIVER);
#endif
        port_take();
        if
        :: first == 0 -> park(RECEIVER)
        :: else
        fi;
        forget(RECEIVER, RECEIVERS);
#endif
        atomic {
            if
            :: first -> arrived(first)
            :: else
            fi;
            if
            :: second -> arrived(second)
            :: else
            fi
        }
    od
}

init {
    byte i;

    atomic {
        for (i : 0 .. SENDERS - 1) {
            run drain(AT(i, RING(0)));
            run drain(AT(i, RING(1)));
            run drain(AT(i, WAITING(i)));
            run drain(AT(i, CONTENT(i * EACH)));
            run drain(AT(i, CONTENT(i * EACH + 1)))
        }
        run drain(AT(RECEIVER, RING(0)));
        run drain(AT(RECEIVER, RING(1)));
        run drain(AT(RECEIVER, HEAD));
        run drain(AT(RECEIVER, RECEIVERS));
        i = 0;
        run sender(0);
        run sender(1);
        run receiver()
    }
}
