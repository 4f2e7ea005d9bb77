/*
 * host-pages-threads: page ownership on real threads, under the thread sanitizer. Four CPUs act for five spaces at once,
 * one of them shared by two CPUs, at few pages, so that they meet: compare-and-swap against lock, free against forged, unmap
 * queues against passes, limbos against takers, pages that circulate against the end of their trust set. The policy and the way in
 * which CPUs are told change meanwhile. (Nobody rings here: a CPU makes its passes between its operations.) At the end each count is the sum of what was granted (page 1, 5), and
 * while a space owns a page alone nobody else does.
 *
 *   pages_threads [operations of each CPU]      default 200000
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include "core/cpu.h"
#include "core/log.h"
#include "ipc/page.h"
#include "ipc/page_limbo.h"
#include "ipc/page_set.h"
#include "ipc/policy.h"
#include "mm/frame.h"
#include "mm/kernel_map.h"
#include "mm/space.h"
#include "mm/unmap.h"
#include "test/host/machine_threads.h"

#define CPUS     4u
#define SPACES   5u
#define PAGES    24u
#define TRANSITS 32u

static struct space *spaces[SPACES + 1];   /* by their number */
static int64_t granted[SPACES + 1][PAGES]; /* (atomic) ownerships, the kernel's in row 0 */
static struct baton_piece transits[TRANSITS];
static unsigned transit_count;
static pthread_mutex_t transit_mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t operations;
static unsigned at_work = CPUS; /* (atomic) */

struct actor {
    pthread_t host;
    unsigned cpu;
    uint64_t random;
    uint64_t succeeded;
};

/*
 * page_describe() looks at the record of a page that may be in the hands of a CPU that is just writing it (page_state.h), for
 * a report: what it tells may be of two moments, as the header says.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:page_describe\n";
}

/* A race whose first half is too long ago to be told has no name by which it could be suppressed. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "history_size=7";
}

/* The lists of books: nobody reads them here. */
void *kernel_map_open(uint64_t frame)
{
    static _Thread_local uint64_t window[512];

    (void)frame;
    return window;
}

void kernel_map_close(void *window)
{
    (void)window;
}

void kernel_map_scrub(uint64_t frame, uint32_t start, uint32_t end)
{
    (void)frame;
    (void)start;
    (void)end;
}

void kernel_map_copy(uint64_t to, uint64_t from, uint32_t offset, uint32_t length)
{
    (void)to;
    (void)from;
    (void)offset;
    (void)length;
}

static unsigned random_below(struct actor *actor, unsigned limit)
{
    actor->random = actor->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(actor->random >> 33) % limit;
}

static void grant(unsigned space, uint32_t page, int delta)
{
    __atomic_fetch_add(&granted[space][page], delta, __ATOMIC_RELAXED);
}

static bool transit_put(struct baton_piece piece)
{
    pthread_mutex_lock(&transit_mutex);
    bool room = transit_count < TRANSITS;
    if (room)
        transits[transit_count++] = piece;
    pthread_mutex_unlock(&transit_mutex);
    return room;
}

static bool transit_take(struct actor *actor, struct baton_piece *piece)
{
    pthread_mutex_lock(&transit_mutex);
    bool some = transit_count > 0;
    if (some) {
        unsigned i = random_below(actor, transit_count);
        *piece = transits[i];
        transits[i] = transits[--transit_count];
    }
    pthread_mutex_unlock(&transit_mutex);
    return some;
}

static void drop(struct baton_piece piece)
{
    if (page_release(spaces[0], piece.page))
        panic("oracle: the kernel does not own page %u, which is in flight\n", piece.page);
    grant(0, piece.page, -1);
}

static bool op_get(struct space *space)
{
    uint32_t page;

    if (page_get(space, &page, 1) != 1)
        return false;
    grant(space->number, page, 1);
    return true;
}

static bool op_send(struct actor *actor, struct space *space, uint32_t page)
{
    struct baton_piece piece = {page, 0, (uint16_t)(1 + random_below(actor, 4096))};
    bool duplicate = !random_below(actor, 3);
    unsigned flags = (duplicate ? PAGE_SEND_DUPLICATE : 0) | (random_below(actor, 2) ? PAGE_SEND_TRUSTED : 0);

    if (page_send(space, &piece, flags, spaces[1 + random_below(actor, SPACES)]))
        return false;
    unmap_flush();
    grant(0, page, 1);
    if (!duplicate) {
        grant(space->number, page, -1);
        page_account(space, -1);
    }
    if (!transit_put(piece))
        drop(piece);
    return true;
}

static bool op_receive(struct actor *actor, struct space *space)
{
    struct baton_piece piece;

    if (!transit_take(actor, &piece))
        return false;
    if (!page_account(space, 1)) {
        drop(piece);
        return false;
    }
    if (page_receive(space, &piece, random_below(actor, 2))) {
        page_account(space, -1);
        drop(piece);
        return false;
    }
    grant(0, piece.page, -1);
    grant(space->number, piece.page, 1);
    return true;
}

static bool op_device(struct actor *actor)
{
    struct baton_piece piece = {0, 0, 1024};

    if (random_below(actor, 2)) {
        if (!page_get_device(&piece.page, 1))
            return false;
        grant(0, piece.page, 1);
        page_filled(piece.page, 1024);
        if (!transit_put(piece))
            drop(piece);
        return true;
    }
    if (!transit_take(actor, &piece))
        return false;
    page_sent_out(&piece.page, 1);
    grant(0, piece.page, -1);
    return true;
}

static bool op_fault(struct actor *actor, struct space *space, uint32_t page)
{
    table_switch(space->table);
    return page_fault(space, IPC_BASE + page * PAGE_SIZE, random_below(actor, 2)) == PAGE_FAULT_MAPPED;
}

static bool op_passes(struct actor *actor)
{
    switch (random_below(actor, 8)) {
    case 0:
        __atomic_store_n(&tlb_mode, random_below(actor, 2) ? TLB_IPI : TLB_BROADCAST, __ATOMIC_RELAXED);
        return true;
    case 1:
        __atomic_store_n(&policy, random_below(actor, 4) ? POLICY_DASH : POLICY_SYNCHRONOUS,
                         __ATOMIC_RELAXED);
        return true;
    case 2:
        page_limbo_reap();
        return true;
    default:
        page_limbo_tick();
        return true;
    }
}

/* The trust set ends, and another begins with the same members: by one thread, as on the console. */
static bool op_set(const struct actor *actor)
{
    if (actor->cpu != CPUS - 1)
        return false;
    page_sets_close();
    page_sets_open(POLICY_PATH);
    return true;
}

static bool op_counted(struct space *space, uint32_t page, int result, int delta)
{
    if (!result)
        grant(space->number, page, delta);
    return !result;
}

static bool operate(struct actor *actor)
{
    /* CPU 0 and 1 share space 5; everybody has one of his own. */
    struct space *space = spaces[actor->cpu < 2 && random_below(actor, 2) ? SPACES : actor->cpu + 1];
    uint32_t page = random_below(actor, PAGES);
    struct page_info info;

    if (!random_below(actor, 100))
        return op_set(actor);
    switch (random_below(actor, 10)) {
    case 0:
        return op_get(space);
    case 1:
        return op_counted(space, page, page_release(space, page), -1);
    case 2:
        return op_counted(space, page, page_duplicate(space, page), 1);
    case 3:
    case 4:
        return op_send(actor, space, page);
    case 5:
        return op_receive(actor, space);
    case 6:
        return op_device(actor);
    case 7:
        return op_fault(actor, space, page);
    case 8:
        return op_passes(actor);
    default:
        page_describe(page, &info);
        return info.total >= info.owners;
    }
}

static void *actor_run(void *argument)
{
    struct actor *actor = argument;

    machine_thread_is(actor->cpu);
    for (uint64_t i = 0; i < operations; i++) {
        actor->succeeded += operate(actor);
        unmap_poll();
    }
    __atomic_sub_fetch(&at_work, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&at_work, __ATOMIC_RELAXED)) {
        unmap_poll(); /* others may wait for it */
        sched_yield();
    }
    return NULL;
}

static void check_page(uint32_t page)
{
    struct page_info info;
    uint32_t total = 0, owners = 0;

    page_describe(page, &info);
    for (unsigned i = 0; i <= SPACES; i++) {
        if (granted[i][page] < 0)
            panic("oracle: space %u gave more of page %u than it had\n", i, page);
        total += (uint32_t)granted[i][page];
        owners += granted[i][page] > 0;
    }
    if (info.total != total || info.owners != owners)
        panic("oracle: page %u has %u ownerships of %u spaces, granted were %u to %u\n", page, info.total,
              info.owners, total, owners);
}

static void check_end(void)
{
    struct page_counts counts;
    struct baton_piece piece;
    struct actor nobody = {0};

    tlb_mode = TLB_BROADCAST; /* with interrupts one would wait for passes of threads that have ended */
    for (uint32_t page = 0; page < PAGES; page++)
        check_page(page);
    for (unsigned i = 1; i <= SPACES; i++) {
        uint32_t sum = 0;
        for (uint32_t page = 0; page < PAGES; page++)
            sum += (uint32_t)granted[i][page];
        if (spaces[i]->pages != sum || page_release_all(spaces[i]) != sum)
            panic("oracle: %s is accounted %u, granted were %u\n", spaces[i]->name, spaces[i]->pages, sum);
    }
    while (transit_take(&nobody, &piece))
        drop(piece);
    for (unsigned i = 0; i < 2 * CPUS; i++) {
        machine_thread_is(i % CPUS);
        unmap_poll();
        page_limbo_tick();
    }
    page_count(&counts);
    if (counts.free != PAGES)
        panic("oracle: %u of %u pages came back\n", counts.free, PAGES);
}

int main(int argc, char **argv)
{
    static struct actor actors[CPUS];
    uint64_t size, memory = machine_threads_memory(&size);

    operations = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    frame_range_add(memory, size);
    machine_thread_is(CPUS - 1);
    machine_thread_is(0);
    space_init(PAGES, 8);
    page_region_init(UINT64_C(0x80000000), PAGES);
    unmap_init();
    spaces[0] = space_at(0);
    for (unsigned i = 1; i <= SPACES; i++)
        spaces[i] = space_create("space", i != 4, 12);
    for (unsigned i = 1; i <= 3; i++)
        page_set_join(spaces[i], "three");
    page_sets_open(POLICY_PATH);
    for (unsigned i = 0; i < CPUS; i++) {
        actors[i].cpu = i;
        actors[i].random = i;
        pthread_create(&actors[i].host, NULL, actor_run, &actors[i]);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        pthread_join(actors[i].host, NULL);
        printf("CPU %u: %lu of %lu operations succeeded\n", i, (unsigned long)actors[i].succeeded,
               (unsigned long)operations);
    }
    check_end();
    printf("done\n");
    return 0;
}
