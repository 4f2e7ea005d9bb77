/*
 * models: port_close port_drain port_send port_take
 *
 * Two senders while the port closes (port 4): when all are done, the queue is empty, and each message was either refused
 * or dropped, once, by whichever of the two saw it.
 *
 * Mutants, each to be refuted:
 *   NO_CLOSE_BARRIER    the queue is drained before the senders can see that the port is closed
 *   NO_SENDER_BARRIER   a sender looks whether the port is closed before its message is seen
 *   NO_SENDER_DRAIN     a sender does not look again
 *   NO_TAKE_LOCK        two drain at once
 */
#define SENDERS   2
#define CAPACITY  2
#define CLOSER    SENDERS
#define PROCESSES (SENDERS + 1)
#define RING(i)   (i)
#define TAIL      (CAPACITY)
#define HEAD      (CAPACITY + 1)
#define CLOSED    (CAPACITY + 2)
#define VARIABLES (CAPACITY + 3)
#include "memory.pml"

bool take_lock, refused[SENDERS], dropped[SENDERS];
byte finished;

inline port_drain(self)
{
    do
    :: atomic {
#ifndef NO_TAKE_LOCK
           !take_lock ->
#endif
           take_lock = true
       }
       load(self, HEAD, head);
       if
       :: head < CAPACITY -> load(self, RING(head), message)
       :: else -> message = 0
       fi;
       if
       :: message ->
           store(self, RING(head), 0);
           fence(self);
           store(self, HEAD, head + 1)
       :: else
       fi;
       fence(self); /* the release of the lock */
       take_lock = false;
       if
       :: message ->
           assert(!dropped[message - 1]);
           dropped[message - 1] = true;
           message = 0
       :: else -> break
       fi
    od;
    head = 0
}

proctype sender(byte self)
{
    byte head, message, place, closed;

    load(self, CLOSED, closed);
    if
    :: closed -> refused[self] = true
    :: else ->
        atomic {
            place = memory[TAIL];
            memory[TAIL] = place + 1
        }
        store(self, RING(place), self + 1);
#ifndef NO_SENDER_BARRIER
        fence(self);
#endif
#ifndef NO_SENDER_DRAIN
        load(self, CLOSED, closed);
        if
        :: closed -> port_drain(self)
        :: else
        fi
#endif
    fi;
    finished++
}

proctype closer()
{
    byte head, message;

    store(CLOSER, CLOSED, 1);
#ifndef NO_CLOSE_BARRIER
    fence(CLOSER);
#endif
    port_drain(CLOSER);
    finished++
}

proctype at_end()
{
    byte i;

    finished == PROCESSES && stores_pending[0] + stores_pending[1] + stores_pending[2] == 0;
    atomic {
        for (i : 0 .. SENDERS - 1) {
            assert(refused[i] != dropped[i]);
            assert(memory[RING(i)] == 0)
        }
    }
}

init {
    byte i, v;

    atomic {
        for (i : 0 .. PROCESSES - 1) {
            for (v : 0 .. VARIABLES - 1) {
                run drain(AT(i, v))
            }
        }
        i = 0;
        v = 0;
        run sender(0);
        run sender(1);
        run closer();
        run at_end()
    }
}
