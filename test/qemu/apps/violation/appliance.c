/*
 * A switch with two more services: `rogue` does what setting test=NAME says and must not; `keeper` has
 * what rogue is after.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {"forward", "forward", BATON_ISOLATED, BATON_STOP, 1, 2, 1024, 512 * 1024, 256},
    {"rogue", "rogue", BATON_ISOLATED, BATON_STOP, 2, 1, 16, 64 * 1024, 64},
    {"keeper", "keeper", BATON_ISOLATED, BATON_STOP, 1, 3, 16, 64 * 1024, 64},
};

static const struct baton_wire wires[] = {
    {"net*", "forward"},
    {"forward", "net*"},
    {"rogue", "keeper"},
};

const struct baton_appliance appliance = {
    .name = "violation",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
