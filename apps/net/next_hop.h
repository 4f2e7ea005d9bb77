/*
 * Next hops: the few places that many routes lead to, each with a number that a table of routes can hold.
 *
 * Owns: the memory that the caller gives to next_hops_init, which stays the caller's. Entries are counted: one that no
 * route uses any more is free for another. A gateway of all zeros says that the destination itself is on the link.
 *
 * Invariant 1: two entries in use differ in interface or gateway. Cost: a hash and, as a rule, one comparison.
 */
#ifndef APPS_NET_NEXT_HOP_H
#define APPS_NET_NEXT_HOP_H

#include <stddef.h>
#include <stdint.h>
#include "apps/net/address.h"

struct next_hop {
    struct address6
        gateway; /* as address_of4() has it for IPv4; all zeros: none, the network is on the link */
    uint32_t interface;
    uint32_t users; /* 0: free */
    uint32_t next;  /* of the same bucket, or of the free ones */
};

struct next_hops {
    struct next_hop *hops; /* from 1 on */
    uint32_t *buckets;
    uint32_t mask, limit, used, free;
};

size_t next_hops_bytes(uint32_t limit);
void next_hops_init(struct next_hops *table, void *memory, uint32_t limit);

/* The number of a next hop, which has one user more now; 0: `limit` others are in use. */
uint32_t next_hop_take(struct next_hops *table, uint32_t interface, struct address6 gateway);

/* One user less. */
void next_hop_release(struct next_hops *table, uint32_t number);

static inline const struct next_hop *next_hop_of(const struct next_hops *table, uint32_t number)
{
    return &table->hops[number];
}

#endif
