/*
 * The parts of the boot that boot/main.c puts in order. All of it runs on CPU 0, on the stack of entry.S, with
 * interrupts masked and floating point open (libfdt.a uses it); nothing is called again once threads run.
 *
 * Errors: what the machine lacks ends the boot with one line on the console, "boot: ...", and powers the machine off.
 */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include <stdint.h>

/* ---- fail.c ---- */

/* Says why on the console and powers off. */
__attribute__((noreturn, format(printf, 1, 2))) void boot_fail(const char *format, ...);

/* The same when `missing` is not NULL. */
void boot_check(const char *missing);

/* ---- console.c ---- */

/*
 * Opens the device tree and sets the log to the console's UART, which is mapped in the first tables for that: from here
 * on errors can be seen. Limit: the UART's 2 MiB of physical memory hold neither the device tree nor anything else.
 */
void boot_console_init(uint64_t tree_phys, uint64_t image_phys);

/* Maps the UART, and what the board needs beside it to power off, in the final tables, at the same addresses. */
void boot_console_map(void);

/* ---- memory.c ---- */

/* Finds RAM, and what of it is taken: the image, the device tree, an initrd, reservations. */
void boot_memory_find(uint64_t image_phys);
uint64_t boot_memory_bytes(void);

/*
 * Sets the IPC block aside, makes the final tables, changes to them (W^X, no identity) and gives the rest of RAM to
 * mm/frame.h. Needs memory in the image's gigabyte, which is all that the first tables reach.
 */
void boot_memory_map(void);

/* What came as initrd: the appliance's configuration file. NULL and 0 when there is none. */
const void *boot_config(uint64_t *size);

/*
 * Gives the ledger its rings, as the setting ledger=ENTRIES asks (a power of two for each CPU, 4096 without it, 0: none):
 * fewer where that would take more than half of what memory is left. With trace=on it is on from here. Once nothing else
 * needs memory.
 */
void boot_ledger_init(void);

/* The block for IPC pages: contiguous, on 2 MiB, in no map. */
uint64_t boot_ipc_phys(void);
uint32_t boot_ipc_pages(void);

/* ---- policy.c ---- */

/* How pages change hands: the settings unmap= (dash without it) and tlb= (broadcast). Once the services are made. */
void boot_policy_init(void);

/* ---- cpus.c ---- */

/* The calling CPU's registers, beyond what entry.S set: counters, timer access. */
void boot_cpu_init(void);

/* Numbers the CPUs of the device tree, the booting one first. Sets cpu_count: how many will be up. */
void boot_cpus_find(void);

/* Starts the others, one after the other; fails when one does not come up. */
void boot_cpus_start(void);

/* ---- entry.S ---- */

void boot_switch_tables(uint64_t root, uint64_t to_physical);
void secondary_entry(void);
extern uint64_t boot_kernel[512];   /* the first table of TTBR1 */
extern const uint64_t boot_empty[]; /* a table without entries, for TTBR0 */

/* From entry.S into C. */
__attribute__((noreturn)) void boot_main(uint64_t tree_phys, uint64_t image_phys);
struct cpu;
__attribute__((noreturn)) void boot_secondary(struct cpu *cpu);

#endif
