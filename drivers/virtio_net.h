/*
 * virtio-net: the driver of a network interface. Frames come in as messages and go out as messages; no byte
 * of one is touched by a CPU here, but those of the headers where a receiver has several lanes (drivers/spread.h).
 *
 * Owns: per device, the rings, the tables of descriptors, and the message objects and IPC pages that lie in a
 * ring. The interface is a service "net<n>" with a port of its own name, to which frames to transmit are
 * sent; frames received go to the port that the wiring gives it (service_wire_out). One kernel thread does
 * both directions.
 *
 * The path of a frame, by its stations. The same numbers stand in the code, in the docs and in the
 * benchmark's output.
 *   1. NIC in: used ring of the receive queue (virtio_net_receive.c)
 *   2. the frame is checked and made a message (virtio_net_receive.c)
 *   3. port of the forwarder (virtio_net_receive.c, ipc/port.c)
 *   4. the service receives, 5. it decides, 6. it sends (ipc/, apps/)
 *   7. port of this driver (ipc/port.c, virtio_net_transmit.c)
 *   8. descriptors made (virtio_net_transmit.c)
 *   9. NIC out: available ring of the transmit queue (virtio_net_transmit.c), kick (virtio_net_slots.c)
 *   10. page and message back to their pools (virtio_net_transmit.c)
 *
 * Receive buffers: a slot of the ring is a message object and an IPC page. The device writes its own header, which nobody reads,
 * right before the inline data, the first 128 bytes into the message's inline data, the rest into the page. A
 * frame of up to 128 bytes leaves the page in its slot. A used slot is filled again at once; when a pool is
 * dry it stays empty and is tried again every millisecond: then the device waits, nothing is lost in here.
 *
 * Transmit: header, inline data and pieces become descriptors; header and inline data one, where they can lie behind each other:
 * the fewer there are, the less a device has to do for a frame. One descriptor is the slot's own, more are in a table that this
 * points to, so that the ring stays deep. A full ring leaves the messages in the port, whose senders then wait or see BATON_EFULL.
 * The kick is put off while an interface of this CPU has received frames that are not yet on their way, but not for long
 * (virtio_net_transmit_kick): one kick is for hundreds of frames then, and the device sends them in one go.
 *
 * Interrupts are off while the thread works. When nothing is left to do it sleeps, while the idle thread
 * may poll on for a grace (ipc/idle.h); it is woken by the device (for transmitted frames
 * only while there are some in the ring, so that pages come back at every quiet point, and once for all of them where the device
 * has EVENT_IDX) or by the port.
 *
 * Invariants
 *   1. What lies in a ring is owned by the kernel (space 0), and no CPU touches it until the device has
 *      given it back.
 *   2. Every number that the device writes is checked before it is used (drivers/virtqueue.h). After the
 *      first wrong one the device is reset, its buffers go back to the pools, the port is closed, and a
 *      line says what was wrong; other interfaces go on. A device that does not even reset keeps its
 *      buffers.
 *   3. A slot that is not in the device's hands and not complete is in `empty`; all slots are in exactly
 *      one of: device, empty (between two passes of the thread).
 *
 * Counters: messages_in counts frames taken from the device and messages taken from the port; messages_out
 * counts messages put into the forwarder's port and frames given to the device. Reasons of drops: runt (below
 * 14 bytes), giant (above 1522), no_receiver (no wire, or the receiver has stopped); tx_runt, tx_giant,
 * tx_request (an rpc: a driver answers none).
 *
 * Limits: one queue pair; no offloads, no mergeable buffers, no control queue: without it a device receives
 * everything (promiscuous), which is what a bridge needs. The device must offer INDIRECT_DESC, a legacy one ANY_LAYOUT, too.
 */
#ifndef DRIVERS_VIRTIO_NET_H
#define DRIVERS_VIRTIO_NET_H

#include <stdbool.h>

struct virtio_transport;

/*
 * Takes a device: negotiates, makes the queues, the service and the entry in the registry of interfaces.
 * Copies `transport`. False, with a line in the log, when the device cannot be used; it is left with FAILED
 * then. Boot only, before services_create(). Panics when kernel memory is short.
 */
bool virtio_net_create(const struct virtio_transport *transport);

/*
 * Sets all interfaces going: wires, interrupts, threads. Boot only, after services_start(), with all CPUs up:
 * interface n is driven on CPU n modulo the CPUs there are.
 */
void virtio_net_start(void);

#endif
