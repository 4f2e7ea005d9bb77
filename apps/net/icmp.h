/*
 * ICMP (RFC 792, as RFC 1812, 4.3 wants it from a router): errors about a packet, and the answer to an echo request.
 *
 * Owns: nothing. Plain C over the header of the packet in question, which ipv4_check has found good.
 *
 * Limits: an error quotes what is visible of the packet and fits in one message: its header and 8 bytes at least, 86 in all
 * at most. Who may be told, and how often, beyond icmp_error_allowed, is the router's to know: broadcasts of its networks,
 * frames for all stations (4.3.2.7), the rate (4.3.2.8).
 */
#ifndef APPS_NET_ICMP_H
#define APPS_NET_ICMP_H

#include <stdbool.h>
#include <stdint.h>
#include "apps/net/ipv4.h"

#define ICMP_HEADER 8

enum icmp_type {
    ICMP_ECHO_REPLY = 0,
    ICMP_UNREACHABLE = 3,
    ICMP_SOURCE_QUENCH = 4,
    ICMP_REDIRECT = 5,
    ICMP_ECHO = 8,
    ICMP_TIME_EXCEEDED = 11,
    ICMP_PARAMETER = 12
};

/* Codes of ICMP_UNREACHABLE. */
enum icmp_unreachable {
    ICMP_NET = 0,
    ICMP_HOST = 1,
    ICMP_PROTOCOL = 2,
    ICMP_PORT = 3,
    ICMP_TOO_BIG = 4, /* the second half of `word` is the MTU of the next link (RFC 1191) */
    ICMP_SOURCE_ROUTE = 5
};

#define ICMP_REDIRECT_HOST 1 /* 4.3.3.2: a router must not redirect for networks */

struct icmp_error {
    uint8_t type, code;
    uint32_t word; /* bytes 4 to 7: an MTU, a gateway's address, a pointer in the first byte, or 0 */
};

/*
 * RFC 1812, 4.3.2.7: no error is sent about an ICMP error (or what might be one: too short to tell), about a packet to a
 * multicast or the broadcast address, from an address that is nobody's alone, or about a fragment that is not the first.
 * `visible`: bytes at `header`.
 */
bool icmp_error_allowed(const uint8_t *header, uint32_t visible);

/*
 * Writes an IPv4 packet with an error about the packet at `about`, of which `visible` bytes are there, to its source;
 * returns its bytes, at most `room`, which is 56 + options or more. 4.3.2.3: the quote is the packet as it is now. 4.3.2.5: precedence 6,
 * the type of service is the packet's.
 */
uint32_t icmp_error_write(uint8_t *to, uint32_t room, const struct icmp_error *error, uint32_t own_address,
                          const uint8_t *about, uint32_t visible);

/* Whether a packet to the router is an echo request; its first ICMP bytes are visible then. */
bool icmp_is_echo(const uint8_t *header, uint32_t visible);

/*
 * RFC 1812, 4.3.3.6: makes the reply of the request, in place: addresses exchanged, type, TTL, both checksums. Its data is not
 * touched, nor checked: a wrong checksum goes back as wrong as it came.
 */
void icmp_echo_turn(uint8_t *header);

#endif
