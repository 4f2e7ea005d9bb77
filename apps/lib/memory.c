/*
 * memcpy, memmove and memset by words. The C library's own, as Debian builds it, go byte by byte; others use
 * floating-point registers, which a service would have to take from another thread by a trap.
 *
 * Unaligned words are allowed in normal memory. Compiled with -fno-tree-loop-distribute-patterns: the
 * compiler must not turn these loops into calls of themselves.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

static void copy_up(char *to, const char *from, size_t count)
{
    for (; count >= 16; count -= 16, to += 16, from += 16) {
        uint64_t first = ((const word *)from)[0], second = ((const word *)from)[1];
        ((word *)to)[0] = first;
        ((word *)to)[1] = second;
    }
    for (; count >= 8; count -= 8, to += 8, from += 8)
        *(word *)to = *(const word *)from;
    while (count--)
        *to++ = *from++;
}

static void copy_down(char *to, const char *from, size_t count)
{
    for (; count >= 8; count -= 8)
        *(word *)(to + count - 8) = *(const word *)(from + count - 8);
    while (count--)
        to[count] = from[count];
}

void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    copy_up(to, from, count);
    return to;
}

void *memmove(void *to, const void *from, size_t count)
{
    if ((uintptr_t)to - (uintptr_t)from >= count)
        copy_up(to, from, count);
    else
        copy_down(to, from, count);
    return to;
}

void *memset(void *to, int value, size_t count)
{
    char *at = to;
    uint64_t filler = (unsigned char)value * UINT64_C(0x0101010101010101);

    for (; count >= 16; count -= 16, at += 16) {
        ((word *)at)[0] = filler;
        ((word *)at)[1] = filler;
    }
    while (count--)
        *at++ = (char)value;
    return to;
}
