/* Frames to the lanes of a forwarder: see spread.h. */
#include "drivers/spread.h"

#include "core/string.h"
#include "core/timer.h"
#include "drivers/flow.h"
#include "ipc/message.h"
#include "ipc/port.h"
#include "ipc/service.h"

static uint64_t flow_seed; /* of all interfaces; 0 until the first of them is wired */

void spread_wire(struct spread *spread, const struct service *driver)
{
    const struct port *first = service_wire_out(driver);
    const struct service *forwarder = first ? first->receiver : NULL;

    spread->lanes = forwarder && forwarder->port == first ? forwarder->lane_count : 0;
    for (unsigned lane = 0; lane < spread->lanes; lane++)
        spread->port[lane] = forwarder->lanes[lane];
    if (!flow_seed)
        flow_seed = (UINT64_C(0x9e3779b97f4a7c15) ^ timer_now() << 1) | 1;
}

void spread_batch(struct spread *spread, struct message **messages, unsigned count)
{
    struct message *lane[BATON_THREADS][BATON_BATCH], **end[BATON_THREADS];
    const uint64_t lanes = spread->lanes, seed = flow_seed;

    end[0] = lane[0];
    for (unsigned i = 1; i < lanes; i++)
        end[i] = lane[i];
    for (struct message **message = messages, **last = messages + count; message < last; message++) {
        const struct baton_message *abi = &(*message)->abi;

        *end[flow_lane(flow_hash(abi->data, abi->inline_length, seed), lanes)]++ = *message;
    }
    for (unsigned i = 0; i < lanes; i++) {
        size_t size = (size_t)((char *)end[i] - (char *)lane[i]);

        spread->count[i] = (uint32_t)(size / sizeof messages[0]);
        messages = (struct message **)((char *)memcpy(messages, lane[i], size) + size);
    }
}

int spread_send(struct spread *spread, struct message **messages, unsigned count)
{
    unsigned at = count, end = count; /* behind the lanes to come; before what waits */
    bool dead = false;

    for (unsigned lane = spread->lanes; lane--;) {
        uint32_t want = spread->count[lane];
        if (!want)
            continue;
        at -= want;
        int sent = port_send(spread->port[lane], &messages[at], want);
        uint32_t taken = sent > 0 ? (uint32_t)sent : 0;
        dead |= sent == BATON_EDEAD;
        spread->count[lane] = want -= taken;
        end -= want;
        if (want)
            memmove(&messages[end], &messages[at + taken], want * sizeof messages[0]);
    }
    return end ? (int)end : dead ? BATON_EDEAD : BATON_EFULL;
}

void spread_wait(const struct spread *spread, struct thread *thread)
{
    for (unsigned lane = 0; lane < spread->lanes; lane++)
        if (spread->count[lane])
            port_sender_add(spread->port[lane], thread);
}

void spread_wait_no_more(const struct spread *spread, struct thread *thread)
{
    for (unsigned lane = 0; lane < spread->lanes; lane++)
        port_sender_remove(spread->port[lane], thread);
}
