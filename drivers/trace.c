/* The console's command `trace packet`: see console.h, and ipc/trace.h for what it prints. */
#include "ipc/trace.h"
#include <stddef.h>
#include "core/arch.h"
#include "core/string.h"
#include "core/timer.h"
#include "drivers/console.h"
#include "drivers/nic.h"
#include "ipc/thread.h"

#define PATIENCE_NS UINT64_C(5000000000) /* for the frames to come, and to go */
#define LOOK_NS     UINT64_C(20000000)

static const char *const stations[TRACE_STATIONS] = {
    [1] = "NIC in", [3] = "message, port in", [4] = "receive",       [5] = "decide",
    [6] = "send",   [7] = "taken from port",  [9] = "NIC out, kick", [10] = "back",
};

static void frames_await(void)
{
    uint64_t end = timer_deadline(PATIENCE_NS);

    while (!trace_complete() && timer_now() < end)
        console_pause(LOOK_NS);
}

static void address_print(const uint8_t *address)
{
    console_print("%02x:%02x:%02x:%02x:%02x:%02x", address[0], address[1], address[2], address[3], address[4],
                  address[5]);
}

/* What was decided about it, as far as the kernel can tell. */
static void decision_print(const struct trace_row *row)
{
    const char *dropped = __atomic_load_n(&row->dropped, __ATOMIC_ACQUIRE);

    if (dropped)
        console_print("  dropped by a driver: %s\n", dropped);
    else if (!row->time[4])
        console_print("  nobody has received it\n");
    else if (!row->time[6])
        console_print("   5 %-16s              %s: not sent on; `stats` counts why\n", stations[5],
                      row->service);
    else if (!row->time[10])
        console_print("  not back yet\n");
}

static void station_print(const struct trace_row *row, unsigned station)
{
    uint64_t since = timer_ns(row->time[station]) - timer_ns(row->time[1]);

    console_print("  %2u %-16s %8lu ns  CPU %u", station, stations[station], since, row->cpu[station]);
    if (station == 1)
        console_print("  %s", nic_at(row->interface)->name);
    else if (station == 4)
        console_print("  %s", row->service);
    console_print("\n");
    if (station == 4 && row->time[6])
        console_print("   5 %-16s              %s: to %s%s\n", stations[5], row->service, row->to,
                      row->copies > 1 ? " and others" : "");
}

static void row_print(unsigned number, const struct trace_row *row)
{
    console_print("frame %u: %u bytes, ", number + 1, row->length);
    address_print(row->header + 6);
    console_print(" to ");
    address_print(row->header);
    console_print(", type %02x%02x\n", row->header[12], row->header[13]);
    for (unsigned station = 1; station < TRACE_STATIONS; station++)
        if (__atomic_load_n(&row->time[station], __ATOMIC_ACQUIRE))
            station_print(row, station);
    decision_print(row);
}

void command_trace(const char *argument, const char *board)
{
    const struct trace_row *row;
    unsigned count = 0;

    (void)board;
    if (command_ledger(argument))
        return;
    if (argument && !strncmp(argument, "packet", 6))
        count = !argument[6] ? 1 : argument[6] == ' ' ? console_count(argument + 7, TRACE_FRAMES) : 0;
    if (!count) {
        console_print(
            "trace: takes `packet`, or `packet N` with N from 1 to %u; `on`, `off`, `status`, `export`, "
            "`dump` or `dump N`\n",
            TRACE_FRAMES);
        return;
    }
    trace_arm(count);
    frames_await();
    trace_disarm();
    unsigned came = 0;
    for (; (row = trace_row(came)) != NULL; came++)
        row_print(came, row);
    console_print("trace: %u of %u frames\n", came, count);
}
