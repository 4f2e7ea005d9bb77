/*
 * `tester` tries every call of apps/baton.h; `partner` does what it is asked at the other end; `short`
 * ends at once.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {.name = "tester",
     .program = "tester",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 8,
     .cpu = 0,
     .queue = 128,
     .heap = 256 * 1024,
     .pages = 2560},
    {.name = "partner",
     .program = "partner",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 1,
     .cpu = 1,
     .queue = 64,
     .heap = 64 * 1024,
     .pages = 1600},
    {.name = "short",
     .program = "short",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 1,
     .cpu = 0,
     .queue = 16,
     .heap = 64 * 1024,
     .pages = 16},
};

static const struct baton_wire wires[] = {
    {"tester", "partner"}, {"partner", "tester"}, {"partner", "tester.side"},
    {"tester", "short"},   {"short", "partner"},
};

const struct baton_appliance appliance = {
    .name = "ipc-self-test",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
