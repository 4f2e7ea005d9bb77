/*
 * Ten isolated services in a ring, each with a table of its own: more than there are ASIDs in a test build with three bits of
 * them, so that numbers run out all the time while pages, and unmaps that are not complete, are on their way.
 */
#include "apps/baton.h"

#define LINK(link, where)                                                                                    \
    {                                                                                                        \
        .name = link, .program = link, .placement = BATON_ISOLATED, .on_fault = BATON_STOP, .threads = 1,    \
        .cpu = where, .queue = 64, .heap = 64 * 1024, .pages = 128                                           \
    }
static const struct baton_service services[] = {
    LINK("s0", 0), LINK("s1", 1), LINK("s2", 2), LINK("s3", 3), LINK("s4", 0),
    LINK("s5", 1), LINK("s6", 2), LINK("s7", 3), LINK("s8", 0), LINK("s9", 1),
};

static const struct baton_wire wires[] = {
    {"s0", "s1"}, {"s1", "s2"}, {"s2", "s3"}, {"s3", "s4"}, {"s4", "s5"},
    {"s5", "s6"}, {"s6", "s7"}, {"s7", "s8"}, {"s8", "s9"}, {"s9", "s0"},
};

const struct baton_appliance appliance = {
    .name = "asids",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
