/* PSCI: see psci.h. */
#include "drivers/psci.h"

#include <stddef.h>
#include "core/arch.h"
#include "drivers/cpu_start.h"
#include "drivers/power.h"

#define PSCI_CPU_ON     0xc4000003u /* SMC64 */
#define PSCI_SYSTEM_OFF 0x84000008u

static bool by_smc;

/* Text for the error codes that CPU_ON can return: 0, then -1, -2, ... (DEN0022, 5.2.2). */
static const char *error_text(int64_t error)
{
    static const char *const texts[] = {
        NULL,
        "PSCI: not supported",
        "PSCI: invalid parameters",
        "PSCI: denied",
        "PSCI: it is on",
        "PSCI: it is starting",
        "PSCI: internal failure",
        "PSCI: not present",
        "PSCI: disabled",
        "PSCI: invalid address",
    };
    unsigned count = sizeof texts / sizeof texts[0];

    return error <= 0 && error > -(int64_t)count ? texts[-error] : "PSCI: unknown error";
}

static const char *psci_cpu_on(const struct cpu_place *place, uint64_t entry, uint64_t context)
{
    return error_text(arch_firmware_call(by_smc, PSCI_CPU_ON, place->hardware_id, entry, context));
}

static void psci_off(void)
{
    arch_firmware_call(by_smc, PSCI_SYSTEM_OFF, 0, 0, 0);
}

static const struct cpu_start_method method = {.name = "psci", .start = psci_cpu_on};

void psci_init(bool smc)
{
    by_smc = smc;
    cpu_start_add(&method);
    power_off_set(psci_off);
}
