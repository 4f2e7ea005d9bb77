/*
 * The decision about the last packet, for the next one: the packets of one conversation come in a row, and then each costs a
 * comparison with the one before and the checks of what may differ between them.
 *
 * Owns: struct recent. Model: forward4.c and forward6.c call recent_set when a packet has passed all checks and its way is known; the
 * loop of router.c asks recent_passes first, with a copy that it keeps in registers, and gives whatever else comes to the parts. A
 * decision is used until any other packet comes, and never beyond its batch: so nothing that it rests on can have changed meanwhile.
 *
 * What is compared: both link-layer addresses, the type, the interface, version, header length and class, source and destination. What
 * is checked of each packet: its bytes are there, its length agrees with the frame's and fits the link, it has hops left, its header's
 * checksum. A packet that fails goes the long way, which drops and counts it for its reason.
 */
#ifndef APPS_ROUTER_RECENT_H
#define APPS_ROUTER_RECENT_H

#include "apps/net/ethernet.h"
#include "apps/net/ipv4.h"
#include "apps/net/ipv6.h"
#include "apps/router/router.h"

struct recent {
    uint64_t first, second; /* the first 16 bytes of the frame as it comes: 2 of them are the packet's */
    uint64_t new_first, new_second; /* and as it leaves */
    uint64_t addresses[4];          /* of the packet, as they stand there; IPv4: the first word alone */
    uint64_t sum;                   /* IPv4: of all in the header that does not differ */
    uint32_t ingress;
    uint32_t most; /* bytes that the frame may have */
    bool six;      /* IPv6 */
    uint8_t egress;
    struct baton_message **place,
        **end; /* in the outbox of `egress`, whose count is brought up to it by recent_end */
};
#define RECENT_NONE UINT32_MAX /* as `ingress` */

/*
 * The lane's last decision (`recent` of struct lane): the packet, whose first 16 bytes came as `first` and `second`, has been looked at and changed, and is in the outbox of `egress`,
 * whose link has that MTU. It has no options and no extension headers.
 */
void recent_set(uint64_t first, uint64_t second, const struct packet *packet, bool six, unsigned egress,
                uint16_t mtu);

static inline uint64_t recent_load(const uint8_t *bytes)
{
    return *(const ethernet_word *)bytes;
}

#define RECENT_HOPS4    (ETHERNET_HEADER + 8)
#define RECENT_CHECK4   (ETHERNET_HEADER + 10)
#define RECENT_SOURCE4  (ETHERNET_HEADER + 12)
#define RECENT_HOPS6    (ETHERNET_HEADER + 7)
#define RECENT_SOURCE6  (ETHERNET_HEADER + 8)
#define RECENT_HEADERS4 (ETHERNET_HEADER + 20)
#define RECENT_HEADERS6 (ETHERNET_HEADER + 40)

/* A frame of `length` bytes may carry a packet that ends at `end`: it is all of the frame, or the rest fills the frame up. */
static inline bool recent_length_agrees(uint32_t length, uint32_t end, uint32_t headers)
{
    return length == end || (length <= ETHERNET_LEAST && end <= length && end >= headers);
}

/* IPv4, without options. */
static inline bool recent_passes4(const struct recent *recent, const struct baton_message *message,
                                  uint8_t *frame)
{
    uint64_t middle = recent_load(frame + 16); /* length, identification, fragment, hops, protocol */
    uint32_t check = *(const ethernet_lower *)(frame + RECENT_CHECK4),
             end = ETHERNET_HEADER + ipv4_get16(frame + 16);
    uint64_t sum = recent->sum + (uint32_t)middle + (middle >> 32) + check;

    if (message->inline_length < RECENT_HEADERS4 ||
        recent_load(frame + RECENT_SOURCE4) != recent->addresses[0] ||
        !recent_length_agrees(message->length, end, RECENT_HEADERS4) || end > recent->most ||
        frame[RECENT_HOPS4] <= 1)
        return false;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    if (__builtin_expect(sum != 0xffff, 0))
        return false;
    ipv4_hop(frame + ETHERNET_HEADER);
    return true;
}

/* IPv6, without extension headers. */
static inline bool recent_passes6(const struct recent *recent, const struct baton_message *message,
                                  uint8_t *frame)
{
    const uint8_t *addresses = frame + RECENT_SOURCE6;
    uint32_t end = RECENT_HEADERS6 + ipv4_get16(frame + ETHERNET_HEADER + 4);

    if (message->inline_length < RECENT_HEADERS6 || recent_load(addresses) != recent->addresses[0] ||
        recent_load(addresses + 8) != recent->addresses[1] ||
        recent_load(addresses + 16) != recent->addresses[2] ||
        recent_load(addresses + 24) != recent->addresses[3] ||
        !recent_length_agrees(message->length, end, RECENT_HEADERS6) || end > recent->most ||
        frame[RECENT_HOPS6] <= 1 || ipv6_extended(frame + ETHERNET_HEADER))
        return false;
    frame[RECENT_HOPS6]--;
    return true;
}

/* True: the packet is like the last one, and is in its outbox. */
static inline bool recent_passes(struct recent *recent, struct baton_message *message)
{
    uint8_t *frame = message->data + message->inline_offset;

    if (recent_load(frame) != recent->first || recent_load(frame + 8) != recent->second ||
        message->source != recent->ingress || recent->place == recent->end ||
        !(recent->six ? recent_passes6(recent, message, frame) : recent_passes4(recent, message, frame)))
        return false;
    ((ethernet_word *)frame)[0] = recent->new_first;
    ((ethernet_word *)frame)[1] = recent->new_second;
    *recent->place++ = message;
    return true;
}

/* The outbox is as the parts expect it. Before any of them is called. */
static inline void recent_end(const struct recent *recent)
{
    if (recent->ingress != RECENT_NONE)
        router_outbox_taken(recent->egress, recent->place);
}

#endif
