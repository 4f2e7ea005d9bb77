/* The end of a boot that cannot go on: see boot.h. */
#include "boot/boot.h"

#include <stddef.h>
#include "core/log.h"
#include "drivers/power.h"

void boot_fail(const char *format, ...)
{
    char line[200];
    va_list args;

    va_start(args, format);
    log_format(line, sizeof line, format, args);
    va_end(args);
    log_print("boot: %s\n", line);
    power_off();
}

void boot_check(const char *missing)
{
    if (missing)
        boot_fail("%s", missing);
}
