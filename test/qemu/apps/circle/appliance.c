/*
 * Pages that circulate: `first` and `second` send them back and forth, and now and then on to `stranger`, who is not of their
 * trust set. Orders come from the console, as in `tell first 1000 4`: see first.c.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {
        .name = "first",
        .program = "first",
        .placement = BATON_ISOLATED,
        .on_fault = BATON_RESTART,
        .threads = 2,
        .cpu = 1,
        .queue = 16,
        .heap = 64 * 1024,
        .pages = 64,
        .trust = "pair",
    },
    {
        .name = "second",
        .program = "second",
        .placement = BATON_ISOLATED,
        .on_fault = BATON_RESTART,
        .threads = 1,
        .cpu = 2,
        .queue = 16,
        .heap = 64 * 1024,
        .pages = 64,
        .trust = "pair",
    },
    {
        .name = "stranger",
        .program = "stranger",
        .placement = BATON_ISOLATED,
        .on_fault = BATON_RESTART,
        .threads = 1,
        .cpu = 3,
        .queue = 16,
        .heap = 64 * 1024,
        .pages = 64,
    },
};

static const struct baton_wire wires[] = {
    {"console", "first.control"},
    {"first", "second"},
    {"first", "stranger"},
};

const struct baton_appliance appliance = {
    .name = "circle",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
