/*
 * What the vectors save of interrupted code, on the kernel stack. vectors.S knows this layout.
 */
#ifndef CORE_TRAP_H
#define CORE_TRAP_H

#include <stdint.h>

struct trapframe {
    uint64_t x[31];
    uint64_t sp;  /* SP_EL0 of a service; of kernel code, its own stack pointer at the exception */
    uint64_t elr; /* where it goes on */
    uint64_t spsr;
    uint64_t esr; /* why it stopped: exceptions only, 0 for interrupts */
    uint64_t far; /* which address, for aborts */
};
_Static_assert(sizeof(struct trapframe) == 288, "vectors.S saves 36 words");

/*
 * Where boot/vectors.S goes with a frame, interrupts masked. Each may change the frame; a return goes back to
 * what was interrupted. The first is implemented by ipc/syscall.c, the next three by
 * ipc/fault.c, the others by core/panic.c.
 */

/*
 * System call of a service, at EL0 or on SP_EL0 at EL1: of the frame, x19 to x28 and far are not filled in. And its faults.
 */
void trap_service_call(struct trapframe *frame);
void trap_service_fault(struct trapframe *frame);
/* Fault in the kernel itself. */
void trap_kernel_sync(struct trapframe *frame);
void trap_irq(struct trapframe *frame);
/* FIQ, SError, AArch32: panics. */
__attribute__((noreturn)) void trap_unexpected(struct trapframe *frame, unsigned vector);
/* No room left on the kernel stack: panics, on another one. */
__attribute__((noreturn)) void trap_overflow(struct trapframe *frame);

/* Goes on as the frame at the stack pointer says: where a new service thread's context begins. */
void trap_return(void);

#define ESR_CLASS(esr) ((esr) >> 26 & 0x3f)
#define ESR_FP         0x07 /* floating point or SIMD while CPACR_EL1 traps it */
#define ESR_SVC        0x15
#define ESR_FETCH_LOW  0x20 /* instruction abort from EL0; 0x21 from EL1 */
#define ESR_DATA_LOW   0x24 /* data abort from EL0; 0x25 from EL1 */

#endif
