/* Frames to the lanes of a forwarder: see spread.h. */
#include "drivers/spread.h"

#include "core/string.h"
#include "core/timer.h"
#include "drivers/flow.h"
#include "ipc/message.h"
#include "ipc/port.h"
#include "ipc/service.h"

static uint64_t seed; /* of all interfaces; 0 until the first of them is wired */

void spread_wire(struct spread *spread, const struct service *driver)
{
    const struct port *first = service_wire_out(driver);
    const struct service *forwarder = first ? first->receiver : NULL;

    spread->lanes = forwarder && forwarder->port == first ? forwarder->lane_count : 0;
    for (unsigned lane = 0; lane < spread->lanes; lane++)
        spread->port[lane] = forwarder->lanes[lane];
    if (!seed)
        seed = timer_now() | 1;
}

static uint8_t lane_of(const struct spread *spread, const struct message *message)
{
    uint32_t hash = flow_hash(message->abi.data, message->abi.inline_length, seed);

    return (uint8_t)((uint64_t)hash * spread->lanes >> 32);
}

void spread_batch(struct spread *spread, struct message **messages, unsigned count)
{
    struct message *arrived[BATON_BATCH];
    uint32_t place[BATON_THREADS], next = 0;
    uint8_t lane[BATON_BATCH];

    for (unsigned i = 0; i < spread->lanes; i++)
        spread->count[i] = 0;
    for (unsigned i = 0; i < count; i++) {
        arrived[i] = messages[i];
        lane[i] = lane_of(spread, messages[i]);
        spread->count[lane[i]]++;
    }
    for (unsigned i = 0; i < spread->lanes; i++) {
        place[i] = next;
        next += spread->count[i];
    }
    for (unsigned i = 0; i < count; i++)
        messages[place[lane[i]]++] = arrived[i];
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
