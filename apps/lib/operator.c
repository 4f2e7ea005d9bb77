/*
 * Between a service and its operator: settings, counters, ports by name, time.
 *
 * Owns: the table of counters that the kernel reads when statistics are printed. Rows are only ever added;
 * the kernel is told the new length after a row is complete.
 */
#include <string.h>
#include "apps/baton.h"
#include "apps/lib/internal.h"

/* ---- Ports ---- */

int baton_port_find(const char *name)
{
    return baton_call_port_find(name, strlen(name));
}

/* ---- Time ---- */

static uint64_t time_scale; /* nanoseconds in a tick, times 2^32 */

void library_time_init(void)
{
    time_scale = (UINT64_C(1000000000) << 32) / baton_ticks_per_second();
}

uint64_t baton_time_ns(void)
{
    return (uint64_t)((unsigned __int128)baton_ticks() * time_scale >> 32);
}

uint64_t baton_cycles(void)
{
    static enum {
        UNKNOWN,
        ALLOWED,
        HIDDEN
    } state;
    char value[2];

    if (state == UNKNOWN)
        state = baton_setting("cycles.readable", value, sizeof value) > 0 ? ALLOWED : HIDDEN;
    return state == ALLOWED ? baton_cycle_counter() : 0;
}

/* ---- Settings ---- */

int baton_setting(const char *name, char *value, unsigned size)
{
    return baton_call_setting(name, strlen(name), value, size);
}

/* A decimal number and nothing else; 0 when it is none or does not fit. */
static int number_parse(const char *text, uint64_t *number)
{
    uint64_t value = 0;

    if (!*text)
        return 0;
    for (; *text; text++) {
        unsigned digit = (unsigned char)*text - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return 0;
    }
    *number = value;
    return 1;
}

int baton_setting_number(const char *name, uint64_t least, uint64_t most, uint64_t *value)
{
    char text[64] = "";
    uint64_t number;
    int length = baton_setting(name, text, sizeof text);

    if (length == BATON_ENOENT)
        return 0;
    if (length < 0 || !number_parse(text, &number) || number < least || number > most) {
        baton_log("setting %s=%s: a number from %llu to %llu was expected", name,
                  length < 0 ? "(too long)" : text, (unsigned long long)least, (unsigned long long)most);
        return BATON_EINVAL;
    }
    *value = number;
    return 0;
}

/* ---- Counters ---- */

enum counter_row {
    ROW_PAYLOAD,
    ROW_INLINE
};

static struct baton_counter counters[BATON_COUNTERS];
static unsigned counter_count;
static uint32_t counter_lock;

/* counter_lock held. */
static uint64_t *counter_add(const char *name, int interface)
{
    if (counter_count == BATON_COUNTERS || strlen(name) >= BATON_COUNTER_NAME)
        return NULL;
    struct baton_counter *counter = &counters[counter_count];
    strcpy(counter->name, name);
    counter->interface = interface;
    if (baton_call_counters(counters, counter_count + 1) < 0)
        return NULL;
    counter_count++;
    return &counter->value;
}

uint64_t *baton_counter(const char *name, int interface)
{
    library_lock(&counter_lock);
    uint64_t *value = counter_add(name, interface);
    library_unlock(&counter_lock);
    return value;
}

void library_counters_init(void)
{
    baton_counter("payload_bytes", -1);
    baton_counter("inline_bytes", -1);
}

void baton_count_copied(uint64_t payload_bytes, uint64_t inline_bytes)
{
    __atomic_fetch_add(&counters[ROW_PAYLOAD].value, payload_bytes, __ATOMIC_RELAXED);
    __atomic_fetch_add(&counters[ROW_INLINE].value, inline_bytes, __ATOMIC_RELAXED);
}
