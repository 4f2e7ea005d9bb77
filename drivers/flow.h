/*
 * Flows: by which a driver spreads frames over the lanes of a forwarder (drivers/spread.h).
 *
 * Owns: nothing. A frame's flow is
 *   - IPv4 and IPv6: both addresses, the protocol, and for TCP, UDP, SCTP, DCCP and UDP-Lite both ports;
 *   - a fragment, and what has IPv6 extension headers: both addresses and the protocol that the IP header names. So all
 *     fragments of one datagram are one flow, though only the first has ports;
 *   - all others, also what has a VLAN tag or an IP header that is none: both Ethernet addresses.
 * The hash of a flow is that of the opposite direction too, whichever side a router changed the Ethernet addresses on.
 *
 * Limits: of a UDP flow some of whose datagrams are fragments, those and the others are two flows here, as with the hashes of
 * network cards.
 */
#ifndef DRIVERS_FLOW_H
#define DRIVERS_FLOW_H

#include <stdint.h>

/*
 * 32 bits for the flow of a frame of which the first `visible` bytes are given, 14 at least; no byte beyond is looked at.
 * `seed`: another one for each boot, or anyone could choose addresses that all share a lane.
 */
uint32_t flow_hash(const uint8_t *frame, uint32_t visible, uint64_t seed);

#endif
