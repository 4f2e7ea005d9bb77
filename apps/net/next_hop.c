/* Next hops by number: see next_hop.h. */
#include <string.h>
#include "apps/net/next_hop.h"

static uint32_t buckets_for(uint32_t limit)
{
    uint32_t buckets = 16;

    while (buckets < limit)
        buckets *= 2;
    return buckets;
}

size_t next_hops_bytes(uint32_t limit)
{
    return ((size_t)limit + 1) * sizeof(struct next_hop) + buckets_for(limit) * sizeof(uint32_t);
}

void next_hops_init(struct next_hops *table, void *memory, uint32_t limit)
{
    struct next_hop *hops = memory;

    *table = (struct next_hops){.hops = hops,
                                .buckets = (uint32_t *)(hops + limit + 1),
                                .mask = buckets_for(limit) - 1,
                                .limit = limit,
                                .used = 1};
    memset(table->buckets, 0, buckets_for(limit) * sizeof(uint32_t));
}

/* By the gateway alone: who has the table may correct an interface. */
static uint32_t *bucket_of(const struct next_hops *table, struct address6 gateway)
{
    uint64_t hash = (gateway.high ^ gateway.high << 23 ^ gateway.low) * UINT64_C(0x9e3779b97f4a7c15);

    return &table->buckets[hash >> 40 & table->mask];
}

uint32_t next_hop_take(struct next_hops *table, uint32_t interface, struct address6 gateway)
{
    uint32_t *bucket = bucket_of(table, gateway), number;

    for (number = *bucket; number; number = table->hops[number].next) {
        struct next_hop *hop = &table->hops[number];
        if (hop->interface == interface && address6_equal(hop->gateway, gateway)) {
            hop->users++;
            return number;
        }
    }
    number = table->free;
    if (number)
        table->free = table->hops[number].next;
    else if (table->used <= table->limit)
        number = table->used++;
    else
        return 0;
    table->hops[number] = (struct next_hop){gateway, interface, 1, *bucket};
    *bucket = number;
    return number;
}

void next_hop_release(struct next_hops *table, uint32_t number)
{
    struct next_hop *hop = &table->hops[number];
    uint32_t *link = bucket_of(table, hop->gateway);

    if (--hop->users)
        return;
    while (*link != number)
        link = &table->hops[*link].next;
    *link = hop->next;
    hop->next = table->free;
    table->free = number;
}
