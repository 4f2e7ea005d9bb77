/* Where a device's registers are: its capabilities, of which none is believed. See virtio_pci.h. */
#include <stddef.h>
#include "core/log.h"
#include "drivers/virtio_pci.h"

/* A capability of the vendor's (VIRTIO 1.2, 4.1.4), by words */
enum {
    CAP_HEAD = 0, /* id, next, length << 16, what it is of << 24 */
    CAP_BAR = 4,
    CAP_OFFSET = 8,
    CAP_LENGTH = 12,
    CAP_STEP = 16, /* of kicks only */
};
#define CAP_BYTES        16u
#define CAP_NOTIFY_BYTES 20u
#define CONFIG_BYTES     256u

enum part {
    PART_COMMON = 1,
    PART_NOTIFY = 2,
    PART_ISR = 3,
    PART_CONFIG = 4,
    PARTS
};

/* What must be there of each at least, and on how many bytes it must lie. */
static const struct {
    const char *name;
    uint32_t least, align;
} rules[PARTS] = {
    [PART_COMMON] = {"the common registers", 56, 4},
    [PART_NOTIFY] = {"the kicks", 2, 2},
    [PART_ISR] = {"the interrupt status", 1, 1},
    [PART_CONFIG] = {"the device's configuration", 6, 4},
};

struct place {
    uint64_t phys;
    uint32_t bytes;
};

static bool refuse(const struct pci_function *function, const char *what, const char *wrong, uint32_t value)
{
    log_print("pci %s: virtio: %s: %s (%x): not used\n", function->name, what, wrong, value);
    return false;
}

/* Whether a kick's address can be made of it. */
static bool step_good(uint32_t step)
{
    return step == 0 || (step >= 2 && (step & (step - 1)) == 0);
}

static unsigned part_bar(const struct pci_function *function, unsigned at)
{
    return pci_config_read(function, at + CAP_BAR) & 0xff;
}

/* One capability that is of `part`; false when it is wrong. */
static bool part_take(const struct pci_function *function, unsigned at, unsigned length, enum part part,
                      struct place *place, uint32_t *step)
{
    const char *name = rules[part].name;
    unsigned wants = part == PART_NOTIFY ? CAP_NOTIFY_BYTES : CAP_BYTES;

    if (length < wants || at + length > CONFIG_BYTES)
        return refuse(function, name, "a capability of a wrong length", length);
    uint32_t bar = part_bar(function, at);
    uint32_t offset = pci_config_read(function, at + CAP_OFFSET);
    uint32_t bytes = pci_config_read(function, at + CAP_LENGTH);

    if (bytes < rules[part].least)
        return refuse(function, name, "too short", bytes);
    if (offset % rules[part].align)
        return refuse(function, name, "not aligned", offset);
    place->phys = pci_bar_range(function, bar, offset, bytes, name);
    place->bytes = bytes;
    if (!place->phys)
        return false;
    if (part == PART_NOTIFY) {
        *step = pci_config_read(function, at + CAP_STEP);
        if (!step_good(*step))
            return refuse(function, name, "a step that is no power of two", *step);
    }
    return true;
}

static bool parts_disjoint(const struct pci_function *function, const struct place *places)
{
    for (unsigned i = 1; i < PARTS; i++)
        for (unsigned j = i + 1; j < PARTS; j++)
            if (places[i].phys < places[j].phys + places[j].bytes &&
                places[j].phys < places[i].phys + places[i].bytes) {
                log_print("pci %s: virtio: %s and %s overlap: not used\n", function->name, rules[i].name,
                          rules[j].name);
                return false;
            }
    return true;
}

bool virtio_pci_find(const struct pci_function *function, struct virtio_pci_parts *parts)
{
    struct pci_walk walk = pci_capabilities(function);
    struct place places[PARTS] = {{0}};
    uint32_t step = 0;

    /*
     * The first of each kind is the one that the device likes best. Passed over are kinds that are not known, and what lies in
     * I/O ports or in a BAR of a later standard: another of the kind may follow.
     */
    while (pci_capability_next(&walk, PCI_CAP_VENDOR)) {
        uint32_t head = pci_config_read(function, walk.offset + CAP_HEAD);
        unsigned length = head >> 16 & 0xff, part = head >> 24;

        if (part < 1 || part >= PARTS || places[part].phys)
            continue;
        unsigned bar = part_bar(function, walk.offset);
        if (bar < PCI_BARS && function->bars[bar].phys &&
            !part_take(function, walk.offset, length, part, &places[part], &step))
            return false;
    }
    if (walk.fault)
        return refuse(function, "the capabilities", "damaged", walk.next);
    if (!places[PART_COMMON].phys && !places[PART_NOTIFY].phys)
        return refuse(function, "the device", "no modern registers (legacy only?)", function->product);
    for (unsigned i = 1; i < PARTS; i++)
        if (!places[i].phys)
            return refuse(function, rules[i].name, "missing", i);
    if (!parts_disjoint(function, places))
        return false;
    *parts = (struct virtio_pci_parts){
        .common = places[PART_COMMON].phys,
        .isr = places[PART_ISR].phys,
        .config = places[PART_CONFIG].phys,
        .notify = places[PART_NOTIFY].phys,
        .config_bytes = places[PART_CONFIG].bytes,
        .notify_bytes = places[PART_NOTIFY].bytes,
        .notify_step = step,
    };
    return true;
}
