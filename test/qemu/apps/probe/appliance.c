/*
 * A former owner that probes: `giver` gives pages away and goes on using them from three CPUs; `taker`, `insider` and
 * `middle` receive; `judge` says what the next round is and counts what giver saw and changed. See protocol.h.
 */
#include "apps/baton.h"

static const struct baton_service services[] = {
    {"giver", "giver", BATON_ISOLATED, BATON_RESTART, 3, 0, 16, 64 * 1024, 64},
    {"judge", "judge", BATON_ISOLATED, BATON_STOP, 1, 3, 128, 64 * 1024, 16},
    {"taker", "taker", BATON_ISOLATED, BATON_STOP, 1, 3, 16, 64 * 1024, 64},
    {"insider", "insider", BATON_TRUSTED_SERVICE, BATON_STOP, 1, 3, 16, 64 * 1024, 64},
    {"middle", "middle", BATON_ISOLATED, BATON_STOP, 1, 3, 16, 64 * 1024, 64},
};

static const struct baton_wire wires[] = {
    {"giver", "judge"},  {"giver", "taker"}, {"giver", "insider"}, {"giver", "middle"},
    {"middle", "taker"}, {"judge", "taker"}, {"judge", "insider"}, {"judge", "middle"},
};

const struct baton_appliance appliance = {
    .name = "probe",
    .services = services,
    .service_count = sizeof services / sizeof services[0],
    .wires = wires,
    .wire_count = sizeof wires / sizeof wires[0],
};
