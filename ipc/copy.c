/* Messages by value: see copy.h. */
#include "ipc/copy.h"
#include <stddef.h>
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/log.h"
#include "ipc/page.h"
#include "ipc/page_book.h"
#include "ipc/page_set.h"
#include "ipc/page_state.h"
#include "mm/kernel_map.h"
#include "mm/space.h"

static bool hull_covers(uint64_t state, const struct baton_piece *piece)
{
    uint32_t start = piece->offset & BATON_PIECE_OFFSET_MASK;

    return start >= state_hull_start(state) && start + piece->length <= state_hull_end(state);
}

/* ---- Pages of the kernel's, on their way ---- */

/*
 * A page for a copy of the piece, owned by the kernel: from the receiver's pool, where it is still mapped, or from the general
 * one. Who has it mapped knows what else is in it; else nobody may see more than what will be copied (page 7).
 */
static bool target_get(const struct space *to, const struct baton_piece *piece, uint32_t *page)
{
    uint32_t start = piece->offset & BATON_PIECE_OFFSET_MASK;

    if (!page_set_take(to, 0, page, 1)) {
        if (!page_pool_take(page, 1))
            return false;
        page_take_over(*page, 0, 0,
                       STATE_FILLER(PAGE_NOBODY) | STATE_HULL(start, start + piece->length) | STATE_CACHED);
    }
    ledger_note(cpu_self(), LEDGER_GET, 0, *page, to->number);
    return true;
}

/* The bytes of the piece go to `target`, which is in the hands of this CPU alone. Of its page nothing may change meanwhile. */
static void bytes_copy(const struct baton_piece *piece, uint32_t target)
{
    struct cpu *cpu = cpu_self();

    kernel_map_copy(page_phys(target), page_phys(piece->page), piece->offset & BATON_PIECE_OFFSET_MASK,
                    piece->length);
    cpu->counters[COUNT_PAYLOAD_BYTES] += piece->length;
    ledger_note(cpu, LEDGER_COPY, 0, target, (uint64_t)piece->page << 32 | piece->length);
}

/*
 * The kernel's ownership of a page in the hands of this CPU ends. False when that was not plain: then it has been released. True:
 * nobody owns it now, and it goes, as `kept` says, to the space's pool, mapped, or to the general one.
 */
static bool page_give_up(const struct space *space, uint32_t number, bool *kept)
{
    struct page *page = &page_table[number];
    uint64_t state = __atomic_load_n(&page->state, __ATOMIC_RELAXED);

    while ((state & (STATE_SOLE | STATE_PENDING)) == STATE_TOTAL(1)) {
        *kept = state & STATE_MAPPED;
        if (*kept && !page_set_keeps(space, page))
            break;
        if (!__atomic_compare_exchange_n(&page->state, &state, state & ~STATE_TOTAL(0xffff), true,
                                         __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            continue;
        ledger_note(cpu_self(), LEDGER_RELEASE, 0, number, 0);
        return true;
    }
    page_release_to(space, number);
    return false;
}

/* The pages of these pieces, which are the kernel's, are free: for the space, as far as it has them mapped. */
static void pages_return(const struct space *space, const struct baton_piece *pieces, unsigned count)
{
    uint32_t keep[BATON_PIECES], freed[BATON_PIECES];
    unsigned kept = 0, free = 0;

    for (unsigned i = 0; i < count; i++) {
        bool in_pool;
        if (pieces[i].offset & BATON_PIECE_BLOCK)
            continue; /* its number is no page's: the message has it alone */
        if (page_give_up(space, pieces[i].page, &in_pool)) {
            if (in_pool)
                keep[kept++] = pieces[i].page;
            else
                freed[free++] = pieces[i].page;
        }
    }
    page_set_give(space, keep, kept);
    page_pool_give(freed, free);
}

/* ---- Send ---- */

/* A duplicate of the sender's page is copied under the page's lock: it stays the sender's, who may give it up at any time. */
static int piece_copy(const struct space *from, const struct baton_piece *piece, uint32_t target)
{
    struct page *page = page_checked(piece->page);

    if (!page || page_plainly_not_owner(page, from->number))
        return BATON_EOWNER;
    uint64_t state = page_lock(page);
    int result = page_slot(page, from->number) ? 0 : BATON_EOWNER;
    /* What the sender never looked at is zero for whoever gets it, not the last owner's (page 7) */
    if (!result && !hull_covers(state, piece))
        state = page_reveal(page, state, from->number, page->used == 1);
    if (!result)
        bytes_copy(piece, target);
    page_unlock(page, state);
    return result;
}

/* What the piece shows of a page of the kernel's, and the sender never saw, becomes zero. */
static void hull_make(const struct baton_piece *piece)
{
    struct page *page = &page_table[piece->page];

    if (!hull_covers(__atomic_load_n(&page->state, __ATOMIC_RELAXED), piece)) {
        uint64_t state = page_lock(page);
        page_unlock(page, page_reveal(page, state, 0, page->used == 1)); /* as above */
    }
}

/* The sender's page becomes the kernel's, as if it were sent to the sender: its translation stays. Then it is copied. */
static int piece_take(struct space *from, const struct baton_piece *piece, uint32_t target)
{
    int result = page_send(from, piece, 0, from);

    if (result)
        return result;
    hull_make(piece);
    bytes_copy(piece, target);
    return 0;
}

/* The pages of one piece: its copy in the message, and the sender's in `original`; with a duplicate that is NULL. */
static int piece_send(struct space *from, struct baton_piece *piece, struct baton_piece *original,
                      const struct space *to)
{
    uint32_t target;

    if (!target_get(to, piece, &target))
        return BATON_ENOMEM;
    int result = original ? piece_take(from, piece, target) : piece_copy(from, piece, target);
    if (result) {
        pages_return(to, &(struct baton_piece){.page = target}, 1);
        return result;
    }
    if (original)
        *original = *piece;
    piece->page = target;
    piece->offset &= BATON_PIECE_OFFSET_MASK;
    return 0;
}

/* The first `count` pages are the sender's again. */
static void originals_return(struct space *from, struct message *original, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (page_take_back(from, &original->abi.piece[i])) /* ten others came to own it meanwhile */
            page_release(space_at(0), original->abi.piece[i].page);
}

int copy_send(struct space *from, struct message *message, bool duplicate, const struct space *to)
{
    struct baton_message *abi = &message->abi;
    struct message *original = NULL;
    unsigned done = 0;
    int result = 0;

    message->original = NULL;
    if (!abi->pieces)
        return 0;
    if (!duplicate && !(original = message_take()))
        return BATON_ENOMEM;
    while (done < abi->pieces &&
           !(result = piece_send(from, &abi->piece[done], original ? &original->abi.piece[done] : NULL, to)))
        done++;
    unmap_flush();
    if (result) {
        pages_return(to, abi->piece, done);
        if (original) {
            originals_return(from, original, done);
            message_give(original);
        }
        return result;
    }
    if (original)
        original->abi.pieces = abi->pieces;
    message->original = original;
    return 0;
}

int copy_piece(struct baton_piece *piece, const struct space *to)
{
    uint32_t target;

    if (piece->offset & BATON_PIECE_BOOK) {
        int book = book_copy(piece->page, to);
        if (book < 0)
            return book;
        target = (uint32_t)book;
    } else {
        if (!target_get(to, piece, &target))
            return BATON_ENOMEM;
        hull_make(piece);
        bytes_copy(piece, target);
    }
    piece->page = target;
    piece->offset &= (uint16_t)~BATON_PIECE_READ_ONLY;
    return 0;
}

void copy_drop(const struct baton_piece *pieces, unsigned count, const struct space *to)
{
    pages_return(to, pieces, count);
}

void copy_settle(const struct space *from, struct message *original)
{
    if (!original)
        return;
    pages_return(from, original->abi.piece, original->abi.pieces);
    message_give(original);
}

void copy_undo(struct message *message, struct message *original, const struct space *to)
{
    pages_return(to, message->abi.piece, message->abi.pieces);
    message->abi.pieces = original->abi.pieces;
    for (unsigned i = 0; i < original->abi.pieces; i++)
        message->abi.piece[i] = original->abi.piece[i];
    message_give(original);
}

/* ---- Receive ---- */

int copy_receive(struct message *message, const struct space *to)
{
    struct baton_message *abi = &message->abi;
    struct baton_piece copies[BATON_PIECES];
    unsigned got = 0;

    for (; got < abi->pieces && target_get(to, &abi->piece[got], &copies[got].page); got++) {
        copies[got].offset = abi->piece[got].offset;
        copies[got].length = abi->piece[got].length;
    }
    if (got < abi->pieces) {
        pages_return(to, copies, got);
        return BATON_ENOMEM;
    }
    for (unsigned i = 0; i < got; i++)
        bytes_copy(&abi->piece[i], copies[i].page);
    pages_return(space_at(0), abi->piece, got);
    for (unsigned i = 0; i < got; i++)
        abi->piece[i] = copies[i];
    return 0;
}
