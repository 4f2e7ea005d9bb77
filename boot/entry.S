/*
 * From the loader to C: the image's header, the way down to EL1, the first tables, the MMU. For CPU 0 and the others.
 *
 * The loader leaves us (arm64 booting protocol): at EL2 or EL1, MMU off, interrupts masked, x0 = device tree, the image
 * somewhere on a 2 MiB boundary and written back to memory. Until the MMU is on, code here is position independent
 * (ADR and ADRP give physical addresses), has no stack and touches no variable but the tables.
 *
 * The first tables, of CPU 0 alone, replaced by mm/kernel_map as soon as RAM is known (boot_switch_tables below):
 *   TTBR0  the 2 MiB at the image's start, where this code lies, at their physical address, so that the instruction
 *          after the one that turns the MMU on can be fetched; read-only
 *   TTBR1  the image at IMAGE_BASE, in blocks of 2 MiB, read, write, execute (the W^X tables come with kernel_map)
 *          the gigabyte of the image and that of the device tree in the linear map
 * The other CPUs start with TTBR0's table and the final TTBR1.
 *
 * Caches. With the MMU off, stores go to memory past the caches. A cache may hold older copies of the same lines, from
 * what the loader did there: a dirty one would be written over ours later, a clean one would be found by the table
 * walker in place of ours. So the tables' lines are invalidated before the stores and after them.
 *
 * References: Arm ARM (DDI 0487) D8 (translation), D19 (registers); Linux Documentation/arch/arm64/booting.rst.
 */
        .set    LINEAR_ENTRIES, 256             /* of the top table: GiB 0 to 255 of physical memory */
        .set    IMAGE_ENTRY, 256                /* IMAGE_BASE bits 38:30 */

        /* Entries. AF: no access faults. Inner shareable: coherent with all CPUs. Attribute 1: normal memory. */
        .set    ENTRY_TABLE, 0x3
        .set    ENTRY_BLOCK, 0x701 | 1 << 2
        .set    ENTRY_READ_ONLY, 1 << 7
        .set    ENTRY_PRIVATE, 1 << 11          /* nG */
        .set    ENTRY_NO_EXEC_KERNEL, 1 << 53
        .set    ENTRY_NO_EXEC_USER, 1 << 54

        /* Attribute 0: Device-nGnRE. 1: normal, write-back, read and write allocate. As mm/pagetable.c has it. */
        .set    MAIR, 0xff04

        /* 39-bit addresses and 4 KiB granules in both halves; walks are cached, inner shareable. AS, IPS: see below. */
        .set    TCR, 25 | 1 << 8 | 1 << 10 | 3 << 12 | 25 << 16 | 1 << 24 | 1 << 26 | 3 << 28 | 2 << 30

        /* RES1 bits of ARMv8.0, little endian, everything off. */
        .set    SCTLR_OFF, 0x30d00800
        /*
         * M, C, I; SA and SA0: stack pointers are aligned. EL0 may use DC ZVA (DZE), read the cache's line sizes (UCT),
         * and WFI and WFE (nTWI, nTWE): it only waits, within its slice. It may not maintain caches (no UCI).
         */
        .set    SCTLR_ON, SCTLR_OFF | 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 12 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 18
        .set    SCTLR_WXN, 1 << 19              /* what can be written is never executed */

        .macro  load_constant register, value
        movz    \register, #(\value) & 0xffff
        movk    \register, #(\value) >> 16 & 0xffff, lsl #16
        .endm

        .section .head, "ax"
        .global image_head
image_head:
        b       boot_entry
        .long   0
        .quad   0x200000                        /* text_offset: keeps us off the first bytes of RAM */
        .quad   image_size                      /* with .bss */
        .quad   0x2                             /* little endian, 4 KiB pages, near the start of RAM */
        .quad   0, 0, 0
        .ascii  "ARM\x64"
        .long   0

/* ---- CPU 0 ---- */

boot_entry:
        mov     x20, x0                         /* the device tree */
        adr     x21, image_head                 /* where the image lies */
        bl      drop_to_el1
        bl      invalidate_tables
        bl      make_tables
        bl      invalidate_tables

        adrp    x0, boot_identity
        adrp    x1, boot_kernel
        load_constant x2, SCTLR_ON
        ldr     x30, =boot_virtual
        b       mmu_enable

boot_virtual:                                   /* at IMAGE_BASE from here on */
        /* .data, from behind .rodata; from its end, as the two may overlap. All 16-byte aligned: boot/kernel.ld */
        ldr     x0, =data_start
        ldr     x1, =data_end
        ldr     x2, =data_kept
        sub     x3, x1, x0
        add     x2, x2, x3
1:      cmp     x1, x0
        b.ls    2f
        ldp     x4, x5, [x2, #-16]!
        stp     x4, x5, [x1, #-16]!
        b       1b
2:      ldr     x0, =bss_start
        ldr     x1, =bss_end
1:      stp     xzr, xzr, [x0], #16
        cmp     x0, x1
        b.lo    1b
        ldr     x0, =boot_stack_top
        ldr     x1, =cpus
        bl      cpu_registers
        mov     x0, x20
        mov     x1, x21
        bl      boot_main

/*
 * The first tables. x20: device tree, x21: image. A device tree beyond the linear map, or none, gets no entry: C
 * complains about it.
 */
make_tables:
        adrp    x0, boot_tables
        adrp    x1, boot_tables_end
1:      stp     xzr, xzr, [x0], #16
        cmp     x0, x1
        b.lo    1b

        /* The identity: 2 MiB at x21 */
        adrp    x0, boot_identity
        adrp    x1, boot_identity_blocks
        orr     x2, x1, #ENTRY_TABLE
        lsr     x3, x21, #30
        str     x2, [x0, x3, lsl #3]            /* RAM lies below 512 GiB: the index fits */
        load_constant x2, ENTRY_BLOCK | ENTRY_READ_ONLY | ENTRY_PRIVATE
        orr     x2, x2, #ENTRY_NO_EXEC_USER
        orr     x2, x2, x21
        ubfx    x3, x21, #21, #9
        str     x2, [x1, x3, lsl #3]

        /* The image: as many blocks as it needs */
        adrp    x0, boot_kernel
        adrp    x1, boot_kernel_blocks
        orr     x2, x1, #ENTRY_TABLE
        str     x2, [x0, #IMAGE_ENTRY * 8]
        load_constant x2, ENTRY_BLOCK
        orr     x2, x2, #ENTRY_NO_EXEC_USER
        orr     x2, x2, x21
        ldr     x3, =image_size
        mov     x4, #1 << 21
1:      str     x2, [x1], #8
        add     x2, x2, x4
        subs    x3, x3, x4
        b.hi    1b

        /* The linear map: two gigabytes, or one twice */
        load_constant x2, ENTRY_BLOCK
        orr     x2, x2, #ENTRY_NO_EXEC_USER
        orr     x2, x2, #ENTRY_NO_EXEC_KERNEL
        lsr     x3, x21, #30
        orr     x4, x2, x3, lsl #30
        str     x4, [x0, x3, lsl #3]
        lsr     x3, x20, #30
        cmp     x3, #LINEAR_ENTRIES
        b.hs    2f
        orr     x4, x2, x3, lsl #30
        str     x4, [x0, x3, lsl #3]
2:      ret

/* DC IVAC over the tables: see "Caches" above. The DSBs order it with the stores before and after. */
invalidate_tables:
        dsb     sy
        mrs     x0, ctr_el0
        ubfx    x0, x0, #16, #4                 /* DminLine: log2 of words */
        mov     x1, #4
        lsl     x1, x1, x0
        adrp    x0, boot_tables
        adrp    x2, boot_tables_end
1:      dc      ivac, x0
        add     x0, x0, x1
        cmp     x0, x2
        b.lo    1b
        dsb     sy
        ret

/* ---- The other CPUs ---- */

/*
 * Where PSCI starts a CPU, in the same state as above; x0 = physical address of its struct boot_cpu (boot/cpus.c), which
 * CPU 0 has written back to memory. Its stack and its data are reached by addresses of the final tables only.
 */
        .global secondary_entry
secondary_entry:
        mov     x20, x0
        bl      drop_to_el1
        ldp     x1, x21, [x20]                  /* TTBR1, stack */
        ldr     x22, [x20, #16]                 /* struct cpu */
        adrp    x0, boot_identity
        load_constant x2, SCTLR_ON | SCTLR_WXN
        ldr     x30, =secondary_virtual
        b       mmu_enable

secondary_virtual:
        mov     x0, x21
        mov     x1, x22
        bl      cpu_registers
        bl      boot_secondary

/* ---- Both ---- */

/*
 * To EL1 with its MMU off, from EL2 or EL1; returns there. At EL2 it leaves a machine in which EL1 lacks nothing and
 * nobody looks over its shoulder. Changes x0, x1.
 */
drop_to_el1:
        load_constant x0, SCTLR_OFF
        msr     sctlr_el1, x0
        mrs     x1, currentel
        cmp     x1, #2 << 2
        b.eq    1f
        isb
        ret
1:      mov     x0, #1 << 31                    /* RW: EL1 is AArch64. All else off: no traps, no second stage */
        msr     hcr_el2, x0
        isb                                     /* E2H off now: the registers below have their plain layout */
        mov     x0, #3                          /* EL1 may read the physical counter and use its timer */
        msr     cnthctl_el2, x0
        msr     cntvoff_el2, xzr                /* virtual time is time */
        mrs     x0, midr_el1
        msr     vpidr_el2, x0
        mrs     x0, mpidr_el1
        msr     vmpidr_el2, x0
        mov     x0, #0x33ff                     /* RES1 bits; TFP clear: floating point is EL1's affair */
        msr     cptr_el2, x0
        msr     hstr_el2, xzr
        msr     vttbr_el2, xzr

        mrs     x0, id_aa64dfr0_el1
        sbfx    x0, x0, #8, #4                  /* PMUVer: 0 none, 15 not architectural */
        cmp     x0, #1
        mov     x0, #0
        b.lt    2f
        mrs     x0, pmcr_el0
        ubfx    x0, x0, #11, #5                 /* N: all counters are EL1's (HPMN) */
2:      msr     mdcr_el2, x0

        mrs     x0, id_aa64pfr0_el1
        ubfx    x0, x0, #24, #4                 /* GIC: system registers there? Without them the write is undefined */
        cbz     x0, 3f
        mov     x0, #0xf                        /* SRE, and EL1 may set its own (Enable) */
        msr     s3_4_c12_c9_5, x0               /* ICC_SRE_EL2 */
        isb
        msr     s3_4_c12_c11_0, xzr             /* ICH_HCR_EL2: no virtual interrupts */
3:      mov     x0, #0x3c5                      /* EL1h, all masked */
        msr     spsr_el2, x0
        msr     elr_el2, x30
        eret

/* Turns the MMU on and goes to x30. x0: TTBR0, x1: TTBR1, x2: SCTLR. */
mmu_enable:
        tlbi    vmalle1                         /* whatever the loader's tables left */
        ic      iallu                           /* and its code */
        dsb     nsh
        mov     x3, #MAIR
        msr     mair_el1, x3
        load_constant x3, TCR
        mrs     x4, id_aa64mmfr0_el1
        and     x5, x4, #0xf                    /* PARange, as IPS wants it, */
        cmp     x5, #5                          /* up to 48 bits: more needs another format of entries */
        mov     x6, #5
        csel    x5, x5, x6, lo
        orr     x3, x3, x5, lsl #32
        ubfx    x4, x4, #5, #1                  /* ASIDBits: 0 or 2; AS: 16-bit ASIDs */
        orr     x3, x3, x4, lsl #36
        msr     tcr_el1, x3
        msr     ttbr0_el1, x0
        msr     ttbr1_el1, x1
        isb                                     /* all this is in force before the MMU looks at it */
        msr     sctlr_el1, x2
        isb                                     /* what follows is fetched through the MMU */
        ret

/* A stack (x0), the block of this CPU (x1), vectors; floating point open until threads run, as libfdt uses it. */
cpu_registers:
        mov     sp, x0
        msr     tpidr_el1, x1
        ldr     x0, =vectors
        msr     vbar_el1, x0
        mov     x0, #3 << 20                    /* CPACR_EL1.FPEN */
        msr     cpacr_el1, x0
        isb
        mov     x0, x1
        mov     x29, xzr                        /* a backtrace ends here */
        ret

/*
 * void boot_switch_tables(uint64_t root, uint64_t to_physical)
 *
 * Changes CPU 0 to the final TTBR1. Its entries for the image have another size than the first ones, and two entries
 * of one address in the TLB may abort: so between the two there is a time without any (break before make, Arm ARM
 * D8.14.1). That time is spent at the identity, reached by adding `to_physical` to the program counter. WXN, which a TLB
 * may hold copies of, is set there too.
 */
        .global boot_switch_tables
        .type   boot_switch_tables, %function
boot_switch_tables:
        adr     x2, 1f
        add     x2, x2, x1
        br      x2
1:      adrp    x3, boot_empty
        msr     ttbr1_el1, x3
        isb                                     /* no walk of the old table from here on */
        tlbi    vmalle1
        dsb     nsh                             /* its entries are gone */
        load_constant x3, SCTLR_ON | SCTLR_WXN
        msr     sctlr_el1, x3
        msr     ttbr1_el1, x0
        isb                                     /* the return address is translated by the new table */
        ret
        .size   boot_switch_tables, . - boot_switch_tables

        .ltorg

/* ---- Tables and CPU 0's first stack, outside .bss: in use before that is zeroed ---- */

        /* The lower half of a slot of 32 KiB; the stack is the upper half, as the vectors want it. */
        .section .boot, "aw", %nobits
        .balign 32768
boot_tables:
boot_identity:          .skip 4096
boot_identity_blocks:   .skip 4096
        .global boot_kernel
boot_kernel:            .skip 4096
boot_kernel_blocks:     .skip 4096
boot_tables_end:
boot_stack:             .skip 16384
boot_stack_top:

        /* A table without any entry: TTBR0 before a service's, TTBR1 during the change. Zeroed with .bss. */
        .section .bss
        .balign 4096
        .global boot_empty
boot_empty:             .skip 4096
