/* The configuration file, line by line: see config.h. What lines mean together is asked in config_check.c. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "apps/net/config_parts.h"
#include "apps/net/ethernet.h"
#include "apps/net/ipv4.h"
#include "apps/net/ipv6.h"

#define SHOWN 43 /* characters of a word in a mistake's text */

struct word {
    const char *text;
    size_t length;
};

/* One line. `text` is where its mistake goes, or NULL: to the configuration. */
struct reader {
    struct config *config;
    char *text;
    uint32_t line;
    unsigned words;
    struct word word[CONFIG_WORDS];
};

/* ---- Mistakes ---- */

/* In the order of lines, for those that are told. */
static char *mistake_place(struct config *config, uint32_t line)
{
    unsigned count = config->mistakes++, at;

    if (count >= CONFIG_MISTAKES) {
        if (config->mistake[CONFIG_MISTAKES - 1].line <= line)
            return NULL;
        count = CONFIG_MISTAKES - 1;
    }
    for (at = count; at > 0 && config->mistake[at - 1].line > line; at--)
        config->mistake[at] = config->mistake[at - 1];
    config->mistake[at].line = line;
    return config->mistake[at].text;
}

void config_mistake(struct config *config, uint32_t line, const char *format, ...)
{
    char *text = mistake_place(config, line);
    va_list arguments;

    if (!text)
        return;
    va_start(arguments, format);
    vsnprintf(text, CONFIG_TEXT, format, arguments);
    va_end(arguments);
}

/* Notes a mistake of this line; returns false. */
__attribute__((format(printf, 2, 3))) static bool wrong(struct reader *reader, const char *format, ...)
{
    char *text = reader->text ? reader->text : mistake_place(reader->config, reader->line);
    va_list arguments;

    if (text) {
        va_start(arguments, format);
        vsnprintf(text, CONFIG_TEXT, format, arguments);
        va_end(arguments);
    }
    return false;
}

/* For %.*s: the beginning of a word. */
#define WORD(word) (int)((word)->length > SHOWN ? SHOWN : (word)->length), (word)->text

static bool is(const struct word *word, const char *text)
{
    return word->length == strlen(text) && memcmp(word->text, text, word->length) == 0;
}

/* A word that must be there; NULL, and a mistake, when it is not. */
static const struct word *need(struct reader *reader, unsigned number, const char *expected)
{
    if (number < reader->words)
        return &reader->word[number];
    wrong(reader, "the line ends after '%.*s', expected %s", WORD(&reader->word[reader->words - 1]),
          expected);
    return NULL;
}

static bool end(struct reader *reader, unsigned number)
{
    if (number >= reader->words)
        return true;
    return wrong(reader, "'%.*s' is too much, expected the end of the line", WORD(&reader->word[number]));
}

/* ---- Words ---- */

/* A decimal number without leading zeros, up to `most`. */
static bool number_parse(const char *text, size_t length, unsigned most, unsigned *number)
{
    unsigned value = 0;

    if (length == 0 || length > 5 || (length > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *number = value;
    return value <= most;
}

static bool interface_parse(struct reader *reader, const struct word *word, unsigned *interface)
{
    unsigned last = reader->config->interfaces - 1;

    if (word->length < 4 || memcmp(word->text, "net", 3) != 0 ||
        !number_parse(word->text + 3, word->length - 3, 99999, interface))
        return wrong(reader, "'%.*s' is no interface, expected net0, net1, ...", WORD(word));
    if (*interface > last)
        return wrong(reader, "there is no %.*s, expected net0%s%.0u", WORD(word), last ? " to net" : "",
                     last);
    return true;
}

static bool address_parse(const char *text, size_t length, uint8_t *family, struct address6 *address)
{
    uint32_t address4;

    if (memchr(text, ':', length)) {
        *family = CONFIG_IPV6;
        return ipv6_parse(text, length, address);
    }
    *family = CONFIG_IPV4;
    if (!ipv4_parse(text, length, &address4))
        return false;
    *address = address_of4(address4);
    return true;
}

static bool address_read(struct reader *reader, const struct word *word, uint8_t *family,
                         struct address6 *address)
{
    return address_parse(word->text, word->length, family, address) ||
           wrong(reader, "'%.*s' is no address, expected for example 10.0.0.1 or 2001:db8::1", WORD(word));
}

/* An address with a prefix length; the bits behind the prefix are as they stand there. */
static bool prefix_read(struct reader *reader, const struct word *word, uint8_t *family,
                        struct prefix *prefix)
{
    const char *slash = memchr(word->text, '/', word->length);

    if (!slash)
        return wrong(reader,
                     "'%.*s' has no prefix length, expected for example 10.0.0.1/24 or 2001:db8::1/64",
                     WORD(word));
    size_t before = (size_t)(slash - word->text);
    if (!address_parse(word->text, before, family, &prefix->address))
        return wrong(reader, "'%.*s' is no address, expected for example 10.0.0.1/24 or 2001:db8::1/64",
                     WORD(word));
    unsigned most = *family == CONFIG_IPV4 ? 32 : 128;
    if (!number_parse(slash + 1, word->length - before - 1, most, &prefix->length))
        return wrong(reader, "'%.*s' has a wrong prefix length, expected /0 to /%u", WORD(word), most);
    return true;
}

/* ---- Statements ---- */

/* Whether a station can have this address on its interface. */
static bool host_check(struct reader *reader, unsigned family, const struct prefix *prefix)
{
    struct address6 mask = address6_mask(prefix->length), address = prefix->address;
    uint32_t address4 = address_to4(address), host = address4 & ~address_to4(mask);
    char name[CONFIG_NAMES];

    config_name(name, family, address, (int)prefix->length);
    if (prefix->length == 0)
        return wrong(reader, "%s makes all addresses one network, expected a prefix length of 1 or more",
                     name);
    if (family == CONFIG_IPV4
            ? ipv4_martian_source(address4)
            : ipv6_unspecified(address) || ipv6_loopback(address) || ipv6_multicast(address))
        return wrong(reader, "%s is not an address of an interface, expected a unicast address", name);
    if (family == CONFIG_IPV4 && prefix->length < 31 && (host == 0 || host == ~address_to4(mask)))
        return wrong(reader, "%s is the network's own or its broadcast address, expected one between them",
                     name);
    return true;
}

static bool address_add(struct reader *reader, const struct word *word, unsigned interface)
{
    struct config *config = reader->config;
    struct prefix prefix = {.length = 0};
    unsigned count = 0;
    uint8_t family = 0;

    if (!prefix_read(reader, word, &family, &prefix) || !host_check(reader, family, &prefix))
        return false;
    for (unsigned i = 0; i < config->addresses; i++)
        count += config->address[i].family == family;
    if (count == CONFIG_ADDRESSES)
        return wrong(reader, "too many IPv%u addresses, expected at most %u", family, CONFIG_ADDRESSES);
    config->address[config->addresses++] = (struct config_address){
        prefix.address, family, (uint8_t)prefix.length, (uint8_t)interface, reader->line};
    return true;
}

static bool mtu_read(struct reader *reader, const struct word *word, struct config_interface *interface)
{
    unsigned mtu = 0;

    if (!word)
        return false;
    if (!number_parse(word->text, word->length, CONFIG_MTU_MAX, &mtu) || mtu < IPV4_MTU_MIN)
        return wrong(reader, "'%.*s' is no MTU, expected a number from %u to %u", WORD(word), IPV4_MTU_MIN,
                     CONFIG_MTU_MAX);
    if (interface->mtu)
        return wrong(reader, "the MTU is told already (line %u), expected it once for an interface",
                     (unsigned)interface->mtu_line);
    interface->mtu = (uint16_t)mtu;
    interface->mtu_line = reader->line;
    return true;
}

static bool interface_read(struct reader *reader)
{
    const struct word *word = need(reader, 1, "an interface: net0, net1, ...");
    unsigned number = 0;

    if (!word || !interface_parse(reader, word, &number) ||
        !need(reader, 2, "an address with its prefix length, for example 10.0.0.1/24"))
        return false;
    struct config_interface *interface = &reader->config->interface[number];
    if (!interface->line)
        interface->line = reader->line;
    for (unsigned i = 2; i < reader->words; i++) {
        if (is(&reader->word[i], "mtu")) {
            if (!mtu_read(reader, need(reader, ++i, "a number of bytes"), interface))
                return false;
        } else if (!address_add(reader, &reader->word[i], number)) {
            return false;
        }
    }
    return true;
}

/* Prefixes that no route leads to: loopback, multicast, class E, link-local. */
static bool routable(unsigned family, const struct prefix *prefix)
{
    if (family == CONFIG_IPV4) {
        unsigned first = (unsigned)(prefix->address.high >> 56);
        return !(first >= 224 && prefix->length >= 3) && !(first == 127 && prefix->length >= 8);
    }
    return !(ipv6_multicast(prefix->address) && prefix->length >= 8) &&
           !(ipv6_link_local(prefix->address) && prefix->length >= 10) &&
           !(ipv6_loopback(prefix->address) && prefix->length == 128);
}

/* The destination of a route, the word `number` of the line. */
static bool destination_read(struct reader *reader, unsigned number, uint8_t *family, struct prefix *prefix)
{
    const struct word *word = need(reader, number, "a prefix, for example 10.9.0.0/16");
    char name[CONFIG_NAMES];

    if (!word || !prefix_read(reader, word, family, prefix))
        return false;
    struct address6 mask = address6_mask(prefix->length);
    if ((prefix->address.high & ~mask.high) | (prefix->address.low & ~mask.low)) {
        struct address6 base = {prefix->address.high & mask.high, prefix->address.low & mask.low};
        return wrong(reader, "'%.*s' has bits behind its prefix, expected %s", WORD(word),
                     config_name(name, *family, base, (int)prefix->length));
    }
    if (!routable(*family, prefix))
        return wrong(reader, "'%.*s' is not forwarded by any router, expected a unicast prefix", WORD(word));
    return true;
}

/* `via GATEWAY [INTERFACE]` from word `number` on; *told is the interface or negative. */
static bool via_read(struct reader *reader, unsigned number, uint8_t family, struct address6 *gateway,
                     int *told)
{
    const struct word *word = need(reader, number, "via and a gateway");
    unsigned interface = 0;
    uint8_t other = 0;

    if (!word)
        return false;
    if (!is(word, "via"))
        return wrong(reader, "'%.*s' is not known here, expected via", WORD(word));
    word = need(reader, number + 1, "the address of a gateway");
    if (!word || !address_read(reader, word, &other, gateway))
        return false;
    if (other != family)
        return wrong(reader, "gateway '%.*s' is of IPv%u, expected one of IPv%u as the prefix", WORD(word),
                     other, family);
    *told = -1;
    if (number + 2 < reader->words) {
        if (!interface_parse(reader, &reader->word[number + 2], &interface))
            return false;
        *told = (int)interface;
    }
    return end(reader, number + 3);
}

/* The route at the end of the table becomes one of it, with `seen` as its place; false: there are too many different gateways. */
static bool route_keep(struct config *config, struct address6 gateway, int told, uint32_t *seen)
{
    struct config_route *route = &config->route[config->routes];
    uint32_t key = CONFIG_OPEN | (told < 0 ? 0 : CONFIG_TOLD | (unsigned)told) | (unsigned)route->family << 8;

    route->hop = next_hop_take(&config->hops, key, gateway);
    if (route->hop > CONFIG_HOPS) /* numbered one by one */
        return false;
    *seen = ++config->routes;
    *(route->family == CONFIG_IPV4 ? &config->routes4 : &config->routes6) += 1;
    return true;
}

static bool route_read(struct reader *reader)
{
    struct config *config = reader->config;
    struct config_route route = {.line = reader->line};
    struct address6 gateway = {0, 0};
    int told = -1;

    if (!destination_read(reader, 1, &route.family, &route.prefix) ||
        !via_read(reader, 2, route.family, &gateway, &told))
        return false;
    uint32_t *seen = config_seen(config, route.family, &route.prefix);
    if (*seen)
        return wrong(reader, "there is a route for %.*s already (line %u), expected one",
                     WORD(&reader->word[1]), (unsigned)config->route[*seen - 1].line);
    if (config->routes == CONFIG_ROUTES)
        return wrong(reader, "too many routes, expected at most %u", CONFIG_ROUTES);
    config->route[config->routes] = route;
    if (!route_keep(config, gateway, told, seen))
        return wrong(reader, "too many different gateways, expected at most %u", CONFIG_HOPS);
    return true;
}

/*
 * Most lines of a long file are `route A.B.C.D/N via A.B.C.D`, with single blanks: those are read without being split into words.
 * What is not exactly so, or is wrong in any way, is left to the others, which know what to say about it.
 */
#define QUICK 64 /* bytes that are there at least: more than such a line has */

/* Four numbers as ipv4_parse would take them; returns what follows them, or NULL. */
static const char *quad_quick(const char *at, uint32_t *address)
{
    uint32_t result = 0;

#pragma GCC unroll 4
    for (unsigned part = 0; part < 4; part++) {
        if (part && *at++ != '.')
            return NULL;
        unsigned value = (unsigned)(*at++ - '0'), digit = (unsigned)(*at - '0');
        if (value > 9)
            return NULL;
        if (digit <= 9) {
            if (value == 0)
                return NULL;
            value = value * 10 + digit;
            digit = (unsigned)(*++at - '0');
            if (digit <= 9) {
                value = value * 10 + digit;
                at++;
            }
        }
        result = result << 8 | value;
        if (value > 255)
            return NULL;
    }
    *address = result;
    return at;
}

/* The route of such a line; returns the newline behind it, or NULL. */
static const char *line_quick(const char *at, struct config_route *route, struct address6 *gateway)
{
    uint32_t address;

    if (memcmp(at, "route ", 6) != 0)
        return NULL;
    at = quad_quick(at + 6, &address);
    if (!at || *at++ != '/')
        return NULL;
    route->prefix.address = address_of4(address);
    unsigned length = (unsigned)(*at++ - '0'), digit = (unsigned)(*at - '0');
    if (length > 9)
        return NULL;
    if (digit <= 9) {
        if (length == 0)
            return NULL;
        length = length * 10 + digit;
        at++;
    }
    route->prefix.length = length;
    if (length > 32 || memcmp(at, " via ", 5) != 0)
        return NULL;
    at = quad_quick(at + 5, &address);
    *gateway = address_of4(address);
    return at && *at == '\n' ? at : NULL;
}

/* The same, and keeps the route: returns the newline behind it, or NULL, and nothing has happened. */
static const char *route_quick(struct config *config, uint32_t line, const char *at)
{
    struct config_route *route = &config->route[config->routes];
    struct address6 gateway;

    if (config->routes == CONFIG_ROUTES)
        return NULL;
    at = line_quick(at, route, &gateway);
    if (!at || (route->prefix.address.high & ~address6_mask(route->prefix.length).high) ||
        !routable(CONFIG_IPV4, &route->prefix))
        return NULL;
    route->line = line;
    route->family = CONFIG_IPV4;
    uint32_t *seen = config_seen(config, CONFIG_IPV4, &route->prefix);
    return !*seen && route_keep(config, gateway, -1, seen) ? at : NULL;
}

static bool neighbor_read(struct reader *reader)
{
    struct config *config = reader->config;
    struct config_neighbor neighbor = {.line = reader->line};
    const struct word *word = need(reader, 1, "an address, for example 10.0.0.2");
    unsigned interface = 0;

    if (!word || !address_read(reader, word, &neighbor.family, &neighbor.address))
        return false;
    word = need(reader, 2, "a link-layer address, for example 02:00:00:00:0b:01");
    if (!word)
        return false;
    if (!link_parse(word->text, word->length, &neighbor.link))
        return wrong(reader, "'%.*s' is no link-layer address, expected for example 02:00:00:00:0b:01",
                     WORD(word));
    if (neighbor.link == 0 || ethernet_group(neighbor.link))
        return wrong(reader, "'%.*s' is not one station's address, expected an even first byte", WORD(word));
    word = need(reader, 3, "an interface: net0, net1, ...");
    if (!word || !interface_parse(reader, word, &interface) || !end(reader, 4))
        return false;
    neighbor.interface = (uint8_t)interface;
    uint32_t *met = config_met(config, &neighbor);
    if (*met)
        return wrong(reader, "there is a neighbor %.*s already (line %u), expected one",
                     WORD(&reader->word[1]), (unsigned)config->neighbor[*met - 1].line);
    if (config->neighbors == CONFIG_NEIGHBORS)
        return wrong(reader, "too many neighbors, expected at most %u", CONFIG_NEIGHBORS);
    config->neighbor[config->neighbors++] = neighbor;
    *met = config->neighbors;
    return true;
}

/* ---- Lines ---- */

static bool statement_read(struct reader *reader)
{
    const struct word *word = &reader->word[0];

    if (is(word, "route"))
        return route_read(reader);
    if (is(word, "neighbor"))
        return neighbor_read(reader);
    if (is(word, "interface"))
        return interface_read(reader);
    return wrong(reader, "'%.*s' is not known, expected interface, route or neighbor", WORD(word));
}

/*
 * Splits a line into words; returns where it ends: at a newline, or at `end`. No words: an empty line, or one that was wrong.
 */
static const char *line_split(struct reader *reader, const char *at, const char *text_end)
{
    bool good = true;

    reader->words = 0;
    while (at < text_end && *at != '\n') {
        const char *start = at;
        if (*at == ' ' || *at == '\t' || (*at == '\r' && (at + 1 == text_end || at[1] == '\n'))) {
            at++;
            continue;
        }
        if (*at == '#') {
            while (at < text_end && *at != '\n')
                at++;
            break;
        }
        while (at<text_end && * at> ' ' && *at < 0x7f && *at != '#')
            at++;
        if (at == start) {
            if (good)
                wrong(reader, "there is a byte 0x%02x, expected letters, digits and signs", (uint8_t)*at);
            good = false;
            at++;
        } else if (reader->words < CONFIG_WORDS) {
            reader->word[reader->words++] = (struct word){start, (size_t)(at - start)};
        } else {
            if (good)
                wrong(reader, "the line has too many words, expected at most %u", CONFIG_WORDS);
            good = false;
        }
    }
    reader->words = good ? reader->words : 0;
    return at;
}

size_t config_bytes(void)
{
    return CONFIG_ROUTES * sizeof(struct config_route) + CONFIG_NEIGHBORS * sizeof(struct config_neighbor) +
           next_hops_bytes(2 * CONFIG_HOPS) + (CONFIG_SEEN + CONFIG_MET) * sizeof(uint32_t);
}

static void config_clear(struct config *config, void *memory, unsigned interfaces)
{
    memset(config, 0, sizeof *config);
    config->interfaces = interfaces && interfaces < CONFIG_INTERFACES ? interfaces : CONFIG_INTERFACES;
    config->route = memory;
    config->neighbor = (struct config_neighbor *)(config->route + CONFIG_ROUTES);
    void *hops = config->neighbor + CONFIG_NEIGHBORS;
    next_hops_init(&config->hops, hops, 2 * CONFIG_HOPS);
    config->seen = (uint32_t *)((char *)hops + next_hops_bytes(2 * CONFIG_HOPS));
    memset(config->seen, 0, (CONFIG_SEEN + CONFIG_MET) * sizeof(uint32_t));
}

bool config_read(struct config *config, void *memory, const char *text, size_t size, unsigned interfaces)
{
    struct reader reader = {.config = config};
    const char *text_end = text + size;

    config_clear(config, memory, interfaces);
    for (const char *at = text; at < text_end; at++) {
        reader.line++;
        const char *quick = text_end - at >= QUICK ? route_quick(config, reader.line, at) : NULL;
        if (quick) {
            at = quick;
            continue;
        }
        at = line_split(&reader, at, text_end);
        if (reader.words)
            statement_read(&reader);
    }
    if (config->addresses == 0 && config->mistakes == 0)
        config_mistake(config, reader.line ? reader.line : 1,
                       "the file ends without an interface, expected for example interface net0 10.0.0.1/24");
    if (config->mistakes == 0)
        config_check(config);
    return config->mistakes == 0;
}

/* ---- At run time ---- */

bool config_change_read(const struct config *config, const char *text, size_t size,
                        struct config_change *change, char *mistake)
{
    /* With a place for the mistake the configuration is only read. */
    struct reader reader = {.config = (struct config *)(uintptr_t)config, .text = mistake};
    int told = -1;

    mistake[0] = 0;
    *change = (struct config_change){0};
    const char *at = line_split(&reader, text, text + size);
    while (at < text + size && (*at == '\n' || *at == '\r'))
        at++;
    if (mistake[0])
        return false;
    if (at < text + size || reader.words == 0)
        return wrong(&reader, "this is not one line, expected route add or route del");
    if (!is(&reader.word[0], "route"))
        return wrong(&reader, "'%.*s' is not known, expected route add or route del", WORD(&reader.word[0]));
    const struct word *word = need(&reader, 1, "add or del");
    if (!word)
        return false;
    change->add = is(word, "add");
    if (!change->add && !is(word, "del"))
        return wrong(&reader, "'%.*s' is not known, expected add or del", WORD(word));
    if (!destination_read(&reader, 2, &change->family, &change->prefix))
        return false;
    if (!change->add)
        return end(&reader, 3);
    return via_read(&reader, 3, change->family, &change->gateway, &told) &&
           config_gateway(config, change->family, change->gateway, told, &change->interface, mistake);
}
