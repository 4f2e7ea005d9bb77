/* The log: see log.h. The formatter stands in format.c, the end of it all in panic.c. */
#include "core/log.h"

#include "core/arch.h"
#include "core/lock.h"
#include "core/string.h"
#include "core/timer.h"

#define LINE_MAX    512
#define HELD_CHUNK  64       /* bytes that the console prints between two looks at the interrupts */
#define BREAK_TICKS 10000000 /* how long a panic waits for the lock: 10 ms to 1 s, by the counter's speed */

/* What could not be printed when it came: no sink yet, or the console holds the log. */
static char kept[4096];
static size_t kept_length;
static uint64_t kept_lost; /* bytes that did not fit */

static log_sink sink;
static bool held;
static bool broken; /* a panic prints: lock and hold mean nothing any more */
static struct spinlock lock;

static uint64_t log_lock(void)
{
    uint64_t flags = arch_irq_save();

    if (!broken)
        spin_lock(&lock);
    return flags;
}

static void log_unlock(uint64_t flags)
{
    spin_unlock(&lock);
    arch_irq_restore(flags);
}

/* Under the lock. */
static void kept_print(void)
{
    char note[64];

    sink(kept, kept_length);
    kept_length = 0;
    if (kept_lost)
        sink(note, (size_t)log_format_line(note, sizeof note, "log: %lu bytes lost\n", kept_lost));
    kept_lost = 0;
}

void log_sink_set(log_sink chosen)
{
    uint64_t flags = log_lock();

    sink = chosen;
    kept_print();
    log_unlock(flags);
}

void log_write(const char *text, size_t length)
{
    uint64_t flags = log_lock();

    if (sink && (!held || broken)) {
        sink(text, length);
    } else if (length <= sizeof kept - kept_length) {
        memcpy(kept + kept_length, text, length);
        kept_length += length;
    } else {
        kept_lost += length;
    }
    log_unlock(flags);
}

void log_print(const char *format, ...)
{
    char line[LINE_MAX];
    va_list args;

    va_start(args, format);
    int length = log_format(line, sizeof line, format, args);
    va_end(args);
    log_write(line, length < LINE_MAX ? (size_t)length : LINE_MAX - 1);
}

void log_hold(void)
{
    uint64_t flags = log_lock();

    held = true;
    log_unlock(flags);
}

void log_write_held(const char *text, size_t length)
{
    while (length) {
        size_t part = length < HELD_CHUNK ? length : HELD_CHUNK;
        uint64_t flags = arch_irq_save();
        sink(text, part);
        arch_irq_restore(flags);
        text += part;
        length -= part;
    }
}

void log_release(void)
{
    uint64_t flags = log_lock();

    held = false;
    kept_print();
    log_unlock(flags);
}

void log_break(void)
{
    uint64_t start = timer_now();

    while (!spin_try(&lock) && timer_now() - start < BREAK_TICKS)
        arch_relax();
    broken = true;
    if (sink)
        kept_print();
}
