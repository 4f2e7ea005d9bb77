/* The whole boot, in its order. entry.S comes before it; thread_cpu_run() is what comes after. */
#include <stddef.h>
#include "board/board.h"
#include "board/device_tree.h"
#include "boot/boot.h"
#include "build_id.h"
#include "core/cpu.h"
#include "core/irq.h"
#include "core/log.h"
#include "core/pool.h"
#include "core/seed.h"
#include "core/setting.h"
#include "core/string.h"
#include "core/timer.h"
#include "drivers/console.h"
#include "drivers/nic.h"
#include "ipc/block.h"
#include "ipc/describe.h"
#include "ipc/message.h"
#include "ipc/page.h"
#include "ipc/port.h"
#include "ipc/request.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "mm/space.h"
#include "mm/unmap.h"

/* Message objects that can be elsewhere than in a port: in an interface's two rings, a batch in the hands of each thread
   (twice: by value, the sender's pages in an object and their copies in another), and in the magazines of each CPU. With the places of all ports, there is always one more. */
#define MESSAGES_THREAD BATON_BATCH
#define MESSAGES_CPU    POOL_MAGAZINE

static unsigned messages_needed(void)
{
    unsigned threads = 0;

    while (thread_at(threads))
        threads++;
    return port_places() + (nic_count() + !!nic_capture()) * board_nic_messages +
           2 * threads * MESSAGES_THREAD + cpu_count * MESSAGES_CPU;
}

/* An appliance that is wired to interfaces is nothing without one, but for looking at where the board has none yet. */
static void interfaces_check(void)
{
    bool wired = false;

    for (uint32_t i = 0; i < appliance.wire_count; i++)
        wired |= !strncmp(appliance.wires[i].from, "net", 3) || !strncmp(appliance.wires[i].to, "net", 3);
    if (!wired || nic_count())
        return;
    if (board_nic_required)
        boot_fail("no network interface found (%s), %s needs one", board_nic_kinds, appliance.name);
    log_print("boot: no network interface (%s): %s runs without\n", board_nic_kinds, appliance.name);
}

void boot_main(uint64_t tree_phys, uint64_t image_phys)
{
    const char *command_line;
    const void *config;
    uint64_t config_size;

    /* 1. What machine is this? From the first call on errors can be seen. */
    boot_console_init(tree_phys, image_phys);
    command_line = device_tree_string(device_tree_path("/chosen"), "bootargs");
    setting_init(command_line ? command_line : "");
    seed_boot();
    boot_cpus_find();
    boot_memory_find(image_phys);
    log_print("Baton %s (%s) %s on %s, %u CPUs, %lu MiB\n", BATON_VERSION, BATON_BUILD_ID, appliance.name,
              board_name, cpu_count, boot_memory_bytes() >> 20);

    /* 2. Memory: the final tables, W^X; then frames can be had. */
    boot_memory_map();
    boot_cpu_init();

    /* 3. Interrupts and time. */
    boot_check(board_timer_check());
    timer_init();
    boot_check(board_interrupts_init());
    irq_cpu_init();

    /* 4. What services are made of: spaces, IPC pages, messages. */
    space_init(boot_ipc_pages(), BATON_ASID_BITS);
    unmap_init();
    page_region_init(boot_ipc_phys(), boot_ipc_pages());

    /* 5. Devices, each a service of the kernel's; the device tree has been read when this is done. */
    board_devices_init();
    interfaces_check();
    boot_check(board_console_start(console_notify));

    /* 6. Threads: from here on floating point is trapped. The appliance, still at rest. */
    thread_cpu_init(0);
    panic_describer_set(describe_current);
    console_create(board_name);
    config = boot_config(&config_size);
    if (!services_config(config, config_size) || !services_create(nic_count()))
        boot_fail("the appliance %s is not as it should be: see above", appliance.name);
    boot_policy_init();
    message_pool_init(messages_needed());
    requests_init(port_places());
    blocks_init(service_count);
    boot_ledger_init();

    /* 7. The other CPUs; then everything may run. */
    boot_cpus_start();
    services_start();
    board_devices_start();
    console_start();
    log_print("ready: %s, %u interfaces\n", appliance.name, nic_count());
    thread_cpu_run();
}
