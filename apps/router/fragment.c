/*
 * IPv4 packets that are too long for the next link, in pieces (RFC 1812, 4.2.2.7; RFC 791, 3.2): see router.h.
 *
 * No payload is copied but what is inline already: each fragment is a message with a header of its own and pieces of the
 * same pages, which get an ownership more for every fragment beyond the first.
 */
#include <string.h>
#include "apps/net/ethernet.h"
#include "apps/net/ipv4.h"
#include "apps/router/lane.h"

/* The packet that is cut. */
struct whole {
    const struct baton_message *message;
    const uint8_t *header; /* its IPv4 header, as it goes on: one hop older */
    uint32_t header_bytes;
    uint32_t bytes;        /* of data, without headers and padding */
    uint32_t inline_bytes; /* of them, inline */
};

/* Adds data from `start` to `end` that lies in pages to the fragment. False when there are no more ownerships. */
static bool pages_add(struct baton_message *fragment, const struct whole *whole, uint32_t start, uint32_t end)
{
    const struct baton_message *message = whole->message;
    uint32_t at = whole->inline_bytes;

    for (unsigned i = 0; i < message->pieces && at < end; at += message->piece[i++].length) {
        const struct baton_piece *piece = &message->piece[i];
        uint32_t first = start > at ? start - at : 0,
                 last = end - at < piece->length ? end - at : piece->length;
        if (first >= last)
            continue;
        if (baton_page_duplicate(&piece->page, 1) != 1)
            return false;
        if (baton_message_append_page(fragment, piece->page,
                                      (piece->offset & BATON_PIECE_OFFSET_MASK) + first, last - first) < 0) {
            baton_page_release(&piece->page, 1);
            return false;
        }
        fragment->piece[fragment->pieces - 1].offset |= BATON_PIECE_READ_ONLY;
    }
    return true;
}

/* One fragment: data from `start` to `end`. NULL when there is no memory for it. */
static struct baton_message *fragment_make(const struct whole *whole, uint32_t start, uint32_t end)
{
    struct baton_message *fragment = router_message();
    uint16_t field = ipv4_fragment(whole->header);

    if (!fragment)
        return NULL;
    uint8_t *header = fragment->data + ETHERNET_HEADER;
    uint32_t bytes = whole->header_bytes, inlined = end < whole->inline_bytes ? end : whole->inline_bytes;
    if (start)
        bytes = ipv4_fragment_header(header, whole->header);
    else
        memcpy(header, whole->header, bytes);
    uint32_t data = inlined > start ? inlined - start : 0;
    memcpy(header + bytes, whole->header + whole->header_bytes + start, data);
    baton_count_copied(0, data);
    ipv4_put16(header + 2, (uint16_t)(bytes + end - start));
    ipv4_put16(header + 6, (uint16_t)((field & ~IPV4_MORE) + start / 8) |
                               (end < whole->bytes ? IPV4_MORE : (field & IPV4_MORE)));
    ipv4_checksum_write(header);
    fragment->inline_length = (uint8_t)(ETHERNET_HEADER + bytes + data);
    fragment->length = fragment->inline_length;
    if (pages_add(fragment, whole, start, end))
        return fragment;
    router_drop(fragment, whole->message->source, DROP_NO_MEMORY);
    return NULL;
}

void fragment4(struct baton_message *message, const struct packet *packet, const struct hop *hop)
{
    const uint8_t *header = packet->frame + ETHERNET_HEADER;
    struct whole whole = {message, header, ipv4_header_bytes(header), ipv4_length(header), packet->visible};
    /* The header of the first one is the longest: what fits behind it fits behind all. */
    uint32_t most = (router.interface[hop->interface].mtu - whole.header_bytes) & ~7u;

    whole.bytes -= whole.header_bytes;
    whole.inline_bytes -= ETHERNET_HEADER + whole.header_bytes;
    if (whole.inline_bytes > whole.bytes)
        whole.inline_bytes = whole.bytes;
    for (uint32_t start = 0; start < whole.bytes; start += most) {
        uint32_t end = whole.bytes - start > most ? start + most : whole.bytes;
        struct baton_message *fragment = fragment_make(&whole, start, end);
        if (!fragment) {
            router_drop(message, packet->interface, DROP_NO_MEMORY);
            return;
        }
        resolve4(hop->interface, hop->address, fragment, packet->interface);
    }
    router_tally(router.count_fragmented);
    router_discard(message);
}
