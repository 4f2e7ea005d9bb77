#include "drivers/nic.h"

#include <stddef.h>
#include "core/log.h"

static struct nic nics[NICS_MAX];
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

struct nic *nic_at(unsigned number)
{
    return number < count ? &nics[number] : NULL;
}

unsigned nic_count(void)
{
    return count;
}
