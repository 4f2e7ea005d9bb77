/* The service at fault: see describe.h. */
#include "ipc/describe.h"

#include "core/cpu.h"
#include "core/log.h"
#include "ipc/service.h"
#include "ipc/thread.h"

void describe_current(void)
{
    const struct thread *thread = cpu_self()->current;

    if (!thread) {
        log_print("  during the boot of this CPU\n");
        return;
    }
    log_print("  in thread %u (%s) of %s%s\n", thread->number, thread->name,
              thread->service ? "service " : "the kernel", thread->service ? thread->service->name : "");
    if (thread->in_service) { /* the vectors saved it at the top of its kernel stack */
        const struct trapframe *frame = (const struct trapframe *)thread->stack_top - 1;
        log_print("  the service was at 0x%lx (lr 0x%lx, sp 0x%lx, %s)\n", frame->elr, frame->x[30],
                  frame->sp, thread->service->placement == BATON_ISOLATED ? "isolated" : "trusted");
    }
}
