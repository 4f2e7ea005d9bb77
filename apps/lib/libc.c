/*
 * What picolibc asks of its platform: a console, a heap, a lock, and an end.
 *
 * Owns: the service's heap; one line of text per thread, so that lines of two threads never mix and printing
 * takes no lock; the lock that the C library takes around malloc, atexit and the environment.
 */
#include <assert.h>
#include <errno.h>
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

static int console_put(char character, FILE *file)
{
    (void)file;
    line.text[line.used++] = character;
    if (character == '\n' || line.used == LINE_BYTES)
        library_line_flush();
    return (unsigned char)character;
}

static int console_flush(FILE *file)
{
    (void)file;
    library_line_flush();
    return 0;
}

static int console_get(FILE *file)
{
    (void)file;
    return EOF; /* the console's input is the kernel's */
}

static FILE console = FDEV_SETUP_STREAM(console_put, console_get, console_flush, _FDEV_SETUP_RW);
FILE *const stdin = &console;
FILE *const stdout = &console;
FILE *const stderr = &console;

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

/* malloc calls it under the C library's lock; it only ever asks for more. */
void *sbrk(ptrdiff_t increment)
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

struct __lock {
    void *holder; /* (atomic) something of the holding thread that no other has: its line */
    unsigned depth;
};
struct __lock __lock___libc_recursive_mutex;

void __retarget_lock_acquire_recursive(struct __lock *lock);
void __retarget_lock_release_recursive(struct __lock *lock);

void __retarget_lock_acquire_recursive(struct __lock *lock)
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

void __retarget_lock_release_recursive(struct __lock *lock)
{
    if (--lock->depth == 0)
        __atomic_store_n(&lock->holder, NULL, __ATOMIC_RELEASE);
}

/* ---- The end ---- */

void _exit(int status)
{
    library_line_flush();
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
