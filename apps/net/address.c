/* Addresses from text and to text: see address.h. */
#include "apps/net/address.h"

static const char digits[] = "0123456789abcdef";

/* The value of a hexadecimal digit, 16 for anything else. */
static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
}

bool ipv4_parse(const char *text, size_t length, uint32_t *address)
{
    const char *end = text + length;
    uint32_t result = 0;

    for (unsigned part = 0; part < 4; part++) {
        if (part && (text == end || *text++ != '.'))
            return false;
        const char *start = text;
        uint32_t value = 0;
        while (text < end && *text >= '0' && *text <= '9' && text - start < 4)
            value = value * 10 + (uint32_t)(*text++ - '0');
        if (text == start || value > 255 || (*start == '0' && text - start > 1))
            return false;
        result = result << 8 | value;
    }
    if (text != end)
        return false;
    *address = result;
    return true;
}

/* Reads groups until the end or a "::", which it leaves there. Returns how many, or 9 for a mistake. */
static unsigned groups_parse(const char **text, const char *end, uint16_t *groups, unsigned room)
{
    const char *at = *text;
    unsigned count = 0;

    while (at < end && !(at + 1 < end && at[0] == ':' && at[1] == ':')) {
        if (count && *at++ != ':')
            return 9;
        const char *start = at;
        uint32_t value = 0;
        while (at < end && digit_of(*at) < 16 && at - start < 5)
            value = value << 4 | digit_of(*at++);
        if (at < end && *at == '.' && count + 2 <= room) { /* the last 32 bits as an IPv4 address */
            if (!ipv4_parse(start, (size_t)(end - start), &value))
                return 9;
            groups[count++] = (uint16_t)(value >> 16);
            at = end;
        } else if (at == start || at - start > 4) {
            return 9;
        }
        if (count == room)
            return 9;
        groups[count++] = (uint16_t)value;
    }
    *text = at;
    return count;
}

bool ipv6_parse(const char *text, size_t length, struct address6 *address)
{
    const char *end = text + length;
    uint16_t front[8] = {0}, back[8] = {0};
    unsigned before = groups_parse(&text, end, front, 8);

    if (before > 8 || (text == end && before < 8))
        return false;
    if (text < end) {
        text += 2;
        unsigned behind = groups_parse(&text, end, back, 8);
        if (text < end || before + behind > 7) /* "::" stands for one group at least */
            return false;
        for (unsigned i = 0; i < behind; i++)
            front[8 - behind + i] = back[i];
    }
    *address = (struct address6){0, 0};
    for (unsigned i = 0; i < 4; i++) {
        address->high = address->high << 16 | front[i];
        address->low = address->low << 16 | front[4 + i];
    }
    return true;
}

bool link_parse(const char *text, size_t length, uint64_t *link)
{
    uint64_t result = 0;

    if (length != 17)
        return false;
    for (unsigned i = 0; i < 6; i++) {
        unsigned high = digit_of(text[3 * i]), low = digit_of(text[3 * i + 1]);
        if (high > 15 || low > 15 || (i < 5 && text[3 * i + 2] != ':'))
            return false;
        result |= (uint64_t)(high << 4 | low) << (8 * i);
    }
    *link = result;
    return true;
}

static char *decimal_print(char *to, uint32_t value)
{
    if (value >= 10)
        to = decimal_print(to, value / 10);
    *to++ = digits[value % 10];
    return to;
}

static char *quad_print(char *to, uint32_t address)
{
    for (unsigned i = 0; i < 4; i++) {
        to = decimal_print(to, address >> (24 - 8 * i) & 255);
        *to++ = i < 3 ? '.' : 0;
    }
    return to - 1;
}

const char *ipv4_print(char *to, uint32_t address)
{
    quad_print(to, address);
    return to;
}

/* The longest run of at least two groups that are 0, the first of those (RFC 5952, 4.2). */
static unsigned zeros_find(const uint16_t *groups, unsigned count, unsigned *start)
{
    unsigned longest = 1;

    for (unsigned i = 0; i < count; i++) {
        unsigned run = 0;
        while (i + run < count && groups[i + run] == 0)
            run++;
        if (run > longest) {
            longest = run;
            *start = i;
        }
    }
    return longest > 1 ? longest : 0;
}

static char *group_print(char *to, unsigned group)
{
    for (int shift = 12; shift >= 0; shift -= 4)
        if (group >> shift || shift == 0)
            *to++ = digits[group >> shift & 15];
    return to;
}

const char *ipv6_print(char *to, struct address6 address)
{
    /* RFC 5952, 5: those that hold an IPv4 address show it; of the prefixes, the one of RFC 4291, 2.5.5.2. */
    bool mapped = address.high == 0 && address.low >> 32 == 0xffff;
    unsigned count = mapped ? 6 : 8, start = 0;
    uint16_t groups[8];
    char *at = to;

    for (unsigned i = 0; i < 8; i++)
        groups[i] = (uint16_t)((i < 4 ? address.high : address.low) >> (48 - 16 * (i & 3)));
    unsigned run = zeros_find(groups, count, &start);
    for (unsigned i = 0; i < count; i++) {
        if (run && i == start) {
            *at++ = ':';
            i += run - 1;
            if (i == count - 1)
                *at++ = ':';
            continue;
        }
        if (i)
            *at++ = ':';
        at = group_print(at, groups[i]);
    }
    if (mapped) {
        *at++ = ':';
        at = quad_print(at, (uint32_t)address.low);
    }
    *at = 0;
    return to;
}

const char *link_print(char *to, uint64_t link)
{
    for (unsigned i = 0; i < 6; i++) {
        to[3 * i] = digits[link >> (8 * i + 4) & 15];
        to[3 * i + 1] = digits[link >> (8 * i) & 15];
        to[3 * i + 2] = i < 5 ? ':' : 0;
    }
    return to;
}
