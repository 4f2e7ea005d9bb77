/*
 * `tester` uses the C library as services do: the same results are expected of each that a service can be linked with.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {.name = "tester",
     .program = "tester",
     .placement = BATON_ISOLATED,
     .on_fault = BATON_STOP,
     .threads = 5,
     .queue = 16,
     .heap = 128 * 1024,
     .pages = 16},
};

const struct baton_appliance appliance = {.name = "libc-self-test", .services = services, .service_count = 1};
