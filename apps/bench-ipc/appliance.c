/*
 * What `./baton bench ipc` measures: `sender` and two echoes, `near` on its CPU, `far` on the next one.
 *
 *   console --> sender.control         orders: see sender.c
 *   sender <--> near, sender <--> far  the messages that are counted
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {
        .name = "sender",
        .program = "sender",
        .placement = BATON_ISOLATED,
        .on_fault = BATON_STOP,
        .threads = 1,
        .cpu = 0,
        .queue = 2048,
        .heap = 64 * 1024,
        .pages = 8192,
        .trust =
            "bench", /* with unmap=path: the pages that go back and forth are memory that the three share */
    },
    {
        .name = "near",
        .program = "near",
        .placement = BATON_ISOLATED,
        .on_fault = BATON_STOP,
        .threads = 1,
        .cpu = 0,
        .queue = 2048,
        .heap = 64 * 1024,
        .pages = 8192,
        .trust =
            "bench", /* with unmap=path: the pages that go back and forth are memory that the three share */
    },
    {
        .name = "far",
        .program = "far",
        .placement = BATON_ISOLATED,
        .on_fault = BATON_STOP,
        .threads = 1,
        .cpu = 1,
        .queue = 2048,
        .heap = 64 * 1024,
        .pages = 8192,
        .trust =
            "bench", /* with unmap=path: the pages that go back and forth are memory that the three share */
    },
};

static const struct baton_wire wires[] = {
    {"console", "sender.control"},
    {"sender", "near"},
    {"near", "sender"},
    {"sender", "far"},
    {"far", "sender"},
};

const struct baton_appliance appliance = {
    .name = "bench-ipc",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
