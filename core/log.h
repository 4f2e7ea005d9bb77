/*
 * The log and the end of it: formatted lines on the console, and panic.
 *
 * Owns: the lock that keeps lines whole. Before a console exists (log_sink_set), text is kept in a small buffer
 * and printed when it does. May be called from any context, with interrupts masked or not.
 * Formats: %s %c %d %u %x %lu %ld %lx %p %% with width, '-' and '0'; nothing else.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where text goes: called with the log's lock held and interrupts masked; writes all of it, waiting for the UART. */
typedef void (*log_sink)(const char *text, size_t length);
void log_sink_set(log_sink sink);

/* Prints; whole lines of two CPUs never mix. */
__attribute__((format(printf, 1, 2))) void log_print(const char *format, ...);

/* Prints `length` bytes as they are, under one hold of the lock. */
void log_write(const char *text, size_t length);

/*
 * For the console's thread alone: between log_hold and log_release what others print is kept (as much as the early
 * buffer holds) and follows later, so that the thread can print long lines that stay whole, through log_write_held,
 * without masking interrupts for as long as a UART takes. A panic does not wait for the release.
 */
void log_hold(void);
void log_write_held(const char *text, size_t length);
void log_release(void);

/* Formats into buffer (always ends it with 0); returns the length that it would have needed. */
int log_format(char *buffer, size_t size, const char *format, va_list args);
__attribute__((format(printf, 3, 4))) int log_format_line(char *buffer, size_t size, const char *format, ...);

/*
 * For panics: from now on lines are printed at once, without the lock once its holder had time to let go of it.
 */
void log_break(void);

/*
 * The end: stops the other CPUs, prints the reason, registers, a symbolised backtrace and what the describer adds (the
 * service at fault), from whichever CPU, and stays. A second panic during the first prints one line and stays.
 */
struct trapframe;
__attribute__((noreturn, format(printf, 1, 2))) void panic(const char *format, ...);
__attribute__((noreturn)) void panic_at(const struct trapframe *frame, const char *reason);

/* The describer prints what runs here (ipc sets it: core does not know services). */
void panic_describer_set(void (*describe)(void));

/* A condition that the code relies on; `invariant` cites the header that states it ("page 2"). */
#define invariant(condition, cite)                                                                           \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            panic("%s:%d: invariant %s is broken", __FILE__, __LINE__, cite);                                \
    } while (0)

#endif
