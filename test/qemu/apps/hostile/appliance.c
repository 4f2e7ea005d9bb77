/*
 * A switch beside a service that calls the kernel with whatever comes to its mind.
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
    {.name = "hostile",
     .program = "hostile",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 3,
     .cpu = 1,
     .queue = 32,
     .heap = 64 * 1024,
     .pages = 64},
};

static const struct baton_wire wires[] = {
    {"net*", "forward"},
    {"forward", "net*"},
    {"hostile", "hostile"},
    {"hostile", "hostile.second"},
};

const struct baton_appliance appliance = {
    .name = "hostile",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
