/*
 * ICMPv6 (RFC 4443): errors about a packet, the answer to an echo request, and the checksum of both.
 *
 * Owns: nothing. Plain C over the header of the packet in question, which ipv6_check has found good.
 *
 * Limits: an error quotes what is visible of the packet and fits in one message, 66 bytes at most: the header and what
 * says which conversation it belongs to, not "as much as possible without exceeding the minimum MTU" (2.4 (c)).
 * Whom the router's own knowledge forbids to tell, and how often (2.4 (f)), is the router's to know.
 */
#ifndef APPS_NET_ICMP6_H
#define APPS_NET_ICMP6_H

#include <stdbool.h>
#include <stdint.h>
#include "apps/net/ipv6.h"

#define ICMP6_HEADER 8

enum icmp6_type {
    ICMP6_UNREACHABLE = 1,
    ICMP6_TOO_BIG = 2, /* `word` is the MTU of the next link */
    ICMP6_TIME_EXCEEDED = 3,
    ICMP6_PARAMETER = 4, /* `word` is the offset of what is wrong */
    ICMP6_ECHO = 128,
    ICMP6_ECHO_REPLY = 129,
    ICMP6_ROUTER_SOLICITATION = 133,
    ICMP6_ROUTER_ADVERTISEMENT = 134,
    ICMP6_NEIGHBOR_SOLICITATION = 135,
    ICMP6_NEIGHBOR_ADVERTISEMENT = 136,
    ICMP6_REDIRECT = 137
};

/* Codes of ICMP6_UNREACHABLE. */
enum icmp6_unreachable {
    ICMP6_NO_ROUTE = 0,
    ICMP6_BEYOND_SCOPE = 2, /* of the source address */
    ICMP6_ADDRESS = 3,      /* the neighbour does not answer */
    ICMP6_PORT = 4
};

/* Codes of ICMP6_PARAMETER. */
enum icmp6_parameter {
    ICMP6_FIELD = 0,
    ICMP6_NEXT_HEADER = 1,
    ICMP6_OPTION = 2
};

struct icmp6_error {
    uint8_t type, code;
    uint32_t word;
    bool groups; /* sent even about a packet to a group: too big, and options that ask for it (2.4 (e.3)) */
};

/*
 * 2.4 (e): no error is sent about an ICMPv6 error or redirect (or what might be one: too short to tell), about a packet for
 * a group (with two exceptions), or from an address that is not one station's. `visible`: bytes at `header`. `group`:
 * the link-layer destination is one.
 */
bool icmp6_error_allowed(const struct icmp6_error *error, const uint8_t *header, uint32_t visible,
                         bool group);

/*
 * Writes an IPv6 packet with an error about the packet at `about`, of which `visible` bytes are there, to its source;
 * returns its bytes, at most `room`, which is 88 or more. 2.4 (c): the quote is the packet as it is now.
 */
uint32_t icmp6_error_write(uint8_t *to, uint32_t room, const struct icmp6_error *error, struct address6 own,
                           const uint8_t *about, uint32_t visible);

/*
 * The checksum of the ICMPv6 message of `length` bytes at `message`, all of which are visible, with the pseudo header
 * (RFC 8200, 8.1) of a packet between these addresses; 0 when it contains its own and that is right.
 */
uint16_t icmp6_checksum(const uint8_t *message, uint32_t length, struct address6 source,
                        struct address6 destination);

/*
 * 4.2: makes the reply of an echo request, in place, from the address `own`; its ICMPv6 header follows the IPv6 header. Its
 * data is not touched, nor checked: a wrong checksum goes back as wrong as it came.
 */
void icmp6_echo_turn(uint8_t *header, struct address6 own);

#endif
