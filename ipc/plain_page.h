/*
 * The page of a message that has one, in the loops over a batch (ipc/plain_batch.c, ipc/lend.c): a piece as one word, checked, and
 * its hand-over by one exclusive access.
 *
 * Owns: nothing. False: it is not plain, and nothing was done. The callers count what was moved.
 */
#ifndef IPC_PLAIN_PAGE_H
#define IPC_PLAIN_PAGE_H

#include "ipc/page_state.h"
#include "ipc/plain.h"
#include "mm/space.h"

/* What is the same for all pages of a batch. */
struct plain_pages {
    struct page *table;
    uint64_t count;
    uint64_t owner;  /* of whom they are, or become, in the state word */
    uint64_t handed; /* for page_note_handed */
};

/* For pages of a space, which `giver` gives up. */
INLINE struct plain_pages plain_pages(const struct space *space, unsigned giver)
{
    return (struct plain_pages){page_table, page_table_count, STATE_OWNER(space->number),
                                page_handed(arch_counter_peek(), giver)};
}

/* The page of a piece, of which the message's header says that it is `length` bytes long, becomes the kernel's. */
INLINE bool plain_page_send(const struct plain_pages *pages, uint64_t piece, uint64_t length)
{
    uint64_t start = piece >> 32 & 0xffff, end = start + length;
    uint32_t number = (uint32_t)piece;
    struct page *page = &pages->table[number];

    /* A flag makes `start`, and so `end`, larger than any page */
    if (!LIKELY(length) || !LIKELY(piece >> 48 == length) || !LIKELY(end <= BATON_PAGE_BYTES) ||
        !LIKELY(number < pages->count) || !LIKELY(page_send_flip(page, pages->owner, STATE_HULL(start, end))))
        return false;
    page_note_handed(page, pages->handed);
    return true;
}

/* Book, block, and read-only, which is to be cleared. */
#define PLAIN_PIECE_FLAGS ((uint64_t)(0xffff & ~BATON_PIECE_OFFSET_MASK) << 32)

/* The kernel's page in a message becomes the space's. */
INLINE bool plain_page_receive(const struct plain_pages *pages, uint64_t piece)
{
    struct page *page = &pages->table[(uint32_t)piece];

    if (piece & PLAIN_PIECE_FLAGS || !LIKELY(page_receive_flip(page, pages->owner)))
        return false;
    page_note_handed(page, pages->handed);
    return true;
}

#endif
