/* The console, as early as can be: see boot.h. */
#include "boot/boot.h"

#include <stddef.h>
#include "board/board.h"
#include "board/device_tree.h"
#include "core/arch.h"
#include "drivers/uart_pl011.h"
#include "mm/kernel_map.h"

#define GIGABYTE_SHIFT 30
#define BLOCK_SHIFT    21
#define BLOCKS         512 /* of 2 MiB in a gigabyte */
/* A block of Device-nGnRE memory (attribute 0), accessed, never executable: as entry.S and mm/pagetable.c make them. */
#define BLOCK_DEVICE (1ul << 54 | 1ul << 53 | 1ul << 10 | 1ul)
#define ENTRY_TABLE  3ul

static uint64_t uart_phys;
static uint64_t uart_blocks[BLOCKS]
    __attribute__((aligned(PAGE_SIZE))); /* the UART's gigabyte in the first tables */

/*
 * Makes the 2 MiB around a device part of the first tables' linear map. The rest of its gigabyte stays as it was, which
 * may be RAM with the device tree in it: then one block becomes many, and there must be a time without any of them
 * (break before make). Nothing is used through the linear map during that time: image and stack are at IMAGE_BASE.
 */
static volatile void *early_device(uint64_t phys, uint64_t image_phys)
{
    volatile uint64_t *entry = &boot_kernel[phys >> GIGABYTE_SHIFT];
    uint64_t before = *entry, table = (uint64_t)uart_blocks - IMAGE_BASE + image_phys;

    for (uint64_t i = 0; i < BLOCKS; i++)
        uart_blocks[i] = before ? before + (i << BLOCK_SHIFT) : 0;
    uart_blocks[phys >> BLOCK_SHIFT & (BLOCKS - 1)] = phys >> BLOCK_SHIFT << BLOCK_SHIFT | BLOCK_DEVICE;
    *entry = 0;
    arch_dsb_ishst(); /* the walker sees that it is gone, and what the new table holds */
    arch_tlbi_all_local();
    arch_dsb_nsh(); /* its translations are gone */
    *entry = table | ENTRY_TABLE;
    arch_dsb_ishst(); /* the walker sees the entry */
    arch_isb();       /* and this CPU does not run ahead of it */
    return arch_phys_to_virt(phys);
}

/* entry.S has mapped the gigabyte in which the device tree begins. */
static const char *tree_open(uint64_t phys)
{
    uint64_t gigabyte = 1ul << GIGABYTE_SHIFT, left = gigabyte - (phys & (gigabyte - 1));

    if (!phys || phys % 8 || phys >= LINEAR_SIZE || left < sizeof(uint64_t) * 8)
        return "there is none at the address in x0";
    return device_tree_open(arch_phys_to_virt(phys), left < DEVICE_TREE_BYTES ? left : DEVICE_TREE_BYTES);
}

void boot_console_init(uint64_t tree_phys, uint64_t image_phys)
{
    uint64_t clock = 0;
    const char *broken = tree_open(tree_phys);
    const char *missing = broken ? NULL : board_console_find(&uart_phys, &clock);

    if (broken || missing)
        uart_phys = board_console_fallback;
    uart_pl011_init(early_device(uart_phys, image_phys), clock);
    if (broken)
        boot_fail("no device tree: %s (0x%lx)", broken, tree_phys);
    board_firmware_init(); /* so that a boot that fails can power off */
    boot_check(missing);
}

void boot_console_map(void)
{
    kernel_map_device(uart_phys, PAGE_SIZE);
}
