/* Changing threads: see thread.h. struct context holds x19 to x30, then the stack pointer. */
        .text

/*
 * void context_switch(struct context *from, struct context *to)
 *
 * A call as any other for the thread that calls it: whatever AAPCS64 lets a function change is dead already, so only
 * what a function must keep is saved. Returns in the thread `to`, where that one called context_switch, or where its
 * first context says: thread_entry for a kernel thread, trap_return for a service's.
 */
        .macro  context_save
        mov     x9, sp
        stp     x19, x20, [x0, #0]
        stp     x21, x22, [x0, #16]
        stp     x23, x24, [x0, #32]
        stp     x25, x26, [x0, #48]
        stp     x27, x28, [x0, #64]
        stp     x29, x30, [x0, #80]
        str     x9, [x0, #96]
        .endm

        .global context_switch
        .type   context_switch, %function
context_switch:
        context_save
        ldr     x9, [x1, #96]
        mov     sp, x9
1:      ldp     x19, x20, [x1, #0]
        ldp     x21, x22, [x1, #16]
        ldp     x23, x24, [x1, #32]
        ldp     x25, x26, [x1, #48]
        ldp     x27, x28, [x1, #64]
        ldp     x29, x30, [x1, #80]
        ret
        .size   context_switch, . - context_switch

/*
 * void context_leave(uint32_t *leaving, struct context *to)
 *
 * As context_switch from a thread that has ended: nothing is saved. *leaving becomes 0 when the old stack is out of use,
 * not earlier: another CPU may then start a thread on it. Release: what we wrote there comes before what it writes.
 */
        .global context_leave
        .type   context_leave, %function
context_leave:
        ldr     x9, [x1, #96]
        mov     sp, x9
        stlr    wzr, [x0]
        b       1b
        .size   context_leave, . - context_leave

/*
 * void context_move(struct context *from, uint32_t *leaving, struct context *to)
 *
 * As context_switch from a thread that goes on on another CPU: *leaving becomes 0 when its registers are saved and its
 * stack is left, not earlier. Release: that CPU loads them once it has seen the 0.
 */
        .global context_move
        .type   context_move, %function
context_move:
        context_save
        ldr     x9, [x2, #96]
        mov     sp, x9
        stlr    wzr, [x1]
        mov     x1, x2
        b       1b
        .size   context_move, . - context_move

/* Where a kernel thread begins: x19 is its function, x20 the argument. Entered with interrupts masked, by a switch. */
        .global thread_entry
        .type   thread_entry, %function
thread_entry:
        mov     x29, xzr                /* a backtrace ends here */
        mov     x30, xzr
        mov     x0, x20
        msr     daifclr, #2
        blr     x19
        msr     daifset, #2
        bl      thread_exit
        .size   thread_entry, . - thread_entry
