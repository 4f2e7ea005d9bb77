/* The decision about the last packet: see recent.h. */
#include "apps/router/recent.h"
#include <string.h>
#include "apps/net/checksum.h"
#include "apps/router/lane.h"

void recent_set(uint64_t first, uint64_t second, const struct packet *packet, bool six, unsigned egress,
                uint16_t mtu)
{
    const uint8_t *now = packet->frame;
    struct outbox *outbox = &lane->outbox[egress];
    struct recent *recent = &lane->recent;

    recent->first = first;
    recent->second = second;
    recent->new_first = recent_load(now);
    recent->new_second = recent_load(now + 8);
    memcpy(recent->addresses, now + (six ? RECENT_SOURCE6 : RECENT_SOURCE4), six ? 32 : 8);
    recent->sum =
        six ? 0 : checksum_add(0, now + RECENT_SOURCE4, 8) + *(const ethernet_lower *)(now + ETHERNET_HEADER);
    recent->ingress = packet->interface;
    recent->most = ETHERNET_HEADER + (uint32_t)mtu;
    recent->six = six;
    recent->egress = (uint8_t)egress;
    recent->place = outbox->message + outbox->count;
    recent->end = outbox->message + BATON_BATCH;
}
