/*
 * Services: code with its own space, ports and threads; the appliance that they make up. Their lives: ipc/life.h.
 *
 * Owns: the table of services, their handles, the wiring. Built once at boot from the appliance's tables
 * (core/abi.h); only state, restarts and counters change afterwards.
 *
 * Invariants
 *   1. A service reaches a port only by a handle that the wiring gave it, with the right that the wire
 * carries.
 *   2. A handle is an index in the service's own table: it means nothing in another service, and cannot be
 * forged.
 *   3. A stopped service owns no page, holds no message, and its ports are closed (BATON_EDEAD for all who
 * use them).
 */
#ifndef IPC_SERVICE_H
#define IPC_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/abi.h"
#include "core/layout.h"
#include "core/lock.h"
#include "core/trap.h"
#include "ipc/life.h"
#include "ipc/share.h"

struct message;
struct port;
struct space;
struct thread;

/* A program as it lies in the image: linked by itself at `base`, text and rodata mapped where they are, data
 * copied. */
struct program {
    const char *name;
    uint64_t base;    /* address it is linked at: the start of its slot; text begins here */
    const void *text; /* page aligned, in the image; rodata and data likewise */
    const void *rodata;
    const void *data;                /* pristine copy of .data (and .tdata at its start) */
    uint64_t text_size, rodata_size; /* whole pages */
    uint64_t data_size, bss_size;    /* bytes; bss follows data */
    uint64_t rodata_base, data_base; /* addresses in the slot, page aligned */
    uint64_t tls_size;               /* bytes of a thread's TLS block, TCB included */
    uint64_t entry;
};
extern const struct program programs[]; /* made by the build from the appliance's list of services */
extern const unsigned program_count;
extern const struct baton_appliance appliance;

enum service_state {
    SERVICE_RUNNING,
    SERVICE_STOPPING, /* its threads are on their way out */
    SERVICE_STOPPED,
    SERVICE_STARTING /* all of it was given back, and a new life is being prepared: ipc/life.h */
};

#define HANDLES_MAX   64
#define RIGHT_SEND    1u
#define RIGHT_RECEIVE 2u

struct handle {
    struct port *port;
    uint32_t rights;
    uint32_t source; /* what the receiver sees as message.source */
};

/* Counted per CPU, by that CPU alone; summed when read. */
struct service_counts {
    uint64_t messages_in, messages_out, instructions;
};

struct service {
    const char *name;
    const struct baton_service *row; /* NULL for a driver or the console */
    const struct program *program;   /* NULL for a driver or the console */
    uint32_t number;
    uint32_t source; /* what the receiver of its answers sees as message.source */
    enum baton_placement placement;
    struct space *space;    /* the kernel's for a driver */
    uint32_t state;         /* (atomic) enum service_state */
    uint32_t threads_alive; /* (atomic) */
    uint32_t restarts;
    struct life life; /* ipc/life.h */
    uint32_t
        in_flight; /* (atomic) messages of its own that wait in ports; counted while row->messages says so */
    struct share shares[CPUS_MAX];     /* ipc/share.h */
    struct port *port;                 /* its own, NULL when it has none */
    struct port *lanes[BATON_THREADS]; /* its own, and those beside it: core/abi.h */
    uint32_t lane_count;
    uint32_t thread_count; /* threads that it may have */
    struct thread *threads[BATON_THREADS];
    struct handle handles[HANDLES_MAX];
    uint32_t handle_count;
    uint64_t writable_start, writable_end; /* data, bss, heap: where the kernel will read and write for it */
    uint64_t stacks_start;           /* its stacks: one each 2 * USER_STACK_SIZE, the lower half unmapped */
    char *data_linear;               /* where what begins at writable_start lies in the linear map */
    uint64_t data_phys, stacks_phys; /* where they lie, for a restart and a new thread's first words */
    uint64_t entry_start, entry_end; /* its text */
    const struct baton_counter *counters; /* address in the service, validated; NULL until published */
    uint32_t counter_count;
    struct service_counts counts[CPUS_MAX];
};

extern struct service services[SERVICES_MAX];
extern unsigned service_count;

/*
 * Boot: makes a service for a driver (kernel threads only) with a port of its own to send to, or none (queue
 * 0). Call before services_start, which lays the wires.
 */
struct service *service_create_driver(const char *name, unsigned queue);

/*
 * Boot, before services_create: keeps a copy of the configuration file, which every service then finds at CONFIG_BASE.
 * False, with a message, when it is larger than CONFIG_SIZE_MAX.
 */
bool services_config(const void *file, uint64_t size);
uint64_t services_config_size(void);

/*
 * Boot: makes all services of the appliance, their spaces, threads, ports and wires. `interfaces` is how many
 * net* there are; with none, wires of net* are left out. Every mistake in the tables is reported by name; returns
 * false then, and nothing has started.
 */
bool services_create(unsigned interfaces);
void services_start(void);

/* The port that a driver's messages go to: the wire "net*" or its own name in the table; NULL when there is
 * none. */
struct port *service_wire_out(const struct service *driver);

/* The handle, or NULL when the number is none of this service's. */
static inline const struct handle *service_handle(const struct service *service, uint64_t number)
{
    return number < service->handle_count ? &service->handles[number] : NULL;
}

/*
 * Starts thread `slot` of an application's service. False when the service is not running, when the slot is in use, and when
 * the thread that ended in it is still leaving its stack on another CPU: then service_thread_leaving is true, for a moment.
 */
bool service_thread_start(struct service *service, unsigned slot, uint64_t entry, uint64_t argument,
                          unsigned cpu);
bool service_thread_leaving(const struct service *service, unsigned slot);

/*
 * Of the messages that the service may have waiting in ports (row->messages) `count` are to be sent: returns how many may,
 * and counts those. service_charge_mark: these are they, and have their source. service_uncharge: so many were not sent after
 * all. Any CPU.
 */
unsigned service_charge(struct service *service, unsigned count);
void service_charge_mark(const struct service *service, struct message *const *messages, unsigned count);
void service_uncharge(struct service *service, unsigned count);

/*
 * These messages have left a port, received or dropped: their senders may send others. One load until a service with a limit sends its
 * first message: the mark is set before that message is in a port, and who takes it out sees the mark for the same reason as the message.
 */
void service_taken_count(struct message *const *messages, unsigned count);
extern bool service_messages_limited;     /* constant after the boot: some service has a limit */
extern uint32_t service_messages_charged; /* (atomic) not 0, for ever: one of these has sent */
static inline void service_taken(struct message *const *messages, unsigned count)
{
    if (__builtin_expect(__atomic_load_n(&service_messages_charged, __ATOMIC_RELAXED), 0))
        service_taken_count(messages, count);
}

/* Between who starts a thread of a service and who stops the service. Interrupts masked. */
extern struct spinlock service_lock;

/* Readies the first thread of a service that is about to run: parked. Under service_lock; false: not yet off its old stack. */
bool service_thread_first(struct service *service);

/* .data from its pristine copy, .bss and heap zero. While no thread of it runs. */
void service_memory_reset(struct service *service);

/* Counters that the service had published are kept, before its memory is reset. */
void service_counters_keep(struct service *service);

/* Whose slot of the layout an address lies in; NULL when nobody's. */
const struct service *service_of_address(uint64_t address);

/* The service whose space has that number; NULL for the kernel. */
const struct service *service_of_space(unsigned space);

/*
 * Row `index` of the drops at interfaces that a service had counted when it stopped, summed over its lives; NULL
 * beyond the last. What it counts in its present life comes on top.
 */
const struct baton_counter *service_kept(const struct service *service, unsigned index);

/* Called by a thread on its way back to service code (thread_return): does not return when the service stops. */
void service_check_stopping(void);

static inline struct service_counts *service_counts(struct service *service, unsigned cpu)
{
    return &service->counts[cpu];
}

#endif
