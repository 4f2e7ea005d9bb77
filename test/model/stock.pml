/*
 * models: stock_take stock_give bundle_push bundle_pop
 *
 * Three CPUs take bundles out of a stock and put them back (core/stock.h), of one stack: the other works alike. Each writes
 * into a bundle before it gives it back. Checked: a bundle is in the hands of one CPU only (stock 1); what a CPU reads in it is
 * what the last one wrote (no number comes twice or is lost); and all bundles are on the stack in the end.
 *
 * Mutants, each to be refuted:
 *   NOT_COUNTED          the top is exchanged by itself, however often it was popped meanwhile
 *   PUSH_NOT_RELEASED    a bundle may be seen on the stack before what it holds, or what is below it
 *   PUSH_BLIND           a push does not look whether the top is still the one that it has put below
 */
#define CPUS      3
#define BUNDLES   2
#define ROUNDS    2 /* of the first CPU; the others make one each, which is what it takes to deceive it */
#define PROCESSES CPUS
#define BELOW(b)  ((b) - 1)
#define HOLDS(b)  (BUNDLES + (b) - 1)
#define VARIABLES (2 * BUNDLES)
#include "memory.pml"

byte top = 2, popped;          /* one word: only ever exchanged, so seen at once by all */
byte held_by[BUNDLES + 1];     /* 0: nobody, else CPU + 1 */
byte written[BUNDLES + 1];     /* what the last one wrote */
byte ended;

/* The CPU has what it popped only when nobody else has changed the word; `got` is 0 when there was none. */
inline pop(self)
{
    do
    :: atomic {
           seen_top = top;
           seen_popped = popped
       }
       if
       :: seen_top == 0 -> got = 0; break
       :: else
       fi;
       load(self, BELOW(seen_top), below);
       atomic {
           if
#ifdef NOT_COUNTED
           :: top == seen_top ->
#else
           :: top == seen_top && popped == seen_popped ->
#endif
               got = seen_top;
               top = below;
               popped = (popped + 1) % 16;
               assert(held_by[got] == 0); /* stock 1 */
               held_by[got] = self + 1;
               break
           :: else
           fi
       }
    od;
    seen_top = 0;
    seen_popped = 0;
    below = 0
}

inline push(self)
{
    do
    :: seen_top = top;
       store(self, BELOW(got), seen_top);
#ifndef PUSH_NOT_RELEASED
       fence(self);
#endif
       atomic {
           if
#ifdef PUSH_BLIND
           :: true ->
#else
           :: top == seen_top ->
#endif
               held_by[got] = 0;
               top = got;
               break
           :: else
           fi
       }
    od;
    seen_top = 0
}

proctype cpu(byte self)
{
    byte round, got, seen_top, seen_popped, below, holds;

    do
    :: round == ROUNDS || (self && round) -> break
    :: else ->
        pop(self);
        if
        :: got ->
            load(self, HOLDS(got), holds);
            assert(holds == written[got]);
            holds = 0;
            written[got] = self * ROUNDS + round + 1;
            store(self, HOLDS(got), self * ROUNDS + round + 1);
            push(self);
            got = 0
        :: else
        fi;
        round++
    od;
    ended++
}

/* All are there in the end, one below the other. */
proctype judge()
{
    ended == CPUS && stores_pending[0] + stores_pending[1] + stores_pending[2] == 0;
    assert(top && memory[BELOW(top)] && memory[BELOW(top)] != top && memory[BELOW(memory[BELOW(top)])] == 0)
}

init {
    byte i, v;

    atomic {
        memory[BELOW(2)] = 1;
        for (i : 0 .. CPUS - 1) {
            for (v : 0 .. VARIABLES - 1) {
                run drain(AT(i, v))
            }
        }
        i = 0;
        v = 0;
        run cpu(0);
        run cpu(1);
        run cpu(2);
        run judge()
    }
}
