/* The configuration file, and statements at run time: what is found good hangs together. */
#include "apps/net/config.h"
#include "test/fuzz/frame.h"

static struct config config;
static void *memory;

static void good(void)
{
    must(config.addresses > 0 && config.addresses <= 2 * CONFIG_ADDRESSES && config.routes <= CONFIG_ROUTES);
    must(config.routes4 + config.routes6 == config.routes && config.neighbors <= CONFIG_NEIGHBORS);
    for (unsigned i = 0; i < config.addresses; i++)
        must(config.interface[config.address[i].interface].line && config.address[i].length > 0);
    for (unsigned i = 0; i < config.routes; i++)
        must(next_hop_of(&config.hops, config.route[i].hop)->interface < config.interfaces);
    for (unsigned i = 0; i < config.neighbors; i++)
        must(config.neighbor[i].link && !ethernet_group(config.neighbor[i].link));
}

static void bad(uint32_t lines)
{
    uint32_t line = 1;

    must(config.mistakes > 0);
    for (unsigned i = 0; i < config.mistakes && i < CONFIG_MISTAKES; i++) {
        const char *text = config.mistake[i].text;
        must(config.mistake[i].line >= line && config.mistake[i].line <= lines);
        must(memchr(text, 0, CONFIG_TEXT) && strstr(text, ", expected "));
        line = config.mistake[i].line;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    static char mistake[CONFIG_TEXT];
    struct config_change change;
    uint32_t lines = 1;

    if (!memory)
        memory = malloc(config_bytes());
    must(memory);
    for (size_t i = 0; i < size; i++)
        lines += input[i] == '\n';
    if (config_read(&config, memory, (const char *)input, size, 0)) {
        good();
    } else {
        bad(lines);
        static const char text[] = "interface net0 10.0.0.1/24 2001:db8::1/64";
        must(config_read(&config, memory, text, sizeof text - 1, 0));
    }
    must(config_change_read(&config, (const char *)input, size, &change, mistake) == (mistake[0] == 0));
    return 0;
}
