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
    struct message *lane[BATON_THREADS][BATON_BATCH];
    uint32_t counts[BATON_THREADS] = {0};
    const uint64_t lanes = spread->lanes, seed = flow_seed;

    for (unsigned i = 0; i < count; i++) {
        const struct baton_message *abi = &messages[i]->abi;
        uint64_t number = flow_hash(abi->data, abi->inline_length, seed) * lanes >> 32;

        lane[number][counts[number]++] = messages[i];
    }
    for (unsigned i = 0; i < lanes; i++) {
        memcpy(messages, lane[i], counts[i] * sizeof messages[0]);
        messages += counts[i];
        spread->count[i] = counts[i];
    }
}

int spread_send(struct spread *spread, struct message **messages, unsigned count)
{
    struct message *left[BATON_BATCH];
    unsigned waiting = 0, at = 0;
    bool dead = false;

    for (unsigned lane = 0; lane < spread->lanes; lane++) {
        uint32_t want = spread->count[lane], taken = 0;
        int sent = want ? port_send(spread->port[lane], &messages[at], want) : 0;

        dead |= sent == BATON_EDEAD;
        taken = sent > 0 ? (uint32_t)sent : 0;
        for (uint32_t i = taken; i < want; i++)
            left[waiting++] = messages[at + i];
        spread->count[lane] = want - taken;
        at += want;
    }
    memcpy(&messages[count - waiting], left, waiting * sizeof left[0]);
    return waiting < count ? (int)(count - waiting) : dead ? BATON_EDEAD : BATON_EFULL;
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
