/*
 * The table of stations: the parts that do not run for every frame.
 */
#include <stddef.h>
#include <string.h>
#include "apps/switch/table.h"

#define SWEEP_UNITS 64

static unsigned buckets_for(unsigned limit)
{
    unsigned buckets = 64;

    while (buckets * TABLE_WAYS < limit * 4)
        buckets *= 2;
    return buckets;
}

unsigned table_slots(unsigned limit)
{
    return buckets_for(limit) * TABLE_WAYS;
}

void table_init(struct table *table, uint64_t *slots, unsigned limit, uint64_t age_ns, uint64_t seed,
                uint64_t now_ns)
{
    unsigned buckets = buckets_for(limit);

    memset(slots, 0, table_slots(limit) * sizeof slots[0]);
    *table = (struct table){
        .slots = slots,
        .multiplier = (UINT64_C(0x9e3779b97f4a7c15) ^ seed << 1) | 1,
        .shift = 64 - (unsigned)__builtin_ctz(buckets),
        .mask = buckets - 1,
        .unit_ns = age_ns >= TABLE_UNITS ? age_ns / TABLE_UNITS : 1,
        .limit = limit,
    };
    table->now = table->swept = now_ns / table->unit_ns;
}

/* Frees the places of all entries that have expired. Cost: one load for each place. */
static void sweep(struct table *table)
{
    unsigned slots = (table->mask + 1) * TABLE_WAYS;

    for (unsigned i = 0; i < slots; i++) {
        if (table->slots[i] && table_expired(table, table->slots[i])) {
            table->slots[i] = 0;
            table->used--;
        }
    }
    table->swept = table->now;
}

void table_time_set(struct table *table, uint64_t now_ns)
{
    uint64_t now = now_ns / table->unit_ns, passed = now - table->now;

    table->now = now;
    if (passed >
        TABLE_UNITS) { /* nobody was heard for so long: the 10 bits of an entry may have come round */
        memset(table->slots, 0, (table->mask + 1) * TABLE_WAYS * sizeof table->slots[0]);
        table->used = 0;
        table->swept = now;
    } else if (now - table->swept >= SWEEP_UNITS) {
        sweep(table);
    }
}

/* A free place in the bucket, NULL when it has none; `free` counts them. */
static uint64_t *bucket_place(uint64_t *bucket, unsigned *free)
{
    uint64_t *place = NULL;

    *free = 0;
    for (unsigned i = TABLE_WAYS; i-- > 0;) {
        if (!bucket[i]) {
            place = &bucket[i];
            ++*free;
        }
    }
    return place;
}

/* A place for a new entry in the emptier one of its two buckets, which keeps both from filling up. */
static uint64_t *place_find(const struct table *table, uint64_t key)
{
    uint64_t hash = table_hash(table, key);
    unsigned first_free, second_free;
    uint64_t *first = bucket_place(table_bucket_first(table, hash), &first_free);
    uint64_t *second = bucket_place(table_bucket_second(table, hash), &second_free);

    return second_free > first_free ? second : first;
}

void table_learn_changed(struct table *table, uint64_t *entry, uint64_t key, unsigned port)
{
    if (entry) {
        if ((*entry & TABLE_PORT_MASK) != port && !table_expired(table, *entry))
            table->moved++;
    } else {
        if (table->used == table->limit && table->swept != table->now)
            sweep(table); /* at most once a unit */
        entry = table->used < table->limit ? place_find(table, key) : NULL;
        if (!entry) {
            table->refused++;
            return;
        }
        table->used++;
    }
    *entry = key | (table->now & 1023) << 6 | port;
}
