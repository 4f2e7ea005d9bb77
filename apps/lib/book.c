/*
 * Messages of more pages than they have descriptors: pages are bound to books (DASH 3.2; struct baton_book).
 *
 * Order in every function: see message.c. What changes here is how the bytes are held, never which they are.
 */
#include <string.h>
#include "apps/baton.h"
#include "apps/lib/message.h"

static bool book_is_open(const struct baton_piece *piece)
{
    return piece_is_book(piece) && !(piece->offset & BATON_PIECE_READ_ONLY) &&
           piece->length < BATON_BOOK_PIECES;
}

static unsigned books_in(const struct baton_message *message)
{
    unsigned books = 0;

    for (unsigned i = 0; i < message->pieces; i++)
        books += piece_is_book(&message->piece[i]);
    return books;
}

/* ---- Copies ---- */

/* Where the list's byte `offset` lies: its entry; *offset becomes that in the entry. */
static const struct baton_piece *entry_at(const struct baton_book *list, uint32_t *offset)
{
    const struct baton_piece *entry = list->piece;

    for (; *offset >= entry->length; entry++)
        *offset -= entry->length;
    return entry;
}

int book_copy(uint32_t book, uint32_t front, uint32_t back)
{
    uint32_t length = baton_book_list(book)->bytes - front - back, offset = front, at = 0;
    int copy = baton_book_get(length);

    if (copy < 0)
        return copy;
    const struct baton_piece *from = entry_at(baton_book_list(book), &offset);
    const struct baton_piece *to = baton_book_list((uint32_t)copy)->piece;
    for (uint32_t rest = length; rest;) {
        uint32_t part = from->length - offset < to->length - at ? from->length - offset : to->length - at;
        part = part < rest ? part : rest;
        memcpy((char *)baton_piece_address(to) + at, (const char *)baton_piece_address(from) + offset, part);
        rest -= part;
        offset += part;
        at += part;
        if (offset == from->length) {
            from++;
            offset = 0;
        }
        if (at == to->length) {
            to++;
            at = 0;
        }
    }
    baton_count_copied(length, 0);
    return copy;
}

int book_cut(struct baton_piece *piece, uint32_t front, uint32_t back)
{
    if (piece->offset & BATON_PIECE_READ_ONLY) {
        int copy = book_copy(piece->page, front, back);
        if (copy < 0)
            return copy;
        baton_page_release(&piece->page, 1);
        piece->page = (uint32_t)copy;
        piece->offset = BATON_PIECE_BOOK;
    } else {
        int result = baton_book_trim(piece->page, front, back);
        if (result < 0)
            return result;
    }
    piece->length = (uint16_t)baton_book_list(piece->page)->count;
    return 0;
}

/* The bytes of one piece, a page's or a small block's, to a fresh page of the message's own: such a page can be bound. */
static int piece_copy(struct baton_piece *piece)
{
    bool block = piece_is_block(piece);
    const void *from = block ? baton_block_address(piece) : baton_piece_address(piece);
    uint32_t page;

    int result = message_pages_get(&page, 1);
    if (result < 0)
        return result;
    memcpy(baton_page_address(page), from, piece->length);
    baton_count_copied(piece->length, 0);
    if (!block)
        baton_page_release(&piece->page, 1);
    *piece = (struct baton_piece){.page = page, .length = piece->length};
    return 0;
}

/* ---- Binding ---- */

/* Binds `count` pieces to the book; returns how many it could, those that must be copied being copied. An error: none. */
static int pieces_bind(uint32_t book, struct baton_piece *pieces, unsigned count)
{
    unsigned done = 0;
    int result = 0;

    for (unsigned i = 0; i < count && result >= 0; i++)
        if (pieces[i].offset & ~BATON_PIECE_OFFSET_MASK)
            result = piece_copy(&pieces[i]);
    while (done < count && result >= 0) {
        result = baton_book_bind(book, pieces + done, count - done);
        if (result == BATON_EOWNERS) /* shared, and the piece did not say so */
            result = piece_copy(&pieces[done]);
        else if (result > 0)
            done += (unsigned)result;
    }
    return done ? (int)done : result;
}

static void pieces_remove(struct baton_message *message, unsigned from, unsigned count)
{
    message->pieces = (uint8_t)(message->pieces - count);
    memmove(message->piece + from, message->piece + from + count,
            (message->pieces - from) * sizeof message->piece[0]);
}

/* Pieces [from, end) are pages or blocks, and what is before them is a book with places. */
static int run_bind(struct baton_message *message, unsigned from, unsigned end)
{
    struct baton_piece *book = &message->piece[from - 1];
    unsigned places = BATON_BOOK_PIECES - book->length, count = end - from < places ? end - from : places;
    int bound = pieces_bind(book->page, &message->piece[from], count);

    if (bound <= 0)
        return bound;
    book->length = (uint16_t)(book->length + bound);
    pieces_remove(message, from, (unsigned)bound);
    return 0;
}

/* Pieces [from, end), two or more, become one: a book of their own. */
static int run_replace(struct baton_message *message, unsigned from, unsigned end)
{
    int book = baton_book_get(0);

    if (book < 0)
        return book;
    int bound = pieces_bind((uint32_t)book, &message->piece[from], end - from);
    if (bound <= 0) {
        baton_page_release(&(uint32_t){(uint32_t)book}, 1);
        return bound;
    }
    message->piece[from] =
        (struct baton_piece){.page = (uint32_t)book, .offset = BATON_PIECE_BOOK, .length = (uint16_t)bound};
    pieces_remove(message, from + 1, (unsigned)bound - 1);
    return bound > 1 ? 0 : BATON_ELIMIT; /* one for one is no gain */
}

int message_gather(struct baton_message *message)
{
    unsigned end = message->pieces;

    while (end) {
        unsigned from = end;
        while (from && !piece_is_book(&message->piece[from - 1]))
            from--;
        if (from < end && from && book_is_open(&message->piece[from - 1]))
            return run_bind(message, from, end);
        if (end - from > 1 && books_in(message) < BATON_BOOKS)
            return run_replace(message, from, end);
        end = from ? from - 1 : 0;
    }
    return BATON_ELIMIT;
}

/* ---- Appending ---- */

/* A few more pages for the book at the end. Returns the bytes that it took. */
static int book_extend(struct baton_piece *book, const char *data, uint32_t length)
{
    unsigned places = BATON_BOOK_PIECES - book->length, count = pages_for(length);
    struct baton_piece pieces[BATON_PIECES];
    uint32_t pages[BATON_PIECES], done = 0;

    count = count < places ? count : places;
    count = count < BATON_PIECES ? count : BATON_PIECES;
    int result = message_pages_get(pages, count);
    if (result < 0)
        return result;
    for (unsigned i = 0; i < count; i++) {
        uint32_t part = length - done < BATON_PAGE_BYTES ? length - done : BATON_PAGE_BYTES;
        pieces[i] = (struct baton_piece){.page = pages[i], .length = (uint16_t)part};
        memcpy(baton_page_address(pages[i]), data + done, part);
        done += part;
    }
    result = baton_book_bind(book->page, pieces, count);
    if (result < (int)count) {
        baton_page_release(pages + (result > 0 ? result : 0), count - (unsigned)(result > 0 ? result : 0));
        return result < 0 ? result : BATON_ELIMIT;
    }
    book->length = (uint16_t)(book->length + count);
    return (int)done;
}

/* One more book, as long as it can be. */
static int book_append(struct baton_message *message, const char *data, uint32_t length)
{
    const uint32_t most = BATON_BOOK_PIECES * BATON_PAGE_BYTES;
    uint32_t part = length < most ? length : most, done = 0;
    int book = baton_book_get(part);

    if (book < 0)
        return book;
    const struct baton_book *list = baton_book_list((uint32_t)book);
    for (uint32_t i = 0; i < list->count; done += list->piece[i++].length)
        memcpy(baton_piece_address(&list->piece[i]), data + done, list->piece[i].length);
    message->piece[message->pieces++] = (struct baton_piece){
        .page = (uint32_t)book, .offset = BATON_PIECE_BOOK, .length = (uint16_t)list->count};
    return (int)part;
}

/* One more page. */
static int page_append(struct baton_message *message, const char *data, uint32_t length)
{
    uint32_t page, part = length < BATON_PAGE_BYTES ? length : BATON_PAGE_BYTES;
    int result = message_pages_get(&page, 1);

    if (result < 0)
        return result;
    memcpy(baton_page_address(page), data, part);
    message->piece[message->pieces++] = (struct baton_piece){.page = page, .length = (uint16_t)part};
    return (int)part;
}

int message_append_pages(struct baton_message *message, const char *data, uint32_t length)
{
    while (length) {
        struct baton_piece *last = message->pieces ? &message->piece[message->pieces - 1] : NULL;
        unsigned places = BATON_PIECES - message->pieces;
        int done = 0;
        if (last && book_is_open(last))
            done = book_extend(last, data, length);
        else if (places && pages_for(length) > places && books_in(message) < BATON_BOOKS)
            done = book_append(message, data, length);
        else if (pages_for(length) > places && !message_gather(message))
            continue;
        else
            done = places ? page_append(message, data, length) : BATON_ELIMIT;
        if (done < 0)
            return done;
        message->length += (uint32_t)done;
        data += done;
        length -= (uint32_t)done;
    }
    return 0;
}
