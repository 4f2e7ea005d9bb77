/*
 * Send and receive, as services call them. What the flags `trusted`, `immediate_access` and `trust_sender` (DASH 3.2)
 * save is told in ipc/page.h.
 */
#include "ipc/syscall_message.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/timer.h"
#include "ipc/copy.h"
#include "ipc/direct.h"
#include "ipc/idle.h"
#include "ipc/lend.h"
#include "ipc/observe.h"
#include "ipc/page.h"
#include "ipc/plain_batch.h"
#include "ipc/policy.h"
#include "ipc/port.h"
#include "ipc/sched.h"
#include "ipc/service.h"
#include "ipc/syscall_batch.h"
#include "ipc/thread.h"
#include "ipc/transfer.h"
#include "mm/space.h"
#include "mm/unmap.h"

static bool running(const struct service *service)
{
    return __atomic_load_n(&service->state, __ATOMIC_RELAXED) == SERVICE_RUNNING;
}

struct port *syscall_port(const struct service *service, uint64_t number, uint32_t right,
                          const struct handle **handle, int *error)
{
    *handle = service_handle(service, number);
    *error = !*handle ? BATON_EHANDLE : !((*handle)->rights & right) ? BATON_ERIGHT : 0;
    return *error ? NULL : (*handle)->port;
}

/* A list of messages. */
static int batch_list(const struct service *service, struct batch *batch, uint64_t from, uint64_t count)
{
    if (!count || count > BATON_BATCH || from & 7)
        return BATON_EINVAL;
    batch->count = (unsigned)count;
    batch->list = transfer_place(service, from, count * sizeof(from));
    return batch->list ? 0 : BATON_EFAULT;
}

/* ---- Send ---- */

/* Message `index` of the batch, whatever there is in it: 0 or an error. */
static int message_fill(struct service *service, struct batch *batch, unsigned index, uint32_t source,
                        unsigned flags, const struct space *to)
{
    struct message *message = batch->messages[index];
    uint64_t address = __atomic_load_n(&batch->list[index], __ATOMIC_RELAXED);

    if (direct_in(service, address, message, source, flags, to))
        return 0;
    int result = transfer_in(service, address, message, flags, to);
    if (result)
        return result;
    message->abi.source = source;
    if (batch->by_value)
        batch->originals[index] = message->original;
    return 0;
}

/* The plain messages of a send with these flags go the short way. */
static bool plain_send_flags(unsigned flags)
{
    return !(flags & ~PAGE_SEND_TRUSTED) && !ledger_noting(cpu_self());
}

int batch_fill(struct service *service, struct batch *batch, uint32_t source, unsigned flags,
               const struct space *to)
{
    unsigned filled = batch->lent,
             got = filled + message_alloc(batch->messages + filled, batch->count - filled);
    bool plain = plain_send_flags(flags);
    int result = got ? 0 : BATON_ENOMEM;

    batch->by_value = flags & TRANSFER_COPY;
    while (!result && filled < got) {
        unsigned before = filled;
        if (plain)
            filled += plain_send(service, batch->list + filled, batch->messages + filled, got - filled,
                                 source, &batch->pages);
        plain = filled > before; /* else the next one is most likely not plain either */
        if (filled < got && !(result = message_fill(service, batch, filled, source, flags, to)))
            batch->pages += message_pages(batch->messages[filled++]);
    }
    unmap_flush();
    message_free(batch->messages + filled, got - filled);
    return filled ? (int)filled : result;
}

void batch_gone(const struct service *service, const struct batch *batch, unsigned count)
{
    for (unsigned i = 0; batch->by_value && i < count; i++)
        copy_settle(service->space, batch->originals[i]);
}

void batch_undo(struct service *service, const struct batch *batch, unsigned index, bool duplicate,
                const struct space *to)
{
    struct message *message = batch->messages[index];

    if (batch->by_value && batch->originals[index])
        copy_undo(message, batch->originals[index], to);
    transfer_undo(service, message, duplicate);
    message_free(&message, 1);
}

int batch_send(struct service *service, struct port *port, struct message *const *messages, unsigned count,
               uint32_t pages, uint64_t timeout)
{
    struct thread *self = thread_self();
    int result = port_send_counted(port, messages, count, pages);

    if (result != BATON_EFULL && (result < 0 || (unsigned)result == count))
        return result;
    unsigned sent = result < 0 ? 0 : (unsigned)result;
    uint64_t deadline = timeout ? timer_deadline(timeout) : 0;
    bool in_time = timeout;
    while (sent < count && in_time && running(service)) {
        port_sender_add(port, self);
        result = port_send(port, messages + sent, count - sent);
        if (result == BATON_EFULL)
            in_time = thread_park(deadline);
        port_sender_remove(port, self);
        if (result == BATON_EDEAD)
            break;
        sent += result > 0 ? (unsigned)result : 0;
    }
    if (sent || result == BATON_EDEAD)
        return sent ? (int)sent : result;
    return timeout ? BATON_ETIMEOUT : BATON_EFULL;
}

/* The first `lent` of them were lent to the sender. */
static int64_t send_filled(struct service *service, struct port *port, struct message *const *messages,
                           unsigned count, uint32_t pages, unsigned lent, bool duplicate, uint64_t timeout)
{
    int sent = batch_send(service, port, messages, count, pages, timeout);

    for (unsigned i = sent < 0 ? 0 : (unsigned)sent; i < count; i++) {
        if (i < lent) {
            lend_again(thread_self(), messages[i]);
            continue;
        }
        transfer_undo(service, messages[i], duplicate);
        message_free(&messages[i], 1);
    }
    if (sent > 0)
        service->counts[cpu_number()].messages_out += (unsigned)sent;
    return sent;
}

int64_t syscall_send_filled(struct service *service, struct port *port, struct message *const *messages,
                            unsigned count, uint32_t pages, bool duplicate, uint64_t timeout)
{
    return send_filled(service, port, messages, count, pages, 0, duplicate, timeout);
}

/* The same for a batch that has pages of its own. */
static int64_t send_by_value(struct service *service, struct port *port, const struct batch *batch,
                             unsigned count, bool duplicate, uint64_t timeout)
{
    int sent = batch_send(service, port, batch->messages, count, batch->pages, timeout);

    for (unsigned i = sent < 0 ? 0 : (unsigned)sent; i < count; i++)
        batch_undo(service, batch, i, duplicate, port->receiver->space);
    batch_gone(service, batch, sent < 0 ? 0 : (unsigned)sent);
    if (sent > 0)
        service->counts[cpu_number()].messages_out += (unsigned)sent;
    return sent;
}

/* `list`: args[1] and args[2] are a list of messages; else args[1] is the one. */
static int64_t send_call(struct service *service, const uint64_t *args, bool list)
{
    struct batch batch;
    const struct handle *handle;
    int error;
    struct port *port = syscall_port(service, args[0], RIGHT_SEND, &handle, &error);
    bool duplicate = args[3] & BATON_DUPLICATE;

    if (!port)
        return error;
    if (args[3] & ~BATCH_SEND_FLAGS || (!list && args[2]))
        return BATON_EINVAL;
    batch_one(&batch, args[1]);
    if (list && (error = batch_list(service, &batch, args[1], args[2])))
        return error;
    unsigned granted = service_charge(service, batch.count);
    if (!granted)
        return BATON_ELIMIT;
    batch.count = granted;
    /* Once: the policy may change meanwhile, and what was lent has no original that could be settled by value */
    const unsigned flags = batch_page_flags(args[3]);
    if (thread_self()->lent_count && plain_send_flags(flags))
        batch.lent =
            lend_send(thread_self(), batch.list, batch.messages, granted, handle->source, &batch.pages);
    int filled = batch_fill(service, &batch, handle->source, flags, port->receiver->space);
    if (filled < 0) {
        service_uncharge(service, granted);
        return filled;
    }
    service_charge_mark(service, batch.messages, (unsigned)filled);
    if (observed())
        observe_send(port, batch.messages, (unsigned)filled);
    int64_t sent = batch.by_value ? send_by_value(service, port, &batch, (unsigned)filled, duplicate, args[4])
                                  : send_filled(service, port, batch.messages, (unsigned)filled, batch.pages,
                                                batch.lent, duplicate, args[4]);
    service_uncharge(service, granted - (sent > 0 ? (unsigned)sent : 0));
    /* There will be no fuller batch: a driver that slept shows them to its device now, and not two exceptions later */
    if (sent > 0 && idle_few())
        sched_yield_to_driver();
    return sent;
}

int64_t syscall_send(struct service *service, const uint64_t *args)
{
    return send_call(service, args, true);
}

int64_t syscall_send_one(struct service *service, const uint64_t *args)
{
    return send_call(service, args, false);
}

/* ---- Receive ---- */

/* One that lies in a stack, or is wrong. */
static int buffer_check(const struct service *service, uint64_t address, unsigned bytes)
{
    return address & 7 ? BATON_EINVAL : transfer_writable(service, address, bytes) ? 0 : BATON_EFAULT;
}

/*
 * Reads addresses [known, count) of the service's buffers; returns how many can be written, from the front, or an error when that
 * is none. Those that are known already are not read again: the service may have changed them meanwhile.
 */
static int buffers_check(const struct service *service, struct batch *batch, uint64_t from, unsigned known,
                         unsigned count)
{
    const uint64_t *list = from & 7 ? NULL : transfer_place(service, from, count * sizeof(from));
    int error = list ? 0 : from & 7 ? BATON_EINVAL : BATON_EFAULT;
    unsigned done = known;

    if (!error)
        done += plain_writable(service, batch->addresses + known, list + known, count - known, batch->buffer);
    batch->plain = done == count && (!known || batch->first_plain);
    while (!error && done < count) {
        batch->addresses[done] = __atomic_load_n(&list[done], __ATOMIC_RELAXED);
        if (!(error = buffer_check(service, batch->addresses[done], batch->buffer)))
            done++;
    }
    return done ? (int)done : error; /* the next call meets a wrong one first */
}

/* What is queued now, as far as there are buffers for it. Only those that are needed are looked at: a batch of 64 may
   get one message. The first one has been checked. */
static unsigned take_queued(struct service *service, struct port *port, struct batch *batch, uint64_t from)
{
    unsigned depth = port_depth(port), count = depth < batch->count ? depth : batch->count;

    if (count && batch->lend) /* what is lent needs no buffer, only a place in the list */
        count = transfer_place(service, from, count * sizeof(from)) ? count : 1;
    else if (count)
        count = (unsigned)buffers_check(service, batch, from, 1, count);
    return count ? port_take_begin(port, batch->messages, count) : 0;
}

/* Takes at least one message, waiting for it until `timeout` is over; returns how many, or an error. */
static int batch_take(struct service *service, struct port *port, struct batch *batch, uint64_t from,
                      uint64_t timeout)
{
    struct thread *self = thread_self();
    unsigned taken = take_queued(service, port, batch, from);

    if (taken)
        return (int)taken;
    if (!timeout)
        return BATON_EEMPTY;
    uint64_t deadline = timer_deadline(timeout);
    bool in_time = true;
    while (!taken && in_time && running(service)) {
        port_receiver_add(port, self);
        taken = take_queued(service, port, batch, from);
        if (!taken)
            in_time = thread_park(deadline);
        port_receiver_remove(port, self);
        if (!taken)
            taken = take_queued(service, port, batch, from);
    }
    return taken ? (int)taken : in_time ? BATON_EDEAD : BATON_ETIMEOUT;
}

/* The plain messages of a receive with these flags go the short way. */
static bool plain_receive_flags(uint64_t flags)
{
    return !(flags & BATON_IMMEDIATE_ACCESS) && !ledger_noting(cpu_self()) && policy_now() != POLICY_COPY;
}

/* One message, whatever there is in it: 0 or an error. */
static int message_deliver(struct service *service, uint64_t address, struct message *message, uint64_t flags)
{
    unsigned how =
        (flags & BATON_IMMEDIATE_ACCESS ? TRANSFER_MAP : 0) | (flags & BATON_BLOCK_ROOM ? TRANSFER_ROOM : 0);
    int result = direct_out(service, address, message, flags);

    return result == DIRECT_NOT ? transfer_out(service, address, message, how, flags & BATON_TRUST_SENDER)
                                : result;
}

/*
 * To a trusted service: those at the front are lent to it. For the rest it must have buffers, which nobody has looked at yet; returns
 * how many messages are left, the lent ones included.
 */
static unsigned batch_lend(struct service *service, struct batch *batch, unsigned count, uint64_t flags,
                           uint32_t *pages, int *error)
{
    struct thread *self = thread_self();

    /* Once more: while it waited the policy may have changed, or the ledger been turned on */
    if (plain_receive_flags(flags))
        batch->lent = lend_receive(self, transfer_place(service, batch->from, count * sizeof(batch->from)),
                                   batch->messages, count, pages);
    if (batch->lent == count)
        return count;
    unsigned known = batch->lent ? batch->lent : 1; /* the first one has been checked */
    unsigned usable = (unsigned)buffers_check(service, batch, batch->from, known, count);
    for (unsigned i = usable; i < count; i++) {
        *pages += message_pages(batch->messages[i]);
        message_drop(batch->messages[i]);
        *error = BATON_EFAULT;
    }
    return usable;
}

int batch_deliver(struct service *service, struct port *port, struct batch *batch, unsigned count,
                  uint64_t flags)
{
    unsigned delivered = 0, done = 0;
    uint32_t pages = 0;
    int error = 0;

    if (observed())
        observe_receive(service, batch->messages, count);
    if (batch->lend)
        count = batch_lend(service, batch, count, flags, &pages, &error);
    /* After the buffers of the rest were looked at */
    bool plain = batch->plain && plain_receive_flags(flags);
    delivered = done = batch->lent;
    while (done < count) {
        unsigned before = done;
        if (plain)
            done +=
                plain_receive(service, batch->addresses + done, batch->messages + done, count - done, &pages);
        delivered += done - before;
        plain = done > before; /* else the next one is most likely not plain either */
        if (done == count)
            break;
        struct message *message = batch->messages[done++];
        pages += message_pages(message);
        int result = message_deliver(service, batch->addresses[delivered], message, flags);
        if (!result) {
            batch->messages[delivered++] = message;
            continue;
        }
        message_drop(message);
        error = result;
        plain = false; /* messages and buffers are no longer side by side */
    }
    if (port)
        port_take_end(port, pages);
    message_free(batch->messages + batch->lent, delivered - batch->lent);
    service->counts[cpu_number()].messages_in += delivered;
    return delivered ? (int)delivered : error;
}

int64_t syscall_deliver(struct service *service, uint64_t address, struct message *message, uint64_t flags)
{
    struct batch batch;

    batch_one(&batch, address);
    batch.messages[0] = message;
    return batch_deliver(service, NULL, &batch, 1, flags);
}

/* The buffers' addresses in `batch`: of a list the first, of which it is known that it can be written. */
static int64_t receive_into(struct service *service, struct port *port, struct batch *batch,
                            const uint64_t *args)
{
    /* Who owns none may always receive: a service that is allowed no page still gets messages without any */
    uint32_t owned = __atomic_load_n(&service->space->pages, __ATOMIC_RELAXED);

    if (owned && owned >= service->space->page_limit)
        return BATON_ELIMIT;
    int taken = batch_take(service, port, batch, args[1], args[4]);
    batch_note_taken(service, taken);
    return taken < 0 ? taken : batch_deliver(service, port, batch, (unsigned)taken, args[3]);
}

int64_t syscall_receive(struct service *service, const uint64_t *args)
{
    struct batch batch;
    const struct handle *handle;
    int error;
    struct port *port = syscall_port(service, args[0], RIGHT_RECEIVE, &handle, &error);

    if (!port)
        return error;
    if (args[3] & ~(BATCH_RECEIVE_FLAGS | BATON_LEND))
        return BATON_EINVAL;
    if (!args[2] || args[2] > BATON_BATCH)
        return BATON_EINVAL;
    if (args[3] & BATON_LEND)
        lend_end(thread_self()); /* first: neither the list nor a buffer may lie in what was lent */
    batch.buffer = batch_buffer_bytes(args[3]);
    if ((error = buffers_check(service, &batch, args[1], 0, 1)) < 0)
        return error;
    batch.first_plain = batch.plain;
    batch.count = (unsigned)args[2];
    batch.lent = 0;
    batch.from = args[1];
    batch.lend =
        args[3] & BATON_LEND && service->placement == BATON_TRUSTED_SERVICE && plain_receive_flags(args[3]);
    return receive_into(service, port, &batch, args);
}

int64_t syscall_receive_one(struct service *service, const uint64_t *args)
{
    struct batch batch;
    const struct handle *handle;
    int error;
    struct port *port = syscall_port(service, args[0], RIGHT_RECEIVE, &handle, &error);

    if (!port)
        return error;
    if (args[3] & ~BATCH_RECEIVE_FLAGS || args[2] || args[1] & 7)
        return BATON_EINVAL;
    batch.buffer =
        batch_buffer_bytes(args[3]); /* a small block is written behind the struct, if there is room for it */
    if (!transfer_writable(service, args[1], batch.buffer))
        return BATON_EFAULT;
    batch_one(&batch, args[1]);
    return receive_into(service, port, &batch, args);
}
