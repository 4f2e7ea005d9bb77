/*
 * System calls: number in x8, arguments where the procedure call standard puts them anyway, result in x0.
 * The numbers are those of enum baton_call; apps/lib/start.c asserts them.
 */
    .macro call name, number
    .section .text.\name, "ax"
    .global \name
    .type \name, %function
\name:
    mov x8, #\number
    svc #0
    ret
    .size \name, . - \name
    .endm

    call baton_call_send, 0
    call baton_receive_batch, 1
    call baton_rpc, 2
    call baton_reply, 3
    call baton_page_get, 4
    call baton_page_duplicate, 5
    call baton_page_release, 6
    call baton_call_port_find, 7
    call baton_thread_start, 8
    call baton_yield, 9
    call baton_sleep, 10
    call baton_exit, 11
    call baton_call_log, 12
    call baton_call_counters, 13
    call baton_call_setting, 14
    call baton_thread_move, 15
    call baton_request, 16
    call baton_request_cancel, 17
    call baton_book_get, 18
    call baton_book_bind, 19
    call baton_book_unbind, 20
    call baton_book_trim, 21
    call baton_call_send_one, 22
    call baton_call_receive_one, 23
    call baton_reply_receive, 24

    /* Any number: int64_t baton_call_raw(number, a0, .. a5). For tests of the kernel's own checks. */
    .section .text.baton_call_raw, "ax"
    .global baton_call_raw
    .type baton_call_raw, %function
baton_call_raw:
    mov x8, x0
    mov x0, x1
    mov x1, x2
    mov x2, x3
    mov x3, x4
    mov x4, x5
    mov x5, x6
    svc #0
    ret
    .size baton_call_raw, . - baton_call_raw

    /* The virtual counter. No barrier: a reading may be early by what the CPU runs ahead, never earlier than the last. */
    .section .text.baton_ticks, "ax"
    .global baton_ticks
    .type baton_ticks, %function
baton_ticks:
    mrs x0, cntvct_el0
    ret
    .size baton_ticks, . - baton_ticks

    /* The cycle counter: traps unless the boot has opened it (the setting cycles=on). */
    .section .text.baton_cycle_counter, "ax"
    .global baton_cycle_counter
    .type baton_cycle_counter, %function
baton_cycle_counter:
    mrs x0, pmccntr_el0
    ret
    .size baton_cycle_counter, . - baton_cycle_counter

    .section .text.baton_ticks_per_second, "ax"
    .global baton_ticks_per_second
    .type baton_ticks_per_second, %function
baton_ticks_per_second:
    mrs x0, cntfrq_el0
    ret
    .size baton_ticks_per_second, . - baton_ticks_per_second

    /* An instruction that is none: the kernel reports it and stops the service by its policy. */
    .section .text.baton_undefined, "ax"
    .global baton_undefined
    .type baton_undefined, %function
baton_undefined:
    udf #0
    .size baton_undefined, . - baton_undefined

    /*
     * Where every thread of a service begins: x0 = struct baton_start, sp = its stack. Thread-local data must be
     * reachable before any C code that might use errno.
     */
    .section .text.start, "ax"
    .global _start
    .type _start, %function
_start:
    ldr x1, [x0, #24]
    msr tpidr_el0, x1
    mov x29, xzr            /* a backtrace ends here */
    mov x30, xzr
    b baton_start
    .size _start, . - _start

    .section .note.GNU-stack, "", %progbits
