/*
 * newlib's side of libc.c. It is built (tools/newlib.py) to ask for its data of a thread by __getreent(), for locks by
 * __retarget_lock_*, and for all else by functions that are named like Unix's system calls.
 *
 * Owns: each thread's struct _reent (errno, state of strtok and others, and with newlib 3 its own standard streams);
 * newlib's locks. The standard streams have no buffer: text is gathered in the thread's line, not twice.
 */
#include <errno.h>
#include <reent.h>
#include <stdio.h>
#include <string.h>
#include <sys/lock.h>
#include <sys/stat.h>
#include <unistd.h>
#include "apps/lib/internal.h"

/* ---- Threads ---- */

static _Thread_local struct _reent thread_data;

struct _reent *__getreent(void)
{
    return &thread_data;
}

void library_thread_begin(void)
{
    _REENT_INIT_PTR(&thread_data);
    setvbuf(stdout, NULL, _IONBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0);
}

void library_thread_end(void)
{
    _reclaim_reent(&thread_data); /* closes the thread's streams, if they are its own */
    library_line_flush();
}

/* ---- Locks ---- */

/* Those that newlib names. */
struct __lock __lock___sinit_recursive_mutex, __lock___sfp_recursive_mutex, __lock___atexit_recursive_mutex,
    __lock___at_quick_exit_mutex, __lock___malloc_recursive_mutex, __lock___env_recursive_mutex,
    __lock___tz_mutex, __lock___dd_hash_mutex, __lock___arc4random_mutex;

/* What it would make anew for each file: one does for all, as a thread that holds it waits for no other. */
static struct __lock files;

void __retarget_lock_init(struct __lock **lock)
{
    *lock = &files;
}

void __retarget_lock_init_recursive(struct __lock **lock)
{
    *lock = &files;
}

void __retarget_lock_close(struct __lock *lock)
{
    (void)lock;
}

void __retarget_lock_close_recursive(struct __lock *lock)
{
    (void)lock;
}

void __retarget_lock_acquire(struct __lock *lock)
{
    library_libc_lock(lock);
}

void __retarget_lock_acquire_recursive(struct __lock *lock)
{
    library_libc_lock(lock);
}

int __retarget_lock_try_acquire(struct __lock *lock)
{
    library_libc_lock(lock); /* held for a moment only: waiting is as good as failing */
    return 1;
}

int __retarget_lock_try_acquire_recursive(struct __lock *lock)
{
    library_libc_lock(lock);
    return 1;
}

void __retarget_lock_release(struct __lock *lock)
{
    library_libc_unlock(lock);
}

void __retarget_lock_release_recursive(struct __lock *lock)
{
    library_libc_unlock(lock);
}

/* ---- System calls ---- */

void *_sbrk(ptrdiff_t increment);
int _read(int file, void *to, size_t count);
int _write(int file, const void *from, size_t count);
int _close(int file);
int _isatty(int file);
int _fstat(int file, struct stat *status);
off_t _lseek(int file, off_t offset, int whence);

void *_sbrk(ptrdiff_t increment)
{
    return library_heap_grow(increment);
}

/* The console's input is the kernel's. */
int _read(int file, void *to, size_t count)
{
    (void)file, (void)to, (void)count;
    return 0;
}

int _write(int file, const void *from, size_t count)
{
    const char *text = from;

    (void)file; /* whatever it is, it is the console */
    for (size_t i = 0; i < count; i++)
        library_console_put(text[i]);
    return (int)count;
}

int _close(int file)
{
    (void)file;
    return 0;
}

int _isatty(int file)
{
    (void)file;
    return 1;
}

int _fstat(int file, struct stat *status)
{
    (void)file;
    *status = (struct stat){.st_mode = S_IFCHR};
    return 0;
}

off_t _lseek(int file, off_t offset, int whence)
{
    (void)file, (void)offset, (void)whence;
    errno = ESPIPE;
    return -1;
}
