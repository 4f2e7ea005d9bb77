/*
 * A limit on how often something is done: a bucket of tokens, `burst` at most, of which `rate` come in a second (RFC 1812,
 * 4.3.2.8; RFC 4443, 2.4 (f)). Plain C; any number of threads take from it, none of which waits for another.
 */
#ifndef APPS_NET_LIMITER_H
#define APPS_NET_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

struct limiter {
    uint64_t per_token_ns, most_ns; /* a token, and a full bucket, as time */
    uint64_t
        empty_at; /* (atomic) the moment at which the bucket was empty, or would have been, had it filled since */
};

static inline void limiter_init(struct limiter *limiter, unsigned rate, unsigned burst)
{
    limiter->per_token_ns = UINT64_C(1000000000) / rate;
    limiter->most_ns = limiter->per_token_ns * burst;
    limiter->empty_at = 0;
}

/* Takes a token; false when there is none. */
static inline bool limiter_take(struct limiter *limiter, uint64_t now_ns)
{
    uint64_t full = now_ns > limiter->most_ns ? now_ns - limiter->most_ns : 0;
    uint64_t empty_at = __atomic_load_n(&limiter->empty_at, __ATOMIC_RELAXED), next;

    do {
        next = (empty_at < full ? full : empty_at) + limiter->per_token_ns;
        if (next > now_ns)
            return false;
    } while (!__atomic_compare_exchange_n(&limiter->empty_at, &empty_at, next, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return true;
}

#endif
