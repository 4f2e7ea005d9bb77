/* Interrupts by message: see msi.h. */
#include "drivers/msi.h"

#include <stddef.h>

static const struct msi_controller *controller;

void msi_controller_set(const struct msi_controller *chosen)
{
    controller = chosen;
}

bool msi_present(void)
{
    return controller != NULL;
}

bool msi_allocate(uint32_t device, struct msi *msi)
{
    return controller && controller->allocate(device, msi);
}
