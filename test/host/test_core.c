/*
 * core/: the formatter against the C library's, settings, pools, and times at their edges.
 */
#include "core/arch.h"
#include "core/cpu.h"
#include "core/log.h"
#include "core/pool.h"
#include "core/setting.h"
#include "core/timer.h"
#include "test/host/cases.h"
#include "test/host/machine.h"

#include <stdlib.h>

/* ---- The formatter ---- */

static void check_format(const char *format, ...)
{
    char ours[200], theirs[200];
    va_list args;

    for (size_t size = 0; size < sizeof(ours); size += size < 12 ? 1 : 60) {
        memset(ours, 'x', sizeof(ours));
        memset(theirs, 'x', sizeof(theirs));
        va_start(args, format);
        int length = log_format(ours, size, format, args);
        va_end(args);
        va_start(args, format);
        int expected = vsnprintf(theirs, size, format, args);
        va_end(args);
        if (length != expected || memcmp(ours, theirs, sizeof(ours)))
            fail_msg("\"%s\" at size %zu gives \"%.60s\" (%d), expected \"%.60s\" (%d)", format, size, ours,
                     length, theirs, expected);
    }
}

static void test_plain_formats(void **state)
{
    (void)state;
    check_format("nothing");
    check_format("%s and %s", "one", "");
    check_format("%c%c%%", 'a', 'b');
    check_format("%d %d %d", 0, -1, 2147483647);
    check_format("%d", (int)-2147483648);
    check_format("%u %x", 4294967295u, 0xdeadbeefu);
    check_format("%ld %lu %lx", INT64_MIN, UINT64_MAX, UINT64_MAX);
    check_format("%p", (void *)0x1234);
}

static void test_widths(void **state)
{
    (void)state;
    check_format("[%5d][%-5d][%05d]", 42, 42, 42);
    check_format("[%5d][%-5d][%05d]", -42, -42, -42);
    check_format("[%2d][%02d][%1d]", 12345, -12345, 0);
    check_format("[%8s][%-8s][%2s]", "abc", "abc", "abc");
    check_format("[%4c][%-4c]", 'x', 'y');
    check_format("[%016lx][%16lx][%-16lx]", 0xabcul, 0xabcul, 0xabcul);
    check_format("[%20u][%-20u][%020u]", 7u, 7u, 7u);
}

static void test_random_numbers(void **state)
{
    static const char *const formats[] = {"%d", "%5d", "%-9d", "%09d", "%u", "%x", "%08x", "%-3x"};

    (void)state;
    machine_reset(1);
    for (unsigned i = 0; i < 20000; i++)
        check_format(formats[machine_random(8)], (int)(machine_random(UINT32_MAX) >> machine_random(32)));
}

static int format_line(char *buffer, size_t size, const char *format)
{
    return log_format_line(buffer, size, format, 1, 2, 3);
}

static void test_odd_formats(void **state)
{
    const char *volatile nothing = NULL;
    char line[32];

    (void)state;
    assert_int_equal(log_format_line(line, sizeof(line), "%s", nothing), 6);
    assert_string_equal(line, "(null)");
    format_line(line, sizeof(line), "100%");
    assert_string_equal(line, "100%");
    format_line(line, sizeof(line), "%q!");
    assert_string_equal(line, "%q!");
    format_line(line, sizeof(line), "%l");
    assert_string_equal(line, "%");
}

/* ---- Settings ---- */

static void test_settings(void **state)
{
    (void)state;
    setting_init("age=300 placement=trusted  quiet ag=1 empty= log=a=b age=400");
    assert_string_equal(setting_find("age"), "400"); /* the last one counts */
    assert_string_equal(setting_find("ag"), "1");
    assert_string_equal(setting_find("placement"), "trusted");
    assert_string_equal(setting_find("quiet"), "");
    assert_string_equal(setting_find("empty"), "");
    assert_string_equal(setting_find("log"), "a=b");
    assert_null(setting_find("plac"));
    assert_null(setting_find("placements"));
    assert_null(setting_find("a"));
    setting_init("");
    assert_null(setting_find("age"));
    setting_init("  ");
    assert_null(setting_find("age"));
    setting_init("net0.mac=given");
    setting_add("net0.mac=found");
    setting_add("net1.mac=02:00");
    assert_string_equal(setting_find("net0.mac"), "given"); /* the command line comes first */
    assert_string_equal(setting_find("net1.mac"), "02:00");
}

static void test_settings_too_long(void **state)
{
    char line[2000];

    (void)state;
    memset(line, 'a', sizeof(line));
    memcpy(line, "first=1 ", 8);
    line[sizeof(line) - 1] = 0;
    setting_init(line);
    assert_string_equal(setting_find("first"), "1");
    for (unsigned i = 0; i < sizeof(line) - 1; i++)
        line[i] = "x=1 "[i % 4];
    setting_init(line);
    assert_string_equal(setting_find("x"), "1");
}

/* ---- Pools ---- */

/* Takes up to `count` where they lie, and leaves the last one there now and then. */
static unsigned pool_take_in_place(struct pool *pool, uint32_t *items, unsigned count)
{
    unsigned there, taken = 0;
    const uint32_t *end = pool_peek(pool, count, &there);

    for (; taken < count && taken < there && (taken == 0 || machine_random(100)); taken++)
        items[taken] = end[-(int)taken - 1];
    pool_taken(pool, taken);
    return taken;
}

static void pool_give_in_place(struct pool *pool, const uint32_t *items, unsigned count)
{
    assert_true(pool_has_room(pool, count + 1)); /* one place is not used */
    memcpy(pool_room(pool), items, count * sizeof *items);
    pool_given(pool, count);
}

#define STEP 5

static void pool_check(uint32_t total)
{
    static struct pool pool;
    uint32_t *stock = malloc(pool_bytes(total)), *held = malloc(total * sizeof(*held)), count = 0;
    bool *taken = calloc(total, sizeof(*taken));

    machine_reset(total);
    memset(&pool, 0, sizeof(pool));
    pool_init(&pool, stock, total, STEP);
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t n = 1 + (uint32_t)machine_random(40);
        machine_run_on((unsigned)machine_random(4));
        if (machine_random(2)) {
            n = n < total - count ? n : total - count;
            bool in_place = machine_random(2);
            unsigned got =
                in_place ? pool_take_in_place(&pool, &held[count], n) : pool_take(&pool, &held[count], n);
            for (unsigned k = 0; k < got; k++) {
                uint32_t number = held[count + k] / STEP;
                assert_true(held[count + k] % STEP == 0 && number < total && !taken[number]);
                taken[number] = true;
            }
            count += got;
        } else {
            n = n < count ? n : count;
            count -= n;
            for (unsigned k = 0; k < n; k++)
                taken[held[count + k] / STEP] = false;
            if (machine_random(2))
                pool_give_in_place(&pool, &held[count], n);
            else
                pool_give(&pool, &held[count], n);
        }
        assert_int_equal(pool_free(&pool) + count, total);
        for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
            assert_in_range(pool.magazine[cpu].count, 0, POOL_MAGAZINE);
    }
    free(stock);
    free(held);
    free(taken);
}

static void test_pool(void **state)
{
    (void)state;
    pool_check(1);
    pool_check(10);
    pool_check(1000);
    pool_check(20000);
}

/* ---- Time: the simulated counter has 10^9 ticks a second ---- */

static void test_times(void **state)
{
    (void)state;
    machine_reset(1);
    timer_init();
    assert_int_equal(timer_ticks(0), 0);
    for (uint64_t ns = 1; ns < UINT64_C(1) << 62; ns *= 3) {
        assert_true(timer_ticks(ns) >= ns); /* rounded up, never early */
        assert_true(timer_ticks(ns) - ns <= 1 + (ns >> 31));
    }
    assert_int_equal(timer_ticks(UINT64_MAX), UINT64_MAX);
    assert_int_equal(timer_deadline(UINT64_MAX), UINT64_MAX);
    assert_int_equal(timer_deadline(UINT64_MAX - 1), UINT64_MAX);
    uint64_t now = timer_now();
    assert_true(timer_deadline(1000) >= now + 1000);
    assert_true(timer_uptime_ns() < 1000);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_plain_formats),  cmocka_unit_test(test_widths),
    cmocka_unit_test(test_random_numbers), cmocka_unit_test(test_odd_formats),
    cmocka_unit_test(test_settings),       cmocka_unit_test(test_settings_too_long),
    cmocka_unit_test(test_pool),           cmocka_unit_test(test_times),
};

CASES_MAIN(tests)
