/*
 * The table of stations: which port a MAC address was last seen at (IEEE 802.1D-2004, 7.8 and 7.9).
 *
 * Model: an entry is one 64-bit word: address (48 bits), time of the last frame (10), port (6). It may lie in
 * either of two buckets of 4, chosen by two parts of one product, so a lookup reads 64 bytes at most, however
 * full the table is. Time is counted in units of 1/256 of the ageing time: a station that talks all the time
 * is written once per unit, and an entry is compared, refreshed and expired by looking at its own word alone.
 *
 * Invariants
 *   1. An address is in at most one entry (but see below). No entry has a group address or the address 0; the word
 *      0 is a free place.
 *   2. `used` = entries that are not 0 <= `limit`. There are at least four places for every entry allowed, so
 *      that two full buckets are an accident that does not happen by itself.
 *   3. No entry is older than 991 units, which is what its 10 bits can tell: sweeps come every 64 units, and
 *      a table that slept for longer than an entry lives is emptied. The 32 other values are of entries from the future.
 *   4. table_learn writes nothing when address, port and unit are what the entry already says.
 *
 * The multiplier is chosen at each start, so that nobody can prepare addresses that all share their buckets.
 * Plain C: test/host/test_switch_table.c runs it on the host.
 *
 * Any number of threads use a table at once, without a lock; all calls but table_init. An entry is read and written as a whole.
 * What a thread decides by a word that it saw, it writes by compare-and-exchange; when another was quicker, it leaves it at
 * that, and the station's next frame comes to the same place. What follows:
 *   - Two threads that learn one new address at once may find two places for it. All find the same one from then on; the other
 *     is never refreshed, so it expires no later and is swept. Until then it takes one of the `limit`.
 *   - A thread may have read the time before another moved it on and refreshed an entry: that comes from the future then, and has
 *     not expired.
 *   - In the moment in which one thread empties a table that slept, another may still find what was in it.
 * test/host/table_threads.c runs it on threads, under the thread sanitizer.
 */
#ifndef APPS_SWITCH_TABLE_H
#define APPS_SWITCH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_WAYS      4
#define TABLE_PORTS     64
#define TABLE_UNITS     256 /* in the ageing time */
#define TABLE_AGES      992 /* that an entry can have: the other values of its 10 bits are of the future */
#define TABLE_PORT_MASK 63
#define TABLE_NO_PORT   (-1)

struct table {
    uint64_t *slots; /* buckets of TABLE_WAYS */
    uint64_t *marks; /* (atomic) a bit for each bucket with something in it: so a sweep costs what there is */
    uint64_t multiplier; /* odd */
    unsigned shift;      /* 64 - bits of a bucket's number */
    unsigned mask;       /* buckets - 1 */
    uint64_t unit_ns;
    unsigned limit;
    /* (atomic) What follows. */
    unsigned used;
    uint64_t
        now; /* units since some moment: the time of all calls until the next table_time_set; never goes back */
    uint64_t swept;   /* value of `now` at the last sweep: who moves it on makes one */
    uint64_t moved;   /* stations that were seen at another port than before */
    uint64_t refused; /* addresses not learned because the table, or both their buckets, were full */
};

/*
 * 48 bits of address as the first bytes of a frame give them in one little-endian load, shifted to where entries keep
 * them.
 */
#define TABLE_KEY(address) ((uint64_t)(address) << 16)

/*
 * Makes a table for `limit` stations, which forgets a station that was silent for `age_ns`. `slots` has room
 * for table_words(limit) words, of which table_slots(limit) are places; it is zeroed here, and stays the caller's. `seed` chooses the multiplier.
 */
unsigned table_slots(unsigned limit);
unsigned table_words(unsigned limit);
void table_init(struct table *table, uint64_t *slots, unsigned limit, uint64_t age_ns, uint64_t seed,
                uint64_t now_ns);

/* Sets the time for the calls that follow. Once a batch: a division; every 64 units a sweep of the table. */
void table_time_set(struct table *table, uint64_t now_ns);

/* The slow part of table_learn: `word`, seen at `entry`, is to be replaced; or NULL and 0, and room is to be found. */
void table_learn_changed(struct table *table, uint64_t *entry, uint64_t word, uint64_t key, unsigned port);

/*
 * Bits that choose the buckets: a product, folded so that addresses in a row are not spread in a row, and multiplied.
 */
static inline uint64_t table_hash(const struct table *table, uint64_t key)
{
    uint64_t product = (key >> 16) * table->multiplier;

    return (product ^ product >> 32) * table->multiplier;
}

static inline uint64_t *table_bucket_first(const struct table *table, uint64_t hash)
{
    return table->slots + (hash >> table->shift) * TABLE_WAYS;
}

static inline uint64_t *table_bucket_second(const struct table *table, uint64_t hash)
{
    return table->slots + (hash >> 36 & table->mask) * TABLE_WAYS;
}

/* Where in the bucket the address is, and the word that was seen there; NULL when it is not. */
static inline uint64_t *table_bucket_find(uint64_t *bucket, uint64_t key, uint64_t *word)
{
#pragma GCC unroll 4
    for (unsigned i = 0; i < TABLE_WAYS; i++)
        if (((*word = __atomic_load_n(&bucket[i], __ATOMIC_RELAXED)) ^ key) < 0x10000)
            return &bucket[i];
    return NULL;
}

/* Where the address is, NULL when it is nowhere. The entry may have expired. */
static inline uint64_t *table_find(const struct table *table, uint64_t key, uint64_t *word)
{
    uint64_t hash = table_hash(table, key);
    uint64_t *entry = table_bucket_find(table_bucket_first(table, hash), key, word);

    return entry ? entry : table_bucket_find(table_bucket_second(table, hash), key, word);
}

static inline uint64_t table_now(const struct table *table)
{
    return __atomic_load_n(&table->now, __ATOMIC_RELAXED);
}

static inline bool table_expired(const struct table *table, uint64_t entry)
{
    return ((table_now(table) - (entry >> 6)) & 1023) - (TABLE_UNITS + 1) < TABLE_AGES - (TABLE_UNITS + 1);
}

/* The station `key` was seen at `port`. The caller has made sure that it is a station's address: no group, not 0. */
static inline void table_learn(struct table *table, uint64_t key, unsigned port)
{
    uint64_t word, *entry = table_find(table, key, &word);

    if (!entry || word != (key | (table_now(table) & 1023) << 6 | port))
        table_learn_changed(table, entry, word, key, port);
}

/* The port of a station, TABLE_NO_PORT when it is not known (any more). */
static inline int table_lookup(const struct table *table, uint64_t key)
{
    uint64_t word;

    return table_find(table, key, &word) && !table_expired(table, word) ? (int)(word & TABLE_PORT_MASK)
                                                                        : TABLE_NO_PORT;
}

#endif
