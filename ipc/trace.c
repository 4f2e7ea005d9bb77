/* When the next frames were where: see trace.h. */
#include "ipc/trace.h"
#include <stddef.h>
#include "core/cpu.h"
#include "core/string.h"
#include "core/timer.h"
#include "ipc/observe.h"

/* In the upper half of a tag; below it the round, in which the trace was armed, and the row. */
#define TAG_MARK UINT64_C(0x7472616365000000)
#define TAG_MASK UINT64_C(0xffffffffff000000)

static struct trace_row rows[TRACE_FRAMES];
static uint32_t wanted, taken; /* (atomic) rows in use, and those that frames have asked for */
static uint32_t trace_round;   /* frames of an earlier trace may still be on their way */

static uint64_t tag_of(unsigned row)
{
    return TAG_MARK | (uint64_t)(__atomic_load_n(&trace_round, __ATOMIC_RELAXED) & 0xffff) << 8 | row;
}

static struct trace_row *row_of(const struct message *message)
{
    uint64_t tag = message->abi.tag;
    unsigned row = tag & 0xff;

    return (tag & TAG_MASK) == TAG_MARK && row < TRACE_FRAMES && tag == tag_of(row) ? &rows[row] : NULL;
}

static unsigned rows_used(void)
{
    unsigned asked = __atomic_load_n(&taken, __ATOMIC_ACQUIRE);

    return asked < wanted ? asked : wanted;
}

void trace_arm(unsigned count)
{
    memset(rows, 0, sizeof rows);
    trace_round++;
    wanted = count;
    __atomic_store_n(&taken, 0, __ATOMIC_RELEASE);
    __atomic_fetch_or(&observers, OBSERVER_TRACE, __ATOMIC_RELEASE);
}

void trace_disarm(void)
{
    __atomic_fetch_and(&observers, ~OBSERVER_TRACE, __ATOMIC_RELAXED);
}

bool trace_complete(void)
{
    for (unsigned i = 0; i < wanted; i++)
        if (!__atomic_load_n(&rows[i].time[10], __ATOMIC_RELAXED) &&
            !__atomic_load_n(&rows[i].dropped, __ATOMIC_RELAXED))
            return false;
    return true;
}

const struct trace_row *trace_row(unsigned number)
{
    return number < rows_used() ? &rows[number] : NULL;
}

static void station_set(struct trace_row *row, unsigned station, uint64_t time)
{
    row->cpu[station] = cpu_number();
    __atomic_store_n(&row->time[station], time, __ATOMIC_RELEASE);
}

void trace_begin(unsigned interface, uint64_t since, struct message *const *messages, unsigned count)
{
    for (unsigned i = 0; i < count && __atomic_load_n(&taken, __ATOMIC_RELAXED) < wanted; i++) {
        unsigned number = __atomic_fetch_add(&taken, 1, __ATOMIC_ACQ_REL);
        if (number >= wanted)
            return;
        struct trace_row *row = &rows[number];
        row->interface = interface;
        row->length = messages[i]->abi.length;
        memcpy(row->header, messages[i]->abi.data, sizeof row->header);
        messages[i]->abi.tag = tag_of(number);
        station_set(row, 1, since);
        station_set(row, 3, timer_now());
    }
}

void trace_mark(unsigned station, const char *name, struct message *const *messages, unsigned count)
{
    uint64_t now = timer_now();

    for (unsigned i = 0; i < count; i++) {
        struct trace_row *row = row_of(messages[i]);
        if (!row)
            continue;
        if (station == 6)
            __atomic_fetch_add(&row->copies, 1, __ATOMIC_RELAXED);
        if (row->time[station])
            continue;
        if (station == 4)
            row->service = name;
        else if (station == 6)
            row->to = name;
        station_set(row, station, now);
    }
}

void trace_drop(const char *reason, const struct message *message)
{
    struct trace_row *row = row_of(message);

    if (row)
        __atomic_store_n(&row->dropped, reason, __ATOMIC_RELEASE);
}
