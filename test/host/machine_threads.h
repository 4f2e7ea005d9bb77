/*
 * The machine whose CPUs are host threads: see machine_threads.c.
 *
 * Owns: four MiB of memory, to be given to mm/frame.h.
 */
#ifndef TEST_HOST_MACHINE_THREADS_H
#define TEST_HOST_MACHINE_THREADS_H

#include <stdint.h>

/* The calling host thread is this CPU from now on. Each number belongs to one thread. There are as many CPUs as the highest says. */
void machine_thread_is(unsigned cpu);

/* How often the CPU has found that it must wait for another; asking orders nothing. */
unsigned machine_threads_relaxed(unsigned cpu);

/* Where its memory begins, and how large it is. */
uint64_t machine_threads_memory(uint64_t *size);

#endif
