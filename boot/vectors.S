/*
 * The exception vectors: every way into the kernel but the boot, and the ways back.
 *
 * Owns: the layout of struct trapframe on the kernel stack (core/trap.h), together with that header.
 *
 * What is interrupted is one of two kinds.
 *   A service, at EL0 or (trusted) at EL1 on SP_EL0. SP_EL1 is then the top of its thread's kernel stack, which is
 *   empty: nothing to check. SP_EL0, saved in frame->sp, belongs to the thread.
 *   The kernel, at EL1 on SP_EL1. Its stack goes on below, after a look whether there is room. SP_EL0 is left alone.
 *
 * Stacks are 16 KiB in slots of 32 KiB, the lower half unmapped (core/layout.h): bit 14 of an address in the stack is
 * 1, in the gap below it 0. So one bit of SP tells an overflow, before anything is stored.
 *
 * Interrupts are masked by the exception and stay so; the C code decides. The vectors read no system register that the
 * entry at hand does not need: ESR and FAR belong to synchronous exceptions only.
 */
        .set    FRAME, 288
        .set    FRAME_SP, 248
        .set    FRAME_ELR, 256
        .set    FRAME_ESR, 272
        .set    CPU_OVERFLOW_STACK, 8   /* core/cpu.h asserts it */
        .set    ESR_SVC, 0x15           /* core/trap.h */
        .set    STACK_BIT, 14           /* log2 of KERNEL_STACK_SIZE */

        .section .vectors, "ax"

        /* x0 to x19, at SP: what a function may change, and the partner of the last one. */
        .macro  save_changeable
        stp     x0, x1, [sp, #0]
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        stp     x18, x19, [sp, #144]
        .endm

        /* x0 to x29, at SP. 15 instructions. */
        .macro  save_registers
        save_changeable
        stp     x20, x21, [sp, #160]
        stp     x22, x23, [sp, #176]
        stp     x24, x25, [sp, #192]
        stp     x26, x27, [sp, #208]
        stp     x28, x29, [sp, #224]
        .endm

        /* x30, `stack`, ELR and SPSR. Uses x22 and x23. */
        .macro  save_state stack
        stp     x30, \stack, [sp, #FRAME_SP - 8]
        mrs     x22, elr_el1
        mrs     x23, spsr_el1
        stp     x22, x23, [sp, #FRAME_ELR]
        .endm

        .macro  save_reason
        mrs     x22, esr_el1
        mrs     x23, far_el1
        stp     x22, x23, [sp, #FRAME_ESR]
        .endm

        .macro  restore_registers
        ldp     x0, x1, [sp, #0]
        ldp     x2, x3, [sp, #16]
        ldp     x4, x5, [sp, #32]
        ldp     x6, x7, [sp, #48]
        ldp     x8, x9, [sp, #64]
        ldp     x10, x11, [sp, #80]
        ldp     x12, x13, [sp, #96]
        ldp     x14, x15, [sp, #112]
        ldp     x16, x17, [sp, #128]
        ldp     x18, x19, [sp, #144]
        ldp     x20, x21, [sp, #160]
        ldp     x22, x23, [sp, #176]
        ldp     x24, x25, [sp, #192]
        ldp     x26, x27, [sp, #208]
        ldp     x28, x29, [sp, #224]
        .endm

        /*
         * A vector: a system call or a fault of a service. A call is a function call for the service (AAPCS64): what a function
         * must keep, x19 to x28, the C code keeps by itself, so of these only a fault saves the rest of the frame.
         */
        .macro  sync_from_service
        .balign 128
        sub     sp, sp, #FRAME
        save_changeable
        stp     x28, x29, [sp, #224]
        mrs     x9, esr_el1
        mrs     x10, sp_el0
        mrs     x11, elr_el1
        mrs     x12, spsr_el1
        b       service_sync
        .endm

        /* A vector: from a service. */
        .macro  from_service handler
        .balign 128
        sub     sp, sp, #FRAME
        save_registers
        mrs     x21, sp_el0
        b       \handler
        .endm

        /* A vector: from the kernel. No register is free until the frame is known to fit, so x0 travels in SP. */
        .macro  from_kernel handler
        .balign 128
        sub     sp, sp, #FRAME
        add     sp, sp, x0              /* SP = frame + x0 */
        sub     x0, sp, x0              /* x0 = frame */
        tbz     x0, #STACK_BIT, stack_overflow
        sub     x0, sp, x0              /* x0 = x0 again */
        sub     sp, sp, x0              /* SP = frame */
        save_registers
        add     x21, sp, #FRAME
        b       \handler
        .endm

        /* A vector that nothing here can cause: FIQ, SError, AArch32. On the overflow stack, as nothing is certain. */
        .macro  from_nowhere number
        .balign 128
        msr     tpidrro_el0, x0
        mrs     x0, tpidr_el1
        ldr     x0, [x0, #CPU_OVERFLOW_STACK]
        sub     x0, x0, #FRAME
        mov     sp, x0
        mrs     x0, tpidrro_el0
        save_registers
        mov     x1, #\number
        b       unexpected
        .endm

        .balign 2048                    /* VBAR_EL1 keeps no lower bits */
        .global vectors
vectors:
        /* EL1 on SP_EL0: a trusted service */
        sync_from_service
        from_service service_irq
        from_nowhere 2
        from_nowhere 3
        /* EL1 on SP_EL1: the kernel */
        from_kernel kernel_sync
        from_kernel kernel_irq
        from_nowhere 6
        from_nowhere 7
        /* EL0, AArch64: an isolated service */
        sync_from_service
        from_service service_irq
        from_nowhere 10
        from_nowhere 11
        /* EL0, AArch32: no such service */
        from_nowhere 12
        from_nowhere 13
        from_nowhere 14
        from_nowhere 15
        .balign 128

        .macro  call handler
        mov     x0, sp
        bl      \handler
        .endm

        /*
         * A system call or a fault of a service, x9 to x12 as sync_from_service read them. The way of every message: keep it
         * short. x29 is cleared, or the chain of kernel frames, and a backtrace with it, would go on into the service's stack.
         */
service_sync:
        stp     x30, x10, [sp, #FRAME_SP - 8]
        stp     x11, x12, [sp, #FRAME_ELR]
        lsr     x10, x9, #26
        mov     x29, xzr
        cmp     x10, #ESR_SVC
        b.ne    service_fault
        str     x9, [sp, #FRAME_ESR]
        call    trap_service_call

        /* Back from the call: every register that it may have changed is the service's own again. */
        ldp     x30, x10, [sp, #FRAME_SP - 8]
        ldp     x11, x12, [sp, #FRAME_ELR]
        msr     sp_el0, x10
        msr     elr_el1, x11
        msr     spsr_el1, x12
        ldp     x0, x1, [sp, #0]
        ldp     x2, x3, [sp, #16]
        ldp     x4, x5, [sp, #32]
        ldp     x6, x7, [sp, #48]
        ldp     x8, x9, [sp, #64]
        ldp     x10, x11, [sp, #80]
        ldp     x12, x13, [sp, #96]
        ldp     x14, x15, [sp, #112]
        ldp     x16, x17, [sp, #128]
        ldr     x18, [sp, #144]
        ldr     x29, [sp, #232]
        add     sp, sp, #FRAME
        eret

service_fault:
        stp     x20, x21, [sp, #160]
        stp     x22, x23, [sp, #176]
        stp     x24, x25, [sp, #192]
        stp     x26, x27, [sp, #208]
        mrs     x10, far_el1
        stp     x9, x10, [sp, #FRAME_ESR]
        call    trap_service_fault

        /* Back to a service: SP is at the frame, and is the empty kernel stack again when it is popped. */
        .global trap_return
        .type   trap_return, %function
trap_return:
        ldp     x30, x21, [sp, #FRAME_SP - 8]
        ldp     x22, x23, [sp, #FRAME_ELR]
        msr     sp_el0, x21
        msr     elr_el1, x22
        msr     spsr_el1, x23
        restore_registers
        add     sp, sp, #FRAME
        eret
        .size   trap_return, . - trap_return

service_irq:
        save_state x21
        stp     xzr, xzr, [sp, #FRAME_ESR]
        mov     x29, xzr
        call    trap_irq
        b       trap_return

        /* The kernel's own exceptions. x29 stays, so that a backtrace goes on through the interrupted function. */
kernel_sync:
        save_state x21
        save_reason
        call    trap_kernel_sync
        b       kernel_return

kernel_irq:
        save_state x21
        stp     xzr, xzr, [sp, #FRAME_ESR]
        call    trap_irq

kernel_return:
        ldr     x30, [sp, #FRAME_SP - 8]
        ldp     x22, x23, [sp, #FRAME_ELR]
        msr     elr_el1, x22
        msr     spsr_el1, x23
        restore_registers
        add     sp, sp, #FRAME          /* frame->sp only tells: nobody moves an interrupted kernel's stack */
        eret

        /*
         * The frame would not have fitted. x0 is where it would lie, SP that plus the old x0. Two registers that only
         * services use hold what the reload needs; whatever was in them is lost with the rest.
         */
stack_overflow:
        msr     tpidrro_el0, x0
        sub     x0, sp, x0
        msr     sp_el0, x0
        mrs     x0, tpidr_el1
        ldr     x0, [x0, #CPU_OVERFLOW_STACK]
        sub     x0, x0, #FRAME
        mov     sp, x0
        mrs     x0, sp_el0
        save_registers
        mrs     x21, tpidrro_el0
        add     x21, x21, #FRAME
        save_state x21
        save_reason
        call    trap_overflow

unexpected:
        mrs     x21, sp_el0
        save_state x21
        save_reason
        call    trap_unexpected
