/*
 * The kernel's own addresses: image with W^X, linear map without the image and the IPC block, devices,
 * stacks, windows.
 *
 * Owns: the TTBR1 table that replaces the boot's first one. Built on CPU 0 before any other CPU runs.
 */
#ifndef MM_KERNEL_MAP_H
#define MM_KERNEL_MAP_H

#include <stdint.h>

/* The image's parts, by symbols of boot/kernel.ld; page aligned. */
struct image_layout {
    uint64_t phys;                     /* where the image lies */
    uint64_t text_start, text_end;     /* virtual: executable at EL1, read-only */
    uint64_t rodata_start, rodata_end; /* read-only, programs of services included */
    uint64_t data_start, data_end;     /* read-write, bss included */
};

/* Maps the image; remembers where it lies. Further RAM is added by kernel_map_ram. */
void kernel_map_init(const struct image_layout *image);

/* Adds [phys, phys + size) to the linear map, read-write, never executable. Not the image, not the IPC block.
 */
void kernel_map_ram(uint64_t phys, uint64_t size);

/*
 * Device registers; returns their address. The same page twice is allowed. Boot only. Registers above the linear map get
 * addresses of their own: 32 ranges at most (panics), in which what lies in an earlier one does not count.
 */
volatile void *kernel_map_device(uint64_t phys, uint64_t size);

/* Stack `number` of KERNEL_STACK_SIZE with an unmapped gap of the same size below: returns its top. */
uint64_t kernel_map_stack(unsigned number);

/* Physical address of something in the image. */
uint64_t kernel_image_phys(const void *in_image);

/* The table's root for TTBR1, to be loaded by each CPU (boot). */
uint64_t kernel_map_root(void);

/*
 * Zeroes bytes [0, start) and [end, 4096) of a frame that nobody maps, through this CPU's private window.
 * Interrupts masked. Cost: two DSB, one local TLBI, one store (DC ZVA) per 64 bytes.
 */
void kernel_map_scrub(uint64_t frame, uint32_t start, uint32_t end);

/*
 * Copies bytes [offset, offset + length) of the frame `from` to the same place in the frame `to`, through two more private
 * windows, of which the one for reading is read-only. Others may have either mapped. Interrupts masked. Cost beside the
 * copying: five DSB, two local TLBI.
 */
void kernel_map_copy(uint64_t to, uint64_t from, uint32_t offset, uint32_t length);

/*
 * This CPU's private window on a frame of the IPC region: one at a time, interrupts masked until it is closed. Cost: two DSB,
 * one local TLBI.
 */
void *kernel_map_open(uint64_t frame);
void kernel_map_close(void *window);

#endif
