/*
 * Threads of one service on several CPUs: calls, the heap, printing, thread-local data, floating point.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "test/qemu/apps/ipc-self-test/tester.h"

#define THREADS 6
#define ROUNDS  200

static unsigned running; /* (atomic) */
static _Thread_local unsigned number = 1000;
static _Thread_local unsigned zero;

static void heap_try(unsigned seed)
{
    unsigned char *blocks[10];

    for (unsigned i = 0; i < 10; i++) {
        size_t size = 20 + (seed * 37 + i * 101) % 900;
        blocks[i] = malloc(size);
        CHECK(blocks[i] != NULL);
        if (blocks[i])
            memset(blocks[i], (int)(seed + i), size);
    }
    for (unsigned i = 0; i < 10; i++) {
        CHECK(!blocks[i] || blocks[i][19] == (unsigned char)(seed + i));
        free(blocks[i]);
    }
}

static void floating_try(unsigned seed)
{
    volatile double sum = 0;

    for (unsigned i = 1; i <= 300; i++) {
        sum += (double)seed / i;
        if (i % 50 == 0)
            baton_yield();
    }
    volatile double expected = 0;
    for (unsigned i = 1; i <= 300; i++)
        expected += (double)seed / i;
    CHECK(sum == expected);
}

static void work(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    struct baton_message message;
    char text[64];

    CHECK(number == 1000 && zero == 0);
    number = zero = seed;
    errno = (int)seed;
    for (unsigned round = 0; round < ROUNDS; round++) {
        pattern_make(&message, seed + round, (seed * 97 + round * 61) % 9000);
        CHECK(ask(&message, SUM) == (int64_t)pattern_sum(seed + round, (seed * 97 + round * 61) % 9000));
        heap_try(seed + round);
        if (round % 10 == 0)
            floating_try(seed);
    }
    snprintf(text, sizeof text, "thread %u was here", seed);
    printf("%s\n", text);
    CHECK(number == seed && zero == seed && errno == (int)seed);
    __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
}

static void start_all(void)
{
    struct baton_message message;

    for (unsigned i = 0; i < THREADS; i++) {
        unsigned cpu = i % 4;
        __atomic_fetch_add(&running, 1, __ATOMIC_RELAXED);
        int result = baton_thread_start(work, (void *)(uintptr_t)(i + 1), cpu);
        if (result == BATON_EINVAL) /* there are not so many CPUs */
            result = baton_thread_start(work, (void *)(uintptr_t)(i + 1), 0);
        CHECK(result > 0);
    }
    baton_message_init(&message, 0);
    message.tag = 5000;
    CHECK(ask(&message, FLOATING) ==
          9094508); /* partner's registers, beside ours: the 5000th harmonic number */
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE))
        baton_sleep(1000000);
    CHECK(number == 1000);
}

static void nothing(void *argument)
{
    (void)argument;
    __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
}

/* Each thread that ended makes room for another. */
static void start_many(void)
{
    for (unsigned i = 0; i < 100; i++) {
        __atomic_fetch_add(&running, 1, __ATOMIC_RELAXED);
        int result;
        while ((result = baton_thread_start(nothing, NULL, 0)) == BATON_ELIMIT)
            baton_yield();
        CHECK(result > 0);
    }
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE))
        baton_yield();
}

/* A page sent by a thread on one CPU is gone for the others too, wherever they had it mapped. */
static volatile uint32_t shared_page;
static volatile bool seen;

static void see_page(void *argument)
{
    (void)argument;
    CHECK(*(volatile uint8_t *)baton_page_address(shared_page) == pattern(1, 0));
    seen = true;
    __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
}

static void page_seen_elsewhere(void)
{
    struct baton_message message;

    for (unsigned round = 0; round < 20; round++) {
        pattern_make(&message, 1, 200);
        shared_page = message.piece[0].page;
        seen = false;
        __atomic_fetch_add(&running, 1, __ATOMIC_RELAXED);
        if (baton_thread_start(see_page, NULL, round % 4) < 0)
            CHECK(baton_thread_start(see_page, NULL, 0) > 0);
        while (__atomic_load_n(&running, __ATOMIC_ACQUIRE))
            baton_yield();
        CHECK(seen);
        CHECK(ask(&message, SUM) == (int64_t)pattern_sum(1, 200));
        while (baton_page_get((uint32_t *)&shared_page, 1) != 1)
            baton_yield();
        CHECK(*(volatile uint8_t *)baton_page_address(shared_page) == 0);
        CHECK(baton_page_release((const uint32_t *)&shared_page, 1) == 1);
    }
}

static void go_to(unsigned cpu)
{
    int result = baton_thread_move(cpu);
    if (result == BATON_EINVAL) /* there are not so many CPUs */
        result = baton_thread_move(0);
    CHECK(result == 0);
}

/* Goes round the CPUs, others coming the other way. What it has in registers, memory, pages and calls goes along. */
static void wander(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    struct baton_message message;
    double sum = seed, expected = seed;

    number = seed;
    for (unsigned round = 0; round < ROUNDS; round++) {
        go_to((seed & 1 ? round : ROUNDS - round) % 4);
        sum += 1.0 / (round + 1); /* in a register that a call keeps */
        pattern_make(&message, seed + round, 200 + round);
        go_to((seed + round) % 4);
        CHECK(pattern_holds(&message, seed + round, 200 + round)); /* mapped on two CPUs */
        if (round % 3) {
            CHECK(ask(&message, SUM) == (int64_t)pattern_sum(seed + round, 200 + round));
        } else {
            CHECK(baton_message_free(&message) == 0);
            baton_sleep(100000);
        }
        CHECK(number == seed);
    }
    for (unsigned round = 0; round < ROUNDS; round++)
        expected += 1.0 / (round + 1);
    CHECK(sum == expected);
    __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
}

static void wander_all(void)
{
    for (unsigned i = 0; i < THREADS; i++) {
        __atomic_fetch_add(&running, 1, __ATOMIC_RELAXED);
        CHECK(baton_thread_start(wander, (void *)(uintptr_t)(i + 1), 0) > 0);
    }
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE))
        go_to((unsigned)(baton_time_ns() / 1000) % 4);
    go_to(0);
}

/*
 * The list of buffers changes while a thread waits with it: the kernel writes where it has looked, or reports a buffer that it finds
 * wrong, and to no other place.
 */
static struct baton_message waiting_for[2];
static struct baton_message *volatile waiting_list[2];

static void wait_for_two(void *argument)
{
    (void)argument;
    int result = baton_receive_batch(side, (struct baton_message *const *)waiting_list, 2, 0, BATON_FOREVER);
    CHECK(result >= 1 && result <= 2 && waiting_for[0].tag == 71);
    for (int i = 0; i < result; i++)
        CHECK(baton_message_free(&waiting_for[i]) == 0);
    CHECK(result == 2 || (baton_receive(side, &waiting_for[1], 0, BATON_FOREVER) == 1 &&
                          baton_message_free(&waiting_for[1]) == 0));
    __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
}

static void list_changes(struct baton_message *first, struct baton_message *second)
{
    struct baton_message message;

    waiting_list[0] = &waiting_for[0];
    waiting_list[1] = &waiting_for[1];
    __atomic_fetch_add(&running, 1, __ATOMIC_RELAXED);
    CHECK(baton_thread_start(wait_for_two, NULL, 0) > 0);
    baton_sleep(20000000); /* it waits */
    waiting_list[0] = first;
    waiting_list[1] = second;
    baton_message_init(&message, 0);
    message.tag = 71;
    message.type = PAIR_SIDE;
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == 1);
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE))
        baton_sleep(1000000);
}

static void lists_change(void)
{
    struct baton_message *const wrong[] = {NULL, (struct baton_message *)(uintptr_t)test_threads,
                                           (struct baton_message *)((char *)&waiting_for[1] + 1)};

    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        list_changes(wrong[i], &waiting_for[1]);
        list_changes(&waiting_for[0], wrong[i]);
        list_changes(wrong[i], wrong[i]);
    }
}

void test_threads(void)
{
    CHECK(baton_thread_start(work, NULL, 1000) == BATON_EINVAL);
    CHECK(baton_thread_move(1000) == BATON_EINVAL);
    start_all();
    start_many();
    page_seen_elsewhere();
    wander_all();
    lists_change();
}
