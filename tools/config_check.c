/*
 * config-check FILE [INTERFACES]: whether a configuration file is good, by the reader that the appliance has (apps/net/
 * config.h), on the machine where the file is written. INTERFACES: how many there will be; not told: as many as the file
 * wants. Prints a line for each mistake, `FILE:line: what is wrong, what was expected`, and ends with 1; with 2 when it
 * cannot tell.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/net/config.h"

#define FILE_MAX (16u << 20) /* what the kernel takes: core/layout.h */

static struct config config;

static int fail(const char *name, const char *what)
{
    fprintf(stderr, "config-check: %s: %s\n", name, what);
    return 2;
}

static int check(const char *name, const char *text, size_t size, unsigned interfaces)
{
    void *memory = malloc(config_bytes());

    if (!memory)
        return fail(name, "no memory");
    bool good = config_read(&config, memory, text, size, interfaces);
    for (unsigned i = 0; i < config.mistakes && i < CONFIG_MISTAKES; i++)
        printf("%s:%u: %s\n", name, (unsigned)config.mistake[i].line, config.mistake[i].text);
    if (config.mistakes > CONFIG_MISTAKES)
        printf("%s: and %u mistakes more\n", name, config.mistakes - CONFIG_MISTAKES);
    free(memory);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: config-check FILE [INTERFACES]\n");
        return 2;
    }
    unsigned long interfaces = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (interfaces > CONFIG_INTERFACES)
        return fail(argv[2], "too many interfaces");
    FILE *file = fopen(argv[1], "rb");
    if (!file)
        return fail(argv[1], strerror(errno));
    char *text = malloc(FILE_MAX + 1);
    if (!text)
        return fail(argv[1], "no memory");
    size_t size = fread(text, 1, FILE_MAX + 1, file);
    int status = ferror(file)      ? fail(argv[1], "it cannot be read")
                 : size > FILE_MAX ? fail(argv[1], "larger than 16 MiB, which no appliance takes")
                                   : check(argv[1], text, size, (unsigned)interfaces);
    fclose(file);
    free(text);
    return status;
}
