/*
 * The address layout, on one screen. No two objects of an image share a virtual address, whichever space they are in.
 *
 *   TTBR0 (one table per isolated service; one, EL1-only, for all trusted services), 39 bits:
 *     0x10_0000_0000 + n * 256 MiB   slot n: one service's text, rodata, data, bss, heap, stacks
 *     0x30_0000_0000                 the configuration file, read-only, the same in every space
 *     0x40_0000_0000                 the IPC region: page i of it is the same page in every space
 *
 *   TTBR1 (the kernel; EL1 only, global), 39 bits:
 *     0xffffff80_0000_0000           linear map: all RAM but the image and the IPC frames; devices, as probed
 *     0xffffffc0_0000_0000           the image
 *     0xffffffd0_0000_0000           kernel stacks, each with an unmapped gap below it
 *     0xffffffe0_0000_0000           private windows of each CPU, to scrub and copy IPC frames through
 *     0xfffffff0_0000_0000           registers of devices that lie above the linear map, in the order of mapping
 */
#ifndef CORE_LAYOUT_H
#define CORE_LAYOUT_H

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ul
#define PAGE_MASK  (PAGE_SIZE - 1)

#define SLOT_BASE 0x1000000000ul
#define SLOT_SIZE 0x10000000ul

#define CONFIG_BASE     0x3000000000ul
#define CONFIG_SIZE_MAX 0x1000000ul /* 16 MiB */

#define IPC_BASE 0x4000000000ul

#define LINEAR_BASE 0xffffff8000000000ul
#define LINEAR_SIZE 0x4000000000ul /* physical addresses below 256 GiB */
#define IMAGE_BASE  0xffffffc000000000ul
#define STACK_BASE  0xffffffd000000000ul
#define WINDOW_BASE 0xffffffe000000000ul
#define DEVICE_BASE 0xfffffff000000000ul

#define KERNEL_STACK_SIZE (4 * PAGE_SIZE)
#define USER_STACK_SIZE   (16 * PAGE_SIZE)

#define CPUS_MAX     8
#define SPACES_MAX   32 /* space numbers are 6 bits in a page's state word */
#define SERVICES_MAX 32
#define THREADS_MAX  64
#define NICS_MAX     8

#endif
