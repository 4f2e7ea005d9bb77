/*
 * Where the vectors lead: system calls, lazy mapping, violations (design section 6), interrupts.
 *
 * An abort of a service inside the IPC region asks the ownership table: owned and not mapped is mapped, and
 * the access repeated. Everything else that a service cannot do is a violation: reported by name, and the
 * service stops.
 */
#include <stddef.h>
#include "core/cpu.h"
#include "core/irq.h"
#include "core/ledger.h"
#include "core/log.h"
#include "core/timer.h"
#include "core/trap.h"
#include "ipc/page.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "ipc/user.h"
#include "mm/space.h"

#define ISS_WRITE         (1u << 6)    /* data abort: WnR */
#define ISS_FAULT(esr)    ((esr)&0x3c) /* fault status without the level */
#define FAULT_TRANSLATION 0x04
#define FAULT_ACCESS      0x08
#define FAULT_PERMISSION  0x0c

static bool is_abort(unsigned class, unsigned low)
{
    return class == low || class == low + 1; /* from EL0, or from a trusted service at EL1 */
}

static const char *space_name(unsigned space)
{
    const struct service *service = service_of_space(space);

    return space == PAGE_NOBODY ? "nobody" : service ? service->name : "the kernel";
}

/* The IPC page that holds the address; LEDGER_NO_PAGE when none does. */
static uint32_t page_of(uint64_t address)
{
    bool inside = address >= IPC_BASE && address - IPC_BASE < (uint64_t)page_region_count() * PAGE_SIZE;

    return inside ? (uint32_t)((address - IPC_BASE) >> PAGE_SHIFT) : LEDGER_NO_PAGE;
}

/* Services that may still reach the page by old translations, and the CPUs that have not made their pass. */
static void report_pending(const struct page_info *info)
{
    const struct space *space;

    if (!info->pending)
        return;
    log_print("  unmaps not complete on CPUs 0x%x:%s\n", info->waiting,
              info->pending & 1 ? " the trusted services" : "");
    for (unsigned i = 1; (space = space_at(i)) != NULL; i++)
        if (space->table && space->table->user && info->pending >> space->table->number & 1)
            log_print("    of %s\n", space->name);
}

/* Who owns the page now, who did before, since when. */
static void report_page(uint32_t page)
{
    struct page_info info;

    page_describe(page, &info);
    uint64_t ago = (timer_now() - info.changed) * 1000 / (timer_ticks(1000000) ? timer_ticks(1000000) : 1);
    log_print("  page %u: owner now %s%s, owner before %s, changed hands %lu us ago\n", page,
              info.total ? space_name(info.owner[0]) : "nobody",
              info.owners > 1 ? " and others (read-only)" : "", space_name(info.previous), ago);
    report_pending(&info);
}

/* Whose an address is, as far as the layout tells. */
static void report_address(const struct service *service, uint64_t address)
{
    const struct service *owner = service_of_address(address);

    if (page_of(address) != LEDGER_NO_PAGE)
        report_page(page_of(address));
    else if (address >= LINEAR_BASE)
        log_print("  the address is the kernel's\n");
    else if (owner == service)
        log_print("  the address is in its own slot, where nothing is mapped, or not for this (guard page, "
                  "text)\n");
    else
        log_print("  the address is %s%s\n", owner ? "in the slot of service " : "nobody's",
                  owner ? owner->name : "");
}

static __attribute__((cold)) void violation(struct trapframe *frame, const char *what, bool with_address)
{
    struct service *service = thread_self()->service;

    cpu_self()->counters[COUNT_VIOLATIONS]++;
    ledger_note(cpu_self(), LEDGER_VIOLATION, service->space->number,
                with_address ? page_of(frame->far) : LEDGER_NO_PAGE, with_address ? frame->far : frame->elr);
    if (with_address)
        log_print("violation: service %s may not %s 0x%lx (pc 0x%lx, cpu %u)\n", service->name, what,
                  frame->far, frame->elr, cpu_number());
    else
        log_print("violation: service %s: %s at pc 0x%lx (esr 0x%lx, cpu %u)\n", service->name, what,
                  frame->elr, frame->esr, cpu_number());
    if (with_address)
        report_address(service, frame->far);
    service_stop(service, "a violation", true);
}

/* True when the access can be repeated. */
static bool fault_resolve(struct trapframe *frame, bool write)
{
    uint64_t address = frame->far, kind = ISS_FAULT(frame->esr);

    if (kind != FAULT_TRANSLATION && kind != FAULT_PERMISSION && kind != FAULT_ACCESS)
        return false;
    if (page_of(address) == LEDGER_NO_PAGE)
        return false;
    if (page_fault(thread_self()->space, address, write) != PAGE_FAULT_MAPPED)
        return false;
    cpu_self()->counters[COUNT_LAZY_MAPS]++;
    ledger_note(cpu_self(), LEDGER_LAZY, thread_self()->space->number, page_of(address), write);
    return true;
}

void trap_service_fault(struct trapframe *frame)
{
    unsigned class = ESR_CLASS(frame->esr);
    bool write = frame->esr & ISS_WRITE;

    if (class == ESR_FP)
        thread_fp_enable();
    else if (is_abort(class, ESR_DATA_LOW)) {
        if (!fault_resolve(frame, write))
            violation(frame, write ? "write to" : "read from", true);
    } else if (is_abort(class, ESR_FETCH_LOW))
        violation(frame, "execute at", true);
    else
        violation(frame, "an instruction that it may not use", false);
    thread_return();
}

void trap_kernel_sync(struct trapframe *frame)
{
    bool copying = frame->elr >= (uint64_t)user_copy_start && frame->elr < (uint64_t)user_copy_end;

    if (!copying || !is_abort(ESR_CLASS(frame->esr), ESR_DATA_LOW))
        panic_at(frame, "the kernel faulted");
    frame->elr = (uint64_t)user_copy_fault;
}

void trap_irq(struct trapframe *frame)
{
    irq_dispatch();
    thread_preempt(frame);
}
