/*
 * The queues of one CPU: who runs next, who has a deadline, whose floating-point registers are loaded. For
 * ipc/thread.c.
 *
 * Owns: cpu->run_first, inbox, timers, fp_owner. Every call is for the calling CPU, with interrupts masked,
 * except sched_push_remote. Costs nothing that other CPUs share, but for the inbox: one exchange when it is
 * not empty.
 */
#ifndef IPC_SCHED_H
#define IPC_SCHED_H

#include <stdbool.h>
#include <stdint.h>
#include "ipc/thread.h"

/* Runnable, next in line or last in line. */
void sched_push_front(struct thread *thread);
void sched_push_back(struct thread *thread);

/* Runnable on its own CPU, which is another one; rings it if it sleeps. */
void sched_push_remote(struct thread *thread);

/* Goes to the next runnable thread, or to the idle thread. Returns when the caller runs again. */
void sched_switch(void);

/*
 * Wakes `next`, parks the caller, and goes straight to `next`, when that is parked here and nobody else can run. False: nothing was
 * done. True: as thread_park, after a wake.
 */
bool sched_hand_over(struct thread *next);

/* To the end of the line, when there is one. */
void sched_yield(void);

/* The same, only when a driver's thread is at the head of the line. */
void sched_yield_to_driver(void);

/* As sched_switch for a thread that has ended: nothing is saved; clears thread->leaving once its stack is left. */
__attribute__((noreturn)) void sched_leave(void);

/* Goes on on another CPU: returns there. The caller is on its way to service code, see thread_return. */
void sched_move(unsigned cpu);

/*
 * `thread` leaves this CPU. When no other thread of its table is here, the CPU drops what it has cached of the table, so
 * that unmaps elsewhere need not reach it any more (space 1).
 */
void sched_table_forget(const struct thread *thread);

bool sched_others_ready(void);

void sched_timer_add(struct thread *thread, uint64_t deadline);
void sched_timer_remove(struct thread *thread);

/* The thread has ended: what is in the registers is nobody's. */
void sched_fp_forget(struct thread *thread);

#endif
