/*
 * Calls the kernel calls=N times with made-up arguments, the same for the same seed=N; without calls=N it lies idle. Then it
 * prints one line:
 *
 *   hostile: N calls: E errors, V valid, W WRONG
 *
 * Wrong is a result that no call of that kind may have. In the first half it also keeps the books of the
 * pages it owns,
 * and a call that hands over or releases what it does not own, and succeeds, is wrong as well. In the
 * second half two
 * threads call at once, with arguments that may be doubled in a batch.
 */
#include <stdio.h>
#include <string.h>
#include "test/qemu/apps/siege/forge.h"

int64_t baton_call_raw(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                       uint64_t a5);

#define PAGES_MAX 65536 /* page numbers are below it: boot with ipc=256 at most */

static struct arena arenas[2];
static uint16_t owned[PAGES_MAX]; /* by page number: ownerships that the books say it has */
static struct {
    uint64_t calls, errors, valid, wrong;
} results[2];
static unsigned running;      /* (atomic) */
static uint32_t page_highest; /* of those that it ever had to do with */
static const char *const ports[] = {"hostile", "hostile.second"};

static void complain(unsigned who, uint64_t number, int64_t result, const char *what)
{
    results[who].wrong++;
    if (results[who].wrong < 10)
        baton_log("WRONG: call %lu gave %ld: %s", (unsigned long)number, (long)result, what);
}

/* What a success of each call may be at most. */
static bool result_possible(uint64_t number, int64_t result)
{
    if (result < 0)
        return result >= BATON_EOWNERS;
    switch (number) {
    case BATON_CALL_SEND:
    case BATON_CALL_RECEIVE:
        return result >= 1 && result <= BATON_BATCH;
    case BATON_CALL_PAGE_GET:
    case BATON_CALL_PAGE_DUPLICATE:
    case BATON_CALL_PAGE_RELEASE:
        return result >= 1 && result <= BATON_BATCH;
    case BATON_CALL_RPC:
    case BATON_CALL_REPLY:
    case BATON_CALL_YIELD:
    case BATON_CALL_SLEEP:
    case BATON_CALL_LOG:
    case BATON_CALL_COUNTERS:
    case BATON_CALL_THREAD_MOVE:
        return result == 0;
    case BATON_CALL_PORT_FIND:
    case BATON_CALL_SETTING:
        return result < 64;
    case BATON_CALL_THREAD_START:
        return result >= 1 && result < BATON_THREADS;
    default:
        return false;
    }
}

/* ---- The books ---- */

/* An ownership more (1), or less (-1), or a duplicate, which only who has one is given (0: the kernel has the new one). */
static bool book(uint32_t page, int change)
{
    page_highest = page > page_highest ? page : page_highest;
    if (page >= PAGES_MAX || (change <= 0 && !owned[page]))
        return false;
    owned[page] = (uint16_t)(owned[page] + change);
    return true;
}

static bool book_pages(const uint32_t *pages, int64_t count, int change)
{
    bool good = true;

    for (int64_t i = 0; i < count; i++)
        good &= book(pages[i], change);
    return good;
}

static bool book_duplicates(const uint32_t *pages, int64_t count)
{
    bool good = true;

    for (int64_t i = 0; i < count; i++)
        good &= book(pages[i], 0) && book(pages[i], 1);
    return good;
}

static bool book_messages(const uint64_t *pointers, int64_t count, int change)
{
    bool good = true;

    for (int64_t i = 0; i < count; i++) {
        const struct baton_message *message = (const struct baton_message *)pointers[i];
        for (unsigned p = 0; p < message->pieces; p++)
            good &= book(message->piece[p].page, change);
    }
    return good;
}

/* `args` and what they point at are as the kernel saw them; `before` are the page numbers before the call. */
static bool books_agree(uint64_t number, const uint64_t *args, const uint32_t *before, int64_t result)
{
    const uint64_t *pointers = (const uint64_t *)args[1];

    switch (number) {
    case BATON_CALL_SEND:
        return book_messages(pointers, result, args[3] & BATON_DUPLICATE ? 0 : -1);
    case BATON_CALL_RECEIVE:
        return book_messages(pointers, result, 1);
    case BATON_CALL_PAGE_GET:
        return book_pages((const uint32_t *)args[0], result, 1);
    case BATON_CALL_PAGE_DUPLICATE:
        return book_duplicates(before, result);
    case BATON_CALL_PAGE_RELEASE:
        return book_pages(before, result, -1);
    default:
        return true;
    }
}

/* ---- Calling ---- */

static int64_t call_once(unsigned who, bool with_books)
{
    static uint32_t before[2][ARENA_PAGES];
    struct arena *arena = &arenas[who];
    uint64_t number, args[6];
    const uint32_t *pages = arena->pages;

    forge_call(arena, &number, args);
    if (with_books && number == BATON_CALL_RPC)
        number = BATON_CALL_YIELD; /* a request that times out is gone, or is not, as its page tells nobody */
    bool of_pages = number == BATON_CALL_PAGE_DUPLICATE || number == BATON_CALL_PAGE_RELEASE;
    if (of_pages && args[0] % 4 == 0 && args[0] - (uint64_t)pages < sizeof arena->pages)
        memcpy(before[who], (const void *)args[0], sizeof arena->pages - (args[0] - (uint64_t)pages));
    else if (of_pages && with_books)
        args[0] = forge_address(arena);
    int64_t result = baton_call_raw(number, args[0], args[1], args[2], args[3], args[4], args[5]);
    results[who].calls++;
    *(result < 0 ? &results[who].errors : &results[who].valid) += 1;
    if (!result_possible(number, result))
        complain(who, number, result, "no such result");
    else if (with_books && result > 0 && !books_agree(number, args, before[who], result))
        complain(who, number, result, "it did not own that");
    return result;
}

/* Gives up all pages, those in its own ports included, and takes some: else it would soon own all it may, and send none. */
static void start_afresh(struct arena *arena, bool with_books)
{
    struct baton_message message;

    for (uint32_t page = 0; page <= page_highest; page++)
        while (with_books ? owned[page] && owned[page]-- : baton_page_release(&page, 1) == 1)
            if (with_books && baton_page_release(&page, 1) != 1)
                complain(0, BATON_CALL_PAGE_RELEASE, page, "the books say it owns that");
    for (unsigned i = 0; i < 2; i++)
        while (baton_receive(baton_port_find(ports[i]), &message, 0, BATON_NO_WAIT) > 0)
            baton_message_free(&message);
    int got = baton_page_get(arena->pages, ARENA_PAGES / 4);
    for (int i = 0; i < got; i++)
        book(arena->pages[i], with_books);
}

static void call_many(unsigned who, uint64_t count, bool with_books)
{
    for (uint64_t i = 0; i < count; i++) {
        if (i % 512 == 0)
            start_afresh(&arenas[who], with_books);
        if (i % 16 == 0)
            forge_arena(&arenas[who], with_books);
        call_once(who, with_books);
    }
}

static void second_thread(void *argument)
{
    call_many(1, (uint64_t)(uintptr_t)argument, false);
    __atomic_store_n(&running, 0, __ATOMIC_RELEASE);
}

/* The books at half time: what they say is owned can be released, and nothing more. */
static void balance(void)
{
    for (uint32_t page = 0; page < PAGES_MAX; page++) {
        for (; owned[page]; owned[page]--)
            if (baton_page_release(&page, 1) != 1)
                complain(0, BATON_CALL_PAGE_RELEASE, page, "the books say it owns that");
        if (baton_page_release(&page, 1) != BATON_EOWNER)
            complain(0, BATON_CALL_PAGE_RELEASE, page, "it owns more than the books say");
    }
}

static void release_all(void)
{
    struct baton_message message;

    for (uint32_t page = 0; page < PAGES_MAX; page++)
        while (baton_page_release(&page, 1) == 1)
            continue;
    for (unsigned i = 0; i < 2; i++)
        while (baton_receive(baton_port_find(ports[i]), &message, 0, BATON_NO_WAIT) > 0)
            baton_message_free(&message);
}

int main(void)
{
    uint64_t calls = 0, seed = 1;

    if (baton_setting_number("calls", 1, 1000000000, &calls) < 0 ||
        baton_setting_number("seed", 1, UINT64_MAX, &seed) < 0)
        return 1;
    if (!calls)
        baton_sleep(BATON_FOREVER);
    arenas[0].random = seed;
    arenas[1].random = ~seed;
    baton_sleep(500000000); /* traffic has begun */
    call_many(0, calls / 2, true);
    balance();
    __atomic_store_n(&running, 1, __ATOMIC_RELAXED);
    while (baton_thread_start(second_thread, (void *)(uintptr_t)(calls / 4), 0) == BATON_ELIMIT)
        baton_yield(); /* threads that it started by chance have not ended yet */
    call_many(0, calls / 4, false);
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE))
        baton_sleep(1000000);
    release_all();
    printf("%lu calls: %lu errors, %lu valid, %lu WRONG\n",
           (unsigned long)(results[0].calls + results[1].calls),
           (unsigned long)(results[0].errors + results[1].errors),
           (unsigned long)(results[0].valid + results[1].valid),
           (unsigned long)(results[0].wrong + results[1].wrong));
    baton_sleep(BATON_FOREVER);
    return 0;
}
