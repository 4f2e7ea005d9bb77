/*
 * What message.c, book.c and access.c share.
 */
#ifndef APPS_LIB_MESSAGE_H
#define APPS_LIB_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include "apps/baton.h"

static inline bool piece_is_book(const struct baton_piece *piece)
{
    return piece->offset & BATON_PIECE_BOOK;
}

static inline bool piece_is_block(const struct baton_piece *piece)
{
    return piece->offset & BATON_PIECE_BLOCK;
}

static inline uint32_t piece_bytes(const struct baton_piece *piece)
{
    return piece_is_book(piece) ? baton_book_list(piece->page)->bytes : piece->length;
}

/* ---- message.c ---- */

static inline unsigned pages_for(uint32_t bytes)
{
    return (bytes + BATON_PAGE_BYTES - 1) / BATON_PAGE_BYTES;
}

/* Gets exactly `count` fresh pages, or none: 0 or an error. */
int message_pages_get(uint32_t *pages, unsigned count);

/* Pages to release, a trap for every 64. `result` is the last error met, 0 without one. */
struct release_list {
    unsigned count;
    int result;
    uint32_t pages[BATON_BATCH];
};
void release_list_add(struct release_list *list, uint32_t page);
int release_list_end(struct release_list *list);

/* ---- book.c ---- */

/* Makes one piece less of the message, at least, by binding pages to a book. BATON_ELIMIT when that cannot be done. */
int message_gather(struct baton_message *message);

/* Appends a copy of the bytes on fresh pages, loose or bound; an error may leave some of them there. */
int message_append_pages(struct baton_message *message, const char *data, uint32_t length);

/* Makes a fresh book with the book's bytes [front, bytes - back): its number, or an error. */
int book_copy(uint32_t book, uint32_t front, uint32_t back);

/* Cuts bytes off a book's ends, and off its piece: a shared one is copied. Some bytes are left. */
int book_cut(struct baton_piece *piece, uint32_t front, uint32_t back);

/* ---- access.c ---- */

/* A stretch of a message's bytes that lies in one place. */
struct run {
    int piece;      /* -1: the inline data */
    uint32_t entry; /* of the book's list, when it is one */
    char *address;
    uint32_t length;
};

/* From byte `offset` on; false when the message is shorter. */
bool run_find(const struct baton_message *message, uint32_t offset, struct run *run);
/* The stretch behind; false at the end. */
bool run_next(const struct baton_message *message, struct run *run);

#endif
