/*
 * What the straight lines of messages are made of (ipc/direct.c, ipc/plain_batch.c): the header of a message as words, its inline
 * bytes, where it lies in its service's memory.
 *
 * Owns: nothing. Model: every line is plain, that is, it knows messages of inline data and pages, and leaves all other cases to
 * ipc/transfer.c; these parts are inlined, and what they say of a message is what was copied out of the service's memory once.
 */
#ifndef IPC_PLAIN_H
#define IPC_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/abi.h"
#include "ipc/transfer.h"

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
/* A part of a straight line, not a function of its own. */
#define INLINE static inline __attribute__((always_inline))

/* The header of a message as it is copied: struct baton_message, in words. */
struct plain_header {
    uint64_t shape; /* length, inline_offset, inline_length, pieces, flags */
    uint64_t type;  /* and source, in the upper half */
    uint64_t reply;
    uint64_t tag;
} __attribute__((may_alias));
_Static_assert(offsetof(struct baton_message, inline_offset) == 4 &&
                   offsetof(struct baton_message, inline_length) == 5 &&
                   offsetof(struct baton_message, pieces) == 6 &&
                   offsetof(struct baton_message, flags) == 7 &&
                   offsetof(struct baton_message, source) == 12 &&
                   offsetof(struct baton_message, reply) == 16 && offsetof(struct baton_message, tag) == 24 &&
                   sizeof(struct plain_header) == BATON_HEADER_BYTES,
               "struct plain_header is the header of struct baton_message");

/* A piece as one word: page, offset and flags, length. */
typedef uint64_t plain_piece __attribute__((may_alias));

/* A word of a service's memory, which it may be changing: read once. */
INLINE uint64_t plain_word_read(const void *word)
{
    return *(const volatile plain_piece *)word;
}

INLINE unsigned plain_inline_offset(uint64_t shape)
{
    return shape >> 32 & 0xff;
}

INLINE unsigned plain_inline_length(uint64_t shape)
{
    return shape >> 40 & 0xff;
}

INLINE unsigned plain_piece_count(uint64_t shape)
{
    return shape >> 48 & 0xff;
}

/* A struct baton_message that the service may write to, or NULL. */
INLINE struct baton_message *plain_place(const struct service *service, uint64_t address)
{
    return address & 7 ? NULL : transfer_place(service, address, sizeof(struct baton_message));
}

/* The header, copied once; only the copy is looked at. False when it contradicts itself. */
INLINE bool plain_header_read(struct plain_header *to, const struct baton_message *from)
{
    const struct plain_header *words = (const void *)from;

    to->shape = plain_word_read(&words->shape);
    to->type = (uint32_t)plain_word_read(&words->type);
    to->tag = plain_word_read(&words->tag);
    return plain_inline_offset(to->shape) + plain_inline_length(to->shape) <= BATON_INLINE_BYTES &&
           plain_piece_count(to->shape) <= BATON_PIECES && !(to->shape >> 56);
}

INLINE void plain_header_write(struct baton_message *to, const struct plain_header *header, uint32_t source,
                               uint64_t token)
{
    struct plain_header *words = (void *)to;

    words->shape = header->shape;
    words->type = header->type | (uint64_t)source << 32;
    words->reply = token;
    words->tag = header->tag;
}

/* Bytes as they are copied: at any address, one load and one store each, or one pair of them. */
struct plain_pair {
    uint64_t low, high;
} __attribute__((packed, may_alias));

/* `count` pairs. */
INLINE void plain_pairs_copy(uint8_t *to, const uint8_t *from, unsigned count)
{
#pragma GCC unroll 8
    for (unsigned i = 0; i < count; i++)
        ((struct plain_pair *)to)[i] = ((const struct plain_pair *)from)[i];
}

/*
 * Up to BATON_INLINE_BYTES, and no other byte: an object holds what is left of other services' messages. Of any length the front and
 * the end are copied, which overlap in the middle: no loop. Costs about the same with 60 bytes as with 64. One copy
 * of it in the image: inlined at each place it would be 2 KB.
 */
void plain_bytes_copy(uint8_t *to, const uint8_t *from, unsigned length);

/* The inline bytes in use, and no others. */
INLINE void plain_inline_copy(struct baton_message *to, const struct baton_message *from, uint64_t shape)
{
    unsigned offset = plain_inline_offset(shape), length = plain_inline_length(shape);

    if (length)
        plain_bytes_copy(to->data + offset, from->data + offset, length);
}

#endif
