/* PCI in software: see pci_model.h. */
#include "test/host/pci_model.h"

#include <string.h>
#include "drivers/pci_registers.h"
#include "mm/kernel_map.h"
#include "test/host/machine.h"

#define BRIDGE_ID 0x000c1b36u
#define VIRTIO    0x1af4u

#define CONFIG_BASE_VA UINT64_C(0x7e0000000000) /* nothing is there: every access goes through the model */
#define CONFIG_BUSES   8u
#define MEMORY_BYTES   0x10000u

struct pci_host pci_model_host;
static struct pci_model models[PCI_MODELS];
static unsigned model_count;
static uint8_t memory[MEMORY_BYTES];
bool (*pci_model_access)(uint64_t phys, unsigned bytes, bool write, uint32_t *value);

bool machine_device_access(const volatile void *reg, unsigned bytes, bool write, uint32_t *value);

void pci_model_begin(void)
{
    machine_reset(1);
    machine_add_ram();
    machine_run_on(0);
    memset(models, 0, sizeof models);
    memset(memory, 0, sizeof memory);
    model_count = 0;
    pci_model_host = (struct pci_host){
        .config = PCI_MODEL_CONFIG,
        .bus_last = CONFIG_BUSES - 1,
        .memory = PCI_MODEL_MEMORY,
        .memory_size = PCI_MODEL_MEMORY_SIZE,
        .memory_pci = PCI_MODEL_BUS,
    };
}

static bool of_virtio(const struct pci_function *function)
{
    return function->vendor == VIRTIO;
}

struct pci_function *pci_model_scan(unsigned *bus_last)
{
    return pci_scan(&pci_model_host, of_virtio, bus_last);
}

struct pci_model *pci_model_add(struct pci_model *bridge, unsigned device, unsigned function, uint32_t id,
                                unsigned type)
{
    struct pci_model *model = &models[model_count++];

    model->bridge = bridge;
    model->device = (uint8_t)device;
    model->function = (uint8_t)function;
    model->words[PCI_ID / 4] = id;
    model->words[PCI_HEADER / 4] = type << 16;
    if (type == 1)
        model->words[PCI_CLASS / 4] = 0x06040000;
    return model;
}

void pci_model_bar(struct pci_model *model, unsigned bar, uint64_t size, bool wide)
{
    model->bar_bits[bar] = (uint32_t)-size & ~0xfu;
    model->words[PCI_BAR / 4 + bar] = wide ? 0xc : 0;
    if (wide)
        model->bar_bits[bar + 1] = (uint32_t)(-size >> 32);
}

void pci_model_capability(struct pci_model *model, unsigned offset, uint32_t id, unsigned words,
                          const uint32_t *rest)
{
    model->words[offset / 4] |= id | (model->words[PCI_LIST / 4] & 0xff) << 8;
    for (unsigned i = 0; i < words && offset / 4 + 1 + i < 64; i++)
        model->words[offset / 4 + 1 + i] = rest[i];
    model->words[PCI_LIST / 4] = offset;
    model->words[PCI_COMMAND / 4] |= PCI_STATUS_LIST;
}

struct pci_model *pci_model_nic(struct pci_model *bridge, unsigned device, unsigned function)
{
    struct pci_model *nic = pci_model_add(bridge, device, function, PCI_MODEL_NIC_ID, 0);

    nic->words[PCI_BAR / 4] = 1; /* I/O ports */
    nic->bar_bits[0] = 0xffffffe0;
    nic->words[PCI_INTERRUPT / 4] = 1 << 8;
    pci_model_bar(nic, 1, 0x1000, false);
    pci_model_bar(nic, 4, 0x4000, true);
    return nic;
}

struct pci_model *pci_model_bridge(struct pci_model *bridge, unsigned device, unsigned function,
                                   uint32_t port)
{
    struct pci_model *added = pci_model_add(bridge, device, function, BRIDGE_ID, 1);

    if (port)
        pci_model_capability(added, 0x40, PCI_CAP_EXPRESS | (port & 0xf00000), 0, NULL);
    return added;
}

/* ---- The bus ---- */

static bool is_bridge(const struct pci_model *model)
{
    return (model->words[PCI_HEADER / 4] >> 16 & 0x7f) == 1;
}

/* Whether a configuration access to `bus` reaches what is behind this bridge: its own buses, and its bridge's. */
static bool passes(const struct pci_model *bridge, unsigned bus)
{
    if (!bridge)
        return true;
    uint32_t buses = bridge->words[PCI_BUSES / 4];
    return bus >= (buses >> 8 & 0xff) && bus <= (buses >> 16 & 0xff) && (buses >> 8 & 0xff) != 0 &&
           passes(bridge->bridge, bus);
}

static bool on_bus(const struct pci_model *model, unsigned bus)
{
    if (!model->bridge)
        return bus == 0;
    return (model->bridge->words[PCI_BUSES / 4] >> 8 & 0xff) == bus && bus != 0 && passes(model->bridge, bus);
}

/* Fails when two answer: on a real bus that would be both at once. */
static struct pci_model *model_at(unsigned bus, unsigned number)
{
    struct pci_model *found = NULL;

    for (unsigned i = 0; i < model_count; i++) {
        struct pci_model *model = &models[i];
        if (model->device * 8u + model->function != number || !on_bus(model, bus))
            continue;
        if (found)
            machine_fail("two functions answer for %02x:%02x.%u", bus, number / 8, number % 8);
        found = model;
    }
    return found;
}

static uint32_t writable(const struct pci_model *model, unsigned offset)
{
    if (offset == PCI_COMMAND)
        return 0xffff;
    if (offset >= PCI_BAR && offset < PCI_BAR + (is_bridge(model) ? 8u : 24u))
        return model->bar_bits[(offset - PCI_BAR) / 4];
    if (is_bridge(model) && offset >= PCI_BUSES && offset < 0x30)
        return offset == PCI_IO ? 0xffff : UINT32_MAX;
    if (is_bridge(model) && offset == PCI_INTERRUPT)
        return 0xffff0000;
    return (model->words[offset / 4] & 0xff) == PCI_CAP_MSIX && offset >= 0x40 ? 0xc0000000 : 0;
}

bool machine_device_access(const volatile void *reg, unsigned bytes, bool write, uint32_t *value)
{
    uint64_t at = (uint64_t)(uintptr_t)reg - CONFIG_BASE_VA,
             behind = (uint64_t)((const volatile uint8_t *)reg - memory);

    if (at >= CONFIG_BUSES * PCI_BUS_BYTES)
        return behind < MEMORY_BYTES && pci_model_access &&
               pci_model_access(PCI_MODEL_MEMORY + behind, bytes, write, value);
    struct pci_model *model = model_at((unsigned)(at / PCI_BUS_BYTES), at / PCI_FUNCTION_BYTES % 256);
    unsigned offset = at % PCI_FUNCTION_BYTES;
    if (bytes != 4 || offset % 4 || offset >= 256)
        machine_fail("an access of %u bytes at %x of configuration space", bytes, offset);
    if (!model) {
        *value = UINT32_MAX;
    } else if (write) {
        uint32_t bits = writable(model, offset), *word = &model->words[offset / 4];
        *word = (*word & ~bits) | (*value & bits);
        if (offset == PCI_COMMAND)
            *word |= model->fixed_command;
    } else {
        *value = model->words[offset / 4];
    }
    return true;
}

/* Whether this bridge, and all in front of it, pass an access to that address of the bus on. */
static bool window_passes(const struct pci_model *bridge, uint64_t address)
{
    if (!bridge)
        return true;
    uint32_t window = bridge->words[PCI_MEMORY / 4];
    uint64_t base = (window & 0xfff0) << 16, limit = (window & 0xfff00000) | 0xfffff;
    return bridge->words[PCI_COMMAND / 4] & PCI_COMMAND_MEMORY && address >= base && address <= limit &&
           window_passes(bridge->bridge, address);
}

static bool is_behind(const struct pci_model *model, const struct pci_model *bridge)
{
    while (model && model != bridge)
        model = model->bridge;
    return model != NULL;
}

/* Bridges that pass the address on to a bus from which it is not answered: they are in the way of who does. */
static unsigned bridges_in_the_way(uint64_t address, const struct pci_model *answers)
{
    unsigned count = 0;

    for (unsigned i = 0; i < model_count; i++)
        count +=
            is_bridge(&models[i]) && window_passes(&models[i], address) && !is_behind(answers, &models[i]);
    return count;
}

unsigned pci_model_answers(uint64_t phys, const struct pci_model **last)
{
    uint64_t address = phys - PCI_MODEL_MEMORY + PCI_MODEL_BUS;
    unsigned count = 0;

    for (unsigned i = 0; i < model_count; i++) {
        const struct pci_model *model = &models[i];
        if (!(model->words[PCI_COMMAND / 4] & PCI_COMMAND_MEMORY) || !window_passes(model->bridge, address))
            continue;
        for (unsigned bar = 0; bar < (is_bridge(model) ? 2 : 6); bar++) {
            uint64_t base = model->words[PCI_BAR / 4 + bar] & ~0xfu,
                     size = -(uint64_t)(int32_t)model->bar_bits[bar];
            if (model->bar_bits[bar] && base && address >= base && address - base < size) {
                *last = model;
                count++;
            }
            bar += model->bar_bits[bar] && (model->words[PCI_BAR / 4 + bar] & 6) == 4;
        }
    }
    return count + (count ? bridges_in_the_way(address, *last) : 0);
}

uint8_t *pci_model_memory(uint64_t phys)
{
    if (phys < PCI_MODEL_MEMORY || phys - PCI_MODEL_MEMORY >= MEMORY_BYTES)
        machine_fail("nothing is modelled at %lx", phys);
    return memory + (phys - PCI_MODEL_MEMORY);
}

volatile void *kernel_map_device(uint64_t phys, uint64_t size)
{
    if (phys >= PCI_MODEL_CONFIG && phys + size <= PCI_MODEL_CONFIG + CONFIG_BUSES * PCI_BUS_BYTES)
        return (volatile void *)(uintptr_t)(phys - PCI_MODEL_CONFIG + CONFIG_BASE_VA);
    return pci_model_memory(phys);
}
