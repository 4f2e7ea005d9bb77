/* Calls that ask, and that answer: by rpc, and by a reply port (ipc/request.h). */
#include "core/cpu.h"
#include "core/ledger.h"
#include "core/timer.h"
#include "ipc/message.h"
#include "ipc/port.h"
#include "ipc/request.h"
#include "ipc/rpc.h"
#include "ipc/syscall_batch.h"
#include "ipc/syscall_message.h"
#include "ipc/thread.h"
#include "mm/space.h"

/*
 * The request never got into the port. The caller must be able to tell whose it is now: with BATON_EFULL it still is the
 * caller's, with BATON_EDEAD (and BATON_ETIMEOUT, after it was sent) it is gone.
 */
static int rpc_unsent(struct service *service, const struct batch *batch, int error, const struct space *to)
{
    struct message *request = batch->messages[0];

    rpc_cancel();
    /* What its pieces are stays: the number of a small block, taken for that of a page, would be somebody's page */
    request->special &= MESSAGE_PIECES;
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

    batch_note_taken(service, 1);
    batch_one(&batch, address);
    batch.messages[0] = reply;
    int delivered = batch_deliver(service, NULL, &batch, 1, flags);
    return delivered < 0 ? delivered : 0;
}

int64_t syscall_rpc(struct service *service, const uint64_t *args)
{
    struct batch batch;
    struct message *reply;
    const struct handle *handle;
    int error;
    struct port *port = syscall_port(service, args[0], RIGHT_SEND, &handle, &error);

    if (!port)
        return error;
    if (args[3] & ~(BATCH_SEND_FLAGS | BATCH_RECEIVE_FLAGS) || args[3] & BATON_DUPLICATE || args[2] & 7)
        return BATON_EINVAL;
    if (!transfer_writable(service, args[2], batch_buffer_bytes(args[3])))
        return BATON_EFAULT;
    batch_one(&batch, args[1]);
    if (!service_charge(service, 1))
        return BATON_EFULL; /* ELIMIT would leave in doubt whose the request is: see baton.h */
    error = batch_fill(service, &batch, handle->source, batch_page_flags(args[3]), port->receiver->space);
    if (error < 0) {
        service_uncharge(service, 1);
        return error;
    }
    service_charge_mark(service, batch.messages, 1);
    uint64_t deadline = timer_deadline(args[4]);
    rpc_begin(batch.messages[0]);
    int sent = batch_send(service, port, batch.messages, 1, batch.pages, args[4]);
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
    struct port *port = syscall_port(service, args[0], RIGHT_SEND, &handle, &error);
    struct port *reply_port =
        port ? syscall_port(service, args[2], RIGHT_RECEIVE, &reply_handle, &error) : NULL;

    if (!reply_port)
        return error;
    if (args[3] & ~BATON_TRUSTED || !port->receiver->row)
        return BATON_EINVAL;
    batch_one(&batch, args[1]);
    if (!service_charge(service, 1))
        return BATON_ELIMIT;
    error = batch_fill(service, &batch, handle->source, batch_page_flags(args[3]), port->receiver->space);
    if (error < 0) {
        service_uncharge(service, 1);
        return error;
    }
    service_charge_mark(service, batch.messages, 1);
    error = request_begin(batch.messages[0], reply_port, batch_row(port->receiver));
    if (!error) {
        int sent = batch_send(service, port, batch.messages, 1, batch.pages, args[4]);
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
    struct port *reply_port = syscall_port(service, args[0], RIGHT_RECEIVE, &handle, &error);

    return reply_port ? request_cancel(reply_port, args[1]) : error;
}

/* The answer to a request goes into the reply port, as any message into a port does, but for waiting. */
static int64_t reply_by_port(struct service *service, uint64_t token, uint64_t address, uint64_t flags)
{
    struct batch batch;
    struct request *request = request_claim(token, service);

    if (!request)
        return BATON_EOWNER;
    batch_one(&batch, address);
    const struct space *to = request_asker(request);
    int result = batch_fill(service, &batch, 0, batch_page_flags(flags), to);
    if (result < 0) {
        request_unclaim(request, service);
        return result;
    }
    result = request_answer(request, batch.messages[0], service, batch_row(service));
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
    uint32_t source = BATON_SOURCE_SERVICE + batch_row(service);

    if (args[2] & ~BATON_TRUSTED)
        return BATON_EINVAL;
    if (request_is(args[0]))
        return reply_by_port(service, args[0], args[1], args[2]);
    struct thread *caller = rpc_claim(args[0], service);
    if (!caller)
        return BATON_EOWNER;
    batch_one(&batch, args[1]);
    int filled = batch_fill(service, &batch, source, batch_page_flags(args[2]), caller->space);
    if (filled < 0) {
        rpc_unclaim(caller, service);
        return filled;
    }
    rpc_answer(caller, batch.messages[0]);
    batch_gone(service, &batch, 1);
    service->counts[cpu_number()].messages_out++;
    return 0;
}
