/* The service at fault: see describe.h. */
#include "ipc/describe.h"

#include <stddef.h>
#include "core/cpu.h"
#include "core/log.h"
#include "ipc/service.h"
#include "ipc/thread.h"

void describe_current(void)
{
    const struct thread *thread = cpu_self()->current;
    const struct service *service = thread ? thread->service : NULL;

    if (!service) {
        log_print("  %s\n", thread ? thread->name : "during the boot of this CPU");
        return;
    }
    log_print("  in service %s, thread %u\n", service->name, thread->number);
    if (thread->in_service) { /* the vectors saved it at the top of its kernel stack */
        const struct trapframe *frame = (const struct trapframe *)thread->stack_top - 1;
        log_print("  the service was at 0x%lx (lr 0x%lx, sp 0x%lx, %s)\n", frame->elr, frame->x[30],
                  frame->sp, service->placement == BATON_ISOLATED ? "isolated" : "trusted");
    }
}
