/*
 * The simulated machine itself: each rule of machine.h, and that the mistakes which it is there to find are found. The
 * table used here is made by hand, so that nothing of mm/ is taken for granted.
 */
#include "core/arch.h"
#include "core/cpu.h"
#include "test/host/cases.h"
#include "test/host/machine.h"

#define VA    UINT64_C(0x4000000000)
#define ROOT  MACHINE_PHYS
#define LEAF  (MACHINE_PHYS + 0x2000)
#define ROOT2 (MACHINE_PHYS + 0x4000)
#define FRAME (MACHINE_PHYS + 0x10000)
#define VALID UINT64_C(0xc43) /* valid, page, EL0, accessed, nG */
#define READ  (VALID | 0x80)
#define WRITE VALID

static uint64_t *entry;

static bool machine_has(unsigned cpu, uint64_t value)
{
    struct machine_reach reach;

    machine_reachable(cpu, VA, &reach);
    for (unsigned i = 0; i < reach.count; i++)
        if (reach.entry[i] == value)
            return true;
    return false;
}

static void table_make(uint64_t root)
{
    memset(machine_memory(root), 0, 3 * PAGE_SIZE);
    *(uint64_t *)machine_memory(root + (VA >> 30 & 511) * 8) = (root + 0x1000) | 3;
    *(uint64_t *)machine_memory(root + 0x1000 + (VA >> 21 & 511) * 8) = (root + 0x2000) | 3;
}

static void begin(void)
{
    machine_reset(1);
    table_make(ROOT);
    table_make(ROOT2);
    entry = (uint64_t *)machine_memory(LEAF);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        machine_run_on(cpu);
        arch_table_set(ROOT, 1);
    }
    machine_run_on(0);
}

static void publish(uint64_t value)
{
    arch_pte_store(entry, value);
    arch_dsb_ishst();
}

static void test_any_live_cpu_may_fetch(void **state)
{
    (void)state;
    begin();
    publish(FRAME | WRITE);
    assert_true(machine_has(0, FRAME | WRITE) && machine_has(1, FRAME | WRITE));
    assert_false(machine_has(2, FRAME | WRITE));
}

static void test_clearing_alone_leaves_it(void **state)
{
    (void)state;
    begin();
    publish(FRAME | WRITE);
    publish(0);
    arch_dsb_ish();
    assert_true(machine_has(0, FRAME | WRITE) && machine_has(1, FRAME | WRITE));
}

static void test_local_invalidation(void **state)
{
    (void)state;
    begin();
    publish(FRAME | WRITE);
    publish(0);
    arch_tlbi_page_local(VA, 1);
    assert_true(machine_has(0, FRAME | WRITE)); /* not before the DSB */
    arch_dsb_ishst();
    assert_true(machine_has(0, FRAME | WRITE)); /* and not by a DSB for stores */
    arch_dsb_nsh();
    assert_false(machine_has(0, FRAME | WRITE));
    assert_true(machine_has(1, FRAME | WRITE));
}

static void test_broadcast_needs_dsb_ish(void **state)
{
    (void)state;
    begin();
    publish(FRAME | WRITE);
    publish(0);
    arch_tlbi_page_broadcast(VA, 1);
    arch_dsb_nsh();
    assert_true(machine_has(1, FRAME | WRITE));
    machine_run_on(1);
    arch_dsb_ish(); /* another CPU's DSB completes nothing of CPU 0 */
    assert_true(machine_has(1, FRAME | WRITE));
    machine_run_on(0);
    arch_dsb_ish();
    assert_false(machine_has(0, FRAME | WRITE) || machine_has(1, FRAME | WRITE));
}

static void test_invalidation_before_publication(void **state)
{
    (void)state;
    begin();
    publish(FRAME | WRITE);
    arch_pte_store(entry, 0);
    arch_tlbi_page_broadcast(VA, 1); /* a walker may still find the old entry in memory */
    arch_dsb_ish();
    assert_true(machine_has(0, FRAME | WRITE) && machine_has(1, FRAME | WRITE));
}

static void test_other_asid_or_address(void **state)
{
    (void)state;
    begin();
    publish(FRAME | WRITE);
    publish(0);
    arch_tlbi_page_broadcast(VA, 2);
    arch_tlbi_page_broadcast(VA + PAGE_SIZE, 1);
    arch_tlbi_asid_broadcast(3);
    arch_dsb_ish();
    assert_true(machine_has(0, FRAME | WRITE));
    arch_tlbi_asid_broadcast(1);
    arch_dsb_ish();
    assert_false(machine_has(0, FRAME | WRITE) || machine_has(1, FRAME | WRITE));
}

static void test_stays_over_a_switch(void **state)
{
    (void)state;
    begin();
    publish(FRAME | WRITE);
    arch_table_set(ROOT2, 2);
    assert_false(machine_has(0, FRAME | WRITE)); /* not with the other table */
    publish(0);
    arch_table_set(ROOT, 1);
    assert_true(machine_has(0, FRAME | WRITE)); /* but again with this one */
    arch_tlbi_all_local();
    arch_dsb_nsh();
    assert_false(machine_has(0, FRAME | WRITE));
}

static void test_permission_keeps_both(void **state)
{
    (void)state;
    begin();
    publish(FRAME | WRITE);
    publish(FRAME | READ);
    assert_true(machine_has(1, FRAME | WRITE) && machine_has(1, FRAME | READ));
    arch_tlbi_page_broadcast(VA, 1);
    arch_dsb_ish();
    assert_true(!machine_has(1, FRAME | WRITE) && machine_has(1, FRAME | READ));
}

static void test_reports_incorrect_mapping(void **state)
{
    (void)state;
    begin();
    publish(FRAME | WRITE);
    assert_true(machine_fails(publish((FRAME + PAGE_SIZE) | WRITE)));
    assert_non_null(strstr(machine_message, "break-before-make"));
    begin();
    publish(FRAME | WRITE);
    publish(0);
    assert_true(machine_fails(publish((FRAME + PAGE_SIZE) | WRITE)));
    assert_non_null(strstr(machine_message, "incorrect mapping"));
}

static void test_reports_broken_rules(void **state)
{
    (void)state;
    begin();
    assert_true(machine_fails(publish((FRAME | WRITE) & ~UINT64_C(0x800))));
    assert_non_null(strstr(machine_message, "global"));
    begin();
    assert_true(machine_fails(arch_table_set(ROOT2, 1)));
    assert_non_null(strstr(machine_message, "do not belong together"));
    begin();
    arch_pte_store(entry, FRAME | WRITE);
    assert_true(machine_fails(machine_check_quiet()));
    begin();
    arch_tlbi_page_local(VA, 1);
    assert_true(machine_fails(machine_check_quiet()));
    machine_hide(FRAME, PAGE_SIZE);
    assert_true(machine_fails(arch_phys_to_virt(FRAME)));
    arch_relax(); /* once: what it waits for may have come true by what it did itself */
    assert_true(machine_fails(arch_relax()));
}

static void test_ranges_and_local_asids(void **state)
{
    (void)state;
    begin();
    publish(FRAME | WRITE);
    publish(0);
    arch_tlbi_range_local(VA - 2 * PAGE_SIZE, 2, 1);
    arch_tlbi_range_broadcast(VA - PAGE_SIZE, 4, 2);
    arch_dsb_ish();
    assert_true(machine_has(0, FRAME | WRITE) && machine_has(1, FRAME | WRITE));
    arch_tlbi_range_local(VA - PAGE_SIZE, 2, 1);
    arch_dsb_nsh();
    assert_true(!machine_has(0, FRAME | WRITE) && machine_has(1, FRAME | WRITE));
    machine_run_on(1);
    arch_tlbi_asid_local(2);
    arch_dsb_nsh();
    assert_true(machine_has(1, FRAME | WRITE));
    arch_tlbi_asid_local(1);
    arch_dsb_nsh();
    assert_false(machine_has(1, FRAME | WRITE));
}

/* An odd number of pages is rounded up: one too many, never one too few. */
static void test_odd_range(void **state)
{
    (void)state;
    begin();
    publish(FRAME | WRITE);
    publish(0);
    arch_tlbi_range_broadcast(VA - 2 * PAGE_SIZE, 3, 1);
    assert_true(machine_has(1, FRAME | WRITE));
    arch_dsb_ish();
    assert_false(machine_has(0, FRAME | WRITE) || machine_has(1, FRAME | WRITE));
}

static unsigned taken[MACHINE_CPUS];

static void interrupt_note(void)
{
    while (machine_interrupt_acknowledge() != MACHINE_NO_INTERRUPT)
        taken[cpu_number()]++;
}

/* Who spins lets the others take theirs; its own wait until it is through. */
static void test_interrupts(void **state)
{
    (void)state;
    begin();
    machine_interrupt = interrupt_note;
    machine_interrupt_raise(0, 2);
    machine_interrupt_raise(1, 2);
    machine_interrupt_raise(1, 2);
    machine_interrupt_raise(3, 5);
    arch_relax();
    assert_int_equal(cpu_number(), 0);
    assert_true(!taken[0] && taken[1] == 1 && !taken[2] && taken[3] == 1);
    machine_interrupt();
    assert_int_equal(taken[0], 1);
}

static void test_access(void **state)
{
    uint64_t phys;
    unsigned done = 0, faults = 0;

    (void)state;
    begin();
    assert_int_equal(machine_access(0, VA, false, true, &phys), MACHINE_TRANSLATION_FAULT);
    arch_pte_store(entry, FRAME | READ); /* not yet published: a walker may see it or not */
    for (unsigned i = 0; i < 100; i++)
        if (machine_access(1, VA + 5, false, true, &phys) == MACHINE_DONE)
            done++;
        else
            faults++;
    assert_true(done && faults);
    arch_dsb_ishst();
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(machine_access(1, VA + 5, false, true, &phys), MACHINE_DONE);
    assert_int_equal(phys, FRAME + 5);
    assert_int_equal(machine_access(1, VA, true, true, &phys), MACHINE_PERMISSION_FAULT);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_any_live_cpu_may_fetch),
    cmocka_unit_test(test_clearing_alone_leaves_it),
    cmocka_unit_test(test_local_invalidation),
    cmocka_unit_test(test_broadcast_needs_dsb_ish),
    cmocka_unit_test(test_invalidation_before_publication),
    cmocka_unit_test(test_other_asid_or_address),
    cmocka_unit_test(test_stays_over_a_switch),
    cmocka_unit_test(test_permission_keeps_both),
    cmocka_unit_test(test_reports_incorrect_mapping),
    cmocka_unit_test(test_reports_broken_rules),
    cmocka_unit_test(test_ranges_and_local_asids),
    cmocka_unit_test(test_odd_range),
    cmocka_unit_test(test_interrupts),
    cmocka_unit_test(test_access),
};

CASES_MAIN(tests)
