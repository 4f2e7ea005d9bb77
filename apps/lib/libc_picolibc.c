/*
 * picolibc's side of libc.c. It keeps its data of a thread (errno and others) in thread-local variables, so there is
 * nothing to be done for a thread but for its line.
 *
 * Owns: the console as a file; the one lock that picolibc takes, around malloc, atexit and the environment.
 */
#include <stdio.h>
#include <unistd.h>
#include "apps/lib/internal.h"

void library_thread_begin(void)
{
}

void library_thread_end(void)
{
    library_line_flush();
}

static int console_put(char character, FILE *file)
{
    (void)file;
    library_console_put(character);
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

void *sbrk(ptrdiff_t increment)
{
    return library_heap_grow(increment);
}

struct __lock __lock___libc_recursive_mutex;

void __retarget_lock_acquire_recursive(struct __lock *lock);
void __retarget_lock_release_recursive(struct __lock *lock);

void __retarget_lock_acquire_recursive(struct __lock *lock)
{
    library_libc_lock(lock);
}

void __retarget_lock_release_recursive(struct __lock *lock)
{
    library_libc_unlock(lock);
}
