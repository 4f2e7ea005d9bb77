/* Flows of the traffic generator: see flow.h. */
#include "tools/native/flow.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "tools/native/frames.h"
#include "tools/native/host.h"
#include "tools/native/port.h"

#define TABLE_BYTES (64 * 1024)
#define MAGIC       0x8a704e21u
#define PROBE       UINT64_MAX
#define PROBE_BYTES 80
#define HELLO       0xffff /* in place of the flow: a broadcast by which a station says where it is */

struct flow flows[FLOWS];
int flow_count, size_count;
uint32_t sizes[SIZES];
uint64_t misdelivered, foreign, flooded;
bool flow_timing;
static uint8_t table[TABLE_BYTES + FRAME_LIMIT];
static float *latencies;
static uint64_t latency_count, latency_room;

static void *allocate(uint64_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (!memory)
        fail(1, "out of memory");
    return memory;
}

void flows_ready(uint64_t frames)
{
    for (size_t i = 0; i < sizeof(table); i++)
        table[i] = (uint8_t)mix(i);
    for (int i = 0; i < flow_count; i++) {
        flows[i].seen = allocate(frames / 8 + 1, 1);
        flows[i].stamps = allocate(STAMPS, sizeof(*flows[i].stamps));
    }
}

/* ---- What a frame must look like ---- */

static uint32_t frame_size(uint64_t flow, uint64_t sequence)
{
    return sequence == PROBE ? PROBE_BYTES : sizes[mix(flow * 31 + sequence) % (uint64_t)size_count];
}

static const uint8_t *frame_payload(uint64_t flow, uint64_t sequence)
{
    return table + mix((flow << 56) ^ sequence) % TABLE_BYTES;
}

static bool put(int index, uint64_t sequence)
{
    struct flow *flow = &flows[index];
    uint32_t size = frame_size((uint64_t)index, sequence),
             start = frames_head_size() + (uint32_t)sizeof(struct tag);
    const struct tag tag = {htons((uint16_t)index), htonl(MAGIC), sequence};
    uint8_t frame[FRAME_LIMIT];

    frames_head(frame, flow->from, flow->to, flow->conversation, size, sequence, false);
    memcpy(frame + frames_head_size(), &tag, sizeof(tag));
    memcpy(frame + start, frame_payload((uint64_t)index, sequence), size - start);
    return port_put(&ports[flow->from], frame, size);
}

void flow_say_hello(int port)
{
    uint8_t frame[60] = {0};
    const struct tag tag = {htons(HELLO), htonl(MAGIC), 0};

    memset(frame, 0xff, 6);
    frames_station(frame + 6, port);
    frames_put16(frame + 12, 0x88b5);
    memcpy(frame + ETHERNET, &tag, sizeof(tag));
    port_put(&ports[port], frame, sizeof(frame));
}

void flow_probe(int index)
{
    put(index, PROBE);
}

bool flow_send(int index, double stamp)
{
    struct flow *flow = &flows[index];

    if (!put(index, flow->sent))
        return false;
    flow->stamps[flow->sent % STAMPS] = stamp;
    flow->sent++;
    return true;
}

/* ---- What arrives ---- */

static void note_latency(double seconds)
{
    if (latency_count == latency_room) {
        latency_room = latency_room ? 2 * latency_room : 1 << 16;
        latencies = realloc(latencies, latency_room * sizeof(*latencies));
        if (!latencies)
            fail(1, "out of memory");
    }
    latencies[latency_count++] = (float)(seconds * 1e6);
}

static void take_data(struct flow *flow, uint64_t sequence, bool good)
{
    uint8_t bit = (uint8_t)(1u << (sequence % 8));

    if (!good) {
        flow->wrong++;
        return;
    }
    if (flow->seen[sequence / 8] & bit) {
        flow->duplicated++;
        return;
    }
    flow->seen[sequence / 8] |= bit;
    flow->received++;
    flow->came = now();
    if (flow_timing && flow->sent - sequence <= STAMPS)
        note_latency(flow->came - flow->stamps[sequence % STAMPS]);
    if (sequence < flow->next)
        flow->reordered++;
    else
        flow->next = sequence + 1;
}

/* A frame of a flow came where it does not belong. */
static void take_stray(const struct flow *flow, uint64_t sequence)
{
    if (sequence == PROBE || flow->loose)
        flooded++;
    else
        misdelivered++;
}

void flow_take(int port, const uint8_t *frame, uint32_t size)
{
    uint8_t head[HEAD_MAX];
    struct tag tag;
    struct flow *flow;
    uint32_t index, start = frames_head_size() + (uint32_t)sizeof(tag);
    bool good;

    if (size < start) {
        foreign++;
        return;
    }
    memcpy(&tag, frame + frames_head_size(), sizeof(tag));
    index = ntohs(tag.flow);
    if (ntohl(tag.magic) == MAGIC && index == HELLO) {
        flooded++;
        return;
    }
    if (ntohl(tag.magic) != MAGIC || index >= (uint32_t)flow_count) {
        foreign++;
        return;
    }
    flow = &flows[index];
    if (flow->to != port) {
        take_stray(flow, tag.sequence);
        return;
    }
    if (tag.sequence == PROBE) {
        flow->known = true;
        return;
    }
    if (tag.sequence >= flow->sent) {
        foreign++;
        return;
    }
    frames_head(head, flow->from, flow->to, flow->conversation, size, tag.sequence, true);
    good = size == frame_size(index, tag.sequence) && !memcmp(frame, head, frames_head_size()) &&
           !memcmp(frame + start, frame_payload(index, tag.sequence), size - start);
    take_data(flow, tag.sequence, good);
}

uint64_t flows_received(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < flow_count; i++)
        sum += flows[i].received;
    return sum;
}

static int by_size(const void *a, const void *b)
{
    const float *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

const float *flow_latencies(uint64_t *count)
{
    if (latency_count)
        qsort(latencies, latency_count, sizeof(*latencies), by_size);
    *count = latency_count;
    return latencies;
}
