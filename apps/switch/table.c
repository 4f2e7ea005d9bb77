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

unsigned table_words(unsigned limit)
{
    return table_slots(limit) + buckets_for(limit) / 64;
}

void table_init(struct table *table, uint64_t *slots, unsigned limit, uint64_t age_ns, uint64_t seed,
                uint64_t now_ns)
{
    unsigned buckets = buckets_for(limit);

    memset(slots, 0, table_words(limit) * sizeof slots[0]);
    *table = (struct table){
        .slots = slots,
        .marks = slots + table_slots(limit),
        .multiplier = (UINT64_C(0x9e3779b97f4a7c15) ^ seed << 1) | 1,
        .shift = 64 - (unsigned)__builtin_ctz(buckets),
        .mask = buckets - 1,
        .unit_ns = age_ns >= TABLE_UNITS ? age_ns / TABLE_UNITS : 1,
        .limit = limit,
    };
    table->now = table->swept = now_ns / table->unit_ns;
}

/* Something is in the bucket of that place. Release: what, before the mark can be seen (bucket_sweep). */
static void table_mark(struct table *table, const uint64_t *place)
{
    unsigned number = (unsigned)(place - table->slots) / TABLE_WAYS;

    __atomic_fetch_or(&table->marks[number / 64], UINT64_C(1) << number % 64, __ATOMIC_RELEASE);
}

/* Frees a place in which `word` was seen; not when another thread has used it meanwhile. */
static void place_free(struct table *table, uint64_t *place, uint64_t word)
{
    if (word && __atomic_compare_exchange_n(place, &word, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        __atomic_fetch_sub(&table->used, 1, __ATOMIC_RELAXED);
}

/* Frees a bucket's places, all or the expired ones. The mark goes first: who enters something meanwhile sets it again. */
static void bucket_sweep(struct table *table, unsigned number, bool all)
{
    uint64_t *bucket = &table->slots[number * TABLE_WAYS], left = 0;

    /* Acquire: else an entry may not be seen yet whose mark is taken away here */
    __atomic_fetch_and(&table->marks[number / 64], ~(UINT64_C(1) << number % 64), __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < TABLE_WAYS; i++) {
        uint64_t word = __atomic_load_n(&bucket[i], __ATOMIC_RELAXED);
        if (all || table_expired(table, word))
            place_free(table, &bucket[i], word);
        left |= __atomic_load_n(&bucket[i], __ATOMIC_RELAXED);
    }
    if (left)
        table_mark(table, bucket);
}

/* Frees the places of all entries, or of those that have expired. Cost: a load for 64 buckets, and what is in them. */
static void sweep(struct table *table, bool all)
{
    for (unsigned first = 0; first <= table->mask; first += 64)
        for (uint64_t marks = __atomic_load_n(&table->marks[first / 64], __ATOMIC_RELAXED); marks;
             marks &= marks - 1)
            bucket_sweep(table, first + (unsigned)__builtin_ctzll(marks), all);
}

/* True for one of the threads that want to sweep at the time `now`. */
static bool sweep_is_mine(struct table *table, uint64_t now)
{
    uint64_t swept = __atomic_load_n(&table->swept, __ATOMIC_RELAXED);

    return swept < now &&
           __atomic_compare_exchange_n(&table->swept, &swept, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void table_time_set(struct table *table, uint64_t now_ns)
{
    uint64_t now = now_ns / table->unit_ns, before = table_now(table);

    /* Nobody was heard for so long: the 10 bits of an entry may have come round */
    if (now > before + TABLE_UNITS && sweep_is_mine(table, now))
        sweep(table, true);
    while (before < now &&
           !__atomic_compare_exchange_n(&table->now, &before, now, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    if (now >= __atomic_load_n(&table->swept, __ATOMIC_RELAXED) + SWEEP_UNITS && sweep_is_mine(table, now))
        sweep(table, false);
}

/* A free place in the bucket, NULL when it has none; `free` counts them. */
static uint64_t *bucket_place(uint64_t *bucket, unsigned *free)
{
    uint64_t *place = NULL;

    *free = 0;
    for (unsigned i = TABLE_WAYS; i-- > 0;) {
        if (!__atomic_load_n(&bucket[i], __ATOMIC_RELAXED)) {
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

/* One more entry: true when there may be. */
static bool used_reserve(struct table *table)
{
    if (__atomic_fetch_add(&table->used, 1, __ATOMIC_RELAXED) < table->limit)
        return true;
    __atomic_fetch_sub(&table->used, 1, __ATOMIC_RELAXED);
    return false;
}

static void insert(struct table *table, uint64_t word, uint64_t key)
{
    uint64_t now = table_now(table), nothing = 0;
    bool room = used_reserve(table);

    if (!room && sweep_is_mine(table, now)) { /* at most once a unit */
        sweep(table, false);
        room = used_reserve(table);
    }
    uint64_t *place = room ? place_find(table, key) : NULL;
    if (!place)
        __atomic_fetch_add(&table->refused, 1, __ATOMIC_RELAXED);
    else if (__atomic_compare_exchange_n(place, &nothing, word, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        table_mark(table, place);
        return;
    }
    if (room)
        __atomic_fetch_sub(&table->used, 1, __ATOMIC_RELAXED);
}

void table_learn_changed(struct table *table, uint64_t *entry, uint64_t word, uint64_t key, unsigned port)
{
    uint64_t next = key | (table_now(table) & 1023) << 6 | port;

    if (!entry) {
        insert(table, next, key);
        return;
    }
    bool moved = (word & TABLE_PORT_MASK) != port && !table_expired(table, word);
    if (__atomic_compare_exchange_n(entry, &word, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) && moved)
        __atomic_fetch_add(&table->moved, 1, __ATOMIC_RELAXED);
}
