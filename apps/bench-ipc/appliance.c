/*
 * What `./baton bench ipc` measures: `sender`, and up to eight stages that a message passes one after the other before it comes
 * back. On which CPU a stage runs, it is told before each measurement.
 *
 *   console --> sender.control                         orders: see sender.c
 *   sender --> stage1 --> ... --> stageN --> sender    the messages that are counted; N is 1 unless chains are measured
 */
#include "apps/baton.h"

/* With unmap=path the pages that go round are memory that all of them share. Two threads are for the setting wide=yes. */
#define MEMBER(service)                                                                                      \
    {                                                                                                        \
        .name = service, .program = service, .placement = BATON_ISOLATED, .on_fault = BATON_STOP,            \
        .threads = 3, .cpu = 0, .queue = 2048, .heap = 64 * 1024, .pages = 8192, .trust = "bench"            \
    }

static const struct baton_service services[] = {
    MEMBER("sender"), MEMBER("stage1"), MEMBER("stage2"), MEMBER("stage3"), MEMBER("stage4"),
    MEMBER("stage5"), MEMBER("stage6"), MEMBER("stage7"), MEMBER("stage8"),
};

#define BOTH_WAYS(stage)                                                                                     \
    {"sender", stage},                                                                                       \
    {                                                                                                        \
        stage, "sender"                                                                                      \
    }

static const struct baton_wire wires[] = {
    {"console", "sender.control"}, BOTH_WAYS("stage1"),  BOTH_WAYS("stage2"),  BOTH_WAYS("stage3"),
    BOTH_WAYS("stage4"),           BOTH_WAYS("stage5"),  BOTH_WAYS("stage6"),  BOTH_WAYS("stage7"),
    BOTH_WAYS("stage8"),           {"stage1", "stage2"}, {"stage2", "stage3"}, {"stage3", "stage4"},
    {"stage4", "stage5"},          {"stage5", "stage6"}, {"stage6", "stage7"}, {"stage7", "stage8"},
};

const struct baton_appliance appliance = {
    .name = "bench-ipc",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
