/*
 * `phoenix` faults again and again and is started again each time; `watcher` calls it, meets its deaths,
 * and counts its lives.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {"phoenix", "phoenix", BATON_ISOLATED, BATON_RESTART, 3, 1, 64, 64 * 1024, 64},
    {"watcher", "watcher", BATON_ISOLATED, BATON_STOP, 1, 2, 64, 64 * 1024, 64},
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
