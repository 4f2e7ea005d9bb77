/* The console's commands on the lives of services: see console.h. */
#include <stddef.h>
#include <stdint.h>
#include "core/cpu.h"
#include "core/string.h"
#include "drivers/console.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "mm/space.h"

/* ---- What there is ---- */

static unsigned threads_of(const struct service *service)
{
    const struct thread *thread;
    unsigned count = 0;

    for (unsigned i = 0; (thread = thread_at(i)) != NULL; i++)
        count +=
            thread->service == service && __atomic_load_n(&thread->state, __ATOMIC_RELAXED) != THREAD_DEAD;
    return count;
}

static void print_policy(const struct baton_service *row)
{
    if (row->on_fault == BATON_RESTART_WITHIN)
        console_print("at most %u restarts in %u s", row->restarts, row->restart_seconds);
    else
        console_print(row->on_fault == BATON_RESTART ? "restart" : "stop");
}

static uint32_t times_spent(const struct service *service)
{
    uint32_t sum = 0;

    for (unsigned cpu = 0; cpu < cpu_count; cpu++)
        sum += __atomic_load_n(&service->shares[cpu].times_spent, __ATOMIC_RELAXED);
    return sum;
}

/* The limits of a service, and how near to them it is; what is not limited is left out. */
static void print_limits(const struct service *service)
{
    const struct baton_service *row = service->row;

    console_print("  heap %u KiB", row->heap / 1024);
    if (row->messages)
        console_print(", %u of %u messages in ports", __atomic_load_n(&service->in_flight, __ATOMIC_RELAXED),
                      row->messages);
    if (row->cpu_share)
        console_print(", %u %% of a CPU, spent %u times", row->cpu_share, times_spent(service));
    if (row->watchdog)
        console_print(", watchdog %u ms", row->watchdog);
    console_print("; on a fault: ");
    print_policy(row);
    if (service->life.ended)
        console_print("; ended last: %s, %u messages lost%s", service->life.ended, life_lost(service),
                      service->life.given_up ? ", given up" : "");
    console_print("\n");
}

void command_services(const char *argument, const char *board)
{
    (void)argument;
    (void)board;
    console_print("%-16s %-9s %-9s %8s %8s %8s\n", "service", "placement", "state", "threads", "restarts",
                  "pages");
    for (unsigned i = 0; i < service_count; i++) {
        const struct service *service = &services[i];
        console_print("%-16s %-9s %-9s %8u %8u", service->name,
                      service->placement == BATON_ISOLATED ? "isolated" : "trusted", life_state(service),
                      threads_of(service), service->restarts);
        if (!service->row) {
            console_print("        -\n");
            continue;
        }
        console_print(" %8u of %u\n", __atomic_load_n(&service->space->pages, __ATOMIC_RELAXED),
                      service->space->page_limit);
        print_limits(service);
    }
}

/* ---- What the operator wants ---- */

/* The service whose name is the first `length` characters; says so when there is none. */
static struct service *service_named(const char *command, const char *name, size_t length)
{
    for (unsigned i = 0; name && i < service_count; i++)
        if (!strncmp(services[i].name, name, length) && !services[i].name[length])
            return &services[i];
    console_print("%s: no such service; services lists them\n", command);
    return NULL;
}

static void operate(const char *command, const char *name, const char *(*operation)(struct service *service))
{
    struct service *service = service_named(command, name, name ? strlen(name) : 0);
    const char *error = service ? operation(service) : NULL;

    if (error)
        console_print("%s: %s %s\n", command, service->name, error);
}

void command_stop(const char *argument, const char *board)
{
    (void)board;
    operate("stop", argument, life_hold);
}

void command_start(const char *argument, const char *board)
{
    (void)board;
    operate("start", argument, life_start);
}

void command_kill(const char *argument, const char *board)
{
    (void)board;
    operate("kill", argument, life_kill);
}

void command_move(const char *argument, const char *board)
{
    const char *rest = argument ? strchr(argument, ' ') : NULL;
    struct service *service = rest ? service_named("move", argument, (size_t)(rest - argument)) : NULL;
    unsigned number, cpu;

    (void)board;
    if (!rest)
        console_print("move: takes the name of a service, the number of a thread, and that of a CPU\n");
    if (!service)
        return;
    if (!service->row) {
        console_print("move: %s belongs to the kernel: its threads stay where they are\n", service->name);
        return;
    }
    if (!console_number(&rest, service->thread_count, &number) || !console_number(&rest, cpu_count, &cpu)) {
        console_print("move: threads of %s are 0 to %u, CPUs are 0 to %u\n", service->name,
                      service->thread_count - 1u, cpu_count - 1u);
        return;
    }
    struct thread *thread = service->threads[number];
    if (__atomic_load_n(&thread->state, __ATOMIC_RELAXED) == THREAD_DEAD) {
        console_print("move: that thread of %s does not run\n", service->name);
        return;
    }
    uint64_t flags = arch_irq_save();
    thread_move(thread, cpu);
    arch_irq_restore(flags);
}
