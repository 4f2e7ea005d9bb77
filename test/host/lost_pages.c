/*
 * A page, or a book, is given up by one thread of a service while another waits for its lock, having seen that it is the service's.
 * When it gets the lock the page is nobody's any more and waits in a limbo, where whoever finds its unmaps complete writes to its
 * record without the lock. So who finds that a page is not his must not look at that record (page_unlock_unchanged).
 *
 * That is played step by step, not hoped for. The thread sanitizer reports two accesses that nothing orders, however far apart they
 * were: so the one who gave up waits for the other without being ordered behind it (relaxed), and only then settles the limbo.
 */
#include "test/host/lost_pages.h"
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include "core/cpu.h"
#include "core/log.h"
#include "ipc/page.h"
#include "ipc/page_book.h"
#include "ipc/page_limbo.h"
#include "ipc/page_state.h"
#include "mm/space.h"
#include "mm/unmap.h"
#include "test/host/machine_threads.h"

#define GIVER  0u /* CPUs; the space is live on the first two */
#define OTHER  1u
#define WAITER 2u

struct scene {
    struct space *space;
    uint32_t page, book, leaf; /* its own; another book of its own, with a lower number; bound to the book */
    int expected;
    int (*act)(const struct scene *scene); /* what the other thread calls */
    unsigned done;                         /* (atomic, relaxed) */
};

static void *waiter_run(void *argument)
{
    struct scene *scene = argument;

    machine_thread_is(WAITER);
    int result = scene->act(scene);
    if (result != scene->expected)
        panic("oracle: who waited for a lost page got %d, expected %d\n", result, scene->expected);
    __atomic_store_n(&scene->done, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void live_on(const struct space *space, unsigned cpu)
{
    machine_thread_is(cpu);
    table_switch(space->table);
}

static void touch(struct space *space, uint32_t page)
{
    if (page_fault(space, IPC_BASE + (uint64_t)page * PAGE_SIZE, false) != PAGE_FAULT_MAPPED)
        panic("oracle: page %u is not its owner's\n", page);
}

/* As page_release, but for the lock, which is the caller's already. */
static void give_up_locked(struct space *space, uint32_t number, uint64_t state)
{
    struct page *page = &page_table[number];
    bool book = state & STATE_BOOK;

    page_account(space, book ? -(int)book_pages(number) : -1);
    if (book)
        state = book_lose(space, page, state, 1);
    page_slot_lose(page, page_slot(page, space->number), false, LOSE_RELEASE);
    page_unlock_gathered(page, state);
    if (book)
        book_dissolve(page, space->number, NULL);
    unmap_flush();
    page_pool_give(&number, 1);
}

/* `page` is given up while another thread waits for its lock; only then do the passes come, and the limbo lets go of it. */
static void play(struct scene *scene, uint32_t page)
{
    unsigned before = machine_threads_relaxed(WAITER);
    uint64_t state = page_lock(&page_table[page]);
    pthread_t waiter;

    pthread_create(&waiter, NULL, waiter_run, scene);
    while (machine_threads_relaxed(WAITER) == before)
        sched_yield();
    give_up_locked(scene->space, page, state);
    while (!__atomic_load_n(&scene->done, __ATOMIC_RELAXED))
        sched_yield();
    machine_thread_is(OTHER);
    unmap_pass();
    machine_thread_is(GIVER);
    unmap_pass();
    if (page_limbo_reap())
        panic("oracle: page %u stays in its limbo\n", page);
    pthread_join(waiter, NULL);
}

static int act_send_book(const struct scene *scene)
{
    struct baton_piece piece = {.page = scene->page, .offset = BATON_PIECE_BOOK, .length = 1};
    uint32_t bytes, pages;

    return book_send(scene->space, &piece, 0, scene->space, &bytes, &pages);
}

static int act_send(const struct scene *scene)
{
    struct baton_piece piece = {.page = scene->page, .length = 1};

    return page_send(scene->space, &piece, PAGE_SEND_DUPLICATE, scene->space);
}

static int act_bind(const struct scene *scene)
{
    struct baton_piece piece = {.page = scene->page, .length = 1};

    return book_bind(scene->space, scene->book, &piece, 1);
}

static int act_release(const struct scene *scene)
{
    return page_release(scene->space, scene->page);
}

static int act_map(const struct scene *scene)
{
    struct baton_piece piece = {.page = scene->page, .length = 1};

    return page_map(scene->space, &piece, 1);
}

/* Of a page that was bound when the fault was taken: the access is to be repeated. */
static int act_fault(const struct scene *scene)
{
    return page_fault(scene->space, IPC_BASE + (uint64_t)scene->leaf * PAGE_SIZE, false);
}

static uint32_t book_of_one(struct space *space, uint32_t *leaf)
{
    int book = book_get(space, PAGE_SIZE);
    struct baton_piece piece;

    if (book < 0 || book_unbind(space, (uint32_t)book, &piece, 1) != 1 ||
        book_bind(space, (uint32_t)book, &piece, 1) != 1)
        panic("oracle: no book\n");
    *leaf = piece.page;
    touch(space, (uint32_t)book);
    return (uint32_t)book;
}

/* A page of the space with a higher number than the book, whose lock is then taken first; mapped, so that it goes to a limbo. */
static uint32_t page_above(struct space *space, uint32_t book)
{
    uint32_t page = 0;

    do
        if (page_get(space, &page, 1) != 1)
            panic("oracle: no page above %u\n", book);
    while (page < book);
    touch(space, page);
    return page;
}

static void play_page(struct space *space, int (*act)(const struct scene *scene))
{
    struct scene scene = {.space = space, .expected = BATON_EOWNER, .act = act};

    int book = book_get(space, 0);
    if (book < 0)
        panic("oracle: no book\n");
    scene.book = (uint32_t)book;
    scene.page = page_above(space, scene.book);
    play(&scene, scene.page);
    page_release_all(space);
}

static void play_book(struct space *space, int (*act)(const struct scene *scene), int expected)
{
    struct scene scene = {.space = space, .expected = expected, .act = act};

    scene.page = book_of_one(space, &scene.leaf);
    play(&scene, scene.page);
    page_release_all(space);
}

void lost_pages_play(struct space *space)
{
    live_on(space, OTHER);
    live_on(space, GIVER);
    play_page(space, act_send);
    play_page(space, act_bind);
    play_page(space, act_release);
    play_page(space, act_map);
    play_book(space, act_send_book, BATON_EOWNER);
    play_book(space, act_fault, PAGE_FAULT_MAPPED);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        machine_thread_is(cpu);
        unmap_pass();
        page_limbo_reap();
        table_forget(space->table);
    }
    machine_thread_is(GIVER);
}
