/* Services at run time: threads, memory, limits. How they are made and wired at boot is in wiring.c; how they end, in life.c. */
#include <stddef.h>
#include "ipc/service.h"
#include "core/arch.h"
#include "core/cpu.h"
#include "core/irq.h"
#include "core/ledger.h"
#include "core/log.h"
#include "core/string.h"
#include "core/zero.h"
#include "core/timer.h"
#include "ipc/message.h"
#include "ipc/page.h"
#include "ipc/port.h"
#include "ipc/rpc.h"
#include "ipc/thread.h"
#include "mm/space.h"

#define SPSR_EL0 0x0 /* EL0t, interrupts open */
#define SPSR_EL1 0x4 /* EL1t: EL1 on SP_EL0 */

struct service services[SERVICES_MAX];
unsigned service_count;

struct spinlock service_lock; /* also between threads of one service that start another in the same slot */
bool service_messages_limited;
uint32_t service_messages_charged;

struct port *service_wire_out(const struct service *driver)
{
    for (uint32_t i = 0; i < driver->handle_count; i++)
        if (driver->handles[i].rights & RIGHT_SEND)
            return driver->handles[i].port;
    return NULL;
}

const struct service *service_of_address(uint64_t address)
{
    for (unsigned i = 0; i < service_count; i++)
        if (services[i].program && address - services[i].program->base < SLOT_SIZE)
            return &services[i];
    return NULL;
}

const struct service *service_of_space(unsigned space)
{
    for (unsigned i = 0; i < service_count; i++)
        if (space && services[i].space->number == space)
            return &services[i];
    return NULL;
}

/* ---- Threads ---- */

/* The first words of a thread: what its start code is given, and its TLS block, at the top of its stack. */
static void stack_prepare(struct service *service, unsigned slot, uint64_t entry, uint64_t argument,
                          struct trapframe *frame, uint64_t *tls)
{
    uint64_t top = service->stacks_start + (slot + 1) * 2 * USER_STACK_SIZE;
    uint64_t start = top - sizeof(struct baton_start);
    struct baton_start *in_stack =
        (struct baton_start *)((char *)arch_phys_to_virt(service->stacks_phys +
                                                         (slot + 1) * USER_STACK_SIZE) -
                               sizeof(struct baton_start));

    *tls = (start - service->program->tls_size) & ~15ul;
    *in_stack = (struct baton_start){.thread = slot,
                                     .entry = entry,
                                     .argument = argument,
                                     .tls = *tls,
                                     .heap_start = service->writable_end - service->row->heap,
                                     .heap_end = service->writable_end,
                                     .config = services_config_size() ? CONFIG_BASE : 0,
                                     .config_size = services_config_size()};
    *frame = (struct trapframe){.elr = service->program->entry, .sp = *tls};
    frame->spsr = service->placement == BATON_ISOLATED ? SPSR_EL0 : SPSR_EL1;
    frame->x[0] = start;
}

/* True when the thread has ended, and its kernel stack is free by the time it could run on `cpu`: see thread_reset. */
static bool startable_on(const struct thread *thread, unsigned cpu)
{
    return __atomic_load_n(&thread->state, __ATOMIC_ACQUIRE) == THREAD_DEAD &&
           (thread->cpu == cpu || !__atomic_load_n(&thread->leaving, __ATOMIC_ACQUIRE));
}

/* Under service_lock. */
static bool thread_ready(struct service *service, unsigned slot, uint64_t entry, uint64_t argument,
                         unsigned cpu)
{
    struct thread *thread = service->threads[slot];
    struct trapframe frame;
    uint64_t tls;

    if (!startable_on(thread, cpu))
        return false;
    stack_prepare(service, slot, entry, argument, &frame, &tls);
    __atomic_fetch_add(&service->threads_alive, 1, __ATOMIC_RELAXED);
    thread_reset(thread, cpu, &frame, tls);
    return true;
}

bool service_thread_start(struct service *service, unsigned slot, uint64_t entry, uint64_t argument,
                          unsigned cpu)
{
    spin_lock(&service_lock);
    bool started = __atomic_load_n(&service->state, __ATOMIC_RELAXED) == SERVICE_RUNNING &&
                   thread_ready(service, slot, entry, argument, cpu);
    spin_unlock(&service_lock);
    if (started)
        thread_wake(service->threads[slot]);
    return started;
}

bool service_thread_leaving(const struct service *service, unsigned slot)
{
    return __atomic_load_n(&service->threads[slot]->state, __ATOMIC_ACQUIRE) == THREAD_DEAD &&
           __atomic_load_n(&service->threads[slot]->leaving, __ATOMIC_ACQUIRE);
}

bool service_thread_first(struct service *service)
{
    return thread_ready(service, 0, 0, 0, service->row->cpu % cpu_count);
}

void service_check_stopping(void)
{
    struct service *service = thread_self()->service;

    if (__atomic_load_n(&service->state, __ATOMIC_RELAXED) != SERVICE_RUNNING)
        thread_exit();
}

void service_memory_reset(struct service *service)
{
    char *data = arch_phys_to_virt(service->data_phys);
    uint64_t size = service->writable_end - service->writable_start;

    memcpy(data, service->program->data, service->program->data_size);
    zero_bytes(data + service->program->data_size, size - service->program->data_size);
}

/* ---- Messages under way ---- */

unsigned service_charge(struct service *service, unsigned count)
{
    uint32_t limit = service->row->messages;

    if (!limit)
        return count;
    __atomic_store_n(&service_messages_charged, 1, __ATOMIC_RELAXED);
    /* Counted first: threads of the service on several CPUs do not pass the limit together */
    uint32_t before = __atomic_fetch_add(&service->in_flight, count, __ATOMIC_RELAXED);
    unsigned granted = before >= limit ? 0 : limit - before < count ? limit - before : count;
    service_uncharge(service, count - granted);
    return granted;
}

void service_charge_mark(const struct service *service, struct message *const *messages, unsigned count)
{
    for (unsigned i = 0; service->row->messages && i < count; i++)
        messages[i]->special |= MESSAGE_CHARGED;
}

void service_uncharge(struct service *service, unsigned count)
{
    if (count && service->row->messages)
        __atomic_fetch_sub(&service->in_flight, count, __ATOMIC_RELAXED);
}

void service_taken_count(struct message *const *messages, unsigned count)
{
    const struct service *first = services;

    while (!first->row)
        first++; /* of the appliance's table: message.source counts from there, and the kernel wrote it */
    for (unsigned i = 0; i < count; i++)
        if (messages[i]->special & MESSAGE_CHARGED) {
            messages[i]->special &= ~MESSAGE_CHARGED;
            service_uncharge(&services[first - services + messages[i]->abi.source - BATON_SOURCE_SERVICE], 1);
        }
}

/* ---- Counters that outlive the service's memory: all count up from boot ---- */

/* Drops at interfaces that services counted before they stopped, summed by name and interface. */
static struct baton_counter kept[SERVICES_MAX][BATON_COUNTERS];
static unsigned kept_count[SERVICES_MAX];

const struct baton_counter *service_kept(const struct service *service, unsigned index)
{
    return index < kept_count[service->number] ? &kept[service->number][index] : NULL;
}

static void drop_keep(const struct service *service, const struct baton_counter *counter)
{
    struct baton_counter *rows = kept[service->number];
    unsigned *count = &kept_count[service->number], i = 0;

    while (i < *count && (rows[i].interface != counter->interface ||
                          memcmp(rows[i].name, counter->name, sizeof(counter->name))))
        i++;
    if (i == BATON_COUNTERS)
        return;
    if (i == *count) {
        rows[i] = *counter;
        ++*count;
    } else {
        rows[i].value += counter->value;
    }
}

static void counter_keep(const struct service *service, const struct baton_counter *counter)
{
    if (counter->interface >= 0)
        drop_keep(service, counter);
    else if (!memcmp(counter->name, "payload_bytes", sizeof("payload_bytes")))
        counter_add(COUNT_PAYLOAD_BYTES, counter->value);
    else if (!memcmp(counter->name, "inline_bytes", sizeof("inline_bytes")))
        counter_add(COUNT_INLINE_BYTES, counter->value);
}

void service_counters_keep(struct service *service)
{
    uint64_t offset = (uint64_t)service->counters - service->writable_start;
    uint64_t size = service->writable_end - service->writable_start;
    const char *data = arch_phys_to_virt(service->data_phys);

    if (offset >= size || service->counter_count > (size - offset) / sizeof(struct baton_counter))
        return; /* none, or in a stack that is no more */
    for (unsigned i = 0; i < service->counter_count; i++)
        counter_keep(service, (const struct baton_counter *)(data + offset) + i);
}

/* ---- The beginning of all ---- */

void services_start(void)
{
    struct thread *thread;

    for (unsigned i = 0; i < service_count; i++) {
        if (!services[i].row)
            continue;
        service_memory_reset(&services[i]);
        ledger_note(cpu_self(), LEDGER_START, services[i].space->number, LEDGER_NO_PAGE, 0);
        service_thread_start(&services[i], 0, 0, 0, services[i].row->cpu % cpu_count);
    }
    life_start_all();
    /* The drivers' and the console's: made at boot, parked until there is someone to send to. */
    for (unsigned i = 0; (thread = thread_at(i)); i++)
        if (!thread->in_service && thread->service)
            thread_wake(thread);
}
