/* Shares of a CPU: see share.h. */
#include "ipc/share.h"
#include "core/cpu.h"
#include "core/timer.h"
#include "ipc/service.h"
#include "ipc/thread.h"

#define PERIOD_NS 10000000

static struct share *share_of(const struct thread *thread)
{
    return &thread->service->shares[cpu_number()];
}

static uint64_t budget(const struct thread *thread)
{
    return timer_ticks(PERIOD_NS) * thread->service->row->cpu_share / 100;
}

static void period_renew(struct share *share, uint64_t now)
{
    if (now < share->period_end)
        return;
    share->period_end = now + timer_ticks(PERIOD_NS);
    share->used = 0;
    share->spent = false;
}

bool share_spent(const struct thread *thread, uint64_t now)
{
    struct share *share = share_of(thread);

    period_renew(share, now);
    return share->spent;
}

uint64_t share_count(const struct thread *thread, uint64_t now, bool begins)
{
    struct share *share = share_of(thread);

    if (!begins)
        share->used += now - share->since;
    share->since = now;
    period_renew(share, now);
    if (!share->spent && share->used >= budget(thread)) {
        share->spent = true;
        share->times_spent++;
    }
    return share->spent ? share->period_end : now + budget(thread) - share->used;
}
