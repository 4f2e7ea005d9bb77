/*
 * CPUs: one block of data for each, found through TPIDR_EL1.
 *
 * Owns: cpus[], cpu_count. A block is written by its own CPU only, except the fields marked (a).
 * Locking key: (o) own CPU with interrupts masked, (a) atomic, (b) written at boot, constant afterwards.
 */
#ifndef CORE_CPU_H
#define CORE_CPU_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arch.h"
#include "core/counters.h"
#include "core/layout.h"

struct thread;
struct table;
struct ledger;

struct cpu {
    struct thread *current;  /* (o) the thread that runs here */
    uint64_t overflow_stack; /* (b) top of a small stack for reporting an overflow; vectors.S knows where */

    uint32_t number;       /* (b) 0 .. cpu_count - 1 */
    uint64_t hardware_id;  /* (b) MPIDR affinity */
    struct table *live;    /* (o) the user table in TTBR0 */
    struct ledger *ledger; /* (a) where events are noted; NULL while the ledger is off */
    bool reschedule;       /* (o) set by an interrupt: switch threads when it is done */
    uint32_t
        must_ring; /* (a) 1 while in WFI or about to be, and while gives_way: who leaves work here must ring */
    bool gives_way;           /* (o) the share of the thread that runs here is spent: any other goes first */
    bool switched;            /* (o) a thread was switched in since the slice began */
    struct thread *inbox;     /* (a) threads woken by other CPUs, linked by thread->inbox_next */
    struct thread *run_first; /* (o) the run queue */
    struct thread *run_last;  /* (o) */
    uint32_t boosts;          /* (o) threads put in front since one came in its turn */
    struct thread *timers;    /* (o) threads with a deadline, soonest first */
    struct thread *idle;      /* (b) runs when no other can */
    struct thread *fp_owner;  /* (o) whose floating-point registers are in the CPU */
    bool fp_open;             /* (o) CPACR_EL1 lets the current thread use them */
    uint64_t slice_end;       /* (o) counter value at which the current thread's slice ends */
    uint64_t timer_at;        /* (o) counter value at which the timer fires; UINT64_MAX: it is off */
    uint32_t moved;           /* (o) frames that drivers moved here since the CPU was last idle: ipc/idle.h */
    uint64_t started;         /* (o) INST_RETIRED when the current thread was switched in */
    uint64_t counters[COUNTERS]; /* (o) see core/counters.h */
};

_Static_assert(__builtin_offsetof(struct cpu, overflow_stack) == 8, "vectors.S");

extern struct cpu cpus[CPUS_MAX];
extern unsigned cpu_count; /* CPUs that are up; CPU numbers are 0 .. cpu_count - 1 */

static inline struct cpu *cpu_self(void)
{
    return arch_cpu_get();
}

static inline unsigned cpu_number(void)
{
    return arch_cpu_get()->number;
}

#endif
