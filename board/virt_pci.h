/*
 * The PCI host bridge of the device tree (pci-host-ecam-generic), and everything behind it that there is a driver for.
 *
 * Owns: what the tree says of it, checked. Boot only.
 * Manual: Devicetree Specification 0.4, 2.3.8 and 2.4; IEEE 1275 PCI Bus Binding 2.1, 2.2.1.1 (addresses of three cells).
 */
#ifndef BOARD_VIRT_PCI_H
#define BOARD_VIRT_PCI_H

/*
 * Finds the first host bridge, if any, scans it and gives its devices to their drivers, in the order of buses and slots
 * (drivers/pci.h). `msi_start` makes the controller that `msi-map` names, at a node of the tree, ready for device numbers
 * below `devices`; it says itself why it cannot. What is wrong in the tree is named in the log, and then either the bridge
 * is not used, or, when it is about interrupts, these.
 */
void virt_pci_start(void (*msi_start)(int node, unsigned devices));

#endif
