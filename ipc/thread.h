/*
 * Threads and the scheduler: a thread runs on one CPU until it is moved; each CPU runs its own queue.
 *
 * Owns: threads, their kernel stacks, the run queues, the timer. Model: a thread runs, is queued to run, or
 * is parked. Park and wake work like a binary semaphore: a wake that comes before the park makes the park
 * return at once, so "look, then park" loses nothing. Spurious returns are allowed; callers look again.
 * Model-checked: test/model/park.pml.
 *
 * Preemption: round robin, slice of 2 ms, checked by the timer's interrupt when another thread can run. A service may have
 * a share of the CPU, and gives way when it is spent (ipc/share.h).
 * Kernel code with interrupts masked is never preempted. A woken thread on the waker's own CPU is put in
 * front of the queue: it runs when the waker waits, yields or ends its slice, so that a batch is finished
 * before the core changes hands. A thread on another CPU goes to that CPU's inbox; that CPU is rung only when
 * it sleeps, or runs a thread whose share is spent (design section 4). Else it looks when the thread that it runs waits, or
 * has had its slice: up to 2 ms later. Ringing a busy CPU would cut its batches short, at the price of an interrupt each;
 * who needs less puts the two services on one CPU, or lets nothing else run on theirs.
 *
 * Moves: a thread is moved by itself alone, and at one place, on its way back to service code (thread_return): there
 * no function of the kernel holds on to the CPU, and the thread waits for nothing. It saves its floating-point registers,
 * puts itself into the new CPU's inbox, and leaves its stack by context_move; the new CPU waits for `leaving` to become 0
 * before it switches to it. As who waits might be waited for, a thread that moves away goes to the idle thread, which
 * waits for nobody. thread->cpu is written by the thread while it runs, and read by who has just made it run out of
 * parked: the two cannot meet. Others (console, a stop) may read an old value, and look again or do without.
 *
 * Floating point: the registers belong to the last thread that used them on this CPU; a switch traps their
 * use, and the first use swaps them (kernel code itself never uses them).
 *
 * Invariants
 *   1. A thread is in at most one of: a run queue, one inbox, running.
 *   2. Only its own CPU changes a thread's place in queue and timer list. A thread that changes its CPU is in neither.
 *   3. The idle thread runs only when the run queue and the inbox are empty, or for a moment when a thread moves away;
 * before WFI it announces that it sleeps, then looks at the inbox again.
 *   4. Every runnable thread of a CPU runs after a bounded number of others: at most BOOSTS_MAX woken ones go
 * before it, and each runs for a slice at most.
 */
#ifndef IPC_THREAD_H
#define IPC_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include "core/abi.h"
#include "core/cpu.h"
#include "core/layout.h"
#include "core/trap.h"

struct service;
struct space;
struct message;
struct port;

enum thread_state {
    THREAD_RUN,      /* runs or is queued */
    THREAD_NOTIFIED, /* as RUN, and the next park returns at once */
    THREAD_PARKED,
    THREAD_DEAD,
};

/* What a switch saves: callee-saved registers (AAPCS64 6.1.1) and the kernel stack pointer. switch.S knows
 * it. */
struct context {
    uint64_t x19_x30[12];
    uint64_t sp;
};

struct fp_state {
    __uint128_t v[32];
    uint64_t fpcr, fpsr;
};

struct thread {
    struct context context; /* offset 0: switch.S */
    uint64_t stack_top;     /* of the kernel stack; a service's trapframe lies right below */
    struct service *service;
    struct space *space;
    const char *name;
    uint32_t cpu;
    uint32_t number;
    uint32_t state;   /* (atomic) enum thread_state */
    uint32_t leaving; /* (atomic) 1 from before it is dead, or moves, until its CPU is off its kernel stack */
    uint32_t move_to; /* (atomic) 0, or 1 + the CPU on which it shall go on */
    bool in_service;  /* runs service code (EL0 or EL1t), as opposed to a kernel thread */
    bool timed_out;   /* (own CPU) the last park ended by its deadline */
    bool boosted;     /* (own CPU) came to the front of the queue */
    bool limited;     /* (constant) its service has a share of each CPU: ipc/share.h */
    bool on_timer;    /* (own CPU) */
    uint64_t deadline;
    struct thread *run_next, *inbox_next, *timer_next;
    uint64_t tls;        /* TPIDR_EL0 */
    struct fp_state *fp; /* NULL for kernel threads */
    uint64_t user_stack_top;
    uint64_t rpc; /* (atomic) this thread as a caller: ipc/rpc.h */
    struct baton_message
        *direct; /* (own CPU) ipc/direct.h: where a message may be written for it, while it waits */
    const struct port
        *direct_port; /* (own CPU) ... of those that come by this port; NULL: the answer to its call */
    struct message *lent[BATON_BATCH]; /* (own) ipc/lend.h: where it still has them; NULL: sent */
    uint32_t lent_count, lent_left;    /* (own) of the list; and of those, how many it has not sent */
    struct message *reply;             /* the answer, valid when rpc says so; NULL: there will be none */
};

/* Boot: makes the calling CPU's idle thread and its queues. */
void thread_cpu_init(unsigned cpu);

/* Leaves the boot stack and runs threads, idle when there is none. Does not return. */
__attribute__((noreturn)) void thread_cpu_run(void);

/*
 * Makes a kernel thread of `service` that runs `entry(argument)` in EL1h with interrupts enabled, parked
 * until thread_wake. Boot only; panics when there are no more threads.
 */
struct thread *thread_create_kernel(struct service *service, const char *name, unsigned cpu,
                                    void (*entry)(void *), void *argument);

/* Makes a thread that will enter service code: dead until thread_reset. Boot only; NULL when there are no
 * more. */
struct thread *thread_create_service(struct service *service, const char *name);

/*
 * Readies a dead thread to enter service code on `cpu` with the registers of `frame` (elr, sp, spsr, x0) and
 * `tls` in TPIDR_EL0; parked until thread_wake. While it is still leaving its stack only its old CPU will do: that one
 * cannot run it before it has left.
 */
void thread_reset(struct thread *thread, unsigned cpu, const struct trapframe *frame, uint64_t tls);

/* Makes a parked thread runnable, or its next park return at once. Any CPU, any context, interrupts masked.
 */
void thread_wake(struct thread *thread);

/*
 * Waits for a wake or for the counter to reach `deadline` (UINT64_MAX: never). Returns false when the
 * deadline passed. Interrupts masked; they are let in while another thread or the idle loop runs.
 */
bool thread_park(uint64_t deadline);

/* Lets others of this CPU run; returns at once when there are none. Interrupts masked. */
void thread_yield(void);

/* True when another thread of this CPU waits to run: a polling driver yields then. */
bool thread_others_ready(void);

/*
 * Asks the thread to go on on that CPU, which it does on its way back to service code: at the end of the call or fault
 * that it is in, or at its next interrupt. Any CPU; a thread of a service. A later request takes the place of an earlier.
 */
void thread_move(struct thread *thread, unsigned cpu);

/*
 * The way back to service code, for every call, fault and interrupt: ends the thread when its service stops, moves it when
 * that was asked for. When it returns the thread may be on another CPU: what the caller knows of its CPU is void.
 */
void thread_return(void);

/* Ends the calling thread. */
__attribute__((noreturn)) void thread_exit(void);

/* After an interrupt, on the way back to what it interrupted: switches when the slice is over; thread_return. */
void thread_preempt(struct trapframe *frame);

/* First use of floating point since this thread was switched in. */
void thread_fp_enable(void);

/* Threads by number, 0 .. until NULL. */
struct thread *thread_at(unsigned number);

/* The deadline of a thread of this CPU has passed. For ipc/sched.c. */
void thread_timeout(struct thread *thread);

/* switch.S, fp.S and vectors.S */
void context_switch(struct context *from, struct context *to);
__attribute__((noreturn)) void context_leave(uint32_t *leaving, struct context *to);
void context_move(struct context *from, uint32_t *leaving, struct context *to);
void thread_entry(void);
void fp_save(struct fp_state *state);
void fp_load(const struct fp_state *state);

/* True when the frame is of service code: EL0, or EL1 on SP_EL0 (a trusted service). */
static inline bool frame_of_service(const struct trapframe *frame)
{
    return !(frame->spsr & 1); /* SPSR.M[0]: SP_ELx, which only the kernel itself uses */
}

static inline struct thread *thread_self(void)
{
    return cpu_self()->current;
}

#endif
