/*
 * The table of neighbours under any sequence of calls: three bytes of input are one call. Each packet comes back exactly once,
 * bounds are kept, and a static entry does not change.
 */
#include "apps/net/neighbor.h"
#include "test/fuzz/frame.h"

#define SECOND UINT64_C(1000000000)
#define FIXED  0xff
#define LINK   UINT64_C(0x020000000002)

static const struct neighbor_limits limits = {
    .stations = 16,
    .fixed = 2,
    .waiting = 4,
    .waiting_each = 2,
    .tries = 2,
    .retry_ns = SECOND,
    .reachable_ns = 30 * SECOND,
    .stale_ns = 100 * SECOND,
    .failed_ns = 2 * SECOND,
    .active_ns = 3 * SECOND,
};

static struct neighbors table;
static unsigned waiting;

static void ask(void *context, unsigned interface, struct address6 address, uint64_t link)
{
    (void)context;
    (void)interface;
    (void)address;
    (void)link;
}

static void send(void *context, unsigned interface, uint64_t link, void *packet)
{
    (void)context;
    (void)interface;
    must(link != 0 && waiting-- > 0);
    free(packet);
}

static void drop(void *context, unsigned interface, void *packet, enum drop reason)
{
    (void)context;
    (void)interface;
    must((reason == DROP_UNREACHABLE || reason == DROP_WAITING_FULL) && waiting-- > 0);
    free(packet);
}

static void call(uint8_t what, uint8_t who, uint8_t how, uint64_t *now)
{
    const struct address6 address = address_of4(who);

    *now += (uint64_t)how * how * (SECOND / 1000);
    if (what % 4 == 0) {
        if (!neighbor_link(&table, 0, address, *now)) {
            waiting++;
            neighbor_question(&table, 0, address, malloc(1), what >> 4 & 3, *now); /* of nobody: a packet */
        }
    } else if (what % 4 == 3) {
        neighbors_tick(&table, *now);
    } else if (what % 8 == 1) {
        neighbor_told(&table, 0, address, how & 1 ? LINK + (what >> 4) * 256 : 0, *now);
    } else if (what % 8 == 5) {
        neighbors_doubt(&table, *now);
    } else {
        neighbor_heard(&table, 0, address, LINK + (what >> 4) * 256, (enum neighbor_heard)(how % 3), *now);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    static const struct neighbor_calls calls = {ask, send, drop};
    void *memory = malloc(neighbors_bytes(&limits));
    uint64_t now = SECOND;

    must(memory);
    waiting = 0;
    neighbors_init(&table, memory, &limits, &calls, NULL, 4711);
    must(neighbor_set_static(&table, 0, address_of4(FIXED), LINK));
    for (size_t i = 0; i + 3 <= size; i += 3) {
        call(input[i], input[i + 1], input[i + 2], &now);
        must(waiting == table.waiting && waiting <= limits.waiting && table.dropped == 0);
        must(neighbor_link(&table, 0, address_of4(FIXED), now) == LINK);
        for (unsigned kind = 0; kind < NEIGHBOR_KINDS; kind++)
            must(table.kind[kind].count <= table.kind[kind].limit);
    }
    for (unsigned i = 0; i < 10; i++)
        neighbors_tick(&table, now += SECOND);
    must(waiting == 0);
    free(memory);
    return 0;
}
