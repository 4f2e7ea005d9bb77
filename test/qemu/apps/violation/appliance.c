/*
 * A switch with two more services: `rogue` does what setting test=NAME says and must not; `keeper` has
 * what rogue is after.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {.name = "forward",
     .program = "forward",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 1,
     .cpu = 2,
     .queue = 1024,
     .heap = 512 * 1024,
     .pages = 256},
    {.name = "rogue",
     .program = "rogue",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 2,
     .cpu = 1,
     .queue = 16,
     .heap = 64 * 1024,
     .pages = 64},
    {.name = "keeper",
     .program = "keeper",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 1,
     .cpu = 3,
     .queue = 16,
     .heap = 64 * 1024,
     .pages = 64},
};

static const struct baton_wire wires[] = {
    {"net*", "forward"},
    {"forward", "net*"},
    {"rogue", "keeper"},
    {"console", "rogue.control"},
};

const struct baton_appliance appliance = {
    .name = "violation",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
