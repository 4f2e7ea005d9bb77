/*
 * A switch beside a service that calls the kernel with whatever comes to its mind.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {"forward", "forward", BATON_ISOLATED, BATON_STOP, 1, 2, 1024, 512 * 1024, 256},
    {"hostile", "hostile", BATON_ISOLATED, BATON_STOP, 3, 1, 32, 64 * 1024, 64},
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
