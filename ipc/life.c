/* How services end and begin again, and the keeper who sees to it: see life.h. */
#include "ipc/life.h"
#include "ipc/lend.h"
#include <stddef.h>
#include "core/arch.h"
#include "core/cpu.h"
#include "core/irq.h"
#include "core/ledger.h"
#include "core/log.h"
#include "core/timer.h"
#include "ipc/page.h"
#include "ipc/page_set.h"
#include "ipc/port.h"
#include "ipc/rpc.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "mm/space.h"

#define QUICK_LIFE_NS   1000000000
#define QUICK_LIVES_MAX 100
#define LOOKS           4 /* of the watchdog, in the time that a service has */

static struct thread *keeper;
static struct port *watched[PORTS_MAX];
static unsigned watched_count;
static uint64_t look_ticks;           /* between two looks of the watchdog */
static uint64_t look_at = UINT64_MAX; /* (atomic) counter value of the next; UINT64_MAX: no watchdogs */

static enum service_state state_of(const struct service *service)
{
    return __atomic_load_n(&service->state, __ATOMIC_ACQUIRE);
}

const char *life_state(const struct service *service)
{
    static const char *const names[] = {"running", "stopping", "stopped", "starting"};

    return names[state_of(service)];
}

uint32_t life_lost(const struct service *service)
{
    const struct port *port;
    uint32_t lost = service->life.lost;

    for (unsigned i = 0; (port = port_at(i)); i++)
        if (port->receiver == service)
            lost += __atomic_load_n(&port->dropped, __ATOMIC_RELAXED);
    return lost;
}

/* ---- Stopping ---- */

/* Those that wait find the state changed; those that run are interrupted and find it on their way back. */
static void threads_ring(const struct service *service)
{
    /* Else we may read where a thread is before the state is seen, and ring the CPU from which it just moves, while on
       its new one it finds the service running */
    arch_dmb_ish();
    for (unsigned i = 0; i < service->thread_count; i++) {
        struct thread *thread = service->threads[i];
        if (__atomic_load_n(&thread->state, __ATOMIC_ACQUIRE) == THREAD_DEAD || thread == thread_self())
            continue;
        thread_wake(thread);
        if (thread->cpu != cpu_number())
            irq_send(thread->cpu, IPI_WAKE);
    }
}

void service_stop(struct service *service, const char *why, bool fault)
{
    uint64_t flags = arch_irq_save();

    /* Under the lock: a thread that is just being started is seen below, or it is not started */
    spin_lock(&service_lock);
    bool running = state_of(service) == SERVICE_RUNNING;
    if (running) {
        service->life.faulted = fault;
        service->life.ended = why;
        __atomic_store_n(&service->state, SERVICE_STOPPING, __ATOMIC_RELEASE);
    }
    spin_unlock(&service_lock);
    if (running) {
        log_print("service %s stops: %s\n", service->name, why);
        threads_ring(service);
    }
    arch_irq_restore(flags);
}

/* ---- Policies ---- */

/* At most row->restarts in any row->restart_seconds: the one that many restarts ago must be that long ago. */
static bool restart_within(struct service *service)
{
    struct life *life = &service->life;
    uint64_t now = timer_now(), *oldest = &life->granted_at[life->granted % service->row->restarts];
    uint64_t window = timer_ticks(service->row->restart_seconds * UINT64_C(1000000000));

    if (life->granted >= service->row->restarts && now - *oldest < window) {
        log_print("service %s stays stopped: %u restarts in %u s, as its policy allows\n", service->name,
                  service->row->restarts, service->row->restart_seconds);
        return false;
    }
    *oldest = now;
    life->granted++;
    return true;
}

/* Not for a service that does nothing but fault: it would keep its CPU and the console busy for ever. */
static bool restart_always(struct service *service)
{
    struct life *life = &service->life;
    bool quick = timer_now() - life->started < timer_ticks(QUICK_LIFE_NS);

    life->quick = quick ? life->quick + 1 : 0;
    if (life->quick < QUICK_LIVES_MAX)
        return true;
    log_print("service %s stays stopped: %u lives of less than a second in a row\n", service->name,
              life->quick);
    return false;
}

/* Whether there is another life. */
static bool restart_due(struct service *service)
{
    if (!service->life.faulted || service->life.held || service->row->on_fault == BATON_STOP)
        return false;
    bool due = service->row->on_fault == BATON_RESTART ? restart_always(service) : restart_within(service);
    service->life.given_up = !due;
    return due;
}

/* ---- The end of a life ---- */

static uint32_t ports_close(const struct service *service)
{
    struct port *port;
    uint32_t lost = 0;

    for (unsigned i = 0; (port = port_at(i)); i++)
        if (port->receiver == service)
            lost += port_close(port);
    return lost;
}

void service_finish(struct service *service)
{
    spin_lock(&service_lock);
    if (state_of(service) == SERVICE_RUNNING) { /* its threads just returned */
        service->life.faulted = false;
        service->life.ended = "its last thread ended";
        __atomic_store_n(&service->state, SERVICE_STOPPING, __ATOMIC_RELEASE);
    }
    spin_unlock(&service_lock);
    service_counters_keep(service);
    uint32_t lost = ports_close(service);
    rpc_abort_service(service);
    for (unsigned i = 0; i < BATON_THREADS; i++)
        if (service->threads[i])
            lend_end(service->threads[i]);
    uint32_t released = page_release_all(service->space);
    page_set_member_died(service->space);
    service->life.lost += lost;
    ledger_note(cpu_self(), LEDGER_STOP, service->space->number, LEDGER_NO_PAGE, released);
    log_print("service %s stopped: %u pages given back, %u messages dropped\n", service->name, released,
              lost);
    bool again = restart_due(service);
    __atomic_store_n(&service->state, again ? SERVICE_STARTING : SERVICE_STOPPED, __ATOMIC_RELEASE);
    if (again)
        thread_wake(keeper);
}

/* ---- The beginning of a life ---- */

static void ports_open(const struct service *service)
{
    struct port *port;

    for (unsigned i = 0; (port = port_at(i)); i++)
        if (port->receiver == service)
            port_open(port);
}

/* RUNNING, with its first thread ready to be woken. False when it shall not run after all. Interrupts masked. */
static bool life_begin(struct service *service)
{
    bool ready = false, held;

    do {
        spin_lock(&service_lock);
        held = service->life.held;
        /* Before there is a thread: a wake that was meant for the last life may start it before we do, and it would end itself */
        __atomic_store_n(&service->state, held ? SERVICE_STOPPED : SERVICE_RUNNING, __ATOMIC_RELEASE);
        ready = !held && service_thread_first(service);
        if (!held && !ready)
            __atomic_store_n(&service->state, SERVICE_STARTING, __ATOMIC_RELEASE);
        spin_unlock(&service_lock);
        if (!held && !ready) /* the thread ended last of all, elsewhere, and is still leaving its stack */
            thread_yield();
    } while (!held && !ready);
    return ready;
}

/* On the keeper's thread, interrupts open: a large heap takes its time. */
static void life_prepare(struct service *service)
{
    service_memory_reset(service);
    uint64_t flags = arch_irq_save();
    service->restarts++;
    service->life.started = timer_now();
    log_print("service %s starts again (%u)\n", service->name, service->restarts);
    ledger_note(cpu_self(), LEDGER_START, service->space->number, LEDGER_NO_PAGE, service->restarts);
    ports_open(service); /* before it runs: who stops it then closes them after us */
    if (life_begin(service))
        thread_wake(service->threads[0]);
    else
        service->life.lost += ports_close(service);
    arch_irq_restore(flags);
}

/* ---- What the operator asks for ---- */

static const char *operable(const struct service *service)
{
    return service->row ? NULL : "belongs to the kernel: drivers and the console live as long as it does";
}

const char *life_hold(struct service *service)
{
    const char *error = operable(service);

    if (error)
        return error;
    if (state_of(service) == SERVICE_STOPPED)
        return "is stopped already";
    uint64_t flags = arch_irq_save();
    spin_lock(&service_lock);
    service->life.held = true;
    spin_unlock(&service_lock);
    arch_irq_restore(flags);
    service_stop(service, "the operator's stop", false);
    return NULL;
}

const char *life_start(struct service *service)
{
    const char *error = operable(service);

    if (error)
        return error;
    uint64_t flags = arch_irq_save();
    spin_lock(&service_lock);
    enum service_state state = state_of(service);
    if (state == SERVICE_STOPPED) {
        service->life.held = service->life.given_up = false;
        service->life.quick = service->life.granted = 0;
        __atomic_store_n(&service->state, SERVICE_STARTING, __ATOMIC_RELEASE);
        thread_wake(keeper);
    }
    spin_unlock(&service_lock);
    arch_irq_restore(flags);
    return state == SERVICE_STOPPED    ? NULL
           : state == SERVICE_STOPPING ? "is still stopping"
                                       : "is running already";
}

const char *life_kill(struct service *service)
{
    const char *error = operable(service);

    if (error)
        return error;
    if (state_of(service) != SERVICE_RUNNING)
        return "is not running";
    service_stop(service, "the operator's kill", true);
    return NULL;
}

/* ---- The watchdog ---- */

/* Messages that wait in its ports; and how many places of them were ever emptied, which grows whenever it receives. */
static unsigned ports_waiting(const struct service *service, uint32_t *heads)
{
    const struct port *port;
    unsigned waiting = 0;

    *heads = 0;
    for (unsigned i = 0; (port = port_at(i)); i++)
        if (port->receiver == service) {
            waiting += port_depth(port);
            *heads += __atomic_load_n(&port->head, __ATOMIC_RELAXED);
        }
    return waiting;
}

static void watch(struct service *service)
{
    struct life *life = &service->life;
    uint64_t now = timer_now();
    uint32_t heads;
    unsigned waiting = ports_waiting(service, &heads);

    /* `waiting` of the last look too: while nothing waits there may be no look for long */
    if (!waiting || !life->waiting || heads != life->heads || state_of(service) != SERVICE_RUNNING) {
        life->heads = heads;
        life->waiting = waiting > 0;
        life->waiting_since = now;
    } else if (now - life->waiting_since >= timer_ticks(service->row->watchdog * UINT64_C(1000000))) {
        log_print("watchdog: service %s has received nothing for %u ms, and %u messages wait\n",
                  service->name, service->row->watchdog, waiting);
        life->waiting_since = now;
        service_stop(service, "the watchdog found it hung", true);
    }
}

/* Two CPUs may find at once that it is time: then the keeper is woken twice. */
void life_tick(uint64_t now)
{
    if (now < __atomic_load_n(&look_at, __ATOMIC_RELAXED))
        return;
    __atomic_store_n(&look_at, now + look_ticks, __ATOMIC_RELAXED);
    thread_wake(keeper);
}

uint64_t life_deadline(void)
{
    for (unsigned i = 0; i < watched_count; i++)
        if (port_depth(watched[i]))
            return __atomic_load_n(&look_at, __ATOMIC_RELAXED);
    return UINT64_MAX;
}

static void watch_start(void)
{
    uint64_t least = UINT64_MAX;
    struct port *port;

    for (unsigned i = 0; (port = port_at(i)); i++) {
        const struct baton_service *row = port->receiver->row;
        if (!row || !row->watchdog)
            continue;
        watched[watched_count++] = port;
        least = row->watchdog < least ? row->watchdog : least;
    }
    if (!watched_count)
        return;
    look_ticks = timer_ticks(least * UINT64_C(1000000) / LOOKS);
    look_at = timer_now() + look_ticks;
}

/* ---- The keeper ---- */

static void keeper_run(void *unused)
{
    (void)unused;
    for (;;) {
        for (unsigned i = 0; i < service_count; i++) {
            struct service *service = &services[i];
            if (state_of(service) == SERVICE_STARTING)
                life_prepare(service);
            if (service->row && service->row->watchdog)
                watch(service);
        }
        /* Who wants a new life meanwhile makes the park return at once */
        uint64_t flags = arch_irq_save();
        thread_park(UINT64_MAX);
        arch_irq_restore(flags);
    }
}

void life_create(void)
{
    keeper = thread_create_kernel(NULL, "keeper", 0, keeper_run, NULL);
    watch_start();
}

void life_start_all(void)
{
    thread_wake(keeper);
}
