/* Memory and string functions: see string.h. */
#include "core/string.h"

#include <stdint.h>

/*
 * Else GCC recognises the loops below as the functions that they implement, and makes each of them call itself. clang
 * knows no such attribute: there -fno-builtin does it.
 */
#ifdef __clang__
#define PLAIN_LOOPS
#else
#define PLAIN_LOOPS __attribute__((optimize("no-tree-loop-distribute-patterns")))
#endif

/* Sixteen bytes at any address: becomes one LDP or STP. May alias whatever is copied. */
struct pair {
    uint64_t low, high;
} __attribute__((packed, may_alias));

struct eight {
    uint64_t bytes;
} __attribute__((packed, may_alias));

PLAIN_LOOPS void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    char *out = to;
    const char *in = from;

    for (; size >= sizeof(struct pair); size -= sizeof(struct pair)) {
        *(struct pair *)out = *(const struct pair *)in;
        out += sizeof(struct pair);
        in += sizeof(struct pair);
    }
    if (size >= sizeof(struct eight)) { /* pointers, an odd number of them */
        *(struct eight *)out = *(const struct eight *)in;
        out += sizeof(struct eight);
        in += sizeof(struct eight);
        size -= sizeof(struct eight);
    }
    while (size--)
        *out++ = *in++;
    return to;
}

PLAIN_LOOPS void *memmove(void *to, const void *from, size_t size)
{
    char *out = to;
    const char *in = from;

    if (out <= in) {
        /*
         * A pair is read whole before it is written (an assignment between two that overlap is undefined), and later
         * reads lie behind what was written.
         */
        for (; size >= sizeof(struct pair); size -= sizeof(struct pair)) {
            struct pair pair = *(const struct pair *)in;
            *(struct pair *)out = pair;
            out += sizeof(struct pair);
            in += sizeof(struct pair);
        }
        while (size--)
            *out++ = *in++;
        return to;
    }
    for (; size >= sizeof(struct pair); size -= sizeof(struct pair)) {
        struct pair pair = *(const struct pair *)(in + size - sizeof(struct pair));
        *(struct pair *)(out + size - sizeof(struct pair)) = pair;
    }
    while (size--)
        out[size] = in[size];
    return to;
}

PLAIN_LOOPS void *memset(void *to, int byte, size_t size)
{
    uint64_t word = (uint8_t)byte * UINT64_C(0x0101010101010101);
    char *out = to;

    for (; size >= sizeof(struct pair); size -= sizeof(struct pair)) {
        *(struct pair *)out = (struct pair){word, word};
        out += sizeof(struct pair);
    }
    while (size--)
        *out++ = (char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *left = a, *right = b;

    for (; size && *left == *right; size--) {
        left++;
        right++;
    }
    return size ? *left - *right : 0;
}

void *memchr(const void *where, int byte, size_t size)
{
    const unsigned char *at = where;

    for (; size; size--, at++)
        if (*at == (unsigned char)byte)
            return (void *)at;
    return NULL;
}

PLAIN_LOOPS size_t strlen(const char *text)
{
    const char *end = text;

    while (*end)
        end++;
    return (size_t)(end - text);
}

size_t strnlen(const char *text, size_t size)
{
    size_t length = 0;

    while (length < size && text[length])
        length++;
    return length;
}

int strcmp(const char *a, const char *b)
{
    for (; *a && *a == *b; a++)
        b++;
    return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t size)
{
    for (; size && *a && *a == *b; size--, a++)
        b++;
    return size ? (unsigned char)*a - (unsigned char)*b : 0;
}

char *strchr(const char *text, int character)
{
    for (; *text != (char)character; text++)
        if (!*text)
            return NULL;
    return (char *)text;
}

char *strrchr(const char *text, int character)
{
    const char *last = NULL;

    for (;; text++) {
        if (*text == (char)character)
            last = text;
        if (!*text)
            return (char *)last;
    }
}
