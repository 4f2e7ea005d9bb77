/*
 * The kernel's reads and writes of a service's memory, in 8-byte words.
 *
 * Owns: nothing. The caller has checked that the range lies in the service's own writable memory (a
 * Cortex-A72 has no PAN, so nothing else keeps a service from naming kernel memory) and that the service's
 * table is live on this CPU. An address inside that range may still be unmapped (a guard page): the access
 * faults, trap_kernel_sync() sees an ELR in [user_copy_start, user_copy_end), sets it to user_copy_fault, and
 * the call returns -1; what was copied before the fault stays copied.
 *
 * The plain calls use LDTR and STTR, which have EL0's rights: for isolated services. Pages of trusted
 * services are closed to EL0, so theirs are read and written by the
 * calls that end in _trusted, as the kernel itself.
 *
 * Return 0, or -1 after a fault. Addresses are 8-byte aligned. Cost: about 10 instructions for every 4 words.
 */
#ifndef IPC_USER_H
#define IPC_USER_H

#include <stdint.h>

int user_read(void *to, uint64_t from, uint64_t words);
int user_write(uint64_t to, const void *from, uint64_t words);
int user_read_trusted(void *to, uint64_t from, uint64_t words);
int user_write_trusted(uint64_t to, const void *from, uint64_t words);

/* The same by single bytes, for any alignment. */
int user_read_bytes(void *to, uint64_t from, uint64_t bytes);
int user_write_bytes(uint64_t to, const void *from, uint64_t bytes);
int user_read_bytes_trusted(void *to, uint64_t from, uint64_t bytes);
int user_write_bytes_trusted(uint64_t to, const void *from, uint64_t bytes);

extern const char user_copy_start[], user_copy_end[], user_copy_fault[];

#endif
