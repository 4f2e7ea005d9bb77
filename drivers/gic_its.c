/* The ITS, and the LPIs of the redistributors: see gic_its.h. */
#include "drivers/gic_its.h"

#include <stddef.h>
#include "core/arch.h"
#include "core/cpu.h"
#include "core/irq.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/string.h"
#include "core/timer.h"
#include "drivers/gic.h"
#include "drivers/gic_its_command.h"
#include "drivers/msi.h"
#include "mm/frame.h"

/* Registers of the ITS, and the one in its second page that devices write to */
enum {
    GITS_CTLR = 0x0000,
    GITS_TYPER = 0x0008,
    GITS_CBASER = 0x0080,
    GITS_CWRITER = 0x0088,
    GITS_CREADR = 0x0090,
    GITS_BASER = 0x0100, /* eight of them */
    GITS_TRANSLATER = 0x10040,
};
#define CTLR_ENABLED         1u
#define CTLR_QUIESCENT       (1u << 31)
#define TYPER_PHYSICAL       1u                       /* LPIs are supported at all */
#define TYPER_ITT(t)         (((t) >> 4 & 0xf) + 1)   /* bytes of an entry of a device's table */
#define TYPER_DEVICES(t)     (((t) >> 13 & 0x1f) + 1) /* bits of a device number */
#define TYPER_BY_ADDRESS     (UINT64_C(1) << 19)      /* redistributors are named by address */
#define TYPER_COLLECTIONS(t) ((t) >> 24 & 0xff)       /* that need no memory */
#define READ_STALLED         1u

#define BASERS            8u
#define BASER_TYPE(b)     ((b) >> 56 & 7)
#define BASER_DEVICES     1u
#define BASER_COLLECTIONS 4u
#define BASER_ENTRY(b)    (((b) >> 48 & 0x1f) + 1)
#define BASER_PAGES_MOST  256u
#define BASER_VALID       (UINT64_C(1) << 63)
#define BASER_WHERE       (BASER_VALID | UINT64_C(0xfffffffff000) | 0x3ff) /* with the size of pages, 0: 4 KiB */

/* Normal memory, cached for reads and writes, inner shareable: as all the others who look at it have it. */
#define SHARE_INNER  (UINT64_C(1) << 10)
#define SHARE_MASK   (UINT64_C(3) << 10)
#define BASER_CACHED (UINT64_C(7) << 59 | SHARE_INNER)
#define LPI_CACHED   (UINT64_C(7) << 7 | SHARE_INNER)

/* Redistributors */
enum {
    GICR_CTLR = 0x0000,
    GICR_TYPER = 0x0008,
    GICR_PROPBASER = 0x0070,
    GICR_PENDBASER = 0x0078,
};
#define GICR_CTLR_LPIS  1u
#define GICR_CTLR_RWP   (1u << 3)
#define GICR_TYPER_LPIS 1u
#define PENDING_ZERO    (UINT64_C(1) << 62) /* there is nothing in the table yet */

/* The least that there can be: numbers of 14 bits, of which LPIs are the upper half. */
#define LPI_BITS      14u
#define LPI_FIRST     8192u
#define LPI_COUNT     8192u
#define PENDING_BYTES ((1u << LPI_BITS) / 8)
#define PENDING_ALIGN 0x10000u
_Static_assert(IRQ_MESSAGE(0) == LPI_FIRST && IRQ_MESSAGES_MAX <= LPI_COUNT, "numbers of LPIs");
#define LPI_ENABLED (GIC_PRIORITY | 1u) /* an LPI's byte of configuration: priority and enable */

#define EVENT_BITS  1u /* the least; one event is used */
#define QUEUE_BYTES 4096u
#define COMMAND_NS  UINT64_C(100000000)

static volatile uint8_t *its;
static uint64_t its_phys, type;
static uint32_t device_limit;
static struct spinlock queue_lock;
static struct its_command *queue;
static unsigned queue_next;
static uint8_t *properties; /* of LPIs, a byte each */
static uint32_t lpi_device[IRQ_MESSAGES_MAX];
static uint8_t lpi_cpu[IRQ_MESSAGES_MAX];
static unsigned lpi_count;
static uint8_t cpus_mapped; /* a bit each: its LPIs are on and it has a collection */
_Static_assert(CPUS_MAX <= 8, "bits of cpus_mapped");

static uint64_t read64(volatile uint8_t *reg)
{
    return arch_device_read(reg) | (uint64_t)arch_device_read(reg + 4) << 32;
}

static void write64(volatile uint8_t *reg, uint64_t value)
{
    arch_device_write(reg, (uint32_t)value);
    arch_device_write(reg + 4, (uint32_t)(value >> 32));
}

/* ---- The queue of commands ---- */

/* Issues one and waits for it; false, after a line in the log, when the ITS refuses it or does nothing. */
static bool command(struct its_command next)
{
    uint64_t deadline = timer_deadline(COMMAND_NS), at;

    queue[queue_next] = next;
    queue_next = (queue_next + 1) % (QUEUE_BYTES / sizeof *queue);
    /* Without it the ITS may read the place in the queue before the command is there. */
    arch_dsb_sy();
    write64(its + GITS_CWRITER, queue_next * sizeof *queue);
    do {
        at = read64(its + GITS_CREADR);
        if (at == queue_next * sizeof *queue)
            return true;
        arch_relax();
    } while (!(at & READ_STALLED) && timer_now() < deadline);
    log_print("gic-its: command %lx %s\n", next.word[0], at & READ_STALLED ? "refused" : "not taken");
    return false;
}

/* ---- Boot ---- */

/* One of its tables, of `entries`; false, after a line in the log, when it cannot be had. */
static bool table_create(unsigned number, uint64_t entries, const char *what)
{
    volatile uint8_t *reg = its + GITS_BASER + 8 * number;
    uint64_t baser = read64(reg), pages = (entries * BASER_ENTRY(baser) + PAGE_MASK) / PAGE_SIZE;

    if (pages > BASER_PAGES_MOST) {
        log_print("gic-its: %s: %lu pages, at most %u go: not used\n", what, pages, BASER_PAGES_MOST);
        return false;
    }
    uint64_t want = BASER_VALID | frame_alloc((unsigned)pages, "the ITS") | (pages - 1);
    write64(reg, want | BASER_CACHED);
    if (((read64(reg) ^ want) & BASER_WHERE) == 0 && (read64(reg) & SHARE_MASK) == SHARE_INNER)
        return true;
    log_print("gic-its: %s: %lx was written, %lx came back: not used\n", what, want | BASER_CACHED,
              read64(reg));
    write64(reg, 0);
    return false;
}

static bool tables_create(void)
{
    bool devices = false, collections = TYPER_COLLECTIONS(type) >= cpu_count;

    for (unsigned i = 0; i < BASERS; i++) {
        unsigned kind = (unsigned)BASER_TYPE(read64(its + GITS_BASER + 8 * i));
        if (kind == BASER_DEVICES && !devices) {
            devices = table_create(i, device_limit, "table of devices");
        } else if (kind == BASER_COLLECTIONS && !collections) {
            collections = table_create(i, CPUS_MAX, "table of collections");
        }
    }
    if (!devices || !collections)
        log_print("gic-its: no table of %s: not used\n", devices ? "collections" : "devices");
    return devices && collections;
}

static bool queue_create(void)
{
    uint64_t phys = frame_alloc(QUEUE_BYTES / PAGE_SIZE, "the ITS"),
             want = BASER_VALID | BASER_CACHED | phys | (QUEUE_BYTES / PAGE_SIZE - 1);

    queue = arch_phys_to_virt(phys);
    queue_next = 0;
    write64(its + GITS_CBASER, want);
    if (((read64(its + GITS_CBASER) ^ want) & (BASER_WHERE | SHARE_MASK)) == 0) {
        write64(its + GITS_CWRITER, 0);
        return true;
    }
    log_print("gic-its: queue: %lx was written, %lx came back: not used\n", want, read64(its + GITS_CBASER));
    return false;
}

/* Switched off, and with nothing under way, so that its registers may be written. */
static bool its_stop(void)
{
    uint64_t deadline = timer_deadline(COMMAND_NS);

    arch_device_write(its + GITS_CTLR, 0);
    while (!(arch_device_read(its + GITS_CTLR) & CTLR_QUIESCENT))
        if (timer_now() >= deadline)
            return false;
    return true;
}

static bool its_allocate(uint32_t device, struct msi *msi)
{
    if (device >= device_limit || lpi_count == IRQ_MESSAGES_MAX) {
        log_print("gic-its: device %x: %s\n", device,
                  device < device_limit ? "no interrupt is left" : "beyond the table of devices");
        return false;
    }
    unsigned entries = 1u << EVENT_BITS;
    const void *events = frame_alloc_bytes(256, 256, "the ITS");
    if (entries * TYPER_ITT(type) > 256 ||
        !command(its_map_device(device, EVENT_BITS, arch_virt_to_phys(events))))
        return false;
    lpi_device[lpi_count] = device;
    *msi = (struct msi){.address = its_phys + GITS_TRANSLATER, .data = 0, .irq = IRQ_MESSAGE(lpi_count)};
    lpi_count++;
    return true;
}

static const struct msi_controller controller = {.name = "GICv3 ITS", .allocate = its_allocate};

bool gic_its_init(volatile void *registers, uint64_t phys, uint32_t devices)
{
    its = registers;
    its_phys = phys;
    type = read64(its + GITS_TYPER);
    device_limit = devices;
    if (!(type & TYPER_PHYSICAL) || devices == 0 || devices > UINT64_C(1) << TYPER_DEVICES(type)) {
        log_print("gic-its: type %lx: no LPIs, or not for %u devices: not used\n", type, devices);
        return false;
    }
    if (!its_stop()) {
        log_print("gic-its: does not come to rest: not used\n");
        return false;
    }
    if (!tables_create() || !queue_create())
        return false;
    properties = arch_phys_to_virt(frame_alloc(LPI_COUNT / PAGE_SIZE, "the LPIs"));
    arch_dsb_sy(); /* else the ITS might find something else than zeros in its tables */
    arch_device_write(its + GITS_CTLR, CTLR_ENABLED);
    msi_controller_set(&controller);
    return true;
}

/* ---- LPIs of a CPU ---- */

/* How commands name a redistributor. */
static uint64_t target_of(unsigned cpu)
{
    volatile uint8_t *frame = gic_v3_redistributor(cpu);

    if (type & TYPER_BY_ADDRESS)
        return arch_virt_to_phys((const void *)frame);
    return (read64(frame + GICR_TYPER) >> 8 & 0xffff) << 16;
}

/* Its tables, and on; NULL, or why not. */
static const char *lpis_start(unsigned cpu)
{
    volatile uint8_t *frame = gic_v3_redistributor(cpu);
    uint64_t properties_phys = arch_virt_to_phys(properties), pending;

    if (!frame || !(read64(frame + GICR_TYPER) & GICR_TYPER_LPIS))
        return "has none";
    if (arch_device_read(frame + GICR_CTLR) & GICR_CTLR_LPIS)
        return "firmware has switched them on already";
    pending = frame_alloc_block((PENDING_BYTES + PAGE_MASK) & ~PAGE_MASK, PENDING_ALIGN);
    if (!pending)
        return "no memory is left";
    memset(arch_phys_to_virt(pending), 0, PENDING_BYTES);
    arch_dsb_sy(); /* else the redistributor might find something else than zeros */
    write64(frame + GICR_PROPBASER, properties_phys | LPI_CACHED | (LPI_BITS - 1));
    write64(frame + GICR_PENDBASER, pending | LPI_CACHED | PENDING_ZERO);
    if ((read64(frame + GICR_PROPBASER) & SHARE_MASK) != SHARE_INNER ||
        (read64(frame + GICR_PENDBASER) & SHARE_MASK) != SHARE_INNER)
        return "their tables cannot be shared with the caches";
    arch_device_write(frame + GICR_CTLR, arch_device_read(frame + GICR_CTLR) | GICR_CTLR_LPIS);
    while (arch_device_read(frame + GICR_CTLR) & GICR_CTLR_RWP)
        arch_relax();
    return NULL;
}

static bool cpu_map(unsigned cpu)
{
    const char *why;

    if (cpus_mapped & 1u << cpu)
        return true;
    why = lpis_start(cpu);
    if (why) {
        log_print("gic-its: LPIs of CPU %u: %s\n", cpu, why);
        return false;
    }
    if (!command(its_map_collection((uint16_t)cpu, target_of(cpu))) || !command(its_sync(target_of(cpu))))
        return false;
    cpus_mapped |= (uint8_t)(1u << cpu);
    return true;
}

/* Writes the LPI's byte of configuration and makes it known. */
static bool lpi_configure(unsigned lpi, uint8_t value)
{
    properties[lpi] = value;
    arch_dsb_sy(); /* else the command may be done before the byte is there */
    return command(its_invalidate(lpi_device[lpi], 0)) && command(its_sync(target_of(lpi_cpu[lpi])));
}

void gic_its_enable(unsigned irq, unsigned cpu)
{
    unsigned lpi = irq - IRQ_MESSAGE(0);

    spin_lock(&queue_lock);
    if (!cpu_map(cpu)) {
        cpu = 0;
        if (!cpu_map(cpu))
            panic("gic-its: no CPU takes LPIs");
        log_print("gic-its: interrupt %u goes to CPU 0 in its place\n", irq);
    }
    lpi_cpu[lpi] = (uint8_t)cpu;
    if (!command(its_map_event(lpi_device[lpi], 0, irq, (uint16_t)cpu)) || !lpi_configure(lpi, LPI_ENABLED))
        panic("gic-its: interrupt %u cannot be enabled", irq);
    spin_unlock(&queue_lock);
}

void gic_its_disable(unsigned irq)
{
    unsigned lpi = irq - IRQ_MESSAGE(0);

    spin_lock(&queue_lock);
    if (lpi < lpi_count) /* else nobody has it, and the ITS would stop at a device that it does not know */
        lpi_configure(lpi, 0);
    spin_unlock(&queue_lock);
}
