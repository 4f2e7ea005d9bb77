/* A kernel of a test build takes its fault from the setting seed= (core/seed.h). */
#include <stddef.h>
#include "boot/boot.h"
#include "core/seed.h"
#include "core/setting.h"

void seed_boot(void)
{
    const char *name = setting_find("seed");

    if (name && !seed_choose(name))
        boot_fail("seed=%s: there is no such fault", name);
}
