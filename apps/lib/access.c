/*
 * What a message holds: read, write with copy-on-write, peek, duplicate (DASH 3.2, 3.3, 4.1).
 *
 * A message is walked as a row of runs: its inline data, then each piece.
 */
#include <stdbool.h>
#include <string.h>
#include "apps/baton.h"
#include "apps/lib/message.h"

/* A place in a message. */
struct run {
    int piece; /* -1: the inline data */
    uint32_t offset, rest;
};

/* The place of byte `offset`; false when the message is shorter. */
static bool run_find(const struct baton_message *message, uint32_t offset, struct run *run)
{
    if (offset < message->inline_length) {
        *run = (struct run){-1, offset, message->inline_length - offset};
        return true;
    }
    offset -= message->inline_length;
    for (int i = 0; i < message->pieces; offset -= message->piece[i++].length) {
        if (offset < message->piece[i].length) {
            *run = (struct run){i, offset, message->piece[i].length - offset};
            return true;
        }
    }
    return false;
}

static char *run_address(const struct baton_message *message, const struct run *run)
{
    if (run->piece < 0)
        return (char *)message->data + message->inline_offset + run->offset;
    return (char *)baton_piece_address(&message->piece[run->piece]) + run->offset;
}

static bool range_valid(const struct baton_message *message, uint32_t offset, uint32_t length)
{
    return offset <= message->length && length <= message->length - offset;
}

const void *baton_message_peek(const struct baton_message *message, uint32_t offset, uint32_t *contiguous)
{
    struct run run;

    if (!run_find(message, offset, &run))
        return NULL;
    *contiguous = run.rest;
    return run_address(message, &run);
}

/* Copies between the message and `data`; `to_message` says which way. The range has been checked. */
static void transfer(const struct baton_message *message, uint32_t offset, char *data, uint32_t length,
                     bool to_message)
{
    struct run run;
    uint64_t payload = 0, header = 0;

    while (length && run_find(message, offset, &run)) {
        uint32_t part = length < run.rest ? length : run.rest;
        char *place = run_address(message, &run);
        memcpy(to_message ? place : data, to_message ? data : place, part);
        *(run.piece < 0 ? &header : &payload) += part;
        offset += part;
        data += part;
        length -= part;
    }
    baton_count_copied(payload, header);
}

int baton_message_read(const struct baton_message *message, uint32_t offset, void *data, uint32_t length)
{
    if (!range_valid(message, offset, length))
        return BATON_EINVAL;
    transfer(message, offset, data, length, false);
    return 0;
}

/* Finds the pieces that the range touches and that must be copied first; returns how many. */
static unsigned shared_pieces(const struct baton_message *message, uint32_t offset, uint32_t length,
                              uint8_t *shared)
{
    struct run run;
    unsigned count = 0;

    while (length && run_find(message, offset, &run)) {
        uint32_t part = length < run.rest ? length : run.rest;
        if (run.piece >= 0 && message->piece[run.piece].offset & BATON_PIECE_READ_ONLY)
            shared[count++] = (uint8_t)run.piece;
        offset += part;
        length -= part;
    }
    return count;
}

/* Moves those pieces to fresh pages of the caller's own, at the same offsets. */
static int copy_on_write(struct baton_message *message, const uint8_t *shared, unsigned count)
{
    struct release_list old = {.count = 0};
    uint32_t fresh[BATON_PIECES];
    uint64_t copied = 0;

    int result = message_pages_get(fresh, count);
    if (result < 0)
        return result;
    for (unsigned i = 0; i < count; i++) {
        struct baton_piece *piece = &message->piece[shared[i]];
        const void *from = baton_piece_address(piece);
        release_list_add(&old, piece->page);
        piece->page = fresh[i];
        piece->offset &= BATON_PIECE_OFFSET_MASK;
        memcpy(baton_piece_address(piece), from, piece->length);
        copied += piece->length;
    }
    baton_count_copied(copied, 0);
    return release_list_end(&old);
}

int baton_message_write(struct baton_message *message, uint32_t offset, const void *data, uint32_t length)
{
    uint8_t shared[BATON_PIECES];

    if (!range_valid(message, offset, length))
        return BATON_EINVAL;
    unsigned count = shared_pieces(message, offset, length, shared);
    if (count) {
        int result = copy_on_write(message, shared, count);
        if (result < 0)
            return result;
    }
    transfer(message, offset, (char *)data, length, true);
    return 0;
}

void baton_message_mark_shared(struct baton_message *const *messages, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        for (unsigned p = 0; p < messages[i]->pieces; p++)
            messages[i]->piece[p].offset |= BATON_PIECE_READ_ONLY;
}

/* One more ownership of each page of the message, or of none. */
static int pages_share(const struct baton_message *message)
{
    uint32_t pages[BATON_PIECES];

    for (unsigned p = 0; p < message->pieces; p++)
        pages[p] = message->piece[p].page;
    for (unsigned done = 0; done < message->pieces;) {
        int result = baton_page_duplicate(pages + done, message->pieces - done);
        if (result < 0) {
            if (done)
                baton_page_release(pages, done);
            return result;
        }
        done += (unsigned)result;
    }
    return 0;
}

int baton_message_duplicate(struct baton_message *copy, struct baton_message *message)
{
    int result = pages_share(message);
    if (result < 0)
        return result;
    baton_message_mark_shared(&message, 1);
    baton_message_init(copy, message->inline_offset);
    copy->length = message->length;
    copy->inline_length = message->inline_length;
    copy->pieces = message->pieces;
    copy->type = message->type;
    copy->source = message->source;
    copy->tag = message->tag;
    memcpy(copy->data + copy->inline_offset, message->data + message->inline_offset, message->inline_length);
    memcpy(copy->piece, message->piece, message->pieces * sizeof message->piece[0]);
    baton_count_copied(0, message->inline_length);
    return 0;
}
