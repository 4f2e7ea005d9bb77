/*
 * Making messages longer and shorter: alloc, free, append, prepend, trim (DASH 3.2). Reading and writing what
 * they hold is in access.c.
 *
 * Owns: nothing; the caller's messages own pages by naming them.
 * Order in every function: check, get what is needed from the kernel, and only then change the message, so
 * that an error leaves it as it was.
 */
#include <string.h>
#include "apps/baton.h"
#include "apps/lib/message.h"

#define MESSAGE_MAX (BATON_PIECES * BATON_PAGE_BYTES)

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

static unsigned pages_for(uint32_t bytes)
{
    return (bytes + BATON_PAGE_BYTES - 1) / BATON_PAGE_BYTES;
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

int baton_message_alloc(struct baton_message *message, unsigned headroom, uint32_t length)
{
    uint32_t pages[BATON_PIECES];

    if (headroom > BATON_INLINE_BYTES || length > MESSAGE_MAX)
        return BATON_EINVAL;
    if (headroom + length <= BATON_INLINE_BYTES) {
        baton_message_init(message, headroom);
        memset(message->data + headroom, 0, length);
        message->inline_length = (uint8_t)length;
        message->length = length;
        return 0;
    }
    int result = message_pages_get(pages, pages_for(length));
    if (result < 0)
        return result;
    baton_message_init(message, headroom);
    pieces_add(message, pages, length);
    return 0;
}

int baton_message_free_batch(struct baton_message *const *messages, unsigned count)
{
    struct release_list list = {.count = 0};

    for (unsigned i = 0; i < count; i++) {
        for (unsigned p = 0; p < messages[i]->pieces; p++)
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
    return last->offset & BATON_PIECE_READ_ONLY ? 0 : BATON_PAGE_BYTES - last->offset - last->length;
}

static void tail_fill(struct baton_message *message, const char *data, uint32_t length)
{
    struct baton_piece *last = &message->piece[message->pieces - 1];

    memcpy((char *)baton_piece_address(last) + last->length, data, length);
    last->length = (uint16_t)(last->length + length);
    message->length += length;
}

int baton_message_append(struct baton_message *message, const void *data, uint32_t length)
{
    unsigned end = message->inline_offset + message->inline_length;
    uint32_t pages[BATON_PIECES];

    if (length > MESSAGE_MAX)
        return BATON_EINVAL;
    if (!message->pieces && end + length <= BATON_INLINE_BYTES) {
        memcpy(message->data + end, data, length);
        message->inline_length = (uint8_t)(message->inline_length + length);
        message->length += length;
        baton_count_copied(0, length);
        return 0;
    }
    uint32_t room = tail_room(message), first = length < room ? length : room;
    unsigned fresh = pages_for(length - first);
    if (message->pieces + fresh > BATON_PIECES)
        return BATON_ELIMIT;
    int result = message_pages_get(pages, fresh);
    if (result < 0)
        return result;
    if (first)
        tail_fill(message, data, first);
    unsigned piece = message->pieces;
    pieces_add(message, pages, length - first);
    for (uint32_t done = first; piece < message->pieces; done += message->piece[piece++].length)
        memcpy(baton_piece_address(&message->piece[piece]), (const char *)data + done,
               message->piece[piece].length);
    baton_count_copied(length, 0);
    return 0;
}

int baton_message_append_page(struct baton_message *message, uint32_t page, unsigned offset, unsigned length)
{
    if (length == 0 || offset >= BATON_PAGE_BYTES || length > BATON_PAGE_BYTES - offset)
        return BATON_EINVAL;
    if (message->pieces == BATON_PIECES)
        return BATON_ELIMIT;
    message->piece[message->pieces++] =
        (struct baton_piece){.page = page, .offset = (uint16_t)offset, .length = (uint16_t)length};
    message->length += length;
    return 0;
}

/* The inline data becomes the first piece, on a page of its own. */
static int spill(struct baton_message *message)
{
    uint32_t page;

    if (message->pieces == BATON_PIECES)
        return BATON_ELIMIT;
    int result = message_pages_get(&page, 1);
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
    if (length > BATON_INLINE_BYTES)
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

int baton_message_trim_front(struct baton_message *message, uint32_t length)
{
    struct release_list list = {.count = 0};
    unsigned gone = 0;

    if (length > message->length)
        return BATON_EINVAL;
    message->length -= length;
    uint32_t part = length < message->inline_length ? length : message->inline_length;
    message->inline_offset = (uint8_t)(message->inline_offset + part);
    message->inline_length = (uint8_t)(message->inline_length - part);
    for (length -= part; length && length >= message->piece[gone].length; gone++) {
        length -= message->piece[gone].length;
        release_list_add(&list, message->piece[gone].page);
    }
    if (length) {
        message->piece[gone].offset = (uint16_t)(message->piece[gone].offset + length);
        message->piece[gone].length = (uint16_t)(message->piece[gone].length - length);
    }
    message->pieces = (uint8_t)(message->pieces - gone);
    memmove(message->piece, message->piece + gone, message->pieces * sizeof message->piece[0]);
    return release_list_end(&list);
}

int baton_message_trim_back(struct baton_message *message, uint32_t length)
{
    struct release_list list = {.count = 0};

    if (length > message->length)
        return BATON_EINVAL;
    message->length -= length;
    while (length && message->pieces) {
        struct baton_piece *last = &message->piece[message->pieces - 1];
        if (length < last->length) {
            last->length = (uint16_t)(last->length - length);
            return release_list_end(&list);
        }
        length -= last->length;
        release_list_add(&list, last->page);
        message->pieces--;
    }
    message->inline_length = (uint8_t)(message->inline_length - length);
    return release_list_end(&list);
}
