/*
 * picolibc's errno is a true thread-local variable, and a compiler without them cannot name it: its header lets it be got
 * by a function instead (cmake/libc.cmake names this one).
 */
    .section .text.library_errno, "ax"
    .global library_errno
    .type library_errno, %function
library_errno:
    mrs x0, tpidr_el0
    add x0, x0, #:tprel_hi12:errno, lsl #12
    add x0, x0, #:tprel_lo12_nc:errno
    ret
    .size library_errno, . - library_errno

    .section .note.GNU-stack, "", %progbits
