/*
 * What the files of the service library share among themselves; services see apps/baton.h only.
 */
#ifndef APPS_LIB_INTERNAL_H
#define APPS_LIB_INTERNAL_H

#include <stddef.h>
#include <stdint.h>
#include "apps/baton.h"

#define LINE_BYTES 200 /* of text that go to the console in one call */

/* calls.S */
int baton_call_port_find(const char *name, size_t length);
int baton_call_log(const char *text, size_t length);
int baton_call_counters(const struct baton_counter *table, unsigned count);
int baton_call_setting(const char *name, size_t length, char *value, size_t size);
uint64_t baton_ticks(void);
uint64_t baton_cycle_counter(void);
uint64_t baton_ticks_per_second(void);
__attribute__((noreturn)) void baton_undefined(void);

/* At the start of the first thread. */
void library_heap_init(uint64_t start, uint64_t end);
void library_time_init(void);
void library_counters_init(void);
void library_config_init(const char *file, size_t size);

/* Around the life of every thread: what the C library keeps of it, and what it has of an unfinished line. */
void library_thread_begin(void);
void library_thread_end(void);

/* One character of the console's output, into this thread's line. */
void library_console_put(char character);

/* Prints what this thread has of an unfinished line. */
void library_line_flush(void);

/* A short lock between threads of the service: waits by yielding. */
void library_lock(uint32_t *lock);
void library_unlock(uint32_t *lock);

/* The C library's own locks, by its own name: a thread may take one again that it holds. All zero: free. */
struct __lock {
    void *holder; /* (atomic) something of the holding thread that no other has: its line */
    unsigned depth;
};
void library_libc_lock(struct __lock *lock);
void library_libc_unlock(struct __lock *lock);

/*
 * sbrk: more of the heap, or (void *)-1 with errno. malloc calls it under the C library's lock, and only ever asks
 * for more.
 */
void *library_heap_grow(ptrdiff_t increment);

#endif
