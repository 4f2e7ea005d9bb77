/*
 * `phoenix` faults again and again and is started again each time; `watcher` calls it, meets its deaths,
 * and counts its lives.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {.name = "phoenix",
     .program = "phoenix",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_RESTART,
     .threads = 3,
     .cpu = 1,
     .queue = 64,
     .heap = 64 * 1024,
     .pages = 64},
    {.name = "watcher",
     .program = "watcher",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 1,
     .cpu = 2,
     .queue = 64,
     .heap = 64 * 1024,
     .pages = 64},
};

static const struct baton_wire wires[] = {
    {"watcher", "phoenix"},
    {"phoenix", "watcher"},
};

const struct baton_appliance appliance = {
    .name = "restart",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
