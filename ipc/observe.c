/* From the places on a frame's way to whoever looks: see observe.h. */
#include "ipc/observe.h"
#include "core/timer.h"
#include "ipc/capture.h"
#include "ipc/port.h"
#include "ipc/service.h"
#include "ipc/trace.h"

uint32_t observers;

static void capture_all(unsigned point, struct message *const *messages, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        capture_record(point, 0, "", &messages[i]->abi);
}

void observe_in(unsigned interface, uint64_t since, struct message *const *messages, unsigned count)
{
    if (observed() & OBSERVER_TRACE)
        trace_begin(interface, since, messages, count);
    if (observed() & OBSERVER_CAPTURE)
        capture_all(2 * interface, messages, count);
}

void observe_receive(const struct service *service, struct message *const *messages, unsigned count)
{
    if (observed() & OBSERVER_TRACE)
        trace_mark(4, service->name, messages, count);
}

void observe_send(const struct port *port, struct message *const *messages, unsigned count)
{
    if (observed() & OBSERVER_TRACE)
        trace_mark(6, port->name, messages, count);
}

void observe_out(unsigned interface, struct message *const *messages, unsigned count)
{
    if (observed() & OBSERVER_TRACE)
        trace_mark(7, NULL, messages, count);
    if (observed() & OBSERVER_CAPTURE)
        capture_all(2 * interface + 1, messages, count);
}

void observe_posted(struct message *const *messages, unsigned count)
{
    if (observed() & OBSERVER_TRACE)
        trace_mark(9, NULL, messages, count);
}

void observe_done(struct message *const *messages, unsigned count)
{
    if (observed() & OBSERVER_TRACE)
        trace_mark(10, NULL, messages, count);
}

void observe_drop(unsigned interface, const char *reason, const struct message *message)
{
    if (observed() & OBSERVER_TRACE)
        trace_drop(reason, message);
    if (observed() & OBSERVER_CAPTURE)
        capture_record(BATON_CAPTURE_DROPS, interface, reason, &message->abi);
}
