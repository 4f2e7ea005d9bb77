/*
 * What a C library asks of its platform, whichever it is: a console, a heap, locks, and an end. How picolibc and newlib
 * each ask for it is in libc_picolibc.c and libc_newlib.c; a service is linked with one of the two.
 *
 * Owns: the service's heap; one line of text per thread, so that lines of two threads never mix and printing
 * takes no lock.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "apps/baton.h"
#include "apps/lib/internal.h"

/* ---- Console ---- */

static _Thread_local struct {
    char text[LINE_BYTES];
    unsigned used;
} line;

void library_line_flush(void)
{
    if (line.used)
        baton_call_log(line.text, line.used);
    line.used = 0;
}

void library_console_put(char character)
{
    line.text[line.used++] = character;
    if (character == '\n' || line.used == LINE_BYTES)
        library_line_flush();
}

int baton_log(const char *format, ...)
{
    char text[LINE_BYTES];
    va_list args;

    va_start(args, format);
    int length = vsnprintf(text, sizeof text - 1, format, args);
    va_end(args);
    if (length < 0)
        return BATON_EINVAL;
    if (length > (int)sizeof text - 2)
        length = sizeof text - 2;
    text[length] = '\n';
    return baton_call_log(text, (size_t)length + 1);
}

/* ---- Heap ---- */

static char *heap_break, *heap_limit;

void library_heap_init(uint64_t start, uint64_t end)
{
    heap_break = (char *)start;
    heap_limit = (char *)end;
}

void *library_heap_grow(ptrdiff_t increment)
{
    if (increment < 0 || increment > heap_limit - heap_break) {
        errno = ENOMEM;
        return (void *)-1;
    }
    char *old = heap_break;
    heap_break += increment;
    return old;
}

/* ---- Locks ---- */

void library_lock(uint32_t *lock)
{
    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
        baton_yield(); /* the holder may be a thread of this CPU that was preempted */
}

void library_unlock(uint32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

void library_libc_lock(struct __lock *lock)
{
    if (__atomic_load_n(&lock->holder, __ATOMIC_RELAXED) != &line) {
        void *nobody = NULL;
        while (!__atomic_compare_exchange_n(&lock->holder, &nobody, &line, 0, __ATOMIC_ACQUIRE,
                                            __ATOMIC_RELAXED)) {
            nobody = NULL;
            baton_yield();
        }
    }
    lock->depth++;
}

void library_libc_unlock(struct __lock *lock)
{
    if (--lock->depth == 0)
        __atomic_store_n(&lock->holder, NULL, __ATOMIC_RELEASE);
}

/* ---- The end ---- */

void _exit(int status)
{
    library_thread_end();
    if (status)
        baton_log("ends with status %d", status);
    baton_exit();
}

void abort(void)
{
    library_line_flush();
    baton_undefined();
}

/* What assert() calls. */
void __assert_func(const char *file, int number, const char *function, const char *expression)
{
    library_line_flush();
    baton_log("%s:%d: %s: assertion failed: %s", file, number, function, expression);
    baton_undefined();
}

/*
 * ---- What Debian's C library was compiled with ----
 *
 * Each has an answer in a library already, but one that a constructor must set up.
 */

/* Its stack protector, which services do without. The value ends a string and a line: no text writes it again. */
uintptr_t __stack_chk_guard = 0xff0a0000;

__attribute__((noreturn)) void __stack_chk_fail(void);

void __stack_chk_fail(void)
{
    baton_log("a function of the C library has written over its stack");
    baton_undefined();
}

/* Its atomics, which ask at run time for instructions that a Cortex-A72 has not. */
bool __aarch64_have_lse_atomics = false;
