/*
 * The area of emulated thread-local variables is a true one: the assembler and the linker know them, whatever the compiler
 * was built with. .tbss begins as zero in every thread.
 */
#include "apps/lib/emutls.h"

    .section .tbss.emutls, "awT", %nobits
    .balign 16
    .type area, %object
area:
    .zero EMUTLS_BYTES
    .size area, . - area

    .section .text.emutls_area, "ax"
    .global emutls_area
    .type emutls_area, %function
emutls_area:
    mrs x0, tpidr_el0
    add x0, x0, #:tprel_hi12:area, lsl #12
    add x0, x0, #:tprel_lo12_nc:area
    ret
    .size emutls_area, . - emutls_area

    .section .note.GNU-stack, "", %progbits
