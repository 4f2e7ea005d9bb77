/* The CPUs: numbering them, starting them, and the registers that each sets for itself. See boot.h. */
#include "boot/boot.h"

#include <libfdt.h>
#include "board/device_tree.h"
#include "core/arch.h"
#include "core/cpu.h"
#include "core/irq.h"
#include "core/log.h"
#include "core/setting.h"
#include "core/string.h"
#include "core/timer.h"
#include "drivers/cpu_start.h"
#include "ipc/thread.h"
#include "mm/kernel_map.h"

#define AFFINITY_MASK 0xff00fffffful /* of MPIDR_EL1 */
/* How long a CPU may take to come up: an emulator on a busy host may leave it aside for more than a second. */
#define START_NS 5000000000

#define CNTKCTL_EL0_VIRTUAL (1ul << 1)
#define PMCR_ENABLE         (1ul << 0)
#define PMCR_LONG_CYCLES    (1ul << 6) /* else the cycle counter is said to overflow at 32 bits */
#define PMCNTEN_CYCLES      (1ul << 31)
#define PMUSEREN_CYCLES     (1ul << 2) /* EL0 may read the cycle counter, and nothing else */

/* What secondary_entry loads, by these offsets, with its MMU off: alone in its cache line, and written back. */
struct boot_cpu {
    uint64_t root;
    uint64_t stack;
    struct cpu *cpu;
} __attribute__((aligned(64)));
_Static_assert(__builtin_offsetof(struct boot_cpu, cpu) == 16, "entry.S");

static struct boot_cpu records[CPUS_MAX];
static struct {
    const struct cpu_start_method *method;
    struct cpu_place place;
} starts[CPUS_MAX];
static uint32_t running; /* (atomic) the last CPU that came up */

/* For reporting an overflow of the kernel stack. A multiple of a page, so that a panic's calls fit. */
static char overflow_stacks[CPUS_MAX][2 * PAGE_SIZE] __attribute__((aligned(16)));

/* The setting cycles=on: for measurements. A clock of that grain helps a service to spy on another, so it is not open without. */
static bool cycles_open(void)
{
    const char *setting = setting_find("cycles");

    if (!setting || !strcmp(setting, "off"))
        return false;
    if (strcmp(setting, "on"))
        boot_fail("setting cycles=%s: expected on or off", setting);
    return true;
}

/* Counter 0 counts instructions at EL1 and EL0, where the CPU can; services cannot read it. The cycle counter they may, if asked. */
static void monitor_start(void)
{
    bool open = cycles_open();

    if (!arch_monitor_present())
        return;
    arch_sysreg_write(pmuserenr_el0, open ? PMUSEREN_CYCLES : 0);
    arch_sysreg_write(pmevtyper0_el0, ARCH_INST_RETIRED);
    arch_sysreg_write(pmccfiltr_el0, 0);
    arch_sysreg_write(pmcntenset_el0, PMCNTEN_CYCLES | arch_instructions_counted());
    arch_sysreg_write(pmcr_el0, arch_sysreg_read(pmcr_el0) | PMCR_ENABLE | PMCR_LONG_CYCLES);
    if (open && !cpu_number())
        setting_add("cycles.readable=1"); /* baton_cycles() of apps/baton.h asks for it */
}

void boot_cpu_init(void)
{
    struct cpu *cpu = cpu_self();

    cpu->overflow_stack = (uint64_t)(overflow_stacks[cpu->number] + sizeof overflow_stacks[0]);
    arch_sysreg_write(mdscr_el1, 0);
    arch_sysreg_write(cntkctl_el1, CNTKCTL_EL0_VIRTUAL); /* services read the time themselves */
    monitor_start();
    /* Nothing of the identity is left: user addresses are nobody's until a service's table comes. */
    arch_table_set(kernel_image_phys(boot_empty), 0);
    arch_tlbi_all_local();
    arch_dsb_nsh();
    arch_isb();
}

static void cpu_add(int node, uint64_t hardware_id, uint64_t self)
{
    static unsigned next = 1; /* number 0 is the one that runs this */
    unsigned number = hardware_id == self ? 0 : next++;
    const char *method = device_tree_string(node, "enable-method");

    if (number >= CPUS_MAX)
        return;
    cpus[number].number = number;
    cpus[number].hardware_id = hardware_id;
    cpu_count++;
    starts[number].place.hardware_id = hardware_id;
    device_tree_number(node, "cpu-release-addr", &starts[number].place.release);
    starts[number].method = cpu_start_find(method);
    if (number && !starts[number].method)
        boot_fail("no way to start CPU %u (%lx): its enable-method in the device tree is %s", number,
                  hardware_id, method ? method : "missing");
}

void boot_cpus_find(void)
{
    const void *tree = device_tree_blob();
    uint64_t self = arch_sysreg_read(mpidr_el1) & AFFINITY_MASK, hardware_id;
    unsigned found = 0;
    int node;

    cpus[0].hardware_id = UINT64_MAX;
    fdt_for_each_subnode(node, tree, device_tree_path("/cpus"))
    {
        const char *type = device_tree_string(node, "device_type");
        if (!type || strcmp(type, "cpu") || !device_tree_id(node, &hardware_id))
            continue;
        cpu_add(node, hardware_id, self);
        found++;
    }
    if (cpus[0].hardware_id != self)
        boot_fail("the CPU that boots (%lx) is not in the device tree", self);
    if (found > cpu_count)
        log_print("boot: %u CPUs, of which %u are used\n", found, cpu_count);
}

void boot_cpus_start(void)
{
    for (unsigned i = 1; i < cpu_count; i++) {
        /* Stack numbers below THREADS_MAX belong to threads. */
        records[i] = (struct boot_cpu){kernel_map_root(), kernel_map_stack(THREADS_MAX + i), &cpus[i]};
        arch_cache_clean(&records[i]); /* it is read with the MMU off, past the caches */
        arch_dsb_sy();                 /* the write-back is done before the CPU starts */

        uint64_t entry = kernel_image_phys((const void *)secondary_entry),
                 deadline = timer_deadline(START_NS);
        const char *error = starts[i].method->start(&starts[i].place, entry, kernel_image_phys(&records[i]));
        if (error)
            boot_fail("CPU %u (%lx) cannot be started: %s", i, cpus[i].hardware_id, error);
        while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) != i) {
            if (timer_now() > deadline)
                boot_fail("CPU %u (%lx) does not come up", i, cpus[i].hardware_id);
            arch_relax();
        }
    }
}

void boot_secondary(struct cpu *cpu)
{
    boot_cpu_init();
    irq_cpu_init();
    thread_cpu_init(cpu->number);
    __atomic_store_n(&running, cpu->number, __ATOMIC_RELEASE);
    thread_cpu_run();
}
