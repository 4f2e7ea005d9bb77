#include "drivers/virtio_net.h"

#include <stddef.h>
#include "core/arch.h"
#include "core/log.h"
#include "core/setting.h"
#include "core/string.h"
#include "core/timer.h"
#include "drivers/virtio_net_queues.h"
#include "ipc/capture.h"
#include "ipc/port.h"
#include "ipc/thread.h"
#include "mm/frame.h"

#define FEATURE_MAC (UINT64_C(1) << 5)

#define PORT_MESSAGES 1024u             /* frames that wait to be transmitted, besides those in the ring */
#define DRY_NS        UINT64_C(1000000) /* until a dry pool is tried again */

static struct virtio_net nets[NICS_MAX + 1]; /* and the one for captures */
static unsigned net_count;

static const char *const drop_reasons[DROPS] = {
    [DROP_RUNT] = "runt",       [DROP_GIANT] = "giant",       [DROP_NO_RECEIVER] = "no_receiver",
    [DROP_TX_RUNT] = "tx_runt", [DROP_TX_GIANT] = "tx_giant", [DROP_TX_REQUEST] = "tx_request",
};

/* ---- The thread ---- */

/* The device wrote nonsense. It is reset and left; what it had goes back to the pools. Other interfaces go on. */
__attribute__((noreturn)) static void net_stop(struct virtio_net *net, const char *queue,
                                               const struct virtqueue_fault *fault)
{
    log_print("%s: stopped: %s queue: %s (%u, expected %s %u)\n", net->nic->name, queue, fault->what,
              fault->value, fault->expected, fault->limit);
    net->nic->stopped = fault->what;
    net->transport.ops->interrupt_stop(&net->transport);
    port_close(net->port);
    if (virtio_reset(&net->transport)) {
        virtio_net_drain(net);
    } else {
        log_print("%s: does not reset: its buffers stay with it\n", net->nic->name);
    }
    virtio_status_add(&net->transport, VIRTIO_FAILED);
    __atomic_store_n(&net->service->state, SERVICE_STOPPED, __ATOMIC_RELEASE);
    thread_exit();
}

static void net_check(struct virtio_net *net)
{
    if (net->receive.queue.fault.what)
        net_stop(net, "receive", &net->receive.queue.fault);
    if (net->transmit.queue.fault.what)
        net_stop(net, "transmit", &net->transmit.queue.fault);
}

/* Sleeps until the device or a port has work. "Make known, look once more, park, forget": no wake-up is lost. */
static void net_sleep(struct virtio_net *net)
{
    if (!virtio_net_arm(net))
        thread_park(net->receive.empty_count > 0 ? timer_deadline(DRY_NS) : UINT64_MAX);
    virtio_net_disarm(net);
}

static void poller_quiet(void *argument)
{
    virtio_net_quiet(argument);
}

static bool poller_look(void *argument)
{
    return virtio_net_look(argument);
}

static bool poller_listen(void *argument)
{
    return virtio_net_listen(argument);
}

/* Whether an interface of this CPU has received what is not yet on its way. */
static bool frames_pending(void)
{
    for (unsigned i = 0; i < net_count; i++)
        if (nets[i].nic->cpu == cpu_number() && virtqueue_pending(&nets[i].receive.queue) > 0)
            return true;
    return false;
}

/*
 * Both directions of one interface, in passes of at most 64 frames each way. A pass runs with interrupts
 * masked, as ipc/ wants it; between two passes they are let in.
 */
static void net_run(void *argument)
{
    struct virtio_net *net = argument;

    for (;;) {
        uint64_t flags = arch_irq_save();
        unsigned done = virtio_net_receive(net);

        idle_moved(done);
        done += virtio_net_transmit(net);
        net_check(net);
        if (virtqueue_unkicked(&net->transmit.queue) > 0)
            virtio_net_transmit_kick(net, frames_pending());
        if (done > 0) {
            thread_yield(); /* what was handed on is worked on before more is taken */
        } else {
            net_sleep(net); /* the idle thread may poll in its place (ipc/idle.h) */
        }
        arch_irq_restore(flags);
    }
}

static void net_interrupt(void *argument)
{
    struct virtio_net *net = argument;

    if (net->transport.ops->acknowledge(&net->transport))
        thread_wake(net->thread);
}

/* ---- Boot ---- */

/* "52:54:00:00:00:01"; zeros for those devices that have no address. */
static void address_print(const struct virtio_transport *transport, char *text, size_t size)
{
    uint8_t mac[6] = {0};

    for (unsigned i = 0; i < sizeof mac && transport->ops->features_read(transport) & FEATURE_MAC; i++)
        mac[i] = transport->ops->config_read(transport, i);
    log_format_line(text, size, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                    mac[5]);
}

static void net_report(const struct virtio_net *net)
{
    char address[20], fact[40];

    address_print(&net->transport, address, sizeof address);
    log_print("%s: %s, %s, queues of %u and %u, %s %u\n", net->nic->name, net->transport.name, address,
              net->receive.queue.size, net->transmit.queue.size, net->transport.ops->interrupt,
              net->transport.irq);
    log_format_line(fact, sizeof fact, "%s.mac=%s", net->nic->name, address);
    setting_add(fact); /* for services that speak for the interface */
}

/* An interface with a number, or the one for captures, which the setting of that name names by its address. */
static struct nic *nic_choose(const struct virtio_transport *transport)
{
    const char *setting = setting_find(BATON_CAPTURE_PORT);
    char address[20];

    address_print(transport, address, sizeof address);
    return setting && !strcmp(setting, address) ? nic_create_capture() : nic_create();
}

bool virtio_net_create(const struct virtio_transport *transport)
{
    char name[64];

    log_format_line(name, sizeof name, "%s network (interrupt %u)", transport->name, transport->irq);
    if (net_count == sizeof nets / sizeof nets[0]) {
        log_print("%s: left alone: there are %u interfaces already\n", name, net_count);
        return false;
    }
    struct virtio_net *net = &nets[net_count];
    memset(net, 0, sizeof *net); /* a device before this one may have been given up half way */
    net->transport = *transport;
    net->header_bytes = transport->legacy ? HEADER_BYTES_LEGACY : HEADER_BYTES;
    /* A legacy device must say that its header may lie in one piece with the frame. */
    uint64_t required = VIRTIO_F_INDIRECT_DESC | (transport->legacy ? VIRTIO_F_ANY_LAYOUT : 0);
    if (!virtio_negotiate(&net->transport, name, required | VIRTIO_F_EVENT_IDX | FEATURE_MAC, required))
        return false;
    if (!virtio_net_slots_create(net, name))
        return false;
    net->nic = nic_choose(transport);
    if (!net->nic) {
        log_print("%s: left alone: there are %u interfaces already\n", name, nic_count());
        virtio_status_add(transport, VIRTIO_FAILED);
        return false;
    }
    for (unsigned i = 0; i < DROPS; i++)
        net->nic->stats.dropped[i].reason = drop_reasons[i];
    net->service = net->nic->service = service_create_driver(net->nic->name, PORT_MESSAGES);
    net->port = net->service->port;
    if (net->nic == nic_capture())
        capture_start(net->port);
    net_report(net);
    net_count++;
    return true;
}

void virtio_net_start(void)
{
    for (unsigned i = 0; i < net_count; i++) {
        struct virtio_net *net = &nets[i];
        uint64_t flags = arch_irq_save();

        net->out = service_wire_out(net->service);
        spread_wire(&net->spread, net->service);
        net->nic->cpu = net->nic->number % cpu_count;
        net->thread = thread_create_kernel(net->service, net->nic->name, net->nic->cpu, net_run, net);
        net->transport.ops->interrupt_start(&net->transport, net_interrupt, net, net->nic->cpu);
        virtio_status_add(&net->transport, VIRTIO_DRIVER_OK);
        net->poller = (struct poller){net->thread, poller_quiet, poller_look, poller_listen, net, NULL};
        idle_poller_add(&net->poller, net->nic->cpu);
        thread_wake(net->thread); /* its first pass fills the ring: every slot begins as an empty one */
        arch_irq_restore(flags);
    }
}
