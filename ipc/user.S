/*
 * Copies between the kernel and a service's memory: see user.h. x0: to, x1: from, x2: words.
 *
 * Leaf functions that change x0 to x6 and keep the return address in x30, so that user_copy_fault can return for any
 * of them. Four words in a round: messages are 4 to 36 words.
 */
        .text

        /*
         * Reading: `load` is the instruction for one of the service's words; the kernel's side is stored in pairs.
         * x2 counts from words - 4, so when the rounds are over its two lowest bits are what is left.
         */
        .macro  read_words name, load
        .global \name
        .type   \name, %function
\name:
        subs    x2, x2, #4
        b.lo    2f
1:      \load   x3, [x1]
        \load   x4, [x1, #8]
        \load   x5, [x1, #16]
        \load   x6, [x1, #24]
        stp     x3, x4, [x0], #16
        stp     x5, x6, [x0], #16
        add     x1, x1, #32
        subs    x2, x2, #4
        b.hs    1b
2:      tbz     x2, #1, 3f
        \load   x3, [x1]
        \load   x4, [x1, #8]
        stp     x3, x4, [x0], #16
        add     x1, x1, #16
3:      tbz     x2, #0, 4f
        \load   x3, [x1]
        str     x3, [x0]
4:      mov     w0, #0
        ret
        .size   \name, . - \name
        .endm

        /* Writing: the other way round, `store` is for one of the service's words. */
        .macro  write_words name, store
        .global \name
        .type   \name, %function
\name:
        subs    x2, x2, #4
        b.lo    2f
1:      ldp     x3, x4, [x1], #16
        ldp     x5, x6, [x1], #16
        \store  x3, [x0]
        \store  x4, [x0, #8]
        \store  x5, [x0, #16]
        \store  x6, [x0, #24]
        add     x0, x0, #32
        subs    x2, x2, #4
        b.hs    1b
2:      tbz     x2, #1, 3f
        ldp     x3, x4, [x1], #16
        \store  x3, [x0]
        \store  x4, [x0, #8]
        add     x0, x0, #16
3:      tbz     x2, #0, 4f
        ldr     x3, [x1]
        \store  x3, [x0]
4:      mov     w0, #0
        ret
        .size   \name, . - \name
        .endm

        /* Single bytes: for names, text and short arrays. */
        .macro  copy_bytes name, load, store
        .global \name
        .type   \name, %function
\name:
        cbz     x2, 2f
1:      \load   w3, [x1]
        \store  w3, [x0]
        add     x1, x1, #1
        add     x0, x0, #1
        subs    x2, x2, #1
        b.ne    1b
2:      mov     w0, #0
        ret
        .size   \name, . - \name
        .endm

        .global user_copy_start, user_copy_end, user_copy_fault
user_copy_start:
        read_words user_read, ldtr
        write_words user_write, sttr
        read_words user_read_trusted, ldr
        write_words user_write_trusted, str
        copy_bytes user_read_bytes, ldtrb, strb
        copy_bytes user_write_bytes, ldrb, sttrb
        copy_bytes user_read_bytes_trusted, ldrb, strb
        copy_bytes user_write_bytes_trusted, ldrb, strb
user_copy_end:

user_copy_fault:
        mov     w0, #-1
        ret
