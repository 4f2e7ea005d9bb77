/*
 * Text, numbers, the heap, and what the C library keeps for each thread. Ends with `libc-self-test: N checks passed`, a
 * line that main() begins and an atexit handler ends, and status 7.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/baton.h"

#define THREADS 4
#define LIVES   300

static unsigned checks, failures, running; /* (atomic) */

static void check(bool good, int line, const char *what)
{
    __atomic_fetch_add(&checks, 1, __ATOMIC_RELAXED);
    if (good)
        return;
    __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
    baton_log("FAILED line %d: %s", line, what);
}
#define CHECK(condition) check(condition, __LINE__, #condition)

static void text_try(void)
{
    const char *volatile shortened = "cut short";
    char text[80];

    CHECK(snprintf(text, sizeof text, "%zu %llu %ld %hx", sizeof text, ULLONG_MAX, LONG_MIN, (short)254) ==
          47);
    CHECK(strcmp(text, "80 18446744073709551615 -9223372036854775808 fe") == 0);
    snprintf(text, sizeof text, "%5d|%-5d|%05d|%.3s|%c|%#x", 42, 42, -42, "abcdef", 'x', 255);
    CHECK(strcmp(text, "   42|42   |-0042|abc|x|0xff") == 0);
    snprintf(text, sizeof text, "%.3f %.2e %g", 3.14159, 12345.678, 0.5);
    CHECK(strcmp(text, "3.142 1.23e+04 0.5") == 0);
    CHECK(snprintf(text, 5, "%s", shortened) == 9 && strcmp(text, "cut ") == 0);
    CHECK(strstr("a needle in it", "needle") && strlen(strrchr("a/b/c", '/')) == 2);
    CHECK(memcmp(memchr("abcdef", 'd', 6), "def", 4) == 0);
}

static int descending(const void *a, const void *b)
{
    return *(const int *)b - *(const int *)a;
}

static void numbers_try(void)
{
    int a = 0, b = 0, row[] = {3, 9, -4, 7, 0};
    char *end;

    errno = 0;
    CHECK(strtol("99999999999999999999", &end, 10) == LONG_MAX && errno == ERANGE && *end == 0);
    CHECK(strtoul("0x1fz", &end, 0) == 31 && *end == 'z');
    CHECK(strtod("2.5e3", NULL) == 2500.0);
    CHECK(sscanf("17 by -4", "%d by %d", &a, &b) == 2 && a == 17 && b == -4);
    qsort(row, 5, sizeof row[0], descending);
    CHECK(row[0] == 9 && row[1] == 7 && row[2] == 3 && row[3] == 0 && row[4] == -4);
}

static void jump_try(void)
{
    static jmp_buf place;
    static volatile int jumps;
    int came = setjmp(place);

    CHECK(came == jumps);
    if (jumps < 3)
        longjmp(place, ++jumps);
}

static void heap_try(void)
{
    void *(*volatile allocate)(size_t) =
        malloc; /* clang takes it for granted that malloc leaves errno alone */
    unsigned char *block = calloc(100, 7);

    CHECK(block != NULL);
    for (unsigned i = 0; block && i < 700; i++) {
        CHECK(block[i] == 0);
        block[i] = (unsigned char)i;
    }
    block = realloc(block, 9000);
    CHECK(block && block[699] == (unsigned char)699);
    free(block);
    errno = 0;
    CHECK(allocate(1 << 24) == NULL && errno == ENOMEM);
}

/* Nothing that the C library keeps between two calls is shared with another thread. */
static void thread_try(void *argument)
{
    char words[] = "one two three four five six seven eight",
         expected[] = "one two three four five six seven eight";
    char *word = strtok(words, " "), line[40];

    errno = (int)(uintptr_t)argument;
    while (word) {
        CHECK(memcmp(word, expected + (word - words), strlen(word)) == 0);
        snprintf(line, sizeof line, "%.10f", (double)(uintptr_t)argument / 7);
        char *copy = strdup(line);
        baton_yield();
        CHECK(copy && strcmp(copy, line) == 0);
        free(copy);
        word = strtok(NULL, " ");
    }
    CHECK(errno == (int)(uintptr_t)argument);
    __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
}

static void thread_nothing(void *argument)
{
    (void)argument;
}

/* Many short lives, four at a time: what each got of the heap must come back. */
static void threads_try(void)
{
    unsigned cpus = 1;

    while (cpus < THREADS && baton_thread_start(thread_nothing, NULL, cpus) != BATON_EINVAL)
        cpus++;
    for (unsigned i = 0; i < LIVES; i++) {
        __atomic_fetch_add(&running, 1, __ATOMIC_RELAXED);
        int result;
        while ((result = baton_thread_start(thread_try, (void *)(uintptr_t)(i + 1), i % cpus)) ==
               BATON_ELIMIT)
            baton_yield();
        CHECK(result > 0);
    }
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE))
        baton_yield();
    void *rest = malloc(64 * 1024);
    CHECK(rest != NULL);
    free(rest);
}

static void last_words(void)
{
    printf("main's line, ended by atexit\n");
}

int main(void)
{
    text_try();
    numbers_try();
    jump_try();
    heap_try();
    threads_try();
    CHECK(atexit(last_words) == 0);
    if (failures)
        printf("libc-self-test: %u of %u checks FAILED\n", failures, checks);
    else
        printf("libc-self-test: %u checks passed\n", checks);
    printf("This is ");
    return 7;
}
