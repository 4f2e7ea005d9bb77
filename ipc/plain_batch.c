/* The plain messages of a batch: see plain_batch.h. */
#include "ipc/plain_batch.h"
#include "core/cpu.h"
#include "ipc/message.h"
#include "ipc/plain.h"
#include "ipc/plain_page.h"
#include "ipc/service.h"
#include "mm/space.h"

/* Where in a service's data and heap a struct may begin. */
struct memory {
    uint64_t start;
    uint64_t words; /* from there on: the place behind the last */
};

/* For structs of so many bytes. The memory begins at a page, so what is aligned in it is aligned. */
INLINE struct memory memory_of(const struct service *service, unsigned bytes)
{
    uint64_t size = service->writable_end - service->writable_start;

    return (struct memory){service->writable_start, size < bytes ? 0 : (size - bytes) / 8 + 1};
}

/* What is not aligned has bits that come in again at the top, and is far outside. */
INLINE bool inside(const struct memory *memory, uint64_t offset)
{
    return LIKELY((offset >> 3 | offset << 61) < memory->words);
}

/*
 * The upper half of a header's first word, without its length: of a frame that is longer than the inline data, as nearly all are
 * that are long; and of one that is not.
 */
#define FULL_AND_PAGE                                                                                        \
    (BATON_INLINE_BYTES << 8 | 1u << 16) /* inline_offset 0, inline_length all, one piece, no flags */
#define ONE_PIECE(shape) ((shape) >> 48 == 1)
#define NO_PIECE(shape)  ((shape) >> 48 == 0)

/* All inline data, and at known places. */
INLINE void full_copy(struct baton_message *to, const struct baton_message *from)
{
    plain_pairs_copy(to->data, from->data, BATON_INLINE_BYTES / 16);
}

/* Messages that were not full, or had no page, and what they had. */
struct others {
    unsigned count, pages, bytes;
};

/* Counts what went with `done` messages; returns how many pages that were. */
INLINE unsigned count_moved(struct cpu *cpu, unsigned done, const struct others *others)
{
    unsigned full = done - others->count, pages = full + others->pages;

    cpu->counters[COUNT_PAGES_MOVED] += pages;
    cpu->counters[COUNT_INLINE_BYTES] += full * BATON_INLINE_BYTES + others->bytes;
    return pages;
}

INLINE void others_count(struct others *others, uint64_t shape)
{
    others->count++;
    others->pages += (unsigned)(shape >> 48);
    others->bytes += plain_inline_length(shape);
}

/* ---- Send ---- */

/* The page of a message, `length` bytes of it as the header says. */
INLINE bool piece_in(const struct plain_pages *pages, struct baton_message *to,
                     const struct baton_message *from, uint64_t length)
{
    uint64_t piece = plain_word_read(&from->piece[0]);

    if (!plain_page_send(pages, piece, length))
        return false;
    *(plain_piece *)&to->piece[0] = piece;
    return true;
}

/* A header that was copied: its reader is told whence it came, and that nobody waits for an answer. */
INLINE void header_in(struct baton_message *to, uint64_t shape, const struct baton_message *from,
                      uint32_t source)
{
    struct plain_header *words = (void *)to;
    const struct plain_header *given = (const void *)from;
    uint64_t type = (uint32_t)plain_word_read(&given->type), tag = plain_word_read(&given->tag);

    words->shape = shape;
    words->type = type | (uint64_t)source << 32;
    words->reply = 0;
    words->tag = tag;
}

/* Not full, or without a page. */
INLINE bool other_in(const struct plain_pages *pages, struct baton_message *to,
                     const struct baton_message *from, uint64_t shape, uint32_t source, struct others *others)
{
    unsigned offset = plain_inline_offset(shape), length = plain_inline_length(shape);
    uint32_t rest = (uint32_t)shape - length;

    if (offset + length > BATON_INLINE_BYTES)
        return false;
    if (!(NO_PIECE(shape) && !rest) && !(ONE_PIECE(shape) && piece_in(pages, to, from, rest)))
        return false;
    header_in(to, shape, from, source);
    plain_bytes_copy(to->data + offset, from->data + offset, length);
    others_count(others, shape);
    return true;
}

unsigned plain_send(struct service *service, const uint64_t *addresses, struct message *const *messages,
                    unsigned count, uint32_t source, uint32_t *pages_sent)
{
    const struct memory memory = memory_of(service, sizeof(struct baton_message));
    const char *const linear = service->data_linear;
    const struct plain_pages pages = plain_pages(service->space, service->space->number);
    struct others others = {0, 0, 0};
    size_t done = 0;

    for (; done < count; done++) {
        uint64_t offset = plain_word_read(&addresses[done]) - memory.start;
        const struct baton_message *from = (const void *)(linear + offset);
        struct baton_message *to = &messages[done]->abi;
        if (!inside(&memory, offset))
            break;
        uint64_t shape = plain_word_read(from);
        if (shape >> 32 == FULL_AND_PAGE) {
            if (!piece_in(&pages, to, from, (uint32_t)shape - BATON_INLINE_BYTES))
                break;
            header_in(to, shape, from, source);
            full_copy(to, from);
        } else if (!other_in(&pages, to, from, shape, source, &others)) {
            break;
        }
    }
    struct cpu *cpu = cpu_self();
    unsigned moved = count_moved(cpu, (unsigned)done, &others);
    cpu->counters[COUNT_TLB_SKIPPED] += moved;
    *pages_sent += moved;
    if (moved)
        __atomic_fetch_sub(&service->space->pages, moved, __ATOMIC_RELAXED);
    return (unsigned)done;
}

/* ---- Receive ---- */

unsigned plain_writable(const struct service *service, uint64_t *addresses, const uint64_t *from,
                        unsigned count, unsigned bytes)
{
    const struct memory memory = memory_of(service, bytes);
    size_t done = 0;

    for (; done < count; done++) {
        uint64_t address = plain_word_read(&from[done]);
        if (!inside(&memory, address - memory.start))
            break;
        addresses[done] = address;
    }
    return (unsigned)done;
}

INLINE bool piece_out(const struct plain_pages *pages, struct baton_message *to,
                      const struct baton_message *from)
{
    uint64_t piece = *(const plain_piece *)&from->piece[0];

    if (!plain_page_receive(pages, piece))
        return false;
    *(plain_piece *)&to->piece[0] = piece;
    return true;
}

INLINE void header_out(struct baton_message *to, uint64_t shape, const struct baton_message *from)
{
    struct plain_header *words = (void *)to;
    const struct plain_header *given = (const void *)from;
    uint64_t type = given->type, reply = given->reply, tag = given->tag;

    words->shape = shape;
    words->type = type;
    words->reply = reply;
    words->tag = tag;
}

/* Not full, or without a page. */
INLINE bool other_out(const struct plain_pages *pages, struct baton_message *to,
                      const struct baton_message *from, uint64_t shape, struct others *others)
{
    unsigned offset = plain_inline_offset(shape), length = plain_inline_length(shape);

    if (!NO_PIECE(shape) && !(ONE_PIECE(shape) && piece_out(pages, to, from)))
        return false;
    header_out(to, shape, from);
    plain_bytes_copy(to->data + offset, from->data + offset, length);
    others_count(others, shape);
    return true;
}

unsigned plain_receive(struct service *service, const uint64_t *addresses, struct message *const *messages,
                       unsigned count, uint32_t *pages_received)
{
    char *const linear = service->data_linear - service->writable_start;
    const struct plain_pages pages = plain_pages(service->space, 0);
    struct others others = {0, 0, 0};
    size_t done = 0;

    for (; done < count; done++) {
        const struct message *message = messages[done];
        const struct baton_message *from = &message->abi;
        struct baton_message *to = (void *)(linear + addresses[done]);
        uint64_t shape = ((const struct plain_header *)(const void *)from)->shape;
        if (message->special)
            break;
        if (shape >> 32 == FULL_AND_PAGE) {
            if (!piece_out(&pages, to, from))
                break;
            header_out(to, shape, from);
            full_copy(to, from);
        } else if (!other_out(&pages, to, from, shape, &others)) {
            break;
        }
    }
    unsigned moved = count_moved(cpu_self(), (unsigned)done, &others);
    *pages_received += moved;
    if (moved)
        __atomic_fetch_add(&service->space->pages, moved, __ATOMIC_RELAXED);
    return (unsigned)done;
}
