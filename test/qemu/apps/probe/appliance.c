/*
 * A former owner that probes: `giver` gives pages away and goes on using them from three CPUs, or, at EL1, `mate` does;
 * `taker`, `insider` and `middle` receive; `judge` says what the next round is and counts what was seen and changed. See
 * protocol.h. giver and middle are a trust set.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {.name = "giver",
     .program = "giver",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_RESTART,
     .threads = 3,
     .cpu = 0,
     .queue = 16,
     .heap = 64 * 1024,
     .pages = 64,
     .trust = "pair"},
    {.name = "mate",
     .program = "mate",
     .placement = BATON_TRUSTED_SERVICE,
     .on_fault = BATON_RESTART,
     .threads = 3,
     .cpu = 0,
     .queue = 16,
     .heap = 64 * 1024,
     .pages = 64},
    {.name = "judge",
     .program = "judge",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 1,
     .cpu = 3,
     .queue = 128,
     .heap = 64 * 1024,
     .pages = 16},
    {.name = "taker",
     .program = "taker",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 1,
     .cpu = 3,
     .queue = 16,
     .heap = 64 * 1024,
     .pages = 1024},
    {.name = "insider",
     .program = "insider",
     .placement = BATON_TRUSTED_SERVICE,
     .on_fault = BATON_STOP,
     .threads = 1,
     .cpu = 3,
     .queue = 16,
     .heap = 64 * 1024,
     .pages = 1024},
    {.name = "middle",
     .program = "middle",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 1,
     .cpu = 3,
     .queue = 16,
     .heap = 64 * 1024,
     .pages = 64,
     .trust = "pair"},
};

static const struct baton_wire wires[] = {
    {"giver", "judge"}, {"giver", "taker"},   {"giver", "insider"}, {"giver", "middle"}, {"middle", "taker"},
    {"judge", "taker"}, {"judge", "insider"}, {"judge", "middle"},  {"taker", "giver"},  {"insider", "giver"},
    {"mate", "judge"},  {"mate", "taker"},    {"mate", "middle"},   {"taker", "mate"},
};

const struct baton_appliance appliance = {
    .name = "probe",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
