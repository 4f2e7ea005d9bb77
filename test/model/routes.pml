/*
 * models: route_insert route_remove routes_settle routes_look lanes_passed control_ready
 *
 * Lane 0 of a router changes the table of routes while another lane looks up (apps/net/route.h, apps/router/lane.h). To begin with
 * a short prefix covers an address. Lane 0 adds a longer one, takes the short one away and adds it again, and takes the longer
 * one away: its node goes to the limbo, and when the other lane has passed it is used again for a prefix that the address does not
 * begin with. Checked: the address always has a route, as it has one at each moment; and a look-up that has come to a node finds
 * there what was put into it for this place of the tree.
 *
 * Mutants, each to be refuted:
 *   LINK_NOT_RELEASED    the link to a node may be seen before what is in the node
 *   NOT_LOOKED_AGAIN     a look-up does not look whether a change has begun meanwhile
 *   SHORT_BELIEVED       a look-up that finds the short prefix without a value does not look whether another one is the best now
 *   SHORT_BEFORE_BEST    the short prefix's value goes first, and only then what leads there
 *   SETTLED_AT_ONCE      a node is used again without asking who may still look at it
 *   PASSED_WITHIN        a lane says that it has passed while it is looking up
 *   PASSED_UNSEEN        a lane says that it has passed without having seen how far lane 0 was
 */
#define OWNER     0
#define LANE      1
#define PROCESSES 2
#define BATCHES   2

#define VERSION    0 /* of the table: changes that were begun */
#define BEST       1 /* 0, or where the value of the best short prefix is */
#define SHORT      2 /* its value, 0 or 1 */
#define SHORTER    3 /* and that of the other one */
#define LINK       4 /* whether the tree has the node */
#define NODE       5 /* what is in it: 2 for the longer prefix, 3 for another one */
#define STATEMENTS 6 /* router.version: changes that are complete */
#define PASSED     7 /* by the lane */
#define VARIABLES  8
#include "memory.pml"

/* word_set, and what change_begin is as well */
inline release(self, variable, value)
{
    fence(self);
    store(self, variable, value)
}

inline short_remove(version, cover)
{
    release(OWNER, VERSION, version);
#ifdef SHORT_BEFORE_BEST
    release(OWNER, SHORT, 0);
    release(OWNER, BEST, cover)
#else
    release(OWNER, BEST, cover);
    release(OWNER, SHORT, 0)
#endif
}

proctype owner()
{
    byte passed;

    release(OWNER, VERSION, 1); /* route_insert */
    store(OWNER, NODE, 2);
#ifdef LINK_NOT_RELEASED
    store(OWNER, LINK, 1);
#else
    release(OWNER, LINK, 1);
#endif
    short_remove(2, 0);
    release(OWNER, VERSION, 3); /* route_insert */
    release(OWNER, SHORT, 1);
    release(OWNER, BEST, SHORT);
    release(OWNER, VERSION, 4); /* route_remove */
    release(OWNER, LINK, 0);
    release(OWNER, STATEMENTS, 1);
#ifndef SETTLED_AT_ONCE
    do /* control_ready, lanes_passed */
    :: load(OWNER, PASSED, passed);
       if
       :: passed == 1 -> break
       :: else
       fi
    od;
#endif
    store(OWNER, NODE, 3); /* routes_settle, and the next route_insert */
    release(OWNER, VERSION, 5);
    release(OWNER, SHORTER, 1);
    short_remove(6, SHORTER)
}

/* routes_look */
inline pass(statements)
{
#ifdef PASSED_UNSEEN
    statements = 1;
#else
    load(LANE, STATEMENTS, statements);
#endif
    release(LANE, PASSED, statements);
    statements = 0
}

inline route_short()
{
    do
    :: load(LANE, BEST, best);
       if
       :: best -> load(LANE, best, value)
       :: else -> value = 0
       fi;
#ifdef SHORT_BELIEVED
       break
#else
       if
       :: best && !value -> assert(again < 2); again++ /* each time because of another removal */
       :: else -> break
       fi
#endif
    od;
    best = 0;
    again = 0
}

/* route_lookup; loads are in order, being acquires */
inline look_up()
{
    do
    :: load(LANE, VERSION, version);
       route_short();
       load(LANE, LINK, link);
#ifdef PASSED_WITHIN
       pass(statements);
#endif
       if
       :: link ->
           load(LANE, NODE, value);
           assert(value == 2)
       :: else
       fi;
#ifdef NOT_LOOKED_AGAIN
       break
#else
       load(LANE, VERSION, link);
       if
       :: link == version -> break
       :: else
       fi
#endif
    od;
    assert(value);
    version = 0;
    value = 0;
    link = 0
}

proctype lane()
{
    byte batch, statements, version, value, link, best, again;

    do
    :: batch == BATCHES ->
        pass(statements) /* for ever, without anything to look up */
    :: else ->
        pass(statements);
        look_up();
        batch++
    od
}

init {
    byte v;

    atomic {
        memory[BEST] = SHORT;
        memory[SHORT] = 1;
        for (v : 0 .. VARIABLES - 1) {
            run drain(AT(OWNER, v));
            run drain(AT(LANE, v))
        }
        v = 0;
        run owner();
        run lane()
    }
}
