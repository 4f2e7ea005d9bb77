/*
 * Rounds of the probe, and what the services tell each other about them.
 *
 * A round: giver fills pages, its threads on three CPUs use them, one of them gives the pages away; the others go on reading
 * and writing. Whoever gets them writes a secret of this round into each page as soon as its receive has returned, and looks
 * whether anything changes. A thread that is cut off faults: giver starts again, and asks for the next round.
 *
 * So nobody compares times: who reads the secret read after receive returned, and what changes in the receiver's pages was
 * written after it.
 */
#ifndef PROBE_PROTOCOL_H
#define PROBE_PROTOCOL_H

#include <string.h>
#include "apps/baton.h"

/* How the pages change hands. */
enum way {
    SENT,       /* giver's only ownership goes: figures 3C and 3D */
    DUPLICATED, /* giver keeps one: it may read on, and not write */
    SHARED,     /* a duplicate goes, then the rest, and the receiver makes the two one again: figure 3B */
    FORWARDED,  /* through middle, which trusts: what is pending travels on */
    KEPT,       /* by middle, which is in giver's trust set if there is one */
    BOUNCED,    /* the receiver, which trusts, sends them back at once; then they are sent as in SENT */
    RELEASED,   /* given up; the receiver takes what is free until it has them: nobody is trusted then */
    DROPPED,    /* sent to a receiver that trusts, gives them up at once, and takes them as in RELEASED */
    CALLED,     /* sent with a request */
    REPLIED,    /* sent with the reply to a request of the receiver's */
    WAYS
};

enum receiver {
    TAKER,   /* isolated */
    INSIDER, /* trusted, at EL1 */
    MIDDLE,
    RECEIVERS
};

#define ROUND_TRUSTED   1u  /* giver sends with BATON_TRUSTED */
#define ROUND_TRUSTING  2u  /* the receiver receives with BATON_TRUST_SENDER */
#define ROUND_IMMEDIATE 4u  /* and with BATON_IMMEDIATE_ACCESS */
#define ROUND_SENDER    8u  /* the thread that sends probes too */
#define ROUND_TOUCHED   16u /* middle looks at the pages before it sends them on */
#define ROUND_MOVING    32u /* the probing threads go from CPU to CPU until the pages are given away */

struct round {
    uint32_t number; /* from 1; 0: no round */
    uint8_t way, receiver, flags, reserved;
};
_Static_assert(sizeof(struct round) == sizeof(uint64_t), "it travels in a message's tag");

enum request {
    NEXT = 1, /* to judge, rpc: the answer's tag is a round; or its type is REST or STOP */
    REST, /* giver lives on for a second: a service that faults at once each time is not started again for ever */
    STOP,
    SEEN,   /* to judge: a probe has read the secret */
    LASTED, /* to judge: a thread was not cut off as long as its patience lasted, counted while its CPU ran */
    NOTICE, /* to a receiver: pages of this round follow; their numbers are inline */
    PAGES,  /* those */
    END, /* from judge, rpc: what became of the round? The answer's tag: changes << 32 | us until the last; or UNDONE */
};
#define UNDONE UINT64_MAX /* giver was stopped while it was sending: the pages stayed its own */

/* In each page: the secret, and a word for each thread of giver, a cache line apart. */
#define SECRET_WORD         0
#define THREAD_WORD(thread) (8 * ((thread) + 1))
#define PAGES_MAX           32 /* of a round; more than BATON_PIECES go in a book */
#define GIVER_THREADS       3u

static inline uint64_t secret_of(struct round round)
{
    return UINT64_C(0x5ec2e70000000000) | round.number;
}

static inline uint64_t round_tag(struct round round)
{
    uint64_t tag;

    memcpy(&tag, &round, sizeof tag);
    return tag;
}

static inline struct round round_of(uint64_t tag)
{
    struct round round;

    memcpy(&round, &tag, sizeof round);
    return round;
}

#endif
