/*
 * Services of one program, which does what the console tells it, each with another policy or limit.
 */
#include "apps/baton.h"

#define MORTAL                                                                                               \
    .placement = BATON_ISOLATED, .threads = 2, .cpu = 1, .queue = 64, .heap = 64 * 1024, .pages = 32

static const struct baton_service services[] = {
    {.name = "within",
     .program = "within",
     .on_fault = BATON_RESTART_WITHIN,
     .restarts = 3,
     .restart_seconds = 60,
     MORTAL},
    {.name = "dog", .program = "dog", .on_fault = BATON_RESTART, .watchdog = 200, MORTAL},
    {.name = "limited", .program = "limited", .on_fault = BATON_STOP, .messages = 8, MORTAL},
    {.name = "sink", .program = "sink", .on_fault = BATON_STOP, MORTAL},
    {.name = "small", .program = "small", .on_fault = BATON_RESTART, .cpu_share = 20, MORTAL},
    {.name = "rival", .program = "rival", .on_fault = BATON_RESTART, MORTAL},
};

static const struct baton_wire wires[] = {
    {"console", "within.control"}, {"console", "dog.control"},   {"console", "limited.control"},
    {"console", "sink.control"},   {"console", "small.control"}, {"console", "rival.control"},
    {"limited", "sink"},
};

const struct baton_appliance appliance = {
    .name = "lives",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
