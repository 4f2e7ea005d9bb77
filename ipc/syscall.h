/*
 * System calls: what each does is documented where services see it, in apps/baton.h; numbers are in
 * core/abi.h.
 *
 * Owns: the table of calls. Every argument is checked against the calling service (design section 3,
 * invariant 6); a refused call changes nothing. Interrupts stay masked but while a call waits. Cost of a
 * call: one exception in and out (about 110 instructions), plus what it moves.
 */
#ifndef IPC_SYSCALL_H
#define IPC_SYSCALL_H

#include "core/trap.h"

/* Carries out the call that the frame of the current thread names, and puts its result into x0. */
void syscall_dispatch(struct trapframe *frame);

#endif
