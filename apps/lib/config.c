/* The configuration file: see baton_config() in baton.h. */
#include "apps/baton.h"
#include "apps/lib/internal.h"

static const char *config;
static size_t config_size;

void library_config_init(const char *file, size_t size)
{
    config = file;
    config_size = size;
}

const char *baton_config(size_t *size)
{
    *size = config_size;
    return config;
}
