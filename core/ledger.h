/*
 * The ledger: what happened to IPC pages, translations and services, in a ring of the newest events for each CPU.
 *
 * Owns: the rings. The memory comes from the boot; `trace on|off` of the console turns it on and off at run time. Off, a
 * note costs a load and a branch.
 *
 * Invariants
 *   1. A ring is written by its own CPU alone, with interrupts masked, so it needs no lock. It is read by anyone: an
 *      entry counts as read when the ring has not come round to it meanwhile.
 *   2. `order` is one sequence for all CPUs. An event is noted right after it took effect and before another CPU can act
 *      on it (under the page's lock, or before what publishes it: the port's store for SEND, the store of `ended` for
 *      PASS, the pool for FREED). So of two events of which one made the other possible, that one has the lower number.
 *   3. What is overwritten is counted: the entries that a reader cannot have are known by number (ledger_lost).
 *
 * The order of events, the layout of an entry and the meaning of `detail` are what tools/ledger.py reads: new events go to
 * the end, none changes.
 */
#ifndef CORE_LEDGER_H
#define CORE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/cpu.h"

#define LEDGER_VERSION 1
#define LEDGER_NO_PAGE UINT32_MAX

/* Space: the one for which it was done; 0, the kernel, else. Page: LEDGER_NO_PAGE where none is concerned. */
enum ledger_event {
    LEDGER_NOTHING,
    /* A free page has its first owner; detail: with unmap=copy, the space for which the kernel takes it. */
    LEDGER_GET,
    LEDGER_SEND,    /* one ownership of the space is the kernel's now; detail: flags of page_send */
    LEDGER_RECEIVE, /* one ownership of the kernel is the space's now; detail: 1 when it trusts the sender */
    LEDGER_DUPLICATE, /* one ownership more; detail: ownerships now */
    LEDGER_RELEASE,   /* one ownership less; detail: ownerships left */
    LEDGER_FILLED,    /* a device has written it; detail: bytes */
    LEDGER_SENT_OUT,  /* a device has read it to the end: the kernel gives its ownership up */
    LEDGER_FREED, /* it is back in a pool, or about to be; after SENT_OUT without RELEASE: that was its last ownership */
    LEDGER_MAP,     /* a valid entry was made; detail: table | writable << 8 */
    LEDGER_UNMAP,   /* an entry was made invalid; detail: kind | table << 8 | CPUs that may hold it << 16 */
    LEDGER_PROTECT, /* an entry was made read-only; detail as for UNMAP */
    LEDGER_TICKET,  /* an unmap of the page waits for a CPU; detail: cpu << 32 | ticket */
    LEDGER_COMPLETE, /* a receiver made sure of all unmaps; detail: 0 numbers compared, 1 issued again, 2 interrupts */
    LEDGER_PASS,      /* this CPU completed what was queued for it; detail: number of the pass */
    LEDGER_ROLLOVER,  /* the ASIDs ran out; detail: the new generation */
    LEDGER_FLUSH,     /* this CPU dropped its whole TLB, in the new generation; detail: the generation */
    LEDGER_LAZY,      /* a fault mapped the page; detail: 1 for a write */
    LEDGER_VIOLATION, /* an access was refused; detail: the address */
    LEDGER_SWITCH,    /* this CPU has another user table; detail: table | ASID << 8 */
    LEDGER_START,     /* a service starts to run; detail: how often it did before */
    LEDGER_STOP,      /* a service stopped and has given everything back; detail: ownerships given back */
    LEDGER_POLICY,    /* detail: policy | tlb mode << 8 */
    LEDGER_CALL,      /* a system call begins; detail: thread | number (core/abi.h) << 8 | flags << 16 */
    LEDGER_TAKEN,     /* it waits for messages no more; detail: thread | messages << 16 */
    LEDGER_RETURN,    /* it ends; detail: thread | number << 8 | the result's low 32 bits << 32 */
    LEDGER_RUN,       /* this CPU runs another thread; detail: thread */
    LEDGER_TOLD, /* TLBs or queues know of what this CPU had unmapped; detail: kind | table << 8 | pages << 16 */
    LEDGER_COPY, /* with unmap=copy: bytes of another page were copied to it; detail: bytes | from page << 32 */
    LEDGER_EVENTS
};

struct ledger_entry {
    uint64_t order; /* invariant 2 */
    uint64_t time;  /* counter ticks */
    uint64_t detail;
    uint32_t page;
    uint8_t event; /* enum ledger_event */
    uint8_t space;
    uint8_t cpu;
    uint8_t spare; /* 0 */
};
_Static_assert(sizeof(struct ledger_entry) == 32, "tools/ledger.py");

/*
 * Boot, once, after cpu_count is known: hands over memory for `entries` entries (a power of two) on each CPU. Off at first.
 */
void ledger_init(void *memory, uint32_t entries);

/* Entries that each CPU's ring has; 0 when there was no memory for any. */
uint32_t ledger_size(void);

/* Where the CPU's ring lies: struct ledger_entry, number n at n modulo ledger_size(). */
const void *ledger_memory(unsigned cpu);

/* On: from here, what was noted before is forgotten. Off: what was noted can still be read. False: there is no ring. */
bool ledger_enable(bool on);
bool ledger_is_on(void);

/* Entries that the CPU has noted since the ledger was turned on, and how many of them are overwritten. Any CPU. */
uint64_t ledger_noted(unsigned cpu);
uint64_t ledger_lost(unsigned cpu);

/* Reading: a place in each ring, from the oldest entry that is left. */
struct ledger_reader {
    uint64_t next[CPUS_MAX]; /* number in the ring of that CPU's next entry */
    uint64_t end[CPUS_MAX];  /* what was there when reading began */
    uint64_t lost;           /* entries that were overwritten before or while they were read */
};

void ledger_read_begin(struct ledger_reader *reader);

/* The next entry of all CPUs by order; false at the end. Waits for nobody. */
bool ledger_read(struct ledger_reader *reader, struct ledger_entry *entry);

/* The name of an event, as the console prints it. */
const char *ledger_event_name(unsigned event);

/* Notes an event in the ring: what ledger_note() does when it is on. */
void ledger_record(struct ledger *ledger, enum ledger_event event, unsigned space, uint32_t page,
                   uint64_t detail);

/* One load with an offset, where GCC makes two instructions of an atomic one. */
static inline struct ledger *ledger_of(const struct cpu *cpu)
{
    return *(struct ledger *const volatile *)&cpu->ledger;
}

/* Whether notes are taken: asked once before a loop over many pages, so that each of them costs nothing while it is off. */
static inline bool ledger_noting(const struct cpu *cpu)
{
    return __builtin_expect(ledger_of(cpu) != NULL, 0);
}

/* Notes an event on this CPU: right after it took effect, see invariant 2. Interrupts masked. */
static inline void ledger_note(struct cpu *cpu, enum ledger_event event, unsigned space, uint32_t page,
                               uint64_t detail)
{
    struct ledger *ledger = ledger_of(cpu);

    if (__builtin_expect(ledger != NULL, 0))
        ledger_record(ledger, event, space, page, detail);
}

/* The same for many pages, without detail: one question for all of them while it is off. */
static inline void ledger_note_pages(struct cpu *cpu, enum ledger_event event, unsigned space,
                                     const uint32_t *pages, unsigned count)
{
    if (ledger_noting(cpu))
        for (unsigned i = 0; i < count; i++)
            ledger_note(cpu, event, space, pages[i], 0);
}

#endif
