/* Messages with books or small blocks among their pieces: see transfer_special.h. */
#include "ipc/transfer_special.h"
#include <stddef.h>
#include "core/cpu.h"
#include "core/log.h"
#include "ipc/block.h"
#include "ipc/copy.h"
#include "ipc/message.h"
#include "ipc/page.h"
#include "ipc/page_book.h"
#include "ipc/service.h"
#include "ipc/transfer.h"
#include "mm/space.h"
#include "mm/unmap.h"

static bool is_book(const struct baton_piece *piece)
{
    return piece->offset & BATON_PIECE_BOOK;
}

static bool is_block(const struct baton_piece *piece)
{
    return piece->offset & BATON_PIECE_BLOCK;
}

/* ---- Looking ---- */

/* One piece by itself: what it is, or 0 and false when it contradicts itself. */
static bool piece_valid(const struct baton_piece *piece, uint32_t *kind)
{
    uint32_t offset = piece->offset & BATON_PIECE_OFFSET_MASK;

    *kind = 0;
    switch (piece->offset & ~(BATON_PIECE_OFFSET_MASK | BATON_PIECE_READ_ONLY)) {
    case 0:
        return piece->length && offset + piece->length <= PAGE_SIZE && piece->page < page_region_count();
    case BATON_PIECE_BOOK:
        *kind = MESSAGE_BOOKS;
        return !offset && piece->length && piece->page < page_region_count();
    case BATON_PIECE_BLOCK:
        *kind = MESSAGE_BLOCKS;
        return piece->offset == BATON_PIECE_BLOCK && piece->length && piece->length <= BATON_BLOCK_BYTES &&
               piece->page < SLOT_SIZE;
    default:
        return false;
    }
}

bool special_valid(struct message *message)
{
    const struct baton_message *abi = &message->abi;
    uint32_t length = abi->inline_length, kind;
    unsigned books = 0;

    for (unsigned i = 0; i < abi->pieces; i++) {
        if (!piece_valid(&abi->piece[i], &kind))
            return false;
        message->special |= kind;
        books += kind == MESSAGE_BOOKS;
        length += kind == MESSAGE_BOOKS ? 0 : abi->piece[i].length;
    }
    if (!books)
        return length == abi->length;
    return books <= BATON_BOOKS && abi->length > length && abi->length <= BATON_MESSAGE_MAX;
}

/* ---- In ---- */

static int block_in(struct service *service, struct baton_piece *piece)
{
    uint32_t block;
    int result = block_alloc(service->number, &block);

    if (result)
        return result;
    result =
        transfer_read(service, block_address(block), service->program->base + piece->page, piece->length);
    if (result) {
        block_free(block);
        return result;
    }
    piece->page = block;
    cpu_self()->counters[COUNT_BLOCK_BYTES] += piece->length;
    return 0;
}

/* Pages that the kernel has of the message, by what its pieces say; only of those that it has. */
static uint32_t pages_of(const struct baton_message *abi, unsigned count)
{
    uint32_t pages = 0;

    for (unsigned i = 0; i < count; i++)
        pages += is_block(&abi->piece[i]) ? 0 : is_book(&abi->piece[i]) ? 1u + abi->piece[i].length : 1;
    return pages;
}

/* Gives the first `count` pieces back to who was about to send them; returns how many pages it owns again. */
static uint32_t pieces_return(struct service *service, struct baton_message *abi, unsigned count,
                              bool duplicate)
{
    uint32_t back = 0;

    for (unsigned i = 0; i < count; i++) {
        struct baton_piece *piece = &abi->piece[i];
        if (is_block(piece)) {
            block_free(piece->page);
            continue;
        }
        uint32_t pages = pages_of(abi, i + 1) - pages_of(abi, i);
        int result = duplicate        ? BATON_EOWNERS
                     : is_book(piece) ? book_receive(service->space, piece, true)
                                      : page_take_back(service->space, piece);
        if (result) /* ten other spaces came to own it meanwhile: this ownership is given up */
            page_release(space_at(0), piece->page);
        else
            back += pages;
    }
    return back;
}

/* With unmap=copy: what the kernel has now of the sender's is copied, and kept for it until the message is gone. */
static int special_copy(struct message *message, bool duplicate, const struct space *to)
{
    struct baton_message *abi = &message->abi;
    struct baton_piece own[BATON_PIECES];
    struct message *original = NULL;
    unsigned done = 0;
    int result = duplicate || (original = message_take()) ? 0 : BATON_ENOMEM;

    for (; !result && done < abi->pieces; done += !result) {
        own[done] = abi->piece[done];
        if (!is_block(&abi->piece[done]))
            result = copy_piece(&abi->piece[done], to);
    }
    if (result) {
        copy_drop(abi->piece, done, to);
        for (unsigned i = 0; i < done; i++)
            abi->piece[i] = own[i];
        if (original)
            message_give(original);
        return result;
    }
    if (duplicate) {
        copy_drop(own, done, to); /* the kernel's ownerships of the sender's pages */
        return 0;
    }
    original->abi.pieces = abi->pieces;
    for (unsigned i = 0; i < done; i++)
        original->abi.piece[i] = own[i];
    message->original = original;
    return 0;
}

int special_in(struct service *service, struct message *message, unsigned flags, const struct space *to)
{
    struct baton_message *abi = &message->abi;
    uint32_t bytes = abi->inline_length, part, pages;
    bool duplicate = flags & PAGE_SEND_DUPLICATE;
    unsigned sent = 0;
    int result = to && to->table ? 0 : BATON_EINVAL; /* a device can do nothing with these */
    /* What is to be copied stays mapped where it is: it goes back to its sender's pool */
    const struct space *heir = flags & TRANSFER_COPY ? service->space : to;

    message->original = NULL;

    for (; !result && sent < abi->pieces; sent += !result) {
        struct baton_piece *piece = &abi->piece[sent];
        part = piece->length;
        if (is_book(piece))
            result = book_send(service->space, piece, flags, heir, &part, &pages);
        else
            result =
                is_block(piece) ? block_in(service, piece) : page_send(service->space, piece, flags, heir);
        bytes += result ? 0 : part;
    }
    pages = pages_of(abi, sent);
    if (!result && bytes != abi->length)
        result = BATON_EINVAL;
    if (!result && flags & TRANSFER_COPY) {
        unmap_flush();
        result = special_copy(message, duplicate, to);
    }
    if (result) {
        unmap_flush();
        uint32_t back = pieces_return(service, abi, sent, duplicate);
        if (!duplicate)
            page_account(service->space, (int)back - (int)pages);
        message->special &= ~MESSAGE_PIECES;
        return result;
    }
    if (!duplicate)
        page_account(service->space, -(int)pages);
    abi->flags = (uint8_t)((pages - abi->pieces + 255) / 256);
    return 0;
}

void special_undo(struct service *service, struct message *message, bool duplicate)
{
    uint32_t back = pieces_return(service, &message->abi, message->abi.pieces, duplicate);

    __atomic_fetch_add(&service->space->pages, back, __ATOMIC_RELAXED);
    message->special &= ~MESSAGE_PIECES;
}

/* ---- Out ---- */

/* To the room, or to a page. Returns the bytes of the room that it took, or an error. */
static int block_out(struct service *service, struct baton_piece *piece, uint64_t address, uint32_t room)
{
    uint32_t block = piece->page;

    if (piece->length <= room) {
        int result = transfer_write(service, address, block_address(block), piece->length);
        invariant(!result, "transfer: writable memory of a service is mapped for its life");
        piece->page = (uint32_t)(address & (SLOT_SIZE - 1));
        room = piece->length;
    } else {
        int page = page_get_filled(service->space, block_address(block), piece->length);
        if (page < 0)
            return page;
        *piece = (struct baton_piece){.page = (uint32_t)page, .length = piece->length};
        room = 0;
    }
    block_free(block);
    cpu_self()->counters[COUNT_BLOCK_BYTES] += piece->length;
    return (int)room;
}

/* An error at piece `failed`: those before are the service's, and it gives them back; the rest is still the kernel's. */
static void pieces_drop(struct service *service, struct baton_message *abi, unsigned failed)
{
    for (unsigned i = 0; i < abi->pieces; i++) {
        const struct baton_piece *piece = &abi->piece[i];
        if (!is_block(piece))
            page_release(i < failed ? service->space : space_at(0), piece->page);
        else if (i >= failed)
            block_free(piece->page);
    }
    abi->pieces = 0;
}

static int piece_out(struct service *service, struct baton_piece *piece, bool trust)
{
    uint32_t pages = is_book(piece) ? 1u + piece->length : 1;
    int result = is_book(piece) ? book_receive(service->space, piece, trust)
                                : page_receive(service->space, piece, trust);

    if (!result)
        __atomic_fetch_add(&service->space->pages, pages, __ATOMIC_RELAXED);
    return result;
}

int special_out(struct service *service, struct message *message, bool map, bool trust, uint64_t address,
                uint32_t room)
{
    struct baton_message *abi = &message->abi;

    for (unsigned i = 0; i < abi->pieces; i++) {
        int result = is_block(&abi->piece[i]) ? block_out(service, &abi->piece[i], address, room)
                                              : piece_out(service, &abi->piece[i], trust);
        if (result < 0) {
            pieces_drop(service, abi, i);
            message->special &= ~MESSAGE_PIECES;
            return result;
        }
        address += (uint32_t)result;
        room -= (uint32_t)result;
    }
    for (unsigned i = 0; map && i < abi->pieces; i++)
        if (!is_block(&abi->piece[i]))
            page_map(service->space, &abi->piece[i], 1);
    message->special &= ~MESSAGE_PIECES;
    abi->flags = 0;
    return 0;
}
