/* Messages by value: see copy.h. */
#include "ipc/copy.h"
#include <stddef.h>
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/log.h"
#include "ipc/page.h"
#include "ipc/page_set.h"
#include "ipc/page_state.h"
#include "mm/kernel_map.h"
#include "mm/space.h"

/* ---- Pages of the kernel's, on their way ---- */

/* A page for a copy, owned by the kernel: from the receiver's pool, where it is still mapped, or from the general one. */
static bool target_get(const struct space *to, uint32_t *page)
{
    if (!page_set_take(to, 0, page, 1)) {
        if (!page_pool_take(page, 1))
            return false;
        page_take_over(*page, 0, 0, STATE_FILLER(PAGE_NOBODY));
    }
    ledger_note(cpu_self(), LEDGER_GET, 0, *page, to ? to->number : 0);
    return true;
}

/* The kernel's one ownership of a page that nobody else has ends; the page goes to the space's pool when that takes it. */
static void page_return(const struct space *space, uint32_t number)
{
    struct page *page = &page_table[number];
    uint64_t state = page_lock(page);
    bool kept = page_total(page) == 1 && page_slot(page, 0) && page_set_keeps(space, page);

    if (kept) {
        page_slot_lose(page, page_slot(page, 0), false, LOSE_RELEASE | LOSE_KEEP);
        ledger_note(cpu_self(), LEDGER_RELEASE, 0, number, 0);
    }
    page_unlock(page, state);
    if (kept)
        page_set_give(space, &number, 1);
    else
        page_release(space_at(0), number);
}

/* The bytes of the piece go to the page `target`, which nobody but the kernel owns. */
static void bytes_copy(const struct baton_piece *piece, uint32_t target)
{
    struct cpu *cpu = cpu_self();
    struct page *page = &page_table[target];
    uint32_t start = piece->offset & BATON_PIECE_OFFSET_MASK, end = start + piece->length;
    uint64_t state = page_lock(page);

    kernel_map_copy(page_phys(target), page_phys(piece->page), start, piece->length);
    cpu->counters[COUNT_PAYLOAD_BYTES] += piece->length;
    ledger_note(cpu, LEDGER_COPY, 0, target, (uint64_t)piece->page << 32 | piece->length);
    /* Who has it mapped knows the rest of it; else nobody may see more than what was copied (page 7) */
    if (!page_record(page)->mapped)
        state = (state & ~STATE_HULL(8191, 8191)) | STATE_HULL(start, end);
    page_unlock(page, state | STATE_CACHED);
}

/* ---- Send ---- */

static bool hull_covers(uint64_t state, const struct baton_piece *piece)
{
    uint32_t start = piece->offset & BATON_PIECE_OFFSET_MASK;

    return start >= state_hull_start(state) && start + piece->length <= state_hull_end(state);
}

/*
 * Copies the bytes of the sender's page to `target`, under the page's lock: its owner cannot change meanwhile. Unless it is a
 * duplicate that is sent, the sender's ownership becomes the kernel's.
 */
static int piece_take(struct space *from, const struct baton_piece *piece, bool duplicate, uint32_t target)
{
    struct page *page = page_checked(piece->page);

    if (!page || page_plainly_not_owner(page, from->number))
        return BATON_EOWNER;
    uint64_t state = page_lock(page);
    struct slot *slot = page_slot(page, from->number);
    int result = slot ? 0 : BATON_EOWNER;
    bool shared = page_total(page) > 1;

    if (!result && !duplicate) {
        /* Before the copying, which cannot be undone. Its translation stays: the page will be back. */
        bool keep =
            !shared && !(page_record(page)->mapped & ~__atomic_load_n(&from->trusts, __ATOMIC_RELAXED));
        page_slot_lose(page, slot, shared, LOSE_RELEASE | (keep ? LOSE_KEEP : 0));
        result = page_slot_gain(page, 0);
        if (result)
            page_slot_gain(page, from->number);
        else
            ledger_note(cpu_self(), LEDGER_SEND, from->number, piece->page, 0);
    }
    if (!result) {
        /* What the sender never looked at is zero for whoever gets it, not the last owner's (page 7) */
        if (!hull_covers(state, piece))
            state = page_reveal(page, state, from->number);
        bytes_copy(piece, target);
    }
    page_unlock(page, state);
    return result;
}

/* The first `count` pieces of the message are copies: frees them. */
static void copies_drop(struct baton_message *abi, unsigned count, const struct space *to)
{
    for (unsigned i = 0; i < count; i++)
        page_return(to, abi->piece[i].page);
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
    if (!duplicate && message_alloc(&original, 1) != 1)
        return BATON_ENOMEM;
    for (uint32_t target; done < abi->pieces && !result; done += !result) {
        struct baton_piece *piece = &abi->piece[done];
        if (!target_get(to, &target)) {
            result = BATON_ENOMEM;
            break;
        }
        result = piece_take(from, piece, duplicate, target);
        if (result) {
            page_return(to, target);
            break;
        }
        if (original)
            original->abi.piece[done] = *piece;
        piece->page = target;
        piece->offset &= BATON_PIECE_OFFSET_MASK;
        cpu_self()->counters[COUNT_PAGES_MOVED]++;
    }
    if (result) {
        copies_drop(abi, done, to);
        for (unsigned i = 0; original && i < done; i++)
            if (page_receive(from, &original->abi.piece[i], true))
                page_release(space_at(0), original->abi.piece[i].page);
    }
    if (original && result)
        message_free(&original, 1);
    else if (original) {
        original->abi.pieces = abi->pieces;
        message->original = original;
    }
    return result;
}

void copy_settle(const struct space *from, struct message *original)
{
    if (!original)
        return;
    for (unsigned i = 0; i < original->abi.pieces; i++)
        page_return(from, original->abi.piece[i].page);
    message_free(&original, 1);
}

void copy_undo(struct message *message, struct message *original, const struct space *to)
{
    copies_drop(&message->abi, message->abi.pieces, to);
    message->abi.pieces = original->abi.pieces;
    for (unsigned i = 0; i < original->abi.pieces; i++)
        message->abi.piece[i] = original->abi.piece[i];
    message_free(&original, 1);
}

/* ---- Receive ---- */

int copy_receive(struct message *message, const struct space *to)
{
    struct baton_message *abi = &message->abi;
    uint32_t targets[BATON_PIECES], pages[BATON_PIECES];
    unsigned got = 0;

    while (got < abi->pieces && target_get(to, &targets[got]))
        got++;
    if (got < abi->pieces) {
        while (got)
            page_return(to, targets[--got]);
        return BATON_ENOMEM;
    }
    for (unsigned i = 0; i < abi->pieces; i++) {
        bytes_copy(&abi->piece[i], targets[i]);
        pages[i] = abi->piece[i].page;
        abi->piece[i].page = targets[i];
    }
    page_release_batch(space_at(0), pages, abi->pieces);
    return 0;
}
