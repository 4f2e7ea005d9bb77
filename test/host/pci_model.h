/*
 * PCI in software, for the tests of drivers/pci*.c: a tree of functions behind one host bridge, whose configuration space
 * answers as the bus would: a function is found under the number that its bridge gives to its bus now. What a test writes
 * into a function's words is what that function says of itself, true or not.
 *
 * Owns: the functions, and kernel_map_device() of the programs that it is linked into. Physical addresses are as on the
 * machine: the configuration space at PCI_MODEL_CONFIG, the window for BARs at PCI_MODEL_MEMORY, seen by the bus at
 * PCI_MODEL_BUS. Memory behind BARs is plain memory, for the first 64 KiB of the window.
 */
#ifndef TEST_HOST_PCI_MODEL_H
#define TEST_HOST_PCI_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include "drivers/pci.h"

#define PCI_MODEL_CONFIG      UINT64_C(0x4010000000)
#define PCI_MODEL_MEMORY      UINT64_C(0x10000000)
#define PCI_MODEL_BUS         UINT64_C(0x20000000)
#define PCI_MODEL_MEMORY_SIZE UINT64_C(0x1000000)
#define PCI_MODELS            64

struct pci_model {
    struct pci_model *bridge; /* NULL: on the first bus */
    uint8_t device, function;
    uint32_t words[64];     /* the first 256 bytes of its configuration space */
    uint32_t bar_bits[6];   /* those of a BAR that can be written */
    uint32_t fixed_command; /* bits of the command register that cannot be cleared */
};

extern struct pci_host pci_model_host;

#define PCI_MODEL_NIC_ID 0x10001af4u /* vendor and product of pci_model_nic() */

/* A new machine, with memory, on CPU 0, and a PCI without functions: the host bridge has 8 buses, a window, no lines and no messages. */
void pci_model_begin(void);

/* pci_scan() for functions of virtio's vendor; the last bus goes to *bus_last. */
struct pci_function *pci_model_scan(unsigned *bus_last);

/* A function: vendor and product in `id`, of a header of type 0 or 1 (a bridge). */
struct pci_model *pci_model_add(struct pci_model *bridge, unsigned device, unsigned function, uint32_t id,
                                unsigned type);

/* Gives it a memory BAR of that size, with 64 bits if `wide`. */
void pci_model_bar(struct pci_model *model, unsigned bar, uint64_t size, bool wide);

/* Puts a capability of `words` words at `offset`, in front of those that it has. */
void pci_model_capability(struct pci_model *model, unsigned offset, uint32_t id, unsigned words,
                          const uint32_t *rest);

/* A virtio network device as QEMU's: ports, a page for MSI-X (which it has not), its registers in a BAR of 64 bits. */
struct pci_model *pci_model_nic(struct pci_model *bridge, unsigned device, unsigned function);

/* A bridge: conventional, or with the PCI Express capability that says `port` (its type in bits 23:20). */
#define PCI_MODEL_CONVENTIONAL 0u
#define PCI_MODEL_ROOT_PORT    (4u << 20)
#define PCI_MODEL_UPSTREAM     (5u << 20)
#define PCI_MODEL_TO_PCI       (7u << 20)
struct pci_model *pci_model_bridge(struct pci_model *bridge, unsigned device, unsigned function,
                                   uint32_t port);

/*
 * How many functions answer to a physical address of the window, through all bridges on the way, *last being one of them; and
 * bridges that claim it though it is not behind them.
 */
unsigned pci_model_answers(uint64_t phys, const struct pci_model **last);

/* Asked first for accesses to memory behind BARs, if set; false: it is plain memory there. `phys` as CPUs address it. */
extern bool (*pci_model_access)(uint64_t phys, unsigned bytes, bool write, uint32_t *value);

/* Memory behind the BARs. */
uint8_t *pci_model_memory(uint64_t phys);

#endif
