/* Messages and lines: see pci_interrupt.h. */
#include "drivers/pci_interrupt.h"

#include <stddef.h>
#include "core/arch.h"
#include "core/log.h"
#include "drivers/msi.h"
#include "drivers/pci.h"
#include "mm/kernel_map.h"

/* MSI-X (PCI 3.0, 6.8.2): the capability's second half-word is its control; then where the table is, and the pending bits. */
#define CONTROL_SHIFT   16
#define CONTROL_ENTRIES 0x7ffu /* one less */
#define CONTROL_MASK    (1u << 14 << CONTROL_SHIFT)
#define CONTROL_ENABLE  (1u << 15 << CONTROL_SHIFT)
#define PLACE_TABLE     4u
#define PLACE_PENDING   8u
#define PLACE_BAR       7u

/* An entry of the table */
enum {
    ENTRY_ADDRESS = 0,
    ENTRY_ADDRESS_HIGH = 4,
    ENTRY_DATA = 8,
    ENTRY_CONTROL = 12,
    ENTRY_BYTES = 16
};
#define ENTRY_MASKED 1u

#define USERS_MAX 16 /* functions that interrupt by a line */

/* ---- Messages ---- */

/* The physical address of what a word of the capability points to, 0 when it lies outside of its BAR. */
static uint64_t msix_place(const struct pci_function *function, unsigned offset, uint64_t bytes,
                           const char *what)
{
    uint32_t word = pci_config_read(function, offset);

    return pci_bar_range(function, word & PLACE_BAR, word & ~PLACE_BAR, bytes, what);
}

/* Switches MSI-X on, with entry 0 filled in and masked. False, after a line in the log, when it cannot be used. */
static bool msix_create(const struct pci_function *function, struct pci_interrupt *interrupt)
{
    struct pci_walk walk = pci_capabilities(function);
    const struct pci_host *host = function->host;
    uint32_t requester = pci_requester(function);
    struct msi msi;

    if (!pci_capability_next(&walk, PCI_CAP_MSIX)) {
        log_print("pci %s: has no MSI-X\n", function->name);
        return false;
    }
    unsigned at = walk.offset;
    uint32_t control = pci_config_read(function, at) & ~(CONTROL_ENABLE | UINT16_MAX);
    pci_config_write(function, at,
                     control); /* off, as firmware may have had it on: then the line would stay silent */
    if (!msi_present()) {
        log_print("pci %s: MSI-X: there is nothing here that takes messages\n", function->name);
        return false;
    }
    unsigned entries = (control >> CONTROL_SHIFT & CONTROL_ENTRIES) + 1;
    uint64_t table = msix_place(function, at + PLACE_TABLE, entries * ENTRY_BYTES, "the MSI-X table");
    uint64_t pending =
        msix_place(function, at + PLACE_PENDING, (entries + 63) / 64 * 8, "MSI-X's pending bits");

    if (!table || !pending)
        return false;
    if (pending < table + entries * ENTRY_BYTES && table < pending + (entries + 63) / 64 * 8) {
        log_print("pci %s: MSI-X: table and pending bits overlap\n", function->name);
        return false;
    }
    if (function->aliased) {
        log_print("pci %s: MSI-X: a conventional bridge would send it under another number\n",
                  function->name);
        return false;
    }
    if (requester - host->msi_first >= host->msi_count) {
        log_print("pci %s: MSI-X: requester %x is not in the device tree's msi-map\n", function->name,
                  requester);
        return false;
    }
    if (!msi_allocate(requester - host->msi_first + host->msi_base, &msi))
        return false;

    interrupt->entry = kernel_map_device(table, ENTRY_BYTES);
    interrupt->irq = msi.irq;
    /* All masked while the entry is changed: half an address is an address too. */
    pci_config_write(function, at, control | CONTROL_ENABLE | CONTROL_MASK);
    arch_device_write(interrupt->entry + ENTRY_CONTROL, ENTRY_MASKED);
    arch_device_write(interrupt->entry + ENTRY_ADDRESS, (uint32_t)msi.address);
    arch_device_write(interrupt->entry + ENTRY_ADDRESS_HIGH, (uint32_t)(msi.address >> 32));
    arch_device_write(interrupt->entry + ENTRY_DATA, msi.data);
    pci_config_write(function, at, (control | CONTROL_ENABLE) & ~CONTROL_MASK);
    return true;
}

/* ---- Lines ---- */

static struct line_user {
    unsigned irq;
    irq_handler handler;
    void *argument;
} users[USERS_MAX];
static unsigned user_count;

/* Where the function's pin ends up: each bridge on the way turns the pins by the number of the device behind it. */
static bool line_create(const struct pci_function *function, struct pci_interrupt *interrupt)
{
    const struct pci_host *host = function->host;
    const struct pci_function *at = function;
    uint32_t pin = function->pin;

    if (pin < 1 || pin > 4) {
        log_print("pci %s: has no interrupt line either (pin %u)\n", function->name, pin);
        return false;
    }
    for (; at->bridge; at = at->bridge)
        pin = (pin - 1 + at->device) % 4 + 1;
    uint32_t device = pci_requester(at) << 8;
    for (unsigned i = 0; i < host->route_count; i++)
        if (((host->routes[i].device ^ device) & host->device_mask) == 0 &&
            ((host->routes[i].pin ^ pin) & host->pin_mask) == 0) {
            interrupt->irq = host->routes[i].irq;
            return true;
        }
    log_print("pci %s: the device tree has no interrupt for its line (pin %u)\n", function->name, pin);
    return false;
}

/* `argument` is the number of the interrupt: all who are on that line are asked. */
static void line_interrupt(void *argument)
{
    unsigned irq = (unsigned)(uintptr_t)argument, count = __atomic_load_n(&user_count, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; i < count; i++)
        if (users[i].irq == irq)
            users[i].handler(users[i].argument);
}

static void line_start(const struct pci_interrupt *interrupt, irq_handler handler, void *argument,
                       unsigned cpu)
{
    bool first = true;

    invariant(user_count < USERS_MAX, "pci_interrupt: 16 functions on lines");
    for (unsigned i = 0; i < user_count; i++)
        first &= users[i].irq != interrupt->irq;
    users[user_count] = (struct line_user){interrupt->irq, handler, argument};
    /* Release: the line may be raised by another function, on another CPU, right now. */
    __atomic_store_n(&user_count, user_count + 1, __ATOMIC_RELEASE);
    if (first)
        irq_register(interrupt->irq, line_interrupt, (void *)(uintptr_t)interrupt->irq, cpu);
    pci_line_allow(interrupt->function, true);
}

/* ---- Either ---- */

bool pci_interrupt_create(const struct pci_function *function, struct pci_interrupt *interrupt)
{
    *interrupt = (struct pci_interrupt){.function = function};
    if (msix_create(function, interrupt))
        return true;
    return line_create(function, interrupt);
}

void pci_interrupt_start(const struct pci_interrupt *interrupt, irq_handler handler, void *argument,
                         unsigned cpu)
{
    if (!interrupt->entry) {
        line_start(interrupt, handler, argument, cpu);
        return;
    }
    irq_register(interrupt->irq, handler, argument, cpu);
    arch_device_write(interrupt->entry + ENTRY_CONTROL, 0);
}

void pci_interrupt_stop(const struct pci_interrupt *interrupt)
{
    if (interrupt->entry) {
        irq_disable(interrupt->irq);
        arch_device_write(interrupt->entry + ENTRY_CONTROL, ENTRY_MASKED);
    } else {
        pci_line_allow(interrupt->function, false);
    }
}
