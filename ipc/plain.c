/* The copy of inline bytes: see plain.h. */
#include "ipc/plain.h"

/* Bytes at any address, as one load and one store of so many. */
typedef uint64_t plain_word __attribute__((aligned(1), may_alias));
typedef uint32_t plain_half __attribute__((aligned(1), may_alias));

/* Less than a pair. */
static void plain_rest_copy(uint8_t *to, const uint8_t *from, unsigned length)
{
    if (length >= 8) {
        plain_word first = *(const plain_word *)from, last = *(const plain_word *)(from + length - 8);
        *(plain_word *)to = first;
        *(plain_word *)(to + length - 8) = last;
    } else if (length >= 4) {
        plain_half first = *(const plain_half *)from, last = *(const plain_half *)(from + length - 4);
        *(plain_half *)to = first;
        *(plain_half *)(to + length - 4) = last;
    } else {
        for (unsigned i = 0; i < length; i++)
            to[i] = from[i];
    }
}

void plain_bytes_copy(uint8_t *to, const uint8_t *from, unsigned length)
{
    uint8_t *to_end = to + length;
    const uint8_t *from_end = from + length;

    if (length > 64) {
        plain_pairs_copy(to, from, 4);
        plain_pairs_copy(to_end - 64, from_end - 64, 4);
    } else if (length > 32) {
        plain_pairs_copy(to, from, 2);
        plain_pairs_copy(to_end - 32, from_end - 32, 2);
    } else if (length >= 16) {
        plain_pairs_copy(to, from, 1);
        plain_pairs_copy(to_end - 16, from_end - 16, 1);
    } else {
        plain_rest_copy(to, from, length);
    }
}
