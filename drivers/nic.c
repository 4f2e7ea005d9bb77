#include "drivers/nic.h"

#include <stddef.h>
#include "core/abi.h"
#include "core/log.h"

static struct nic nics[NICS_MAX];
static struct nic capture;
static unsigned count;

struct nic *nic_create(void)
{
    if (count == NICS_MAX)
        return NULL;
    struct nic *nic = &nics[count];
    nic->number = count++;
    log_format_line(nic->name, sizeof nic->name, "net%u", nic->number);
    return nic;
}

struct nic *nic_create_capture(void)
{
    if (capture.name[0])
        return NULL;
    capture.number =
        NICS_MAX + CPUS_MAX / 2 - 1; /* drives from a CPU on which the first interfaces are not */
    log_format_line(capture.name, sizeof capture.name, "%s", BATON_CAPTURE_PORT);
    return &capture;
}

struct nic *nic_capture(void)
{
    return capture.name[0] ? &capture : NULL;
}

struct nic *nic_at(unsigned number)
{
    return number < count ? &nics[number] : NULL;
}

unsigned nic_count(void)
{
    return count;
}
