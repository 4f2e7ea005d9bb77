/*
 * Does one thing that it must not, by name: setting test=NAME, when the console tells it anything. Says what it is about to
 * do, and that it survived, if it does. Before that it takes pages, which must all come back when it is stopped.
 */
#include <stdlib.h>
#include <string.h>
#include "apps/baton.h"
#include "test/qemu/apps/violation/protocol.h"

#define IMAGE_ADDRESS  UINT64_C(0xffffffc000000000)
#define LINEAR_ADDRESS UINT64_C(0xffffff8040000000)
#define TAKEN          16

static uint32_t taken[TAKEN];
static volatile uint64_t seen; /* what was read, so that nothing is optimised away */

static void read_at(uint64_t address)
{
    seen = *(volatile uint64_t *)address;
}

static void write_at(uint64_t address)
{
    *(volatile uint64_t *)address = 0;
}

/* ---- Others' memory ---- */

static uint64_t keepers_data(void)
{
    struct baton_message message;

    baton_message_init(&message, 0);
    message.type = WHERE;
    if (baton_rpc(baton_port_find("keeper"), &message, &message, 0, BATON_FOREVER) < 0)
        abort();
    return message.tag;
}

static void read_other_data(void)
{
    read_at(keepers_data());
}

static void write_other_data(void)
{
    write_at(keepers_data());
}

static void read_kernel(void)
{
    read_at(IMAGE_ADDRESS + 0x1000);
}

static void write_kernel(void)
{
    write_at(LINEAR_ADDRESS);
}

static void read_nothing(void)
{
    read_at(0);
}

/* ---- IPC pages ---- */

/* Gives a page, filled, to keeper; returns its address. */
static uint64_t send_page(void)
{
    struct baton_message message;
    void *address = baton_page_address(taken[0]);

    memset(address, FILLING, BATON_PAGE_BYTES);
    baton_message_init(&message, 0);
    message.type = HOLD;
    baton_message_append_page(&message, taken[0], 0, BATON_PAGE_BYTES);
    if (baton_send(baton_port_find("keeper"), &message, 0, BATON_FOREVER) < 0)
        abort();
    baton_sleep(20000000); /* keeper has it by now */
    return (uint64_t)address;
}

static void read_sent_page(void)
{
    read_at(send_page());
}

static void write_sent_page(void)
{
    write_at(send_page());
}

static void read_unowned_page(void)
{
    uint32_t page = taken[0];

    baton_page_release(&page, 1);
    read_at((uint64_t)baton_page_address(page));
}

static void read_device_page(void)
{
    for (uint32_t page = 0;; page++) {
        unsigned i = 0;
        while (i < TAKEN && taken[i] != page)
            i++;
        if (i == TAKEN)
            read_at((uint64_t)baton_page_address(page)); /* the first one that is not its own */
    }
}

static void write_read_only_page(void)
{
    *(volatile char *)baton_page_address(taken[0]) = 1; /* allowed; now it is mapped for writing */
    baton_page_duplicate(taken, 1);
    read_at((uint64_t)baton_page_address(taken[0]));
    write_at((uint64_t)baton_page_address(taken[0]));
}

static void read_beyond_region(void)
{
    read_at(BATON_IPC_REGION + (UINT64_C(1) << 37));
}

/* ---- Its own memory, used as what it is not ---- */

static unsigned overflow_more(volatile char *outer)
{
    volatile char frame[512];

    frame[0] = outer ? outer[0] : 1;
    frame[511] = frame[0];
    return frame[0] ? overflow_more(frame) + frame[511] : 0; /* it is 1 */
}

static void overflow_stack(void)
{
    seen = overflow_more(NULL);
}

static void write_text(void)
{
    write_at((uint64_t)(uintptr_t)&write_text & ~UINT64_C(7));
}

static void write_constant(void)
{
    static const uint64_t constant = 1;

    write_at((uint64_t)&constant);
}

static void execute_data(void)
{
    static uint32_t code[] = {0xd65f03c0}; /* ret */

    ((void (*)(void))(uintptr_t)code)();
}

static void execute_page(void)
{
    *(volatile uint32_t *)baton_page_address(taken[0]) = 0xd65f03c0;
    ((void (*)(void))(uintptr_t)baton_page_address(taken[0]))();
}

static void undefined_instruction(void)
{
    abort();
}

/* Of a service that takes it for open, as the test tells it: the CPU must not think so. */
static void read_cycle_counter(void)
{
    seen = (unsigned)baton_cycles();
}

static void spin(void *argument)
{
    (void)argument;
    for (;;)
        seen++;
}

/* Another thread, which never calls the kernel, must stop as well. */
static void fault_beside_a_busy_thread(void)
{
    if (baton_thread_start(spin, NULL, 0) < 0)
        abort();
    baton_sleep(20000000);
    read_nothing();
}

static const struct {
    const char *name;
    void (*act)(void);
} acts[] = {
    {"read-other-data", read_other_data},
    {"write-other-data", write_other_data},
    {"read-kernel", read_kernel},
    {"write-kernel", write_kernel},
    {"read-nothing", read_nothing},
    {"read-sent-page", read_sent_page},
    {"write-sent-page", write_sent_page},
    {"read-unowned-page", read_unowned_page},
    {"read-device-page", read_device_page},
    {"write-read-only-page", write_read_only_page},
    {"read-beyond-region", read_beyond_region},
    {"overflow-stack", overflow_stack},
    {"write-text", write_text},
    {"write-constant", write_constant},
    {"execute-data", execute_data},
    {"execute-page", execute_page},
    {"undefined-instruction", undefined_instruction},
    {"read-cycle-counter", read_cycle_counter},
    {"fault-beside-a-busy-thread", fault_beside_a_busy_thread},
};

static void page_take(void)
{
    for (unsigned got = 0; got < TAKEN;) {
        int result = baton_page_get(taken + got, TAKEN - got);
        if (result < 0)
            abort();
        got += (unsigned)result;
    }
    for (unsigned i = 1; i < TAKEN; i++)
        *(volatile char *)baton_page_address(taken[i]) = 1;
}

static void word_await(void)
{
    struct baton_message message;

    if (baton_receive(baton_port_find("rogue.control"), &message, 0, BATON_FOREVER) != 1)
        abort();
    baton_message_free(&message);
}

int main(void)
{
    char name[64] = "";

    if (baton_setting("test", name, sizeof name) < 0) {
        baton_log("nothing to do: no test=NAME");
        return 0;
    }
    word_await();
    for (unsigned i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (strcmp(name, acts[i].name))
            continue;
        page_take();
        baton_log("now: %s", name);
        acts[i].act();
        baton_log("SURVIVED %s", name);
        return 0;
    }
    baton_log("there is no test=%s", name);
    return 1;
}
