/* Messages lent to trusted services: see lend.h. */
#include "ipc/lend.h"
#include "core/cpu.h"
#include "ipc/message.h"
#include "ipc/page.h"
#include "ipc/plain.h"
#include "ipc/plain_page.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "mm/space.h"

/* Pages that are the service's now, or are not any more. */
static void count_moved(const struct thread *thread, unsigned moved, bool received)
{
    cpu_self()->counters[COUNT_PAGES_MOVED] += moved;
    if (moved)
        __atomic_fetch_add(&thread->space->pages, received ? moved : -moved, __ATOMIC_RELAXED);
}

unsigned lend_receive(struct thread *thread, uint64_t *list, struct message *const *messages, unsigned count,
                      uint32_t *pages)
{
    const struct plain_pages common = plain_pages(thread->space, 0);
    unsigned moved = 0;
    size_t done = 0;

    for (; done < count; done++) {
        struct message *message = messages[done];
        uint64_t parts = plain_word_read(&message->abi) >> 48;
        if (message->special || parts > 1)
            break;
        if (parts && !plain_page_receive(&common, *(const plain_piece *)&message->abi.piece[0]))
            break;
        moved += (unsigned)parts;
        thread->lent[done] = message;
        arch_word_store(&list[done], (uint64_t)&message->abi);
    }
    thread->lent_count = thread->lent_left = (uint32_t)done;
    count_moved(thread, moved, true);
    *pages += moved;
    return (unsigned)done;
}

/* What the service may have written there: the copies of the words are what is looked at. */
INLINE bool valid(const struct plain_pages *common, const struct message *message, uint64_t shape)
{
    unsigned length = plain_inline_length(shape);
    uint32_t rest = (uint32_t)shape - length;

    if (shape >> 48 == 0)
        return !rest && plain_inline_offset(shape) + length <= BATON_INLINE_BYTES;
    return shape >> 48 == 1 && plain_inline_offset(shape) + length <= BATON_INLINE_BYTES &&
           plain_page_send(common, plain_word_read(&message->abi.piece[0]), rest);
}

/* The place of an object in the thread's list, from `lent` on; `end`: it is not there. */
static __attribute__((noinline)) struct message **lent_find(struct message **lent, struct message *const *end,
                                                            const struct message *message)
{
    while (lent < end && *lent != message)
        lent++;
    return lent;
}

unsigned lend_send(struct thread *thread, const uint64_t *list, struct message **messages, unsigned count,
                   uint32_t source, uint32_t *pages)
{
    const struct plain_pages common = plain_pages(thread->space, thread->space->number);
    struct message **lent = thread->lent, **const end = lent + thread->lent_count;
    unsigned moved = 0;
    size_t done = 0;

    for (; done < count && lent < end; done++) {
        struct message *message =
            (void *)(plain_word_read(&list[done]) - __builtin_offsetof(struct message, abi));
        /* NULL is what a place has that was sent: it is no object, whatever address the service makes of it */
        if (!LIKELY(message))
            break;
        if (!LIKELY(*lent == message) && (lent = lent_find(lent, end, message)) == end)
            break;
        uint64_t shape = plain_word_read(&message->abi);
        if (!LIKELY(valid(&common, message, shape)))
            break;
        *lent++ = NULL;
        message->abi.source = source;
        message->abi.reply = 0;
        messages[done] = message;
        moved += (unsigned)(shape >> 48);
    }
    thread->lent_left -= (uint32_t)done;
    count_moved(thread, moved, false);
    cpu_self()->counters[COUNT_TLB_SKIPPED] += moved;
    *pages += moved;
    return (unsigned)done;
}

void lend_again(struct thread *thread, struct message *message)
{
    struct baton_message *abi = &message->abi;
    struct message **place = thread->lent;

    /* Its own page again: it trusts itself. Ten other spaces came to own the page meanwhile: then this ownership is given up */
    if (abi->pieces && page_receive(thread->space, &abi->piece[0], true)) {
        page_release(space_at(0), abi->piece[0].page);
        abi->pieces = 0;
        abi->length = abi->inline_length;
    }
    __atomic_fetch_add(&thread->space->pages, abi->pieces, __ATOMIC_RELAXED);
    while (*place) /* it left one open */
        place++;
    *place = message;
    thread->lent_left++;
}

void lend_end(struct thread *thread)
{
    struct message *left[BATON_BATCH];
    unsigned count = 0;

    for (unsigned i = 0; thread->lent_left && i < thread->lent_count; i++)
        if (thread->lent[i])
            left[count++] = thread->lent[i];
    thread->lent_count = thread->lent_left = 0;
    message_free(left, count);
}

void *lend_place(uint64_t address)
{
    const struct thread *thread = thread_self();

    for (unsigned i = 0; thread && i < thread->lent_count; i++)
        if (thread->lent[i] && (uint64_t)&thread->lent[i]->abi == address)
            return &thread->lent[i]->abi;
    return NULL;
}
