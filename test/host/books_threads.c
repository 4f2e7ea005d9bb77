/*
 * host-books-threads: books (ipc/page_book.h) on real threads, under the thread sanitizer. Four CPUs act for three spaces, each of
 * which has threads on several of them, as a hostile service would: it binds, unbinds, trims, sends, touches and releases what
 * another of its threads is just binding, unbinding, trimming or sending. At the end nobody waits for a lock, each space's account
 * is what it owns, and when all is given up every page is free (page 1, 5; book 1, 6). Before that, what they could only meet in by
 * chance is played step by step: lost_pages.c.
 *
 *   books_threads [operations of each CPU]      default 100000
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include "core/cpu.h"
#include "core/log.h"
#include "ipc/page.h"
#include "ipc/page_book.h"
#include "ipc/page_limbo.h"
#include "ipc/policy.h"
#include "mm/frame.h"
#include "mm/kernel_map.h"
#include "mm/space.h"
#include "mm/unmap.h"
#include "test/host/lost_pages.h"
#include "test/host/machine_threads.h"

#define CPUS     4u
#define SPACES   3u
#define PAGES    12u
#define LIMIT    11u
#define LARGEST  3u /* pages of a book */
#define TRANSITS 8u
#define FRAMES   UINT64_C(0x80000000)

static struct space *spaces[SPACES + 1]; /* by their number */
static struct baton_piece transits[TRANSITS];
static unsigned transit_count;
static pthread_mutex_t transit_mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t operations;
static uint32_t latest;         /* (atomic) the book that was made last: where threads meet */
static unsigned at_work = CPUS; /* (atomic) */
static pthread_barrier_t all_there;
static _Alignas(4096) uint8_t frames[PAGES][PAGE_SIZE];

struct actor {
    pthread_t host;
    unsigned cpu;
    uint64_t random;
    uint64_t succeeded;
};

/*
 * As in pages_threads.c: a report of two moments. And book_of() reads one word of what bounds_take() writes as a whole: it gets
 * the old one or the new one, and its callers look again under the lock.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:page_describe\nrace_top:book_of\n";
}

/* A race whose first half is too long ago to be told has no name by which it could be suppressed. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "history_size=7";
}

/* The lists are read here, so the frames are there; what else would be in them is not. */
void *kernel_map_open(uint64_t frame)
{
    return frames[(frame - FRAMES) / PAGE_SIZE];
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

static bool is_book(const struct baton_piece *piece)
{
    return piece->offset & BATON_PIECE_BOOK;
}

/* ---- Messages of one piece ---- */

static void drop(struct baton_piece piece)
{
    if (page_release(spaces[0], piece.page))
        panic("oracle: the kernel does not own page %u, which is in flight\n", piece.page);
}

static void transit_put(struct baton_piece piece)
{
    pthread_mutex_lock(&transit_mutex);
    bool room = transit_count < TRANSITS;
    if (room)
        transits[transit_count++] = piece;
    pthread_mutex_unlock(&transit_mutex);
    if (!room)
        drop(piece);
}

static bool transit_take(struct baton_piece *piece)
{
    pthread_mutex_lock(&transit_mutex);
    bool some = transit_count > 0;
    if (some)
        *piece = transits[--transit_count];
    pthread_mutex_unlock(&transit_mutex);
    return some;
}

static bool op_send(struct actor *actor, struct space *space, uint32_t page)
{
    bool book = random_below(actor, 4);
    struct baton_piece piece = {.page = page,
                                .offset = book ? BATON_PIECE_BOOK : 0,
                                .length = (uint16_t)(book ? 1 + random_below(actor, LARGEST) : 4096)};
    unsigned flags = random_below(actor, 3) ? 0 : PAGE_SEND_DUPLICATE;
    const struct space *to = spaces[1 + random_below(actor, SPACES)];
    uint32_t bytes, pages = 1;
    int result =
        book ? book_send(space, &piece, flags, to, &bytes, &pages) : page_send(space, &piece, flags, to);

    unmap_flush();
    if (result)
        return false;
    if (!flags)
        page_account(space, -(int)pages);
    transit_put(piece);
    return true;
}

static bool op_receive(struct actor *actor, struct space *space)
{
    struct baton_piece piece;

    if (!transit_take(&piece))
        return false;
    bool book = is_book(&piece), trust = random_below(actor, 2);
    int pages = book ? 1 + piece.length : 1;
    if (!page_account(space, pages)) {
        drop(piece);
        return false;
    }
    if (book ? book_receive(space, &piece, trust) : page_receive(space, &piece, trust)) {
        page_account(space, -pages);
        drop(piece);
        return false;
    }
    return true;
}

/* ---- Books ---- */

static bool op_make(struct actor *actor, struct space *space)
{
    int book = book_get(space, 1 + random_below(actor, LARGEST * PAGE_SIZE));

    if (book >= 0)
        __atomic_store_n(&latest, (uint32_t)book, __ATOMIC_RELAXED);
    return book >= 0;
}

static bool op_bind(struct actor *actor, struct space *space, uint32_t book)
{
    struct baton_piece piece = {
        .page = random_below(actor, PAGES), .offset = 0, .length = (uint16_t)(1 + random_below(actor, 4096))};

    return book_bind(space, book, &piece, 1) == 1;
}

static bool op_unbind(struct actor *actor, struct space *space, uint32_t book)
{
    struct baton_piece pieces[LARGEST];

    return book_unbind(space, book, pieces, 1 + random_below(actor, LARGEST)) > 0;
}

static bool op_passes(struct actor *actor)
{
    if (!random_below(actor, 4))
        __atomic_store_n(&tlb_mode, random_below(actor, 2) ? TLB_IPI : TLB_BROADCAST, __ATOMIC_RELAXED);
    page_limbo_tick();
    return true;
}

static bool touch(struct actor *actor, struct space *space, uint32_t page)
{
    struct baton_piece piece = {.page = page, .length = 1};

    table_switch(space->table);
    return random_below(actor, 3)
               ? page_fault(space, IPC_BASE + page * PAGE_SIZE, random_below(actor, 2)) == PAGE_FAULT_MAPPED
               : !page_map(space, &piece, 1);
}

static bool operate(struct actor *actor)
{
    /* Each space has a thread of its own on a CPU, and all CPUs have one of space 1 */
    struct space *space = spaces[random_below(actor, 2) ? 1 : 1 + actor->cpu % SPACES];
    uint32_t page = random_below(actor, 2) ? __atomic_load_n(&latest, __ATOMIC_RELAXED)
                                           : random_below(actor, PAGES),
             got;

    switch (random_below(actor, 12)) {
    case 0:
        return op_make(actor, space);
    case 1:
    case 2:
        return op_bind(actor, space, page);
    case 3:
    case 4:
        return op_unbind(actor, space, page);
    case 5:
        return !book_trim(space, page, random_below(actor, 5000), random_below(actor, 5000));
    case 6:
        return op_send(actor, space, page);
    case 7:
        return op_receive(actor, space);
    case 8:
        return touch(actor, space, page);
    case 9:
        return random_below(actor, 4) ? !page_release(space, page) : !page_duplicate(space, page);
    case 10:
        return page_get(space, &got, 1) == 1;
    default:
        return op_passes(actor);
    }
}

static void *actor_run(void *argument)
{
    struct actor *actor = argument;

    machine_thread_is(actor->cpu);
    pthread_barrier_wait(&all_there);
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

static void check_end(void)
{
    struct page_counts counts;
    struct baton_piece piece;

    tlb_mode = TLB_BROADCAST; /* with interrupts one would wait for passes of threads that have ended */
    while (transit_take(&piece))
        drop(piece);
    for (unsigned i = 1; i <= SPACES; i++) {
        uint32_t accounted = spaces[i]->pages, released = page_release_all(spaces[i]);
        if (accounted != released)
            panic("oracle: space %u is accounted %u pages, and owned %u\n", i, accounted, released);
    }
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

    operations = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    frame_range_add(memory, size);
    machine_thread_is(0);
    space_init(PAGES, 8);
    page_region_init(FRAMES, PAGES);
    unmap_init();
    spaces[0] = space_at(0);
    for (unsigned i = 1; i <= SPACES; i++)
        spaces[i] = space_create("space", true, LIMIT);
    lost_pages_play(spaces[1]);
    pthread_barrier_init(&all_there, NULL, CPUS);
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
