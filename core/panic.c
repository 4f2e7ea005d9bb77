/* The end: see log.h. Trusts as little as it can: no lock, no allocation, no address that was not looked at first. */
#include "core/log.h"

#include "core/cpu.h"
#include "core/irq.h"
#include "core/symbols.h"
#include "core/trap.h"

#define BACKTRACE_MAX 24
#define NO_CPU        UINT32_MAX

static uint32_t panicking = NO_CPU; /* (atomic) number of the CPU whose panic is printed */
static void (*describer)(void);

void panic_describer_set(void (*describe)(void))
{
    describer = describe;
}

static void print_location(const char *what, uint64_t address)
{
    uint64_t offset;
    char name[64];

    if (symbol_find(address, name, sizeof name, &offset))
        log_print("  %s 0x%016lx %s+0x%lx\n", what, address, name, offset);
    else
        log_print("  %s 0x%016lx\n", what, address);
}

/* A frame record that may be read: on a kernel stack, or in the image (boot and overflow stacks). */
static bool frame_readable(uint64_t record)
{
    bool stack = record >= STACK_BASE && record < WINDOW_BASE && (record & KERNEL_STACK_SIZE);
    bool image = record >= IMAGE_BASE && record < STACK_BASE;

    return (stack || image) && record % 8 == 0;
}

/* AAPCS64 6.2.3: x29 points at a record of two words, the caller's x29 and the return address. */
static void print_backtrace(uint64_t record)
{
    for (unsigned depth = 0; depth < BACKTRACE_MAX && frame_readable(record); depth++) {
        const uint64_t *words = (const uint64_t *)record;
        if (words[1])
            print_location("by", words[1] - 4); /* the call, not what follows it */
        if (words[0] <= record || words[0] - record > KERNEL_STACK_SIZE)
            return; /* the end, or no longer a stack that grew downwards */
        record = words[0];
    }
}

static void print_registers(const struct trapframe *frame)
{
    for (unsigned i = 0; i < 30; i += 3)
        log_print("  x%-2u %016lx  x%-2u %016lx  x%-2u %016lx\n", i, frame->x[i], i + 1, frame->x[i + 1],
                  i + 2, frame->x[i + 2]);
    log_print("  x30 %016lx  sp  %016lx  spsr %08lx\n", frame->x[30], frame->sp, frame->spsr);
    if (frame->esr)
        log_print("  esr %08lx (class 0x%02lx)  far %016lx\n", frame->esr, ESR_CLASS(frame->esr), frame->far);
}

static __attribute__((noreturn)) void stay(void)
{
    for (;;)
        arch_wait_for_interrupt();
}

/* Makes this CPU the one that reports. Does not return on a CPU that comes second, or comes again. */
static void panic_begin(const char *reason)
{
    uint32_t self = cpu_number(), first = NO_CPU;

    arch_irq_disable();
    if (!__atomic_compare_exchange_n(&panicking, &first, self, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        if (first == self)
            log_print("\npanic: again, while reporting: %s\n", reason);
        stay();
    }
    for (unsigned cpu = 0; cpu < cpu_count; cpu++)
        if (cpu != self)
            irq_send(cpu, IPI_STOP);
    log_break();
}

void panic_at(const struct trapframe *frame, const char *reason)
{
    panic_begin(reason);
    log_print("\npanic: %s\n  on CPU %u\n", reason, cpu_number());
    print_location("at", frame->elr);
    print_location("lr", frame->x[30]); /* the caller, if the function had not yet made its frame record */
    print_backtrace(frame->x[29]);
    print_registers(frame);
    if (describer)
        describer();
    stay();
}

void panic(const char *format, ...)
{
    struct trapframe frame = {.x = {0}};
    char reason[256];
    va_list args;

    arch_registers_save(frame.x);
    /* As if it had stopped in the caller: its frame record is the first one that is not ours. */
    const uint64_t *record = __builtin_frame_address(0);
    frame.x[29] = record[0];
    frame.x[30] = record[1];
    frame.elr = record[1] - 4;
    frame.sp = (uint64_t)record;
    frame.spsr = arch_sysreg_read(daif);
    va_start(args, format);
    log_format(reason, sizeof reason, format, args);
    va_end(args);
    panic_at(&frame, reason);
}

void trap_unexpected(struct trapframe *frame, unsigned vector)
{
    static const char *const kinds[] = {"synchronous exception", "IRQ", "FIQ", "SError"};
    static const char *const origins[] = {"a trusted service", "the kernel", "a service", "AArch32"};
    char reason[64];

    log_format_line(reason, sizeof reason, "unexpected %s from %s", kinds[vector & 3],
                    origins[vector >> 2 & 3]);
    panic_at(frame, reason);
}

void trap_overflow(struct trapframe *frame)
{
    panic_at(frame, "kernel stack overflow");
}
