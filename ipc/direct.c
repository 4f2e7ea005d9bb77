/* One message at a time, the plain case: see direct.h. */
#include "ipc/direct.h"
#include <stddef.h>
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/string.h"
#include "core/timer.h"
#include "ipc/copy.h"
#include "ipc/message.h"
#include "ipc/observe.h"
#include "ipc/page.h"
#include "ipc/page_state.h"
#include "ipc/plain.h"
#include "ipc/policy.h"
#include "ipc/port.h"
#include "ipc/request.h"
#include "ipc/rpc.h"
#include "ipc/rpc_word.h"
#include "ipc/sched.h"
#include "ipc/service.h"
#include "ipc/syscall_message.h"
#include "ipc/thread.h"
#include "ipc/transfer.h"
#include "mm/pagetable.h"
#include "mm/space.h"
#include "mm/unmap.h"

/* ---- What a service names ---- */

/* Nobody observes each message, or counts them: else the calls in full do so at all the right moments. */
INLINE bool unwatched(void)
{
    return LIKELY(!observed() && !service_messages_limited);
}

/* The port behind a handle with that right, or NULL. */
INLINE struct port *port_of(const struct service *service, uint64_t number, uint32_t right, uint32_t *source)
{
    const struct handle *handle = service_handle(service, number);

    if (!LIKELY(handle && handle->rights & right))
        return NULL;
    *source = handle->source;
    return handle->port;
}

/* ---- Send ---- */

/* No 32-bit length, whatever inline bytes are added to it. */
#define NOT_PLAIN (UINT64_C(1) << 32)

/* Copies the pieces in; their length, or NOT_PLAIN when there is a book, a block or nonsense among them. */
INLINE uint64_t pieces_read(struct baton_message *to, const struct baton_message *from, unsigned count)
{
    uint64_t length = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t word = __atomic_load_n((const plain_piece *)&from->piece[i], __ATOMIC_RELAXED);
        *(plain_piece *)&to->piece[i] = word;
        uint32_t bytes = word >> 48, offset = word >> 32 & BATON_PIECE_OFFSET_MASK;
        if (word >> 32 & 0xffff & ~(BATON_PIECE_OFFSET_MASK | BATON_PIECE_READ_ONLY) || !bytes ||
            offset + bytes > BATON_PAGE_BYTES)
            return NOT_PLAIN;
        length += bytes;
    }
    return length;
}

/*
 * Pages from `sent` on, of which the first is not plain, become the kernel's, their unmaps gathered; or all are the service's
 * again.
 */
static __attribute__((noinline)) bool pages_give(struct service *service, struct message *message,
                                                 unsigned sent, unsigned how, const struct space *to)
{
    struct space *space = service->space;
    struct baton_piece *piece = message->abi.piece;
    unsigned count = message->abi.pieces;
    uint64_t tables = __atomic_load_n(&space->trusts, __ATOMIC_RELAXED);
    bool alone = !tables, inside = tables && __atomic_load_n(&to->trusts, __ATOMIC_RELAXED) == tables;

    if (how & TRANSFER_COPY) {
        if (copy_send(space, message, false, to))
            return false;
        page_account(space, -(int)count);
        return true;
    }
    while (sent < count && ((inside && page_send_kept(cpu_self(), space->number, &piece[sent], tables)) ||
                            (alone && piece[sent].page < page_table_count &&
                             page_send_sole(space, &page_table[piece[sent].page], &piece[sent], how)) ||
                            !page_send(space, &piece[sent], how, to)))
        sent++;
    __atomic_fetch_sub(&space->pages, sent, __ATOMIC_RELAXED);
    if (LIKELY(sent == count))
        return true;
    unmap_flush();
    message->abi.pieces = (uint8_t)sent;
    transfer_undo(service, message, false);
    return false;
}

static __attribute__((noinline)) bool fill(struct service *service, struct message *message,
                                           const struct baton_message *from, uint32_t source, unsigned how,
                                           const struct space *to)
{
    struct plain_header header;

    if (!plain_header_read(&header, from))
        return false;
    unsigned count = plain_piece_count(header.shape);
    if (plain_inline_length(header.shape) + pieces_read(&message->abi, from, count) != (uint32_t)header.shape)
        return false;
    plain_header_write(&message->abi, &header, source, 0);
    plain_inline_copy(&message->abi, from, header.shape);
    struct cpu *cpu = cpu_self();
    unsigned sent = 0;
    while (sent < count && !(how & TRANSFER_COPY) &&
           LIKELY(page_send_plain(cpu, service->space->number, &message->abi.piece[sent])))
        sent++;
    if (!LIKELY(sent == count)) {
        if (!pages_give(service, message, sent, how, to))
            return false;
    } else if (count) {
        __atomic_fetch_sub(&service->space->pages, count, __ATOMIC_RELAXED);
    }
    cpu->counters[COUNT_INLINE_BYTES] += plain_inline_length(header.shape);
    return true;
}

/* The message is filled, and has its sender's pages beside it. */
static __attribute__((noinline, cold)) int64_t send_by_value(struct service *service, struct port *port,
                                                             struct message *message, const uint64_t *args)
{
    struct message *original = message->original;

    if (port_send_one(port, message)) {
        copy_settle(service->space, original);
        service->counts[cpu_number()].messages_out++;
        return 1;
    }
    if (original)
        copy_undo(message, original, port->receiver->space);
    transfer_undo(service, message, false);
    message_give(message);
    return syscall_send_one(service, args);
}

bool direct_in(struct service *service, uint64_t address, struct message *message, uint32_t source,
               unsigned how, const struct space *to)
{
    const struct baton_message *from = how & ~PAGE_SEND_TRUSTED ? NULL : plain_place(service, address);

    return LIKELY(from) && fill(service, message, from, source, how, to);
}

int64_t direct_send(struct service *service, const uint64_t *args)
{
    uint32_t source = 0;
    struct port *port = port_of(service, args[0], RIGHT_SEND, &source);
    bool plain = port && !args[2] && !(args[3] & ~BATON_TRUSTED) && unwatched();
    const struct baton_message *from = LIKELY(plain) ? plain_place(service, args[1]) : NULL;
    struct message *message = LIKELY(from) ? message_take() : NULL;

    if (!LIKELY(message))
        return syscall_send_one(service, args);
    unsigned how =
        (args[3] & BATON_TRUSTED ? PAGE_SEND_TRUSTED : 0) | (policy_now() == POLICY_COPY ? TRANSFER_COPY : 0);
    message->original = NULL;
    if (!LIKELY(fill(service, message, from, source, how, port->receiver->space))) {
        message_give(message);
        return syscall_send_one(service, args);
    }
    unmap_flush();
    if (!LIKELY(!(how & TRANSFER_COPY)))
        return send_by_value(service, port, message, args);
    if (!LIKELY(port_send_one(port, message)))
        return syscall_send_filled(service, port, &message, 1, message_pages(message), false, args[4]);
    service->counts[cpu_number()].messages_out++;
    return 1;
}

/* ---- Receive ---- */

/* No rpc, no books and blocks, nothing to be copied. */
INLINE bool is_plain(const struct message *message)
{
    uint64_t flags = 0;

    if (message->abi.pieces && message->abi.source < BATON_SOURCE_SERVICE && policy_now() == POLICY_COPY)
        return false;
    for (unsigned i = 0; i < message->abi.pieces; i++)
        flags |= message->abi.piece[i].offset;
    return !message->special && !(flags & ~(uint64_t)(BATON_PIECE_OFFSET_MASK | BATON_PIECE_READ_ONLY));
}

/* Pages from `taken` on, of which the first is not plain, become the service's: all, or the error and the message has none. */
static __attribute__((noinline)) int pages_take(struct service *service, struct baton_message *abi,
                                                unsigned taken, uint64_t flags)
{
    struct space *space = service->space;
    uint64_t tables = __atomic_load_n(&space->trusts, __ATOMIC_RELAXED);
    int result = 0;

    while (tables && taken < abi->pieces &&
           page_receive_kept(cpu_self(), space->number, &abi->piece[taken], tables))
        taken++;
    while (taken < abi->pieces &&
           !(result = page_receive(service->space, &abi->piece[taken], flags & BATON_TRUST_SENDER)))
        taken++;
    __atomic_fetch_add(&service->space->pages, taken, __ATOMIC_RELAXED);
    for (unsigned i = 0; result && i < abi->pieces; i++)
        page_release(i < taken ? service->space : space_at(0), abi->piece[i].page);
    if (result)
        abi->pieces = 0;
    return result;
}

/* immediate_access. The pages are the space's, one after the other mapped, and told to the walkers together. */
INLINE void pages_map(struct space *space, const struct baton_piece *piece, unsigned count)
{
    bool made = false;

    for (unsigned i = 0; i < count; i++)
        if (LIKELY(page_map_sole(space, &page_table[piece[i].page])))
            made = true;
        else if (!pagetable_entry_writable(pagetable_ipc_entry(&space->table->pages, piece[i].page)))
            page_map(space, &piece[i], 1); /* else it is mapped still, as in a trust set */
    if (made)
        pagetable_ipc_publish();
}

/* Writes a plain message to where the service wants it. The object is still the caller's, without pages. */
INLINE int put(struct service *service, struct baton_message *to, struct message *message, uint64_t flags)
{
    const struct plain_header *header = (const void *)&message->abi;
    struct cpu *cpu = cpu_self();
    unsigned count = plain_piece_count(header->shape), taken = 0;

    while (taken < count &&
           LIKELY(page_receive_plain(cpu, service->space->number, &message->abi.piece[taken])))
        taken++;
    if (!LIKELY(taken == count)) {
        int result = pages_take(service, &message->abi, taken, flags);
        if (result)
            return result;
    } else if (count) {
        __atomic_fetch_add(&service->space->pages, count, __ATOMIC_RELAXED);
    }
    if (count && flags & BATON_IMMEDIATE_ACCESS)
        pages_map(service->space, message->abi.piece, count);
    for (unsigned i = 0; i < count; i++)
        *(plain_piece *)&to->piece[i] = *(const plain_piece *)&message->abi.piece[i];
    *(struct plain_header *)(void *)to = *header;
    plain_inline_copy(to, &message->abi, header->shape);
    cpu->counters[COUNT_INLINE_BYTES] += plain_inline_length(header->shape);
    return 0;
}

int direct_out(struct service *service, uint64_t address, struct message *message, uint64_t flags)
{
    struct baton_message *to = LIKELY(is_plain(message)) ? plain_place(service, address) : NULL;

    return LIKELY(to) ? put(service, to, message, flags) : DIRECT_NOT;
}

/* The call waits no more: what it does from here it does with one message. */
INLINE void note_taken(const struct service *service)
{
    ledger_note(cpu_self(), LEDGER_TAKEN, service->space->number, LEDGER_NO_PAGE,
                thread_self()->number | UINT64_C(1) << 16);
}

/* What the port gave; or what the call in full makes of it. */
static __attribute__((noinline)) int64_t take(struct service *service, struct baton_message *to,
                                              struct message *message, const uint64_t *args)
{
    note_taken(service);
    if (!LIKELY(is_plain(message)))
        return syscall_deliver(service, args[1], message, args[3]);
    int result = put(service, to, message, args[3]);
    if (!LIKELY(!result)) {
        message_drop(message);
        return result;
    }
    service->counts[cpu_number()].messages_in++;
    message_give(message);
    return 1;
}

INLINE bool running(const struct service *service)
{
    return __atomic_load_n(&service->state, __ATOMIC_RELAXED) == SERVICE_RUNNING;
}

INLINE bool empty(const struct port *port)
{
    return __atomic_load_n(&port->head, __ATOMIC_RELAXED) == __atomic_load_n(&port->tail, __ATOMIC_RELAXED);
}

/* As thread_park; `next` is a parked thread of this CPU whose turn it is now, or NULL. */
INLINE bool park(uint64_t deadline, struct thread *next)
{
    if (next && deadline == UINT64_MAX && sched_hand_over(next))
        return true;
    if (next)
        thread_wake(next);
    return thread_park(deadline);
}

/* Waits for a message by the port, or directly to where the service wants it. The turn of `next` comes in any case. */
static __attribute__((noinline)) int64_t receive_wait(struct service *service, struct port *port,
                                                      struct baton_message *to, const uint64_t *args,
                                                      struct thread *next)
{
    uint64_t deadline = args[4] == BATON_FOREVER ? UINT64_MAX : timer_deadline(args[4]);
    struct thread *self = thread_self();
    struct message *message = NULL;
    bool in_time = args[4];

    while (in_time && !message && running(service)) {
        self->direct_port = port;
        self->direct = to;
        port_receiver_add(port, self);
        if (LIKELY(empty(port))) {
            in_time = park(deadline, next);
            next = NULL;
        }
        port_receiver_remove(port, self);
        self->direct_port = NULL;
        if (!self->direct) {
            note_taken(service);
            return 1;
        }
        self->direct = NULL;
        message = port_take_one(port);
    }
    if (next)
        thread_wake(next);
    if (message)
        return take(service, to, message, args);
    return in_time ? BATON_EDEAD : args[4] ? BATON_ETIMEOUT : BATON_EEMPTY;
}

/* The port and the place of a receive that is plain so far; NULL else. */
INLINE struct baton_message *receive_place(const struct service *service, const uint64_t *args,
                                           uint64_t flags, struct port **port)
{
    uint32_t source, owned = __atomic_load_n(&service->space->pages, __ATOMIC_RELAXED);

    *port = port_of(service, args[0], RIGHT_RECEIVE, &source);
    bool plain =
        *port && !(args[3] & ~flags) && (!owned || owned < service->space->page_limit) && unwatched();
    return LIKELY(plain) ? plain_place(service, args[1]) : NULL;
}

int64_t direct_receive(struct service *service, const uint64_t *args)
{
    struct port *port;
    struct baton_message *to =
        args[2] ? NULL : receive_place(service, args, BATON_IMMEDIATE_ACCESS | BATON_TRUST_SENDER, &port);

    if (!LIKELY(to))
        return syscall_receive_one(service, args);
    struct message *message = port_take_one(port);
    return LIKELY(message) ? take(service, to, message, args) : receive_wait(service, port, to, args, NULL);
}

/* ---- Call and reply ---- */

/* A thread of this CPU that waits at the port, and at no other place, for what comes next; or NULL. */
INLINE struct thread *receiver_waiting(const struct cpu *cpu, const struct port *port)
{
    /* Threads are never gone. One that waits on another CPU has another number; so has one that is moving there. */
    struct thread *thread = __atomic_load_n(&port->receiver_last, __ATOMIC_RELAXED);

    if (!thread || __atomic_load_n(&thread->cpu, __ATOMIC_ACQUIRE) != cpu->number ||
        thread->direct_port != port || !thread->direct || !empty(port) ||
        __atomic_load_n(&port->closed, __ATOMIC_RELAXED))
        return NULL;
    return thread;
}

/* From one service's memory to that of another, whose thread waits for it. */
INLINE void hand_over(struct cpu *cpu, struct service *from, struct thread *to,
                      const struct baton_message *message, const struct plain_header *header, uint32_t source,
                      uint64_t token)
{
    struct baton_message *out = to->direct;

    plain_header_write(out, header, source, token);
    plain_inline_copy(out, message, header->shape);
    to->direct = NULL;
    cpu->counters[COUNT_INLINE_BYTES] += plain_inline_length(header->shape);
    from->counts[cpu->number].messages_out++;
    to->service->counts[cpu->number].messages_in++;
}

/* Inline data alone, in a message that does not contradict itself: no pieces and no flags, and the length is the data's. */
INLINE bool header_read_inline(struct plain_header *header, const struct baton_message *from)
{
    return LIKELY(plain_header_read(header, from) && !(header->shape >> 48) &&
                  plain_inline_length(header->shape) == (uint32_t)header->shape);
}

int64_t direct_rpc(struct service *service, const uint64_t *args)
{
    struct cpu *cpu = cpu_self();
    struct thread *self = cpu->current;
    uint32_t source = 0;
    struct plain_header header;
    struct port *port = port_of(service, args[0], RIGHT_SEND, &source);
    bool plain =
        port && !(args[3] & ~(BATON_TRUSTED | BATON_IMMEDIATE_ACCESS | BATON_TRUST_SENDER)) && unwatched();
    struct thread *receiver = LIKELY(plain) ? receiver_waiting(cpu, port) : NULL;
    struct baton_message *from = LIKELY(receiver) ? plain_place(service, args[1]) : NULL;
    struct baton_message *to = args[1] == args[2] ? from : plain_place(service, args[2]);

    if (!LIKELY(from && to) || !header_read_inline(&header, from))
        return syscall_rpc(service, args);
    hand_over(cpu, service, receiver, from, &header, source, rpc_begin_held(self, receiver->service));
    self->direct = to;
    bool gone = LIKELY(args[4] == BATON_FOREVER) && sched_hand_over(receiver);
    if (LIKELY(gone && !self->direct)) {
        rpc_cancel(); /* it is answered */
        note_taken(service);
        return 0;
    }
    if (!gone)
        thread_wake(receiver);
    struct message *reply;
    int error = rpc_wait(&reply, args[4] == BATON_FOREVER ? UINT64_MAX : timer_deadline(args[4]));
    self->direct = NULL;
    if (error)
        return error;
    if (reply != RPC_DIRECT)
        return syscall_answered(service, args[2], reply, args[3]);
    note_taken(service);
    return 0;
}

/* Writes the answer to where its caller, who waits on this CPU, wants it: the caller; NULL: nothing was done. */
INLINE struct thread *answer(struct service *service, uint64_t token, const struct baton_message *from)
{
    struct cpu *cpu = cpu_self();
    struct plain_header header;
    struct thread *caller = rpc_caller(token);
    bool here = caller && caller->cpu == cpu->number && caller->direct && !caller->direct_port;

    if (!LIKELY(here && from) || !header_read_inline(&header, from) ||
        !LIKELY(rpc_claim_of(caller, token, service)))
        return NULL;
    hand_over(cpu, service, caller, from, &header, service->source, 0);
    rpc_answer_set(caller, RPC_DIRECT);
    return caller;
}

int64_t direct_reply(struct service *service, const uint64_t *args)
{
    bool plain = !(args[2] & ~BATON_TRUSTED) && unwatched();
    struct thread *caller = LIKELY(plain) ? answer(service, args[0], plain_place(service, args[1])) : NULL;

    if (!LIKELY(caller))
        return syscall_reply(service, args);
    thread_wake(caller);
    return 0;
}

/* In two, as the service could have done it. */
static __attribute__((noinline, cold)) int64_t reply_then_receive(struct service *service,
                                                                  const uint64_t *args)
{
    const uint64_t reply[] = {args[2], args[1], args[3] & BATON_TRUSTED};
    const uint64_t receive[] = {args[0], args[1], 0, args[3] & ~BATON_TRUSTED, args[4]};
    const struct handle *handle = service_handle(service, args[0]);
    int64_t result = !handle ? BATON_EHANDLE : !(handle->rights & RIGHT_RECEIVE) ? BATON_ERIGHT : 0;

    uint32_t owned = __atomic_load_n(&service->space->pages, __ATOMIC_RELAXED);

    if (!result && owned && owned >= service->space->page_limit)
        result = BATON_ELIMIT;
    if (!result && receive[3] & ~(BATON_IMMEDIATE_ACCESS | BATON_TRUST_SENDER | BATON_BLOCK_ROOM))
        result = BATON_EINVAL;
    if (!result)
        result = syscall_reply(service, reply);
    if (result)
        return result == BATON_EDEAD ? BATON_EOWNER : result;
    return direct_receive(service, receive);
}

int64_t direct_reply_receive(struct service *service, const uint64_t *args)
{
    struct port *port;
    struct baton_message *to =
        receive_place(service, args, BATON_TRUSTED | BATON_IMMEDIATE_ACCESS | BATON_TRUST_SENDER, &port);
    struct thread *caller = LIKELY(to) ? answer(service, args[2], to) : NULL;

    return LIKELY(caller) ? receive_wait(service, port, to, args, caller) : reply_then_receive(service, args);
}
