/*
 * What a message holds: read, write with copy-on-write, peek, duplicate (DASH 3.2, 3.3, 4.1).
 *
 * A message is walked as a row of runs: its inline data, then each piece, and each page of a book.
 */
#include <stdbool.h>
#include <string.h>
#include "apps/baton.h"
#include "apps/lib/message.h"

/* Address and length of the stretch that run->piece and run->entry name. */
static void run_fill(const struct baton_message *message, struct run *run)
{
    if (run->piece < 0) {
        run->address = (char *)message->data + message->inline_offset;
        run->length = message->inline_length;
        return;
    }
    const struct baton_piece *piece = &message->piece[run->piece];
    if (piece_is_book(piece))
        piece = &baton_book_list(piece->page)->piece[run->entry];
    run->address = piece_is_block(piece) ? baton_block_address(piece) : baton_piece_address(piece);
    run->length = piece->length;
}

static bool run_begin(const struct baton_message *message, struct run *run)
{
    *run = (struct run){.piece = -1};
    run_fill(message, run);
    return run->length || run_next(message, run);
}

bool run_next(const struct baton_message *message, struct run *run)
{
    if (run->piece >= 0 && piece_is_book(&message->piece[run->piece]) &&
        run->entry + 1 < message->piece[run->piece].length) {
        run->entry++;
    } else {
        if (run->piece + 1 >= message->pieces)
            return false;
        run->piece++;
        run->entry = 0;
    }
    run_fill(message, run);
    return true;
}

/*
 * The entry of the list in which byte `offset` lies, or its count when it is longer; *offset becomes that in the entry. Most
 * books have whole pages but for the first and the last: then it is a matter of division.
 */
static uint32_t entry_find(const struct baton_book *list, uint32_t *offset)
{
    uint32_t entry = 0, first = list->piece[0].length, last = list->piece[list->count - 1].length;

    if (*offset >= list->bytes) {
        *offset -= list->bytes;
        return list->count;
    }
    if (*offset >= first && list->bytes - first - last == (list->count - 2) * BATON_PAGE_BYTES) {
        entry = 1 + (*offset - first) / BATON_PAGE_BYTES;
        *offset = (*offset - first) % BATON_PAGE_BYTES;
        return entry;
    }
    for (; *offset >= list->piece[entry].length; entry++)
        *offset -= list->piece[entry].length;
    return entry;
}

bool run_find(const struct baton_message *message, uint32_t offset, struct run *run)
{
    bool there = run_begin(message, run);

    while (there && offset >= run->length) {
        const struct baton_piece *piece = run->piece < 0 ? NULL : &message->piece[run->piece];
        if (piece && piece_is_book(piece)) {
            run->entry = entry_find(baton_book_list(piece->page), &offset);
            if (run->entry < piece->length) {
                run_fill(message, run);
                break;
            }
            run->entry--;
        } else {
            offset -= run->length;
        }
        there = run_next(message, run);
    }
    if (!there)
        return false;
    run->address += offset;
    run->length -= offset;
    return true;
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
    *contiguous = run.length;
    return run.address;
}

/* Copies between the message and `data`; `to_message` says which way. The range has been checked. */
static void transfer(const struct baton_message *message, uint32_t offset, char *data, uint32_t length,
                     bool to_message)
{
    struct run run;
    uint64_t payload = 0, header = 0;

    for (bool there = run_find(message, offset, &run); length && there; there = run_next(message, &run)) {
        uint32_t part = length < run.length ? length : run.length;
        memcpy(to_message ? run.address : data, to_message ? data : run.address, part);
        *(run.piece < 0 ? &header : &payload) += part;
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

    for (bool there = run_find(message, offset, &run); length && there; there = run_next(message, &run)) {
        bool seen = count && shared[count - 1] == run.piece; /* a book has many */
        if (!seen && run.piece >= 0 && message->piece[run.piece].offset & BATON_PIECE_READ_ONLY)
            shared[count++] = (uint8_t)run.piece;
        length -= length < run.length ? length : run.length;
    }
    return count;
}

/* What the shared pieces become: for each, a fresh page, or a book with its bytes. All or none. */
static int fresh_get(const struct baton_message *message, const uint8_t *shared, unsigned count,
                     uint32_t *fresh)
{
    uint32_t pages[BATON_PIECES];
    unsigned plain = 0, done = 0;
    int result;

    for (unsigned i = 0; i < count; i++)
        plain += !piece_is_book(&message->piece[shared[i]]);
    result = message_pages_get(pages, plain);
    if (result < 0)
        return result;
    for (; done < count && result >= 0; done += result >= 0) {
        const struct baton_piece *piece = &message->piece[shared[done]];
        if (piece_is_book(piece))
            fresh[done] = (uint32_t)(result = book_copy(piece->page, 0, 0));
        else
            fresh[done] = pages[--plain];
    }
    if (result >= 0)
        return 0;
    if (plain)
        baton_page_release(pages, plain);
    if (done)
        baton_page_release(fresh, done);
    return result;
}

/* Moves those pieces to fresh pages of the caller's own, at the same offsets. */
static int copy_on_write(struct baton_message *message, const uint8_t *shared, unsigned count)
{
    struct release_list old = {.count = 0};
    uint32_t fresh[BATON_PIECES];
    uint64_t copied = 0;

    int result = fresh_get(message, shared, count, fresh);
    if (result < 0)
        return result;
    for (unsigned i = 0; i < count; i++) {
        struct baton_piece *piece = &message->piece[shared[i]];
        const void *from = baton_piece_address(piece);
        release_list_add(&old, piece->page);
        piece->page = fresh[i];
        piece->offset &= (uint16_t)~BATON_PIECE_READ_ONLY;
        if (piece_is_book(piece)) {
            piece->length = (uint16_t)baton_book_list(fresh[i])->count;
            continue;
        }
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
            if (!piece_is_block(&messages[i]->piece[p]))
                messages[i]->piece[p].offset |= BATON_PIECE_READ_ONLY;
}

/* One more ownership of each page of the message, or of none. */
static int pages_share(const struct baton_message *message)
{
    uint32_t pages[BATON_PIECES];
    unsigned count = 0;

    for (unsigned p = 0; p < message->pieces; p++)
        if (!piece_is_block(&message->piece[p]))
            pages[count++] = message->piece[p].page;
    for (unsigned done = 0; done < count;) {
        int result = baton_page_duplicate(pages + done, count - done);
        if (result < 0) {
            if (done)
                baton_page_release(pages, done);
            return result;
        }
        done += (unsigned)result;
    }
    return 0;
}

/* Small blocks belong to one message: those of the copy are pages. */
static int blocks_to_pages(struct baton_message *copy, const struct baton_message *message)
{
    uint32_t pages[BATON_PIECES];
    unsigned blocks = 0;

    for (unsigned p = 0; p < message->pieces; p++)
        blocks += piece_is_block(&message->piece[p]);
    int result = message_pages_get(pages, blocks);
    for (unsigned p = 0; p < message->pieces && result >= 0; p++) {
        copy->piece[p] = message->piece[p];
        if (!piece_is_block(&message->piece[p]))
            continue;
        copy->piece[p] = (struct baton_piece){.page = pages[--blocks], .length = message->piece[p].length};
        memcpy(baton_piece_address(&copy->piece[p]), baton_block_address(&message->piece[p]),
               copy->piece[p].length);
        baton_count_copied(copy->piece[p].length, 0);
    }
    return result;
}

/* Gives those back. */
static void blocks_forget(const struct baton_message *copy, const struct baton_message *message)
{
    for (unsigned p = 0; p < message->pieces; p++)
        if (piece_is_block(&message->piece[p]))
            baton_page_release(&copy->piece[p].page, 1);
}

int baton_message_duplicate(struct baton_message *copy, struct baton_message *message)
{
    baton_message_init(copy, message->inline_offset);
    int result = blocks_to_pages(copy, message);
    if (result < 0)
        return result;
    result = pages_share(message);
    if (result < 0) {
        blocks_forget(copy, message);
        return result;
    }
    baton_message_mark_shared(&message, 1);
    for (unsigned p = 0; p < message->pieces; p++)
        if (!piece_is_block(&message->piece[p]))
            copy->piece[p].offset |= BATON_PIECE_READ_ONLY;
    copy->length = message->length;
    copy->inline_length = message->inline_length;
    copy->pieces = message->pieces;
    copy->type = message->type;
    copy->source = message->source;
    copy->tag = message->tag;
    memcpy(copy->data + copy->inline_offset, message->data + message->inline_offset, message->inline_length);
    baton_count_copied(0, message->inline_length);
    return 0;
}
