/* PSCI: see psci.h. */
#include "drivers/psci.h"

#include "core/arch.h"

#define PSCI_CPU_ON     0xc4000003u /* SMC64 */
#define PSCI_SYSTEM_OFF 0x84000008u

static bool present, by_smc;

void psci_init(bool smc)
{
    by_smc = smc;
    present = true;
}

bool psci_present(void)
{
    return present;
}

int64_t psci_cpu_on(uint64_t hardware_id, uint64_t entry, uint64_t context)
{
    return arch_firmware_call(by_smc, PSCI_CPU_ON, hardware_id, entry, context);
}

void psci_off(void)
{
    arch_irq_disable();
    if (present)
        arch_firmware_call(by_smc, PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;)
        arch_wait_for_interrupt();
}
