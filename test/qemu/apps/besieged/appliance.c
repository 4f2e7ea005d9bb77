/*
 * The router beside a service that does what it can to be in its way: on its CPU, in its ports, in the ports of its
 * interfaces. What protects the router are the limits of `besieger`; without any one of them frames are lost, or crawl.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {
        .name = "router",
        .program = "router",
        .placement = BATON_ISOLATED,
        .on_fault = BATON_RESTART,
        .threads = 1,
        .cpu = 2,
        .queue = 1024,
        .heap = 32 * 1024 * 1024,
        .pages = 1024,
    },
    {
        .name = "besieger",
        .program = "besieger",
        .placement = BATON_ISOLATED,
        .on_fault = BATON_RESTART,
        .threads = 4,
        .cpu = 1,
        .queue = 32,
        .heap = 256 * 1024,
        .pages = 64,
        .messages = 16,
        .cpu_share = 10,
    },
};

static const struct baton_wire wires[] = {
    {"net*", "router"},   {"router", "net*"},     {"console", "router.control"},
    {"besieger", "net*"}, {"besieger", "router"}, {"besieger", "besieger"},
};

const struct baton_appliance appliance = {
    .name = "besieged",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
