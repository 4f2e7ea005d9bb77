/*
 * What the tests of ipc/page.h start from: 64 pages, three isolated spaces and two trusted ones, of which one runs on
 * each CPU.
 */
#ifndef TEST_HOST_PAGE_CASES_H
#define TEST_HOST_PAGE_CASES_H

#include "ipc/page.h"
#include "test/host/cases.h"
#include "test/host/machine.h"
#include "test/host/ownership.h"

#define PAGES 64u

static struct space *a, *b, *c; /* isolated */
static struct space *t, *u;     /* trusted */

static inline void begin(void)
{
    ownership_init(1, PAGES, 8);
    a = ownership_space("a", true, 8);
    b = ownership_space("b", true, 8);
    c = ownership_space("c", true, 8);
    t = ownership_space("t", false, 8);
    u = ownership_space("u", false, 8);
    run_space(0, a);
    run_space(1, b);
    run_space(2, t);
    run_space(3, c);
    machine_run_on(0);
}

static inline uint32_t get(struct space *space)
{
    uint32_t page = 0;

    assert_int_equal(do_get(space, &page, 1), 1);
    return page;
}

static inline struct baton_piece whole(uint32_t page)
{
    return (struct baton_piece){page, 0, PAGE_SIZE};
}

static inline struct transit sent(struct space *space, struct baton_piece piece, unsigned flags)
{
    struct transit transit;

    assert_int_equal(do_send(space, &piece, flags, NULL, &transit), 0);
    return transit;
}

/* Fills the page through the writing space's translation, every byte other than 0. */
static inline void write_all(unsigned cpu, uint32_t page)
{
    for (uint32_t i = 0; i < GRAINS; i++)
        assert_true(do_access(cpu, page, i * GRAIN, true, 0x01010101u * (i + 1)));
    memset(machine_memory(page_phys(page)), 0x77, PAGE_SIZE);
    for (uint32_t i = 0; i < GRAINS; i++)
        reference[page].tag[i] = 0x77777777;
}

/* Every CPU sees its tick: no window is left. */
static inline void ticks(void)
{
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++)
        do_tick(cpu, false);
    machine_run_on(0);
}

#endif
