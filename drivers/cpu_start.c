/* Methods of starting CPUs: see cpu_start.h. */
#include "drivers/cpu_start.h"

#include <stddef.h>
#include "core/log.h"
#include "core/string.h"

static const struct cpu_start_method *methods[CPU_START_METHODS];

void cpu_start_add(const struct cpu_start_method *method)
{
    unsigned i = 0;

    while (i < CPU_START_METHODS && methods[i] && methods[i] != method)
        i++;
    invariant(i < CPU_START_METHODS, "cpu_start.h: CPU_START_METHODS");
    methods[i] = method;
}

const struct cpu_start_method *cpu_start_find(const char *name)
{
    for (unsigned i = 0; name && i < CPU_START_METHODS && methods[i]; i++)
        if (!strcmp(methods[i]->name, name))
            return methods[i];
    return NULL;
}
