/*
 * host-table-threads: the switch's table of stations on real threads, under the thread sanitizer. Some stations stay where they
 * are; all threads learn and look them up, each with a clock of its own that may lag. Others come and go, more than there is room
 * for; meanwhile time passes, entries expire and are swept. A station that stays is found where it is from the moment at
 * which its thread has learned it; what is found of any station is a port at which it was; and when all is quiet the
 * count of entries is that of the words in use.
 *
 *   table_threads [rounds of each thread]      default 100000
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "apps/switch/table.h"

#define THREADS 4u
#define STAYING 40u /* stations of each thread that stay */
#define COMING  400u
#define LIMIT   256u
#define AGE_NS  UINT64_C(256000) /* a unit is 1 us */

static struct table table;
static uint64_t clock_ns; /* (atomic) moved on by all */
static uint64_t rounds;
static unsigned wrong; /* (atomic) */

struct actor {
    pthread_t host;
    unsigned number;
    uint64_t random;
};

static unsigned random_below(struct actor *actor, unsigned limit)
{
    actor->random = actor->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(actor->random >> 33) % limit;
}

static uint64_t key_of(unsigned number)
{
    return TABLE_KEY(UINT64_C(0x000000000002) | (uint64_t)(number + 1) << 16);
}

static void complain(const char *what, unsigned number, int port)
{
    if (__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED) < 5)
        printf("oracle: %s: station %u at port %d\n", what, number, port);
}

/* One of its own that stays, learned and looked up at once; the port is the station's number modulo 50. */
static void stay(struct actor *actor)
{
    unsigned number = actor->number * STAYING + random_below(actor, STAYING);

    table_learn(&table, key_of(number), number % 50);
    int port = table_lookup(&table, key_of(number));
    if (port != (int)(number % 50) && port != TABLE_NO_PORT) /* there may have been no room for it */
        complain("is not there", number, port);
}

/* One that all threads see, at either of two ports. */
static void come(struct actor *actor)
{
    unsigned number = THREADS * STAYING + random_below(actor, COMING);

    if (random_below(actor, 2))
        table_learn(&table, key_of(number), number % 2 ? 60 : 61);
    int port = table_lookup(&table, key_of(number));
    if (port != TABLE_NO_PORT && port != (number % 2 ? 60 : 61))
        complain("was never there", number, port);
}

static void *act(void *argument)
{
    struct actor *actor = argument;

    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t now = __atomic_add_fetch(&clock_ns, random_below(actor, 500), __ATOMIC_RELAXED);
        if (!random_below(actor, 8))
            table_time_set(&table, now);
        if (!random_below(actor, 20000)) /* all are silent for long */
            __atomic_fetch_add(&clock_ns, 2 * AGE_NS, __ATOMIC_RELAXED);
        stay(actor);
        come(actor);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct actor actors[THREADS];
    uint64_t *slots = malloc(table_words(LIMIT) * sizeof slots[0]);
    unsigned used = 0;

    rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    table_init(&table, slots, LIMIT, AGE_NS, 7, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        actors[i].number = actors[i].random = i;
        pthread_create(&actors[i].host, NULL, act, &actors[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(actors[i].host, NULL);
    for (unsigned i = 0; i < table_slots(LIMIT); i++) {
        used += slots[i] != 0;
        wrong += slots[i] && !(table.marks[i / TABLE_WAYS / 64] >> i / TABLE_WAYS % 64 & 1);
    }
    printf("%u entries, %u counted, %lu moved, %lu refused\n", used, table.used, (unsigned long)table.moved,
           (unsigned long)table.refused);
    if (used != table.used || used > LIMIT || table.moved || wrong) {
        printf("oracle: the table is not as it should be\n");
        return 3;
    }
    printf("done\n");
    return 0;
}
