/*
 * The router: every network interface leads to one service, which sends each packet on to the right one.
 *
 *   net0, net1, ... --> router --> net0, net1, ...
 *   console ----------> router.control              statements at run time: `tell router route add ...`
 *   router -----------> router                      between its lanes (apps/router/lane.h)
 */
#include "apps/baton.h"
#include "apps/router/lanes.h"

static const struct baton_service services[] = {
    {
        .name = "router",
        .program = "router",
        .placement = BATON_ISOLATED,
        .on_fault = BATON_RESTART,
        .threads = 1,
        .cpu = LANE_CPU,
        .queue = 1024,
        .heap = 32 * 1024 * 1024,
        .pages = 1024,
        .watchdog = 30000,
        .lanes = "forwarders",
    },
};

static const struct baton_wire wires[] = {
    {"net*", "router"},
    {"router", "net*"},
    {"router", "router"},
    {"console", "router.control"},
};

const struct baton_appliance appliance = {
    .name = "router",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
