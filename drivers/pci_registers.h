/* Registers of configuration space, by their 32-bit words: for drivers/pci*.c. Owns: nothing. See pci.h. */
#ifndef DRIVERS_PCI_REGISTERS_H
#define DRIVERS_PCI_REGISTERS_H

enum {
    PCI_ID = 0x00,        /* vendor, product << 16 */
    PCI_COMMAND = 0x04,   /* and the status << 16, whose bits are cleared by writing 1 */
    PCI_CLASS = 0x08,     /* class << 24, subclass << 16 */
    PCI_HEADER = 0x0c,    /* type << 16 */
    PCI_BAR = 0x10,       /* six of them; a bridge has two */
    PCI_BUSES = 0x18,     /* bridge: primary, secondary << 8, subordinate << 16 */
    PCI_IO = 0x1c,        /* bridge: base and limit of ports */
    PCI_MEMORY = 0x20,    /* bridge: base and limit << 16 of memory */
    PCI_PREFETCH = 0x24,  /* bridge: the same of prefetchable memory; the upper halves follow */
    PCI_SUBSYSTEM = 0x2c, /* vendor, number << 16 */
    PCI_LIST = 0x34,      /* where the first capability is */
    PCI_INTERRUPT = 0x3c, /* pin << 8; of a bridge also its control << 16 */
};

#define PCI_COMMAND_MEMORY  (1u << 1)
#define PCI_COMMAND_MASTER  (1u << 2)
#define PCI_COMMAND_NO_LINE (1u << 10)
#define PCI_STATUS_LIST     (1u << 20) /* in the upper half of PCI_COMMAND */

#define PCI_HEADER_MANY   0x80u /* more functions than 0 */
#define PCI_HEADER_TYPE   0x7fu
#define PCI_HEADER_DEVICE 0u
#define PCI_HEADER_BRIDGE 1u

#define PCI_CLASS_HOST 0x0600u

#endif
