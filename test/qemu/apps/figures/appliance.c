/*
 * `sender` hands pages to `receiver` in each of the ways of figure 3 of the paper: its threads are on CPUs 1 and 2, so that a
 * page of its can be mapped on two CPUs; the receiver is on CPU 3.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {"sender", "sender", BATON_ISOLATED, BATON_STOP, 2, 1, 16, 64 * 1024, 64},
    {"receiver", "receiver", BATON_ISOLATED, BATON_STOP, 1, 3, 16, 64 * 1024, 64},
};

static const struct baton_wire wires[] = {
    {"sender", "receiver"},
    {"receiver", "sender"},
};

const struct baton_appliance appliance = {
    .name = "figures",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
