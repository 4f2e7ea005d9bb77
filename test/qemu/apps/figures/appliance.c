/*
 * `sender` hands pages to `receiver` in each of the ways of figure 3 of the paper: its threads are on CPUs 1 and 2, so that a
 * page of its can be mapped on two CPUs; the receiver is on CPU 3.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {.name = "sender",
     .program = "sender",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 2,
     .cpu = 1,
     .queue = 16,
     .heap = 64 * 1024,
     .pages = 64},
    {.name = "receiver",
     .program = "receiver",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 1,
     .cpu = 3,
     .queue = 16,
     .heap = 64 * 1024,
     .pages = 64},
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
