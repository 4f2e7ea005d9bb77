/*
 * The configuration file: text becomes tables of interfaces, routes and neighbours, or a list of mistakes.
 *
 *   interface net0 10.0.0.1/24 2001:db8::1/64 mtu 1400   addresses and MTU in any order; the statement may be repeated
 *   route 10.9.0.0/16 via 10.0.0.7                       the gateway is on the network of an interface
 *   route 2001:db8:9::/48 via fe80::7 net0               or the interface is told: link-local gateways need that
 *   neighbor 10.0.0.2 02:00:00:00:0b:01 net0             static
 *
 * One statement a line; the order of lines means nothing; # begins a comment. What is not understood, or contradicts itself,
 * is a mistake: the file is good as a whole or not at all.
 *
 * Owns: the memory that the caller gives, which stays the caller's; the text is only read. Plain C: the router runs it at its
 * start, and config-check on the machine where the file is written (invariant 1: with the same result).
 *
 * Limits: below. Cost: about 370 instructions for a line `route A.B.C.D/N via A.B.C.D`, of which long files are made; about 25
 * a character for others.
 */
#ifndef APPS_NET_CONFIG_H
#define APPS_NET_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "apps/net/address.h"
#include "apps/net/next_hop.h"
#include "apps/net/route.h"

#define CONFIG_INTERFACES 32
#define CONFIG_ADDRESSES  64     /* of each family */
#define CONFIG_ROUTES     131072 /* of both families together */
#define CONFIG_HOPS       4096   /* different gateways; as many again can be taken from `hops` later */
#define CONFIG_NEIGHBORS  4096   /* of both families together */
#define CONFIG_MTU_MAX    1500
#define CONFIG_MISTAKES   20  /* so many are told, and how many more there are */
#define CONFIG_TEXT       200 /* bytes of a mistake's text, with its zero */

enum config_family {
    CONFIG_IPV4 = 4,
    CONFIG_IPV6 = 6,
};

/* An address of the router itself, and the network on that link. */
struct config_address {
    struct address6 address; /* address_of4() for IPv4, everywhere in here */
    uint8_t family, length, interface;
    uint32_t line;
};

struct config_route {
    struct prefix prefix;
    uint32_t hop; /* number in `hops` */
    uint32_t line;
    uint8_t family;
};

struct config_neighbor {
    struct address6 address;
    uint64_t link;
    uint32_t line;
    uint8_t family, interface;
};

struct config_interface {
    uint32_t line; /* 0: no statement is about it */
    uint32_t mtu_line;
    uint16_t mtu; /* 0: not told */
};

struct config_mistake {
    uint32_t line;
    char text[CONFIG_TEXT]; /* "what is wrong, what was expected" */
};

struct config {
    struct config_interface interface[CONFIG_INTERFACES];
    struct config_address address[2 * CONFIG_ADDRESSES];
    unsigned addresses;
    struct config_route *route;
    unsigned routes, routes4, routes6;
    struct config_neighbor *neighbor;
    unsigned neighbors;
    struct next_hops
        hops; /* users: routes. A gateway with its interface told and without may have two numbers */
    unsigned interfaces; /* of the machine; CONFIG_INTERFACES when that is not known */
    uint32_t *seen;      /* routes by the hash of their prefix, to find duplicates */
    struct config_mistake mistake[CONFIG_MISTAKES]; /* by line */
    unsigned mistakes;                              /* in all */
};

/* Bytes of memory for config_read: about 6 MiB. */
size_t config_bytes(void);

/*
 * Reads a file for a machine with so many interfaces (0: not known, any up to CONFIG_INTERFACES will do). Returns whether it is
 * good; if not, only the mistakes are of use. `memory`: config_bytes(), aligned as malloc aligns.
 */
bool config_read(struct config *config, void *memory, const char *text, size_t size, unsigned interfaces);

/* A route statement at run time. */
struct config_change {
    bool add; /* or take away */
    uint8_t family;
    struct prefix prefix;
    struct address6 gateway; /* with `add`; without: all zeros */
    unsigned interface;
};

/*
 * Reads `route add PREFIX via GATEWAY [INTERFACE]` or `route del PREFIX`, and checks it against the interfaces of a good
 * configuration. False: `mistake`, CONFIG_TEXT bytes, says what is wrong.
 */
bool config_change_read(const struct config *config, const char *text, size_t size,
                        struct config_change *change, char *mistake);

#endif
