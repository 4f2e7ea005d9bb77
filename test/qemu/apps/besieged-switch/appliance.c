/*
 * The switch as it is measured, beside two services that are in its way: on its CPU, in its port, in those of its interfaces. They
 * lie idle until the console wakes the one, or a setting the other (hostile.c). The rows of the switch are those of
 * apps/switch/appliance.c, and the first; `siege-same-image-switch` holds them against each other.
 */
#include "apps/switch/lanes.h"
#include "test/qemu/apps/siege/besieger.h"

static const struct baton_service services[] = {
    {
        .name = "forward",
        .program = "forward",
        .placement = BATON_ISOLATED,
        .on_fault = BATON_RESTART,
        .threads = 1,
        .cpu = LANES_CPU,
        .queue = 1024,
        .heap = 512 * 1024,
        .pages = 256,
        .watchdog = 30000,
        .lanes = "forwarders",
    },
    BESIEGER,
    {
        .name = "hostile",
        .program = "hostile",
        .placement = BATON_ISOLATED_ALWAYS,
        .on_fault = BATON_STOP,
        .threads = 3,
        .cpu = 1,
        .queue = 32,
        .heap = 64 * 1024,
        .pages = 64,
    },
};

static const struct baton_wire wires[] = {
    {"net*", "forward"},           {"forward", "net*"},
    {"besieger", "net*"},          {"besieger", "forward"},
    {"besieger", "besieger"},      {"hostile", "hostile"},
    {"hostile", "hostile.second"}, {"console", "besieger.control"},
};

const struct baton_appliance appliance = {
    .name = "besieged-switch",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
