/*
 * A frame as the elements of apps/net see it, and the names of all that can be wrong with one.
 *
 * Owns: nothing. The bytes belong to the message that the frame came in; an element may change them in place.
 *
 * Invariants
 *   1. visible <= length, and 14 <= visible <= 128: the Ethernet header is there, and all that is visible lies at `frame`.
 *   2. What lies beyond `visible` is in pages, which no element reads or writes: length alone tells that it is there.
 *   3. An element that returns anything but DROP_NONE has not changed the frame.
 *
 * Plain C without calls of the kernel: everything in apps/net runs on the host too.
 */
#ifndef APPS_NET_PACKET_H
#define APPS_NET_PACKET_H

#include <stdbool.h>
#include <stdint.h>

struct packet {
    uint8_t *frame;     /* destination, source, type; then the packet */
    uint32_t visible;   /* bytes of it at `frame` */
    uint32_t length;    /* bytes of it in all, padding included */
    uint32_t interface; /* where it came in */
    bool group;         /* its link-layer destination is a broadcast or multicast */
};

/* Why a frame goes no further: a row for each, with the name of its counter. */
#define DROP_REASONS(X)                                                                                      \
    X(NONE, "none")                          /* it does go further, or it was meant for the router itself */ \
    X(RUNT, "runt")                          /* no whole Ethernet header */                                  \
    X(OTHER_STATION, "other_station")        /* another station's link-layer address */                      \
    X(LINK_SOURCE, "link_source")            /* the link-layer source is a group, nobody, or the router */   \
    X(LINK_BROADCAST, "link_broadcast")      /* came to all stations, but is for one address (5.3.4) */      \
    X(VLAN, "vlan")                          /* tagged */                                                    \
    X(ETHERTYPE, "ethertype")                /* neither IP nor ARP */                                        \
    X(NOT_CONFIGURED, "not_configured")      /* the interface has no address of this family */               \
    X(TOO_SHORT, "too_short")                /* for the header, or for the length that the header tells */   \
    X(VERSION, "version")                    /* not the one that the EtherType tells */                      \
    X(HEADER_LENGTH, "header_length")        /* IHL of less than 5, or beyond the total length */            \
    X(CHECKSUM, "checksum")                  /* of the IPv4 header, or of a message for the router */        \
    X(OPTIONS, "options")                    /* malformed options or extension headers */                    \
    X(SOURCE_ROUTE, "source_route")          /* loose, strict, or a routing header: not followed */          \
    X(MARTIAN_SOURCE, "martian_source")      /* an address that no sender has (5.3.7) */                     \
    X(MARTIAN_DESTINATION, "martian_target") /* an address that nobody has (5.3.7) */                        \
    X(OWN_SOURCE, "own_source")              /* claims to come from the router */                            \
    X(BROADCAST, "broadcast")                /* limited, or directed (RFC 2644): not forwarded */            \
    X(MULTICAST, "multicast")                /* there is no multicast routing */                             \
    X(TTL, "ttl_exceeded")                   /* TTL or hop limit is used up */                               \
    X(NO_ROUTE, "no_route")                  /* for the destination */                                       \
    X(TOO_BIG, "too_big")                    /* for the next link, and must not be fragmented */             \
    X(UNREACHABLE, "unreachable")            /* the neighbour does not answer */                             \
    X(WAITING_FULL, "waiting_full")          /* too much waits for neighbours already */                     \
    X(FRAGMENT, "fragment")                  /* of a packet for the router, which reassembles none */        \
    X(NO_PROTOCOL, "no_protocol")            /* for the router, which does not speak it */                   \
    X(LOCAL, "local_unused")                 /* for the router, which has no use for it */                   \
    X(ARP_MALFORMED, "arp_malformed")        /* not Ethernet and IPv4, or lies about who it is from */       \
    X(ND_MALFORMED, "nd_malformed")          /* hop limit, checksum, code or options (RFC 4861, 6.1, 7.1) */ \
    X(SCOPE, "scope")                        /* a link-local address may not leave its link */               \
    X(NO_MEMORY, "no_memory")                /* no message, page or route left for it */                     \
    X(QUEUE_FULL, "queue_full")              /* the interface takes no more now */                           \
    X(STOPPED, "stopped")                    /* the interface is dead */                                     \
    X(REFUSED, "refused")                    /* by the kernel, for want of memory or of owners of a page */

#define DROP_ENUM(name, text) DROP_##name,
enum drop {
    DROP_REASONS(DROP_ENUM) DROPS
};
#undef DROP_ENUM

#endif
