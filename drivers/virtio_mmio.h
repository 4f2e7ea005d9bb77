/*
 * virtio over memory-mapped registers: the modern layout (version 2) and the legacy one (version 1), which
 * QEMU takes by default. The difference ends here, except for the length of the header before a frame
 * (drivers/virtio_net.h).
 *
 * Owns: nothing. Manual: VIRTIO 1.2 sections 4.2.2 (registers) and 4.2.4 (legacy).
 */
#ifndef DRIVERS_VIRTIO_MMIO_H
#define DRIVERS_VIRTIO_MMIO_H

#include <stdbool.h>

/*
 * Looks at one slot of the board: registers mapped at `registers` (kernel_map_device), interrupt `irq` (an
 * INTID). Returns true when there is a device and its driver took it. An empty slot (device number 0) is
 * passed over silently; a wrong magic number, an unknown version or a device without a driver is named in the
 * log with the slot's `irq`. Interfaces are numbered in the order of these calls: the board calls for the
 * slots in the order of the -device options (on virt: from the highest address down). Boot only, before
 * services_create().
 */
bool virtio_mmio_probe(volatile void *registers, unsigned irq);

#endif
