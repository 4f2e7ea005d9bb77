/*
 * The router as it is measured, beside a service that is in its way: on its CPU, in its port, in those of its interfaces. It lies idle
 * until the console wakes it. The router's row is that of apps/router/appliance.c; `siege-same-image-router` holds them against each other.
 */
#include "test/qemu/apps/siege/besieger.h"

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
        .watchdog = 30000,
        .lanes = "forwarders",
    },
    BESIEGER,
};

static const struct baton_wire wires[] = {
    {"net*", "router"},   {"router", "net*"},     {"router", "router"},     {"console", "router.control"},
    {"besieger", "net*"}, {"besieger", "router"}, {"besieger", "besieger"}, {"console", "besieger.control"},
};

const struct baton_appliance appliance = {
    .name = "besieged-router",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
