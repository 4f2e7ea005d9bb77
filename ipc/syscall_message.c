/*
 * Send, receive, rpc and reply, as services call them. What the flags `trusted`, `immediate_access` and `trust_sender` (DASH 3.2)
 * save is told in ipc/page.h.
 */
#include <stddef.h>
#include "ipc/syscall_message.h"
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/timer.h"
#include "ipc/copy.h"
#include "ipc/direct.h"
#include "ipc/observe.h"
#include "ipc/page.h"
#include "ipc/policy.h"
#include "ipc/port.h"
#include "ipc/request.h"
#include "ipc/rpc.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "ipc/transfer.h"
#include "mm/space.h"
#include "mm/unmap.h"

#define SEND_FLAGS    (BATON_TRUSTED | BATON_DUPLICATE)
#define RECEIVE_FLAGS (BATON_IMMEDIATE_ACCESS | BATON_TRUST_SENDER | BATON_BLOCK_ROOM)

struct batch {
    uint64_t addresses[BATON_BATCH]; /* of the service's messages, copied once */
    struct message *messages[BATON_BATCH];
    unsigned count;
    unsigned buffer; /* bytes of each, where messages are received */
    bool by_value;   /* with unmap=copy: the messages have pages of their own, */
    struct message
        *originals[BATON_BATCH]; /* and these the sender's, until it is known who has which: see ipc/copy.h */
};

static bool running(const struct service *service)
{
    return __atomic_load_n(&service->state, __ATOMIC_RELAXED) == SERVICE_RUNNING;
}

static uint32_t row_number(const struct service *service)
{
    return (uint32_t)(service->row - appliance.services);
}

/* The port behind a handle with the right that is needed; else NULL and the error. */
static struct port *port_of(const struct service *service, uint64_t number, uint32_t right,
                            const struct handle **handle, int *error)
{
    *handle = service_handle(service, number);
    *error = !*handle ? BATON_EHANDLE : !((*handle)->rights & right) ? BATON_ERIGHT : 0;
    return *error ? NULL : (*handle)->port;
}

static int addresses_read(const struct service *service, struct batch *batch, uint64_t from, uint64_t count)
{
    if (!count || count > BATON_BATCH)
        return BATON_EINVAL;
    batch->count = (unsigned)count;
    return transfer_read_words(service, batch->addresses, from, count);
}

/* The call waits no more: what it does from here it does with `count` messages. */
static void note_taken(const struct service *service, int count)
{
    ledger_note(cpu_self(), LEDGER_TAKEN, service->space->number, LEDGER_NO_PAGE,
                thread_self()->number | (count > 0 ? (uint64_t)count << 16 : 0));
}

/* ---- Send ---- */

/* The flags of a send, as page_send has them. */
static unsigned page_flags(uint64_t flags)
{
    return (flags & BATON_DUPLICATE ? PAGE_SEND_DUPLICATE : 0) |
           (flags & BATON_TRUSTED ? PAGE_SEND_TRUSTED : 0) |
           (policy_now() == POLICY_COPY ? TRANSFER_COPY : 0);
}

/*
 * Station 6: copies messages in until one is wrong; returns how many, or the first one's error. `to` is the space that will receive
 * them. Their pages are unmapped, or on the way to be: the batch can be sent.
 */
static int batch_fill(struct service *service, struct batch *batch, uint32_t source, unsigned flags,
                      const struct space *to)
{
    unsigned got = message_alloc(batch->messages, batch->count), filled = 0;
    int result = got ? 0 : BATON_ENOMEM;

    batch->by_value = flags & TRANSFER_COPY;
    for (; filled < got; filled++) {
        if (direct_in(service, batch->addresses[filled], batch->messages[filled], source, flags, to))
            continue;
        result = transfer_in(service, batch->addresses[filled], batch->messages[filled], flags, to);
        if (result)
            break;
        batch->messages[filled]->abi.source = source;
        if (batch->by_value)
            batch->originals[filled] = batch->messages[filled]->original;
    }
    unmap_flush();
    message_free(batch->messages + filled, got - filled);
    return filled ? (int)filled : result;
}

/* The first `count` messages of the batch are gone. What the sender had in them by value is its pool's again. */
static void batch_gone(const struct service *service, const struct batch *batch, unsigned count)
{
    for (unsigned i = 0; batch->by_value && i < count; i++)
        copy_settle(service->space, batch->originals[i]);
}

/* Message `index` of the batch stays with its sender. */
static void batch_undo(struct service *service, const struct batch *batch, unsigned index, bool duplicate,
                       const struct space *to)
{
    struct message *message = batch->messages[index];

    if (batch->by_value && batch->originals[index])
        copy_undo(message, batch->originals[index], to);
    transfer_undo(service, message, duplicate);
    message_free(&message, 1);
}

/* Station 7: into the port; waits for room until `deadline`. Returns how many went, or an error when none
 * did. */
static int batch_send(struct service *service, struct port *port, struct message *const *messages,
                      unsigned count, uint64_t timeout)
{
    struct thread *self = thread_self();
    int result = port_send(port, messages, count);

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

int64_t syscall_send_filled(struct service *service, struct port *port, struct message *const *messages,
                            unsigned count, bool duplicate, uint64_t timeout)
{
    int sent = batch_send(service, port, messages, count, timeout);

    for (unsigned i = sent < 0 ? 0 : (unsigned)sent; i < count; i++) {
        transfer_undo(service, messages[i], duplicate);
        message_free(&messages[i], 1);
    }
    if (sent > 0)
        service->counts[cpu_number()].messages_out += (unsigned)sent;
    return sent;
}

/* The same for a batch that has pages of its own. */
static int64_t send_by_value(struct service *service, struct port *port, const struct batch *batch,
                             unsigned count, bool duplicate, uint64_t timeout)
{
    int sent = batch_send(service, port, batch->messages, count, timeout);

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
    struct port *port = port_of(service, args[0], RIGHT_SEND, &handle, &error);
    bool duplicate = args[3] & BATON_DUPLICATE;

    if (!port)
        return error;
    if (args[3] & ~SEND_FLAGS || (!list && args[2]))
        return BATON_EINVAL;
    batch.addresses[0] = args[1];
    batch.count = 1;
    if (list && (error = addresses_read(service, &batch, args[1], args[2])))
        return error;
    unsigned granted = service_charge(service, batch.count);
    if (!granted)
        return BATON_ELIMIT;
    batch.count = granted;
    int filled = batch_fill(service, &batch, handle->source, page_flags(args[3]), port->receiver->space);
    if (filled < 0) {
        service_uncharge(service, granted);
        return filled;
    }
    service_charge_mark(service, batch.messages, (unsigned)filled);
    if (observed())
        observe_send(port, batch.messages, (unsigned)filled);
    int64_t sent = batch.by_value ? send_by_value(service, port, &batch, (unsigned)filled, duplicate, args[4])
                                  : syscall_send_filled(service, port, batch.messages, (unsigned)filled,
                                                        duplicate, args[4]);
    service_uncharge(service, granted - (sent > 0 ? (unsigned)sent : 0));
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

/* What a message is received into. */
static unsigned buffer_bytes(uint64_t flags)
{
    return sizeof(struct baton_message) + (flags & BATON_BLOCK_ROOM ? BATON_BLOCK_BYTES : 0);
}

/* Reads the first `count` addresses of the service's buffers; returns how many can be written, from the front. */
static int buffers_check(const struct service *service, struct batch *batch, uint64_t from, unsigned count)
{
    int error = transfer_read_words(service, batch->addresses, from, count);

    for (unsigned i = 0; !error && i < count; i++) {
        if (batch->addresses[i] & 7)
            error = BATON_EINVAL;
        else if (!transfer_writable(service, batch->addresses[i], batch->buffer))
            error = BATON_EFAULT;
        if (error && i)
            return (int)i; /* the next call meets this one first */
    }
    return error ? error : (int)count;
}

/* What is queued now, as far as there are buffers for it. Only those that are needed are looked at: a batch of 64 may
   get one message. The first one has been checked. */
static unsigned take_queued(struct service *service, struct port *port, struct batch *batch, uint64_t from)
{
    unsigned depth = port_depth(port), count = depth < batch->count ? depth : batch->count;

    if (count > 1) {
        int checked = buffers_check(service, batch, from, count);
        count = checked > 0 ? (unsigned)checked : 1;
    }
    return count ? port_take(port, batch->messages, count) : 0;
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

/* Station 4: messages to the service's memory, from the front; what cannot be received is dropped with its
 * error. */
static int batch_deliver(struct service *service, struct batch *batch, unsigned count, uint64_t flags)
{
    unsigned delivered = 0, how = (flags & BATON_IMMEDIATE_ACCESS ? TRANSFER_MAP : 0) |
                                  (flags & BATON_BLOCK_ROOM ? TRANSFER_ROOM : 0);
    int error = 0;

    if (observed())
        observe_receive(service, batch->messages, count);
    for (unsigned i = 0; i < count; i++) {
        int result = direct_out(service, batch->addresses[delivered], batch->messages[i], flags);
        if (result == DIRECT_NOT)
            result = transfer_out(service, batch->addresses[delivered], batch->messages[i], how,
                                  flags & BATON_TRUST_SENDER);
        if (!result) {
            batch->messages[delivered++] = batch->messages[i];
            continue;
        }
        message_drop(batch->messages[i]);
        error = result;
    }
    message_free(batch->messages, delivered);
    service->counts[cpu_number()].messages_in += delivered;
    return delivered ? (int)delivered : error;
}

int64_t syscall_deliver(struct service *service, uint64_t address, struct message *message, uint64_t flags)
{
    struct batch batch;

    batch.addresses[0] = address;
    batch.messages[0] = message;
    return batch_deliver(service, &batch, 1, flags);
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
    note_taken(service, taken);
    return taken < 0 ? taken : batch_deliver(service, batch, (unsigned)taken, args[3]);
}

int64_t syscall_receive(struct service *service, const uint64_t *args)
{
    struct batch batch;
    const struct handle *handle;
    int error;
    struct port *port = port_of(service, args[0], RIGHT_RECEIVE, &handle, &error);

    if (!port)
        return error;
    if (args[3] & ~RECEIVE_FLAGS)
        return BATON_EINVAL;
    if (!args[2] || args[2] > BATON_BATCH)
        return BATON_EINVAL;
    batch.buffer = buffer_bytes(args[3]);
    if ((error = buffers_check(service, &batch, args[1], 1)) < 0)
        return error;
    batch.count = (unsigned)args[2];
    return receive_into(service, port, &batch, args);
}

int64_t syscall_receive_one(struct service *service, const uint64_t *args)
{
    struct batch batch;
    const struct handle *handle;
    int error;
    struct port *port = port_of(service, args[0], RIGHT_RECEIVE, &handle, &error);

    if (!port)
        return error;
    if (args[3] & ~RECEIVE_FLAGS || args[2] || args[1] & 7)
        return BATON_EINVAL;
    batch.buffer =
        buffer_bytes(args[3]); /* a small block is written behind the struct, if there is room for it */
    if (!transfer_writable(service, args[1], batch.buffer))
        return BATON_EFAULT;
    batch.addresses[0] = args[1];
    batch.count = 1;
    return receive_into(service, port, &batch, args);
}

/* ---- Call and reply ---- */

/*
 * The request never got into the port. The caller must be able to tell whose it is now: with BATON_EFULL it still is the
 * caller's, with BATON_EDEAD (and BATON_ETIMEOUT, after it was sent) it is gone.
 */
static int rpc_unsent(struct service *service, const struct batch *batch, int error, const struct space *to)
{
    struct message *request = batch->messages[0];

    rpc_cancel();
    request->special = 0;
    service_uncharge(service, 1);
    if (error == BATON_EDEAD) {
        message_drop(request);
        batch_gone(service, batch, 1);
        return BATON_EDEAD;
    }
    batch_undo(service, batch, 0, false, to);
    return BATON_EFULL;
}

int64_t syscall_answered(struct service *service, uint64_t address, struct message *reply, uint64_t flags)
{
    struct batch batch;

    note_taken(service, 1);
    batch.addresses[0] = address;
    batch.messages[0] = reply;
    int delivered = batch_deliver(service, &batch, 1, flags);
    return delivered < 0 ? delivered : 0;
}

int64_t syscall_rpc(struct service *service, const uint64_t *args)
{
    struct batch batch;
    struct message *reply;
    const struct handle *handle;
    int error;
    struct port *port = port_of(service, args[0], RIGHT_SEND, &handle, &error);

    if (!port)
        return error;
    if (args[3] & ~(SEND_FLAGS | RECEIVE_FLAGS) || args[3] & BATON_DUPLICATE || args[2] & 7)
        return BATON_EINVAL;
    if (!transfer_writable(service, args[2], buffer_bytes(args[3])))
        return BATON_EFAULT;
    batch.addresses[0] = args[1];
    batch.count = 1;
    if (!service_charge(service, 1))
        return BATON_EFULL; /* ELIMIT would leave in doubt whose the request is: see baton.h */
    error = batch_fill(service, &batch, handle->source, page_flags(args[3]), port->receiver->space);
    if (error < 0) {
        service_uncharge(service, 1);
        return error;
    }
    service_charge_mark(service, batch.messages, 1);
    uint64_t deadline = timer_deadline(args[4]);
    rpc_begin(batch.messages[0]);
    int sent = batch_send(service, port, batch.messages, 1, args[4]);
    if (sent < 0)
        return rpc_unsent(service, &batch, sent, port->receiver->space);
    batch_gone(service, &batch, 1);
    service->counts[cpu_number()].messages_out++;
    if ((error = rpc_wait(&reply, deadline)))
        return error;
    return syscall_answered(service, args[2], reply, args[3]);
}

/* A request to a driver would never be answered: it knows frames only. */
int64_t syscall_request(struct service *service, const uint64_t *args)
{
    struct batch batch;
    const struct handle *handle, *reply_handle;
    int error;
    struct port *port = port_of(service, args[0], RIGHT_SEND, &handle, &error);
    struct port *reply_port = port ? port_of(service, args[2], RIGHT_RECEIVE, &reply_handle, &error) : NULL;

    if (!reply_port)
        return error;
    if (args[3] & ~BATON_TRUSTED || !port->receiver->row)
        return BATON_EINVAL;
    batch.addresses[0] = args[1];
    batch.count = 1;
    if (!service_charge(service, 1))
        return BATON_ELIMIT;
    error = batch_fill(service, &batch, handle->source, page_flags(args[3]), port->receiver->space);
    if (error < 0) {
        service_uncharge(service, 1);
        return error;
    }
    service_charge_mark(service, batch.messages, 1);
    error = request_begin(batch.messages[0], reply_port, row_number(port->receiver));
    if (!error) {
        int sent = batch_send(service, port, batch.messages, 1, args[4]);
        if (sent > 0) {
            batch_gone(service, &batch, 1);
            service->counts[cpu_number()].messages_out++;
            return 0;
        }
        error = sent;
        request_unsent(batch.messages[0]);
    }
    service_uncharge(service, 1);
    batch_undo(service, &batch, 0, false, port->receiver->space);
    return error;
}

int64_t syscall_request_cancel(struct service *service, const uint64_t *args)
{
    const struct handle *handle;
    int error;
    struct port *reply_port = port_of(service, args[0], RIGHT_RECEIVE, &handle, &error);

    return reply_port ? request_cancel(reply_port, args[1]) : error;
}

/* The answer to a request goes into the reply port, as any message into a port does, but for waiting. */
static int64_t reply_by_port(struct service *service, uint64_t token, uint64_t address, uint64_t flags)
{
    struct batch batch;
    struct request *request = request_claim(token, service);

    if (!request)
        return BATON_EOWNER;
    batch.addresses[0] = address;
    batch.count = 1;
    const struct space *to = request_asker(request);
    int result = batch_fill(service, &batch, 0, page_flags(flags), to);
    if (result < 0) {
        request_unclaim(request, service);
        return result;
    }
    result = request_answer(request, batch.messages[0], service, row_number(service));
    if (result < 0) {
        batch_undo(service, &batch, 0, false, to);
        return result;
    }
    batch_gone(service, &batch, 1);
    service->counts[cpu_number()].messages_out++;
    return 0;
}

int64_t syscall_reply(struct service *service, const uint64_t *args)
{
    struct batch batch;
    uint32_t source = BATON_SOURCE_SERVICE + row_number(service);

    if (args[2] & ~BATON_TRUSTED)
        return BATON_EINVAL;
    if (request_is(args[0]))
        return reply_by_port(service, args[0], args[1], args[2]);
    struct thread *caller = rpc_claim(args[0], service);
    if (!caller)
        return BATON_EOWNER;
    batch.addresses[0] = args[1];
    batch.count = 1;
    int filled = batch_fill(service, &batch, source, page_flags(args[2]), caller->space);
    if (filled < 0) {
        rpc_unclaim(caller, service);
        return filled;
    }
    rpc_answer(caller, batch.messages[0]);
    batch_gone(service, &batch, 1);
    service->counts[cpu_number()].messages_out++;
    return 0;
}
