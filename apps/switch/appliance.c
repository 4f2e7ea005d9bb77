/*
 * The switch: every network interface leads to one service, which sends each frame on to the right one.
 *
 *   net0, net1, ... --> forward --> net0, net1, ...
 */
#include "apps/baton.h"
#include "apps/switch/lanes.h"

static const struct baton_service services[] = {
    {
        .name = "forward",
        .program = "forward",
        .placement = BATON_ISOLATED,
        .on_fault = BATON_RESTART,
        .threads = 1,
        .cpu = LANES_CPU,
        .queue = 1024,
        .heap = 512 * 1024,
        .pages = 256,
        .watchdog = 30000,
        .lanes = "forwarders",
    },
};

static const struct baton_wire wires[] = {
    {"net*", "forward"},
    {"forward", "net*"},
};

const struct baton_appliance appliance = {
    .name = "switch",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
