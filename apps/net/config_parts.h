/*
 * The two halves of the configuration's reader: config.c takes lines apart, config_check.c asks whether what they say fits
 * together. Nobody else includes this; see config.h.
 */
#ifndef APPS_NET_CONFIG_PARTS_H
#define APPS_NET_CONFIG_PARTS_H

#include "apps/net/config.h"

#define CONFIG_WORDS 16         /* in a line */
#define CONFIG_SEEN  (1u << 18) /* places for CONFIG_ROUTES */
#define CONFIG_MET   (1u << 13) /* places for CONFIG_NEIGHBORS */
#define CONFIG_OPEN  (1u << 16) /* in next_hop.interface: where the gateway is has still to be found out */
#define CONFIG_TOLD  (1u << 17) /* and the interface is told */
#define CONFIG_NAMES (IPV6_TEXT + 4) /* room for an address, with a prefix length */

/* Notes a mistake. */
__attribute__((format(printf, 3, 4))) void config_mistake(struct config *config, uint32_t line,
                                                          const char *format, ...);

/* An address as people write it, into CONFIG_NAMES bytes; with its length, if that is not negative. */
const char *config_name(char *to, unsigned family, struct address6 address, int length);

/* Where a route of this prefix is, or the free place for it. */
uint32_t *config_seen(const struct config *config, unsigned family, const struct prefix *prefix);

/* The same for a neighbour; they are in `met`, which follows `seen`. */
uint32_t *config_met(const struct config *config, const struct config_neighbor *neighbor);

/*
 * On which interface a gateway is; `told` is the interface that the statement names, or negative. False: `text`, CONFIG_TEXT
 * bytes, says what is wrong.
 */
bool config_gateway(const struct config *config, unsigned family, struct address6 gateway, int told,
                    unsigned *interface, char *text);

/* Whether all statements together make sense. */
void config_check(struct config *config);

#endif
