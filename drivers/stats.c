/* Statistics, as a table and as one line of JSON: see console.h. */
#include <stdbool.h>
#include <stdint.h>
#include "core/arch.h"
#include "core/counters.h"
#include "core/cpu.h"
#include "core/log.h"
#include "core/string.h"
#include "core/timer.h"
#include "drivers/console.h"
#include "drivers/nic.h"
#include "ipc/capture.h"
#include "ipc/message.h"
#include "ipc/page.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "mm/space.h"

#define DROPS_MAX 48 /* reasons shown for one interface */

/* ---- What is told ---- */

struct summary {
    const char *state, *placement;
    unsigned cpu;
    uint64_t in, out, instructions;
};

static struct summary summarize(const struct service *service)
{
    struct summary sum = {
        .state = life_state(service),
        .placement = service->placement == BATON_ISOLATED ? "isolated" : "trusted",
    };
    const struct thread *thread;

    for (unsigned i = 0; (thread = thread_at(i)) != NULL; i++) {
        if (thread->service == service) {
            sum.cpu = thread->cpu;
            break;
        }
    }
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
        sum.in += __atomic_load_n(&service->counts[cpu].messages_in, __ATOMIC_RELAXED);
        sum.out += __atomic_load_n(&service->counts[cpu].messages_out, __ATOMIC_RELAXED);
        sum.instructions += __atomic_load_n(&service->counts[cpu].instructions, __ATOMIC_RELAXED);
    }
    return sum;
}

/* A name that a service wrote: only what a name may have is shown. False when nothing is left. */
static bool name_clean(char *name)
{
    name[BATON_COUNTER_NAME - 1] = 0;
    for (char *at = name; *at; at++)
        if (!(*at >= 'a' && *at <= 'z') && !(*at >= '0' && *at <= '9') && *at != '_')
            *at = 0; /* ends the loop, and the name */
    return *name;
}

/*
 * Counter `index` that a service publishes, read where its data lies in the linear map: looking must not make the
 * service's table live on this CPU, for every later unmap would have to reach this CPU too. The service may write
 * meanwhile: the name is copied and only the copy is looked at.
 */
static bool counter_read(const struct service *service, unsigned index, struct baton_counter *counter)
{
    uint64_t offset = (uint64_t)service->counters + index * sizeof *counter - service->writable_start;
    uint64_t size = service->writable_end - service->writable_start;

    if (!service->counters || index >= service->counter_count || offset >= size ||
        size - offset < sizeof *counter ||
        __atomic_load_n(&service->state, __ATOMIC_RELAXED) != SERVICE_RUNNING)
        return false;
    memcpy(counter, (const char *)arch_phys_to_virt(service->data_phys) + offset, sizeof *counter);
    return name_clean(counter->name);
}

/* The sum of a counter over all services; `interface` -1 for those that belong to none. */
static uint64_t counters_sum(const char *name)
{
    struct baton_counter counter;
    uint64_t sum = 0;

    for (unsigned i = 0; i < service_count; i++)
        for (unsigned index = 0; index < services[i].counter_count; index++)
            if (counter_read(&services[i], index, &counter) && counter.interface < 0 &&
                !strcmp(counter.name, name))
                sum += counter.value;
    return sum;
}

static bool counted_as_copied(const struct baton_counter *counter)
{
    return !strcmp(counter->name, "payload_bytes") || !strcmp(counter->name, "inline_bytes");
}

struct drop {
    char reason[BATON_COUNTER_NAME];
    uint64_t count;
};

static unsigned drop_add(struct drop *drops, unsigned count, const char *reason, uint64_t value)
{
    for (unsigned i = 0; i < count; i++) {
        if (!strcmp(drops[i].reason, reason)) {
            drops[i].count += value;
            return count;
        }
    }
    if (count == DROPS_MAX)
        return count;
    log_format_line(drops[count].reason, sizeof drops[count].reason, "%s", reason);
    drops[count].count = value;
    return count + 1;
}

/* Drops of one interface: the driver's, and those that services publish under its number. */
static unsigned drops_collect(const struct nic *nic, struct drop *drops)
{
    struct baton_counter counter;
    unsigned count = 0;

    for (unsigned i = 0; i < NIC_DROPS && nic->stats.dropped[i].reason; i++)
        count = drop_add(drops, count, nic->stats.dropped[i].reason, nic->stats.dropped[i].count);
    for (unsigned i = 0; i < service_count; i++) {
        const struct baton_counter *kept;

        for (unsigned index = 0; index < services[i].counter_count; index++)
            if (counter_read(&services[i], index, &counter) && counter.interface == (int64_t)nic->number)
                count = drop_add(drops, count, counter.name, counter.value);
        for (unsigned index = 0; (kept = service_kept(&services[i], index)) != NULL; index++) {
            counter = *kept;
            if (name_clean(counter.name) && counter.interface == (int64_t)nic->number)
                count = drop_add(drops, count, counter.name, counter.value);
        }
    }
    return count;
}

/* ---- JSON ---- */

/* Only what a service of the appliance's has: drivers have neither lives nor limits. */
static void json_life(const struct service *service)
{
    const struct baton_service *row = service->row;

    if (!row)
        return;
    console_print("\"ended\": \"%s\", \"given_up\": %s, \"lost\": %u, ",
                  service->life.ended ? service->life.ended : "", service->life.given_up ? "true" : "false",
                  life_lost(service));
    console_print("\"pages\": %u, \"page_limit\": %u, \"messages\": %u, \"message_limit\": %u, ",
                  __atomic_load_n(&service->space->pages, __ATOMIC_RELAXED), service->space->page_limit,
                  __atomic_load_n(&service->in_flight, __ATOMIC_RELAXED), row->messages);
    console_print("\"cpu_share\": %u, \"watchdog_ms\": %u, ", row->cpu_share, row->watchdog);
}

static void json_services(void)
{
    console_print("\"services\": [");
    for (unsigned i = 0; i < service_count; i++) {
        struct summary sum = summarize(&services[i]);
        struct baton_counter counter;
        const char *separator = "";

        console_print(
            "%s{\"name\": \"%s\", \"placement\": \"%s\", \"cpu\": %u, \"state\": \"%s\", \"restarts\": %u, ",
            i ? ", " : "", services[i].name, sum.placement, sum.cpu, sum.state, services[i].restarts);
        json_life(&services[i]);
        console_print("\"messages_in\": %lu, \"messages_out\": %lu, \"instructions\": %lu, \"counters\": {",
                      sum.in, sum.out, sum.instructions);
        for (unsigned index = 0; index < services[i].counter_count; index++) {
            if (!counter_read(&services[i], index, &counter) || counter.interface >= 0 ||
                counted_as_copied(&counter))
                continue;
            console_print("%s\"%s\": %lu", separator, counter.name, counter.value);
            separator = ", ";
        }
        console_print("}}");
    }
    console_print("], ");
}

static void json_net(void)
{
    static struct drop drops[DROPS_MAX];
    const struct nic *nic;

    console_print("\"net\": [");
    for (unsigned i = 0; (nic = nic_at(i)) != NULL; i++) {
        const struct nic_stats *stats = &nic->stats;
        unsigned count = drops_collect(nic, drops);

        console_print("%s{\"name\": \"%s\", \"rx_frames\": %lu, \"rx_bytes\": %lu, ", i ? ", " : "",
                      nic->name, stats->rx_frames, stats->rx_bytes);
        console_print("\"tx_frames\": %lu, \"tx_bytes\": %lu, \"dropped\": {", stats->tx_frames,
                      stats->tx_bytes);
        for (unsigned drop = 0; drop < count; drop++)
            console_print("%s\"%s\": %lu", drop ? ", " : "", drops[drop].reason, drops[drop].count);
        console_print("}}");
    }
    console_print("], ");
}

static void json_pages(void)
{
    struct page_counts counts;

    page_count(&counts);
    console_print("\"pages\": {\"total\": %u, \"free\": %u, \"owned\": %u, \"in_flight\": %u, ", counts.total,
                  counts.free, counts.owned, counts.in_flight);
    console_print("\"moved\": %lu, \"mapped\": %lu, \"never_mapped\": %lu, \"scrubbed\": %lu}, ",
                  counter_sum(COUNT_PAGES_MOVED), counter_sum(COUNT_PAGES_MAPPED),
                  counter_sum(COUNT_PAGES_NEVER_MAPPED), counter_sum(COUNT_PAGES_SCRUBBED));
}

static uint64_t copied_payload(void)
{
    return counter_sum(COUNT_PAYLOAD_BYTES) + counters_sum("payload_bytes");
}

static uint64_t copied_inline(void)
{
    return counter_sum(COUNT_INLINE_BYTES) + counters_sum("inline_bytes");
}

void stats_print_json(const char *board)
{
    uint64_t uptime = timer_uptime_ns() / 1000000, sent, missed;

    console_print("{\"appliance\": \"%s\", \"board\": \"%s\", \"cpus\": %u, \"uptime_s\": %lu.%03lu, ",
                  appliance.name, board, cpu_count, uptime / 1000, uptime % 1000);
    json_services();
    json_net();
    json_pages();
    console_print("\"messages\": {\"total\": %u, \"free\": %u}, ", message_pool_total(), message_pool_free());
    console_print("\"copied\": {\"payload_bytes\": %lu, \"inline_bytes\": %lu, \"block_bytes\": %lu}, ",
                  copied_payload(), copied_inline(), counter_sum(COUNT_BLOCK_BYTES));
    console_print("\"tlb\": {\"local\": %lu, \"broadcast\": %lu, \"reissued\": %lu, \"queued\": %lu, ",
                  counter_sum(COUNT_TLB_LOCAL), counter_sum(COUNT_TLB_BROADCAST),
                  counter_sum(COUNT_TLB_REISSUED), counter_sum(COUNT_TLB_QUEUED));
    console_print("\"skipped\": %lu, \"ipi\": %lu, \"barriers\": %lu, ", counter_sum(COUNT_TLB_SKIPPED),
                  counter_sum(COUNT_TLB_IPI), counter_sum(COUNT_TLB_BARRIERS));
    console_print("\"fast\": %lu, \"epoch\": %lu, \"passes\": %lu, \"asid\": %lu, \"range\": %lu, "
                  "\"rollovers\": %lu}, ",
                  counter_sum(COUNT_TLB_FAST), counter_sum(COUNT_TLB_EPOCH), counter_sum(COUNT_TLB_PASSES),
                  counter_sum(COUNT_TLB_ASID), counter_sum(COUNT_TLB_RANGE),
                  counter_sum(COUNT_TLB_ROLLOVERS));
    stats_print_policy_json();
    capture_count(&sent, &missed);
    console_print("\"capture\": {\"records\": %lu, \"missed\": %lu}, ", sent, missed);
    console_print("\"faults\": {\"lazy_maps\": %lu, \"violations\": %lu}, \"switches\": %lu}\n",
                  counter_sum(COUNT_LAZY_MAPS), counter_sum(COUNT_VIOLATIONS), counter_sum(COUNT_SWITCHES));
}

/* ---- Table ---- */

static void table_services(void)
{
    console_print("%-16s %-9s %-9s %3s %14s %14s %16s\n", "service", "placement", "state", "cpu",
                  "messages in", "messages out", "instructions");
    for (unsigned i = 0; i < service_count; i++) {
        struct summary sum = summarize(&services[i]);
        console_print("%-16s %-9s %-9s %3u %14lu %14lu %16lu\n", services[i].name, sum.placement, sum.state,
                      sum.cpu, sum.in, sum.out, sum.instructions);
    }
}

static void table_net(void)
{
    static struct drop drops[DROPS_MAX];
    const struct nic *nic;

    for (unsigned i = 0; (nic = nic_at(i)) != NULL; i++) {
        const struct nic_stats *stats = &nic->stats;
        unsigned count = drops_collect(nic, drops);

        console_print("%s: %lu frames in (%lu bytes), %lu out (%lu bytes)%s%s\n", nic->name, stats->rx_frames,
                      stats->rx_bytes, stats->tx_frames, stats->tx_bytes, nic->stopped ? ", stopped: " : "",
                      nic->stopped ? nic->stopped : "");
        for (unsigned drop = 0; drop < count; drop++)
            if (drops[drop].count)
                console_print("  dropped %s: %lu\n", drops[drop].reason, drops[drop].count);
    }
}

void stats_print(const char *board)
{
    uint64_t uptime = timer_uptime_ns() / 1000000;
    struct page_counts counts;

    console_print("%s on %s, %u CPUs, up %lu.%03lu s\n", appliance.name, board, cpu_count, uptime / 1000,
                  uptime % 1000);
    table_services();
    table_net();
    page_count(&counts);
    console_print("pages: %u, %u free, %u owned, %u in flight; moved %lu, mapped %lu, never mapped %lu\n",
                  counts.total, counts.free, counts.owned, counts.in_flight, counter_sum(COUNT_PAGES_MOVED),
                  counter_sum(COUNT_PAGES_MAPPED), counter_sum(COUNT_PAGES_NEVER_MAPPED));
    console_print("copied: %lu bytes of payload, %lu inline\n", copied_payload(), copied_inline());
    console_print("unmaps: %lu local, %lu broadcast, %lu needed none\n", counter_sum(COUNT_TLB_LOCAL),
                  counter_sum(COUNT_TLB_BROADCAST), counter_sum(COUNT_TLB_SKIPPED));
    console_print(
        "asynchronous: %lu fast, %lu queued; %lu passes; receivers: %lu compared numbers, %lu issued again\n",
        counter_sum(COUNT_TLB_FAST), counter_sum(COUNT_TLB_QUEUED), counter_sum(COUNT_TLB_PASSES),
        counter_sum(COUNT_TLB_EPOCH), counter_sum(COUNT_TLB_REISSUED));
    stats_print_policy();
    console_print("faults: %lu lazy maps, %lu violations\n", counter_sum(COUNT_LAZY_MAPS),
                  counter_sum(COUNT_VIOLATIONS));
}
