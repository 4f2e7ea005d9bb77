/*
 * The loop that copies what a page holds. In a file of its own, as it is built for speed while what is around it is built for size
 * (cmake/kernel.cmake): the policy unmap=copy is there to compare with, and a slow loop would make that dishonest.
 *
 * Owns: nothing.
 */
#ifndef MM_KERNEL_COPY_H
#define MM_KERNEL_COPY_H

#include <stdint.h>

/* Like memcpy. Cost: 21 instructions for each 128 bytes; what is left goes 16 bytes at a time. */
void kernel_copy(char *to, const char *from, uint32_t bytes);

#endif
