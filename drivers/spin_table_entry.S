/*
 * Where a CPU comes that was released from the spin table: MMU off, nothing in its registers. It takes what spin_table.c
 * has left for it, and goes on as if PSCI had started it.
 */
        .section .text
        .global spin_table_entry
        .type   spin_table_entry, %function
spin_table_entry:
        adrp    x1, spin_table_next             /* a physical address: the program counter is one */
        add     x1, x1, #:lo12:spin_table_next
        ldp     x0, x1, [x1]                    /* context, entry */
        br      x1
        .size   spin_table_entry, . - spin_table_entry
