/* Messages and arguments between services and the kernel: see transfer.h. */
#include "ipc/transfer.h"
#include "core/cpu.h"
#include "core/log.h"
#include "ipc/copy.h"
#include "ipc/lend.h"
#include "ipc/page.h"
#include "ipc/policy.h"
#include "ipc/rpc.h"
#include "ipc/service.h"
#include "ipc/transfer_special.h"
#include "ipc/user.h"
#include "mm/space.h"
#include "mm/unmap.h"

static bool in_stack(const struct service *service, uint64_t address, uint64_t bytes)
{
    uint64_t offset = address - service->stacks_start;

    /* Every stack is the upper half of its place (core/layout.h): an address whose half bit is clear is a
     * guard's. */
    return service->row && offset / (2 * USER_STACK_SIZE) < service->thread_count &&
           offset & USER_STACK_SIZE && bytes <= USER_STACK_SIZE - (offset & (USER_STACK_SIZE - 1));
}

/* A whole struct that was lent to a trusted service (ipc/lend.h), which is its memory as long as that lasts. */
static void *place_lent(const struct service *service, uint64_t address, uint64_t bytes)
{
    return service->placement == BATON_TRUSTED_SERVICE && bytes <= sizeof(struct baton_message)
               ? lend_place(address)
               : NULL;
}

bool transfer_writable(const struct service *service, uint64_t address, uint64_t bytes)
{
    uint64_t offset = address - service->writable_start,
             size = service->writable_end - service->writable_start;

    return (offset < size && bytes <= size - offset) || in_stack(service, address, bytes) ||
           place_lent(service, address, bytes);
}

void *transfer_place_else(const struct service *service, uint64_t address, uint64_t bytes)
{
    uint64_t offset = address - service->stacks_start;

    if (!in_stack(service, address, bytes))
        return place_lent(service, address, bytes);
    /* Of each place the upper half is there, and these lie behind each other */
    return (char *)arch_phys_to_virt(service->stacks_phys) +
           offset / (2 * USER_STACK_SIZE) * USER_STACK_SIZE + (offset & (USER_STACK_SIZE - 1));
}

static bool readable(const struct service *service, uint64_t address, uint64_t bytes)
{
    uint64_t offset = address - service->program->rodata_base;

    return (offset < service->program->rodata_size && bytes <= service->program->rodata_size - offset) ||
           transfer_writable(service, address, bytes);
}

static bool isolated(const struct service *service)
{
    return service->placement == BATON_ISOLATED;
}

int transfer_read(const struct service *service, void *to, uint64_t from, uint64_t bytes)
{
    if (!readable(service, from, bytes))
        return BATON_EFAULT;
    int result =
        isolated(service) ? user_read_bytes(to, from, bytes) : user_read_bytes_trusted(to, from, bytes);
    return result ? BATON_EFAULT : 0;
}

int transfer_write(const struct service *service, uint64_t to, const void *from, uint64_t bytes)
{
    if (!transfer_writable(service, to, bytes))
        return BATON_EFAULT;
    int result =
        isolated(service) ? user_write_bytes(to, from, bytes) : user_write_bytes_trusted(to, from, bytes);
    return result ? BATON_EFAULT : 0;
}

static int words_read(const struct service *service, void *to, uint64_t from, uint64_t words)
{
    return isolated(service) ? user_read(to, from, words) : user_read_trusted(to, from, words);
}

int transfer_read_words(const struct service *service, uint64_t *to, uint64_t from, uint64_t words)
{
    if (from & 7)
        return BATON_EINVAL;
    if (!transfer_writable(service, from, words * 8) || words_read(service, to, from, words))
        return BATON_EFAULT;
    return 0;
}

static int words_write(const struct service *service, uint64_t to, const void *from, uint64_t words)
{
    return isolated(service) ? user_write(to, from, words) : user_write_trusted(to, from, words);
}

/* The words of data[] that hold the inline bytes: index of the first, and how many. */
static unsigned inline_words(const struct baton_message *abi, unsigned *first)
{
    *first = abi->inline_offset / 8;
    return abi->inline_length ? (abi->inline_offset + abi->inline_length + 7u) / 8 - *first : 0;
}

static bool header_valid(const struct baton_message *abi)
{
    return abi->inline_offset + abi->inline_length <= BATON_INLINE_BYTES && abi->pieces <= BATON_PIECES &&
           !abi->flags;
}

/* The copy is complete: do its parts add up, and is each piece inside a page of the region? */
static bool pieces_valid(struct message *message)
{
    const struct baton_message *abi = &message->abi;
    uint32_t length = abi->inline_length;

    for (unsigned i = 0; i < abi->pieces; i++) {
        uint32_t offset = abi->piece[i].offset & BATON_PIECE_OFFSET_MASK, bytes = abi->piece[i].length;
        if (abi->piece[i].offset & ~(BATON_PIECE_OFFSET_MASK | BATON_PIECE_READ_ONLY))
            return special_valid(message);
        if (!bytes || offset + bytes > PAGE_SIZE || abi->piece[i].page >= page_region_count())
            return false;
        length += bytes;
    }
    return length == abi->length;
}

static int copy_in(const struct service *service, uint64_t address, struct message *message)
{
    struct baton_message *abi = &message->abi;
    unsigned first;

    if (address & 7)
        return BATON_EINVAL;
    if (!transfer_writable(service, address, sizeof(*abi)))
        return BATON_EFAULT;
    if (words_read(service, abi, address, BATON_HEADER_BYTES / 8))
        return BATON_EFAULT;
    if (!header_valid(abi))
        return BATON_EINVAL;
    unsigned words = inline_words(abi, &first);
    uint64_t data = address + BATON_HEADER_BYTES + first * 8;
    if (words && words_read(service, abi->data + first * 8, data, words))
        return BATON_EFAULT;
    uint64_t piece = address + __builtin_offsetof(struct baton_message, piece);
    if (abi->pieces && words_read(service, abi->piece, piece, abi->pieces))
        return BATON_EFAULT;
    return pieces_valid(message) ? 0 : BATON_EINVAL;
}

/* Gives the first `count` pages back to the service that was about to send them; returns how many it owns again. */
static unsigned pieces_return(struct service *service, struct baton_message *abi, unsigned count,
                              bool duplicate)
{
    unsigned back = 0;

    for (unsigned i = 0; i < count; i++) {
        /* BATON_EOWNERS: ten other spaces came to own the page meanwhile; then this ownership is given up. */
        if (!duplicate && !page_take_back(service->space, &abi->piece[i]))
            back++;
        else
            page_release(space_at(0), abi->piece[i].page);
    }
    return back;
}

int transfer_in(struct service *service, uint64_t address, struct message *message, unsigned flags,
                const struct space *to)
{
    struct baton_message *abi = &message->abi;
    int result = copy_in(service, address, message);
    bool duplicate = flags & PAGE_SEND_DUPLICATE;
    unsigned sent = 0;

    if (result) {
        message->special = 0;
        return result;
    }
    abi->reply = 0;
    cpu_self()->counters[COUNT_INLINE_BYTES] += abi->inline_length;
    if (message->special)
        return special_in(service, message, flags, to);
    if (flags & TRANSFER_COPY) {
        result = copy_send(service->space, message, duplicate, to);
        if (result)
            return result;
        sent = abi->pieces;
    }
    while (sent < abi->pieces && !(result = page_send(service->space, &abi->piece[sent], flags, to)))
        sent++;
    if (result) {
        unmap_flush();
        unsigned back = pieces_return(service, abi, sent, duplicate);
        if (!duplicate)
            page_account(service->space, (int)back - (int)sent);
        return result;
    }
    if (abi->pieces && !duplicate)
        page_account(service->space, -(int)abi->pieces);
    return 0;
}

void transfer_undo(struct service *service, struct message *message, bool duplicate)
{
    struct baton_message *abi = &message->abi;

    if (message->special & MESSAGE_PIECES) {
        special_undo(service, message, duplicate);
        return;
    }
    unsigned back = pieces_return(service, abi, abi->pieces, duplicate);

    __atomic_fetch_add(&service->space->pages, back, __ATOMIC_RELAXED);
    abi->pieces = 0;
}

/* Bytes of the first and last word outside the inline data are another message's: the receiver must not see
 * them. */
static void inline_trim(struct baton_message *abi, unsigned first, unsigned words)
{
    uint64_t *word = (uint64_t *)abi->data + first;
    unsigned before = abi->inline_offset & 7, end = (abi->inline_offset + abi->inline_length) & 7;

    if (end)
        word[words - 1] &= (1ull << 8 * end) - 1;
    if (before)
        word[0] &= ~0ull << 8 * before;
}

static int pieces_out(struct service *service, struct baton_message *abi, bool map, bool trust)
{
    for (unsigned i = 0; i < abi->pieces; i++) {
        int result = page_receive(service->space, &abi->piece[i], trust);
        if (result) {
            /* What is already the service's it gives back, the rest is still the kernel's. */
            __atomic_fetch_add(&service->space->pages, i, __ATOMIC_RELAXED);
            for (unsigned k = 0; k < abi->pieces; k++)
                page_release(k < i ? service->space : space_at(0), abi->piece[k].page);
            abi->pieces = 0;
            return result;
        }
    }
    __atomic_fetch_add(&service->space->pages, abi->pieces, __ATOMIC_RELAXED);
    if (map)
        page_map(service->space, abi->piece, abi->pieces);
    return 0;
}

int transfer_out(struct service *service, uint64_t address, struct message *message, unsigned how, bool trust)
{
    struct baton_message *abi = &message->abi;
    unsigned first, words = inline_words(abi, &first);
    int fault = 0;

    if (abi->pieces && abi->source < BATON_SOURCE_SERVICE && policy_now() == POLICY_COPY) {
        int result = copy_receive(message, service->space);
        if (result)
            return result;
    }
    if (abi->pieces) {
        int result = message->special & MESSAGE_PIECES
                         ? special_out(service, message, how & TRANSFER_MAP, trust, address + sizeof(*abi),
                                       how & TRANSFER_ROOM ? BATON_BLOCK_BYTES : 0)
                         : pieces_out(service, abi, how & TRANSFER_MAP, trust);
        if (result)
            return result;
        fault |= words_write(service, address + __builtin_offsetof(struct baton_message, piece), abi->piece,
                             abi->pieces);
    }
    abi->reply = message->special ? rpc_received(message, service) : 0;
    fault |= words_write(service, address, abi, BATON_HEADER_BYTES / 8);
    if (words) {
        inline_trim(abi, first, words);
        fault |= words_write(service, address + BATON_HEADER_BYTES + first * 8, abi->data + first * 8, words);
    }
    invariant(!fault, "transfer: writable memory of a service is mapped for its life");
    cpu_self()->counters[COUNT_INLINE_BYTES] += abi->inline_length;
    return 0;
}
