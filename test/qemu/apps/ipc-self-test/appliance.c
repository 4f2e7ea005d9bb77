/*
 * `tester` tries every call of apps/baton.h; `partner` does what it is asked at the other end; `short`
 * ends at once.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {"tester", "tester", BATON_ISOLATED, BATON_STOP, 8, 0, 128, 256 * 1024, 512},
    {"partner", "partner", BATON_ISOLATED, BATON_STOP, 1, 1, 64, 64 * 1024, 256},
    {"short", "short", BATON_ISOLATED, BATON_STOP, 1, 0, 16, 64 * 1024, 16},
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
