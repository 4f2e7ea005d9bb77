/*
 * Runs all the checks and prints `ipc-self-test: N checks passed` if all did.
 */
#include <stdio.h>
#include <string.h>
#include "test/qemu/apps/ipc-self-test/tester.h"

int own, side, partner, short_lived;

static unsigned checks, failures; /* (atomic) */

void check(bool good, const char *file, int line, const char *what)
{
    __atomic_fetch_add(&checks, 1, __ATOMIC_RELAXED);
    if (good)
        return;
    __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
    baton_log("FAILED %s:%d: %s", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, what);
}

int64_t ask(struct baton_message *message, enum command command)
{
    message->type = command;
    int result = baton_rpc(partner, message, message, 0, UINT64_C(20000000000));
    if (result < 0)
        return result;
    uint64_t tag = message->tag;
    baton_message_free(message);
    return (int64_t)tag;
}

int64_t ask_kept(struct baton_message *message, enum command command)
{
    struct baton_message copy;

    CHECK(baton_message_duplicate(&copy, message) == 0);
    return ask(&copy, command);
}

void pattern_make(struct baton_message *message, uint32_t seed, uint32_t length)
{
    uint8_t bytes[64];

    CHECK(baton_message_alloc(message, 0, length) == 0);
    for (uint32_t at = 0; at < length; at += sizeof bytes) {
        uint32_t part = length - at < sizeof bytes ? length - at : sizeof bytes;
        for (uint32_t i = 0; i < part; i++)
            bytes[i] = pattern(seed, at + i);
        baton_message_write(message, at, bytes, part);
    }
}

bool pattern_holds(const struct baton_message *message, uint32_t seed, uint32_t length)
{
    uint32_t contiguous = 0;

    if (message->length != length)
        return false;
    for (uint32_t at = 0; at < length; at += contiguous) {
        const uint8_t *bytes = baton_message_peek(message, at, &contiguous);
        for (uint32_t i = 0; i < contiguous; i++)
            if (bytes[i] != pattern(seed, at + i))
                return false;
    }
    return true;
}

uint64_t pattern_sum(uint32_t seed, uint32_t length)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < length; i++)
        sum += pattern(seed, i);
    return sum;
}

int main(void)
{
    own = baton_port_find("tester");
    side = baton_port_find("tester.side");
    partner = baton_port_find("partner");
    short_lived = baton_port_find("short");

    test_messages();
    test_ports();
    test_pages();
    test_books();
    test_threads();
    test_lend();
    if (failures)
        printf("ipc-self-test: %u of %u checks FAILED\n", failures, checks);
    else
        printf("ipc-self-test: %u checks passed\n", checks);
    return failures != 0;
}
