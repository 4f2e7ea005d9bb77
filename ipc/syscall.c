/*
 * System calls on pages, threads, the log and settings, and the way into all calls. What each does is documented where services
 * see it, in apps/baton.h; numbers are in core/abi.h.
 *
 * Owns: the table of calls. Every argument is checked against the calling service (design section 3, invariant 6); a refused
 * call changes nothing. Interrupts stay masked but while a call waits. Cost of a call: one exception in and out (about 80
 * instructions), plus what it moves.
 */
#include <stddef.h>
#include "core/abi.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/log.h"
#include "core/setting.h"
#include "core/string.h"
#include "core/timer.h"
#include "core/trap.h"
#include "ipc/direct.h"
#include "ipc/page.h"
#include "ipc/port.h"
#include "ipc/service.h"
#include "ipc/syscall_book.h"
#include "ipc/syscall_message.h"
#include "ipc/thread.h"
#include "ipc/transfer.h"
#include "mm/space.h"
#include "mm/unmap.h"

#define NAME_BYTES 64
#define TEXT_BYTES 256

/* ---- Pages ---- */

static int64_t call_page_get(struct service *service, const uint64_t *args)
{
    uint32_t pages[BATON_BATCH];

    if (!args[1] || args[1] > BATON_BATCH)
        return BATON_EINVAL;
    if (!transfer_writable(service, args[0], args[1] * sizeof(*pages)))
        return BATON_EFAULT;
    int got = page_get(service->space, pages, (unsigned)args[1]);
    if (got <= 0)
        return got;
    if (!transfer_write(service, args[0], pages, (unsigned)got * sizeof(*pages)))
        return got;
    page_release_batch(service->space, pages, (unsigned)got);
    return BATON_EFAULT;
}

/* The numbers of pages that a service names: 0, or an error. */
static int numbers_read(struct service *service, const uint64_t *args, uint32_t *pages)
{
    if (!args[1] || args[1] > BATON_BATCH)
        return BATON_EINVAL;
    return transfer_read(service, pages, args[0], args[1] * sizeof(*pages));
}

static int64_t call_page_duplicate(struct service *service, const uint64_t *args)
{
    uint32_t pages[BATON_BATCH];
    int result = numbers_read(service, args, pages);

    for (unsigned i = 0; !result && i < args[1]; i++) {
        result = page_duplicate(service->space, pages[i]);
        if (result && i)
            return (int)i; /* the first pages; the next call meets this one first */
    }
    return result ? result : (int64_t)args[1];
}

static int64_t call_page_release(struct service *service, const uint64_t *args)
{
    uint32_t pages[BATON_BATCH];
    int result = numbers_read(service, args, pages);

    return result ? result : page_release_batch(service->space, pages, (unsigned)args[1]);
}

/* ---- Names ---- */

static int name_read(const struct service *service, char *name, uint64_t address, uint64_t length)
{
    if (!length || length >= NAME_BYTES)
        return BATON_EINVAL;
    if (transfer_read(service, name, address, length))
        return BATON_EFAULT;
    name[length] = 0;
    return 0;
}

static int64_t call_port_find(struct service *service, const uint64_t *args)
{
    char name[NAME_BYTES];
    int result = name_read(service, name, args[0], args[1]);

    if (result)
        return result;
    for (uint32_t i = 0; i < service->handle_count; i++)
        if (!strcmp(service->handles[i].port->name, name))
            return i;
    return BATON_ENOENT;
}

static int64_t call_setting(struct service *service, const uint64_t *args)
{
    char name[NAME_BYTES];
    int result = name_read(service, name, args[0], args[1]);

    if (result)
        return result;
    const char *value = setting_find(name);
    if (!value)
        return BATON_ENOENT;
    size_t length = strlen(value);
    if (length + 1 > args[3])
        return BATON_EINVAL;
    if (transfer_write(service, args[2], value, length + 1))
        return BATON_EFAULT;
    return (int64_t)length;
}

/* ---- Threads ---- */

static int64_t call_thread_start(struct service *service, const uint64_t *args)
{
    if (args[2] >= cpu_count || args[0] < service->entry_start || args[0] >= service->entry_end ||
        args[0] & 3)
        return BATON_EINVAL;
    for (bool leaving = true; leaving; unmap_poll(), arch_relax()) {
        leaving = false;
        for (unsigned slot = 1; slot < service->thread_count; slot++) {
            /* Asked first: it may have left by the time that the start is refused */
            leaving |= service_thread_leaving(service, slot); /* its CPU waits for nobody: see sched_leave */
            if (service_thread_start(service, slot, args[0], args[1], (unsigned)args[2]))
                return slot;
        }
    }
    return BATON_ELIMIT;
}

/* Done on the way back (thread_return). */
static int64_t call_thread_move(struct service *service, const uint64_t *args)
{
    (void)service;
    if (args[0] >= cpu_count)
        return BATON_EINVAL;
    thread_move(thread_self(), (unsigned)args[0]);
    return 0;
}

static int64_t call_yield(struct service *service, const uint64_t *args)
{
    (void)service, (void)args;
    thread_yield();
    return 0;
}

static int64_t call_sleep(struct service *service, const uint64_t *args)
{
    uint64_t deadline = timer_deadline(args[0]);

    while (thread_park(deadline))
        if (__atomic_load_n(&service->state, __ATOMIC_RELAXED) != SERVICE_RUNNING)
            break; /* stopping: on the way out */
    return 0;
}

static int64_t call_exit(struct service *service, const uint64_t *args)
{
    (void)service, (void)args;
    thread_exit();
}

/* ---- Log and counters ---- */

/* Text of a service goes to the console under its name; control characters cannot reach the terminal. */
static int64_t call_log(struct service *service, const uint64_t *args)
{
    char text[TEXT_BYTES + 1];
    uint64_t length = args[1];

    if (length > TEXT_BYTES)
        return BATON_EINVAL;
    if (transfer_read(service, text, args[0], length))
        return BATON_EFAULT;
    while (length && text[length - 1] == '\n')
        length--;
    for (uint64_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            text[i] = text[i] == '\n' || text[i] == '\t' ? ' ' : '?';
    text[length] = 0;
    log_print("%s: %s\n", service->name, text);
    return 0;
}

static int64_t call_counters(struct service *service, const uint64_t *args)
{
    if (args[1] > BATON_COUNTERS || args[0] & 7)
        return BATON_EINVAL;
    if (!transfer_writable(service, args[0], args[1] * sizeof(struct baton_counter)))
        return BATON_EFAULT;
    service->counters = (const struct baton_counter *)args[0];
    __atomic_store_n(&service->counter_count, (uint32_t)args[1], __ATOMIC_RELEASE);
    return 0;
}

typedef int64_t (*call)(struct service *service, const uint64_t *args);

static const call calls[BATON_CALL_COUNT] = {
    [BATON_CALL_SEND] = syscall_send,
    [BATON_CALL_RECEIVE] = syscall_receive,
    [BATON_CALL_REPLY_RECEIVE] = direct_reply_receive,
    [BATON_CALL_SEND_ONE] = direct_send,
    [BATON_CALL_RECEIVE_ONE] = direct_receive,
    [BATON_CALL_RPC] = direct_rpc,
    [BATON_CALL_REPLY] = direct_reply,
    [BATON_CALL_PAGE_GET] = call_page_get,
    [BATON_CALL_PAGE_DUPLICATE] = call_page_duplicate,
    [BATON_CALL_PAGE_RELEASE] = call_page_release,
    [BATON_CALL_PORT_FIND] = call_port_find,
    [BATON_CALL_THREAD_START] = call_thread_start,
    [BATON_CALL_YIELD] = call_yield,
    [BATON_CALL_SLEEP] = call_sleep,
    [BATON_CALL_EXIT] = call_exit,
    [BATON_CALL_LOG] = call_log,
    [BATON_CALL_COUNTERS] = call_counters,
    [BATON_CALL_SETTING] = call_setting,
    [BATON_CALL_THREAD_MOVE] = call_thread_move,
    [BATON_CALL_REQUEST] = syscall_request,
    [BATON_CALL_REQUEST_CANCEL] = syscall_request_cancel,
    [BATON_CALL_BOOK_GET] = syscall_book_get,
    [BATON_CALL_BOOK_BIND] = syscall_book_bind,
    [BATON_CALL_BOOK_UNBIND] = syscall_book_unbind,
    [BATON_CALL_BOOK_TRIM] = syscall_book_trim,
};

/* When a call begins and ends; the flags of a message's call are its fourth argument, of a reply its third. */
static void note_call(const uint64_t *x, enum ledger_event event)
{
    const struct thread *thread = thread_self();
    uint64_t number = x[8], flags = x[number == BATON_CALL_REPLY ? 2 : 3] & UINT16_MAX;
    uint64_t more = event == LEDGER_CALL ? flags << 16 : (x[0] & UINT32_MAX) << 32;

    ledger_note(cpu_self(), event, thread->space->number, LEDGER_NO_PAGE,
                thread->number | (number & UINT8_MAX) << 8 | more);
}

/* A call of no known number, or one that the ledger notes. */
static __attribute__((noinline)) void call_any(struct trapframe *frame)
{
    uint64_t number = frame->x[8];

    if (ledger_noting(cpu_self()))
        note_call(frame->x, LEDGER_CALL);
    frame->x[0] = number < BATON_CALL_COUNT ? (uint64_t)calls[number](thread_self()->service, frame->x)
                                            : (uint64_t)BATON_ENOSYS;
    if (ledger_noting(cpu_self()))
        note_call(frame->x, LEDGER_RETURN);
}

void trap_service_call(struct trapframe *frame)
{
    struct cpu *cpu = cpu_self();
    uint64_t number = frame->x[8];

    if (__builtin_expect(number >= BATON_CALL_COUNT || ledger_noting(cpu), 0))
        call_any(frame);
    else
        frame->x[0] = (uint64_t)calls[number](cpu->current->service, frame->x);
    /* Asked for again rather than kept: it is cheaper */
    struct thread *self = thread_self();
    if (__builtin_expect(__atomic_load_n(&self->service->state, __ATOMIC_RELAXED) != SERVICE_RUNNING ||
                             __atomic_load_n(&self->move_to, __ATOMIC_RELAXED),
                         0))
        thread_return();
}
