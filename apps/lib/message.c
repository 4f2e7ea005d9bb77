/*
 * Making messages longer and shorter: alloc, free, append, prepend, trim (DASH 3.2). Reading and writing what
 * they hold is in access.c, books in book.c.
 *
 * Owns: nothing; the caller's messages own pages by naming them.
 * Order in every function: check, get what is needed from the kernel, and only then change the message, so
 * that an error leaves it as it was.
 */
#include <string.h>
#include "apps/baton.h"
#include "apps/lib/message.h"

const char baton_slot_anchor;

/* True when the message may become longer by that. */
static bool may_grow(const struct baton_message *message, uint32_t length)
{
    return length <= BATON_MESSAGE_MAX && message->length <= BATON_MESSAGE_MAX - length;
}

int message_pages_get(uint32_t *pages, unsigned count)
{
    unsigned got = 0;

    while (got < count) {
        int result = baton_page_get(pages + got, count - got);
        if (result < 0) {
            if (got)
                baton_page_release(pages, got);
            return result;
        }
        got += (unsigned)result;
    }
    return 0;
}

void release_list_add(struct release_list *list, uint32_t page)
{
    list->pages[list->count++] = page;
    if (list->count == BATON_BATCH)
        release_list_end(list);
}

int release_list_end(struct release_list *list)
{
    for (unsigned done = 0; done < list->count;) {
        int result = baton_page_release(list->pages + done, list->count - done);
        if (result < 0) {
            list->result = result;
            result = 1; /* the one that stopped it is skipped */
        }
        done += (unsigned)result;
    }
    list->count = 0;
    return list->result;
}

/* Puts pieces for `length` bytes on fresh pages behind the others; the caller has checked the room. */
static void pieces_add(struct baton_message *message, const uint32_t *pages, uint32_t length)
{
    while (length) {
        uint16_t part = (uint16_t)(length < BATON_PAGE_BYTES ? length : BATON_PAGE_BYTES);
        message->piece[message->pieces++] = (struct baton_piece){.page = *pages++, .length = part};
        message->length += part;
        length -= part;
    }
}

/* Books for as many of the pages as it takes that the others are no more than there are pieces. Returns what is left to do. */
static int books_add(struct baton_message *message, uint32_t *rest)
{
    const uint32_t most = BATON_BOOK_PIECES * BATON_PAGE_BYTES;

    while (message->pieces + pages_for(*rest) > BATON_PIECES) {
        uint32_t part = *rest < most ? *rest : most;
        int book = baton_book_get(part);
        if (book < 0) {
            baton_message_free(message);
            return book;
        }
        message->piece[message->pieces++] = (struct baton_piece){
            .page = (uint32_t)book, .offset = BATON_PIECE_BOOK, .length = (uint16_t)pages_for(part)};
        message->length += part;
        *rest -= part;
    }
    return 0;
}

int baton_message_alloc(struct baton_message *message, unsigned headroom, uint32_t length)
{
    uint32_t pages[BATON_PIECES];

    if (headroom > BATON_INLINE_BYTES || length > BATON_MESSAGE_MAX - BATON_INLINE_BYTES)
        return BATON_EINVAL;
    baton_message_init(message, headroom);
    if (headroom + length <= BATON_INLINE_BYTES) {
        memset(message->data + headroom, 0, length);
        message->inline_length = (uint8_t)length;
        message->length = length;
        return 0;
    }
    int result = books_add(message, &length);
    if (result < 0)
        return result;
    result = message_pages_get(pages, pages_for(length));
    if (result < 0) {
        baton_message_free(message);
        return result;
    }
    pieces_add(message, pages, length);
    return 0;
}

int baton_message_free_batch(struct baton_message *const *messages, unsigned count)
{
    struct release_list list = {.count = 0};

    for (unsigned i = 0; i < count; i++) {
        for (unsigned p = 0; p < messages[i]->pieces; p++)
            if (!piece_is_block(&messages[i]->piece[p]))
                release_list_add(&list, messages[i]->piece[p].page);
        baton_message_init(messages[i], 0);
    }
    return release_list_end(&list);
}

int baton_message_free(struct baton_message *message)
{
    return baton_message_free_batch(&message, 1);
}

/* Bytes that can be appended to the last page as it is. */
static uint32_t tail_room(const struct baton_message *message)
{
    if (!message->pieces)
        return 0;
    const struct baton_piece *last = &message->piece[message->pieces - 1];
    return last->offset & ~BATON_PIECE_OFFSET_MASK ? 0 : BATON_PAGE_BYTES - last->offset - last->length;
}

static void tail_fill(struct baton_message *message, const char *data, uint32_t length)
{
    struct baton_piece *last = &message->piece[message->pieces - 1];

    memcpy((char *)baton_piece_address(last) + last->length, data, length);
    last->length = (uint16_t)(last->length + length);
    message->length += length;
}

/* `first` bytes to the last page, the others to fresh ones; there are pieces for all. */
static int few_pages_append(struct baton_message *message, const char *data, uint32_t first, uint32_t length)
{
    unsigned fresh = pages_for(length - first), piece = message->pieces;
    uint32_t pages[BATON_PIECES];

    int result = message_pages_get(pages, fresh);
    if (result < 0)
        return result;
    if (first)
        tail_fill(message, data, first);
    pieces_add(message, pages, length - first);
    for (uint32_t done = first; piece < message->pieces; done += message->piece[piece++].length)
        memcpy(baton_piece_address(&message->piece[piece]), data + done, message->piece[piece].length);
    return 0;
}

/* The same with books. */
static int many_pages_append(struct baton_message *message, const char *data, uint32_t first, uint32_t length)
{
    uint32_t before = message->length;

    if (first)
        tail_fill(message, data, first);
    int result = message_append_pages(message, data + first, length - first);
    if (result < 0)
        baton_message_trim_back(message, message->length - before);
    return result;
}

int baton_message_append(struct baton_message *message, const void *data, uint32_t length)
{
    unsigned end = message->inline_offset + message->inline_length;

    if (!may_grow(message, length))
        return BATON_EINVAL;
    if (!message->pieces && end + length <= BATON_INLINE_BYTES) {
        memcpy(message->data + end, data, length);
        message->inline_length = (uint8_t)(message->inline_length + length);
        message->length += length;
        baton_count_copied(0, length);
        return 0;
    }
    uint32_t room = tail_room(message), first = length < room ? length : room;
    int result = message->pieces + pages_for(length - first) <= BATON_PIECES
                     ? few_pages_append(message, data, first, length)
                     : many_pages_append(message, data, first, length);
    if (result == 0)
        baton_count_copied(length, 0);
    return result;
}

/* A place for one more piece. */
static int place_make(struct baton_message *message)
{
    return message->pieces == BATON_PIECES ? message_gather(message) : 0;
}

/* Pages that the message names more than once are read-only: each piece has an ownership of its own. */
static void twice_named_mark(struct baton_message *message, struct baton_piece *piece)
{
    for (unsigned i = 0; i < message->pieces; i++)
        if (message->piece[i].page == piece->page && !piece_is_block(&message->piece[i]) &&
            !piece_is_book(&message->piece[i])) {
            message->piece[i].offset |= BATON_PIECE_READ_ONLY;
            piece->offset |= BATON_PIECE_READ_ONLY;
        }
}

int baton_message_append_page(struct baton_message *message, uint32_t page, unsigned offset, unsigned length)
{
    unsigned start = offset & ~(unsigned)BATON_PIECE_READ_ONLY;
    struct baton_piece piece = {.page = page, .offset = (uint16_t)offset, .length = (uint16_t)length};

    if (length == 0 || start >= BATON_PAGE_BYTES || length > BATON_PAGE_BYTES - start ||
        !may_grow(message, length))
        return BATON_EINVAL;
    twice_named_mark(message, &piece);
    int result = place_make(message);
    if (result < 0)
        return result;
    message->piece[message->pieces++] = piece;
    message->length += length;
    return 0;
}

int baton_message_append_block(struct baton_message *message, const void *data, uint32_t length)
{
    uint64_t place = (uintptr_t)data - BATON_SLOT_START;

    if (!length || length > BATON_BLOCK_BYTES || place >= BATON_SLOT_BYTES || !may_grow(message, length))
        return BATON_EINVAL;
    int result = place_make(message);
    if (result < 0)
        return result;
    message->piece[message->pieces++] = (struct baton_piece){
        .page = (uint32_t)place, .offset = BATON_PIECE_BLOCK, .length = (uint16_t)length};
    message->length += length;
    return 0;
}

/* The inline data becomes the first piece, on a page of its own. */
static int spill(struct baton_message *message)
{
    uint32_t page;

    int result = place_make(message);
    if (result < 0)
        return result;
    result = message_pages_get(&page, 1);
    if (result < 0)
        return result;
    memmove(message->piece + 1, message->piece, message->pieces * sizeof message->piece[0]);
    message->piece[0] = (struct baton_piece){.page = page, .length = message->inline_length};
    message->pieces++;
    memcpy(baton_page_address(page), message->data + message->inline_offset, message->inline_length);
    baton_count_copied(message->inline_length, 0);
    message->inline_length = 0;
    message->inline_offset = BATON_INLINE_BYTES;
    return 0;
}

/* Moves the inline data to the end of its room, so that all that is free lies in front. */
static void inline_move_up(struct baton_message *message)
{
    unsigned offset = BATON_INLINE_BYTES - message->inline_length;

    memmove(message->data + offset, message->data + message->inline_offset, message->inline_length);
    baton_count_copied(0, message->inline_length);
    message->inline_offset = (uint8_t)offset;
}

int baton_message_prepend(struct baton_message *message, const void *data, uint32_t length)
{
    if (length > BATON_INLINE_BYTES || !may_grow(message, length))
        return BATON_EINVAL;
    if (message->inline_length + length > BATON_INLINE_BYTES) {
        int result = spill(message);
        if (result < 0)
            return result;
    }
    if (message->inline_offset < length)
        inline_move_up(message);
    message->inline_offset = (uint8_t)(message->inline_offset - length);
    message->inline_length = (uint8_t)(message->inline_length + length);
    message->length += length;
    memcpy(message->data + message->inline_offset, data, length);
    baton_count_copied(0, length);
    return 0;
}

/* Takes bytes off one piece, which keeps some. */
static int piece_cut(struct baton_piece *piece, uint32_t front, uint32_t back)
{
    if (piece_is_book(piece))
        return book_cut(piece, front, back);
    if (piece_is_block(piece))
        piece->page += front;
    else
        piece->offset = (uint16_t)(piece->offset + front);
    piece->length = (uint16_t)(piece->length - front - back);
    return 0;
}

static void piece_give_up(struct release_list *list, const struct baton_piece *piece)
{
    if (!piece_is_block(piece))
        release_list_add(list, piece->page);
}

int baton_message_trim_front(struct baton_message *message, uint32_t length)
{
    struct release_list list = {.count = 0};
    unsigned gone = 0;

    if (length > message->length)
        return BATON_EINVAL;
    uint32_t part = length < message->inline_length ? length : message->inline_length, rest = length - part;
    for (; rest && rest >= piece_bytes(&message->piece[gone]); gone++)
        rest -= piece_bytes(&message->piece[gone]);
    int result = rest ? piece_cut(&message->piece[gone], rest, 0) : 0;
    if (result < 0)
        return result;
    for (unsigned i = 0; i < gone; i++)
        piece_give_up(&list, &message->piece[i]);
    message->length -= length;
    message->inline_offset = (uint8_t)(message->inline_offset + part);
    message->inline_length = (uint8_t)(message->inline_length - part);
    message->pieces = (uint8_t)(message->pieces - gone);
    memmove(message->piece, message->piece + gone, message->pieces * sizeof message->piece[0]);
    return release_list_end(&list);
}

int baton_message_trim_back(struct baton_message *message, uint32_t length)
{
    struct release_list list = {.count = 0};
    unsigned left = message->pieces;
    uint32_t rest = length;

    if (length > message->length)
        return BATON_EINVAL;
    for (; rest && left && rest >= piece_bytes(&message->piece[left - 1]); left--)
        rest -= piece_bytes(&message->piece[left - 1]);
    int result = rest && left ? piece_cut(&message->piece[left - 1], 0, rest) : 0;
    if (result < 0)
        return result;
    if (!left)
        message->inline_length = (uint8_t)(message->inline_length - rest);
    while (message->pieces > left)
        piece_give_up(&list, &message->piece[--message->pieces]);
    message->length -= length;
    return release_list_end(&list);
}
