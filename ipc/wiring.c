/* Making an appliance of its tables: services, spaces, memory, ports, wires. At boot, once; see service.h. */
#include <stddef.h>
#include "core/arch.h"
#include "core/cpu.h"
#include "core/log.h"
#include "core/setting.h"
#include "core/string.h"
#include "ipc/page_set.h"
#include "ipc/port.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "mm/frame.h"
#include "mm/kernel_map.h"
#include "mm/space.h"

static uint64_t config_size;

static void mistake_tell(const char *what, const char *name)
{
    log_print("appliance %s: %s: %s\n", appliance.name, name, what);
}

/* Always false, which the compiler is to see. */
static inline bool mistake(const char *what, const char *name)
{
    mistake_tell(what, name);
    return false;
}

static struct service *service_add(const char *name)
{
    if (service_count == SERVICES_MAX)
        return NULL;
    struct service *service = &services[service_count];
    service->number = service_count++;
    service->name = name;
    service->placement = BATON_TRUSTED_SERVICE;
    service->space = space_at(0);
    service->state = SERVICE_RUNNING;
    return service;
}

/*
 * A port's receiver holds the right to receive from it. A port has one handle in a service, whatever it may do there: who finds it by
 * its name finds all rights, also when the service has a wire to itself.
 */
static bool handle_add(struct service *service, struct port *port, uint32_t rights, uint32_t source)
{
    struct handle *handle = service->handles;

    if (service->handle_count == HANDLES_MAX)
        return mistake("has more wires than handles", service->name);
    while (handle->port && handle->port != port)
        handle++;
    service->handle_count += !handle->port;
    handle->port = port;
    handle->rights |= rights;
    handle->source = source;
    return true;
}

static bool port_add(struct service *service, const char *name, unsigned queue)
{
    if (!queue || queue & (queue - 1))
        return mistake("the queue must be a power of two", name);
    struct port *port = port_create(name, service, queue);
    if (!port)
        return mistake("no more ports, or the name is too long", name);
    if (!service->port)
        service->lanes[service->lane_count++] = service->port = port;
    return handle_add(service, port, RIGHT_RECEIVE, 0);
}

struct service *service_create_driver(const char *name, unsigned queue)
{
    struct service *service = service_add(name);

    if (service && queue && !port_add(service, name, queue))
        return NULL;
    return service;
}

/* ---- Configuration ---- */

bool services_config(const void *file, uint64_t size)
{
    if (size > CONFIG_SIZE_MAX)
        return mistake("it is larger than 16 MiB", "the configuration file");
    config_size = size;
    if (!size)
        return true;
    /* A copy in frames of its own: beside the loader's lies memory that no service may read */
    uint64_t phys = frame_alloc((unsigned)((size + PAGE_MASK) / PAGE_SIZE), "the configuration file");
    memcpy(arch_phys_to_virt(phys), file, size);
    space_map_shared(CONFIG_BASE, phys, (size + PAGE_MASK) & ~PAGE_MASK);
    return true;
}

uint64_t services_config_size(void)
{
    return config_size;
}

/* ---- Programs ---- */

static const struct program *program_find(const char *name)
{
    for (unsigned i = 0; i < program_count; i++)
        if (!strcmp(programs[i].name, name))
            return &programs[i];
    return NULL;
}

/* text and rodata where they lie in the image; data, bss, heap and stacks in memory of their own. */
static void memory_map(struct service *service)
{
    const struct program *program = service->program;
    struct space *space = service->space;
    uint64_t size = (program->data_size + program->bss_size + service->row->heap + PAGE_MASK) & ~PAGE_MASK;

    space_map(space, program->base, kernel_image_phys(program->text), program->text_size, MAP_EXEC_USER);
    if (program->rodata_size)
        space_map(space, program->rodata_base, kernel_image_phys(program->rodata), program->rodata_size, 0);
    service->entry_start = program->base;
    service->entry_end = program->base + program->text_size;
    service->writable_start = program->data_base;
    service->writable_end = program->data_base + size;
    service->data_phys = frame_alloc((unsigned)(size / PAGE_SIZE), "a service's data and heap");
    service->data_linear = arch_phys_to_virt(service->data_phys);
    space_map(space, service->writable_start, service->data_phys, size, MAP_WRITE);
    /* Stacks: the upper half of places of twice their size, so that below each lies an unmapped half. */
    service->stacks_start = program->base + SLOT_SIZE / 2;
    service->stacks_phys =
        frame_alloc((unsigned)(service->thread_count * USER_STACK_SIZE / PAGE_SIZE), "a service's stacks");
    for (unsigned i = 0; i < service->thread_count; i++)
        space_map(space, service->stacks_start + (2 * i + 1) * USER_STACK_SIZE,
                  service->stacks_phys + i * USER_STACK_SIZE, USER_STACK_SIZE, MAP_WRITE);
}

static bool row_valid(const struct baton_service *row)
{
    if (!program_find(row->program))
        return mistake("its program is not linked into the image", row->name);
    if (row->threads - 1u >= BATON_THREADS)
        return mistake("threads must be 1 to 8", row->name);
    if (row->heap > SLOT_SIZE / 4)
        return mistake("the heap is larger than 64 MiB", row->name);
    if (row->cpu_share > 100)
        return mistake("a share of a CPU is 1 to 100 percent", row->name);
    if (row->on_fault == BATON_RESTART_WITHIN &&
        (row->restarts - 1u >= BATON_RESTARTS_MAX || !row->restart_seconds))
        return mistake("restarts must be 1 to 16, within at least 1 second", row->name);
    for (unsigned i = 0; i < service_count; i++)
        if (!strcmp(services[i].name, row->name))
            return mistake("two services of this name", row->name);
    return true;
}

/* What the row says, unless the boot setting says it for all that it may. False for a setting that means nothing. */
static bool placement_choose(const struct baton_service *row, enum baton_placement *placement)
{
    const char *setting = setting_find("placement");

    *placement = row->placement == BATON_TRUSTED_SERVICE ? BATON_TRUSTED_SERVICE : BATON_ISOLATED;
    if (!setting || row->placement == BATON_ISOLATED_ALWAYS)
        return true;
    bool trusted = !strcmp(setting, "trusted");
    if (!trusted && strcmp(setting, "isolated"))
        return mistake("placement must be isolated or trusted", setting);
    *placement = trusted ? BATON_TRUSTED_SERVICE : BATON_ISOLATED;
    return true;
}

/* As the service's setting says; without the setting one: docs/cores.md. */
static bool lanes_choose(const struct baton_service *row, unsigned *lanes)
{
    const char *setting = row->lanes ? setting_find(row->lanes) : NULL;

    *lanes = setting ? (unsigned)(setting[0] - '0') : 1;
    return (*lanes - 1 <= (unsigned)(BATON_THREADS - row->threads) && !(setting && setting[1])) ||
           mistake("lanes are 1 to 8, less its other threads", row->name);
}

/* Those beside its own port. */
static bool lanes_add(struct service *service, unsigned lanes)
{
    char name[PORT_NAME + 4];

    while (service->lane_count < lanes) {
        log_format_line(name, sizeof name, "%s.%u", service->name, service->lane_count);
        if (!port_add(service, name, service->row->queue))
            return false;
        service->lanes[service->lane_count++] = port_find(name);
    }
    return true;
}

static bool service_create(const struct baton_service *row)
{
    enum baton_placement placement;
    unsigned lanes;

    if (!row_valid(row) || !placement_choose(row, &placement) || !lanes_choose(row, &lanes))
        return false;
    struct service *service = service_add(row->name);
    if (!service)
        return mistake("more services than SERVICES_MAX", row->name);
    service->row = row;
    service->source = BATON_SOURCE_SERVICE + (uint32_t)(row - appliance.services);
    service->program = program_find(row->program);
    service->placement = placement;
    service->thread_count = row->threads + lanes - 1;
    service_messages_limited |= row->messages;
    service->space = space_create(row->name, placement == BATON_ISOLATED, row->pages);
    if (!service->space)
        return mistake("more services than spaces", row->name);
    if (row->trust && page_set_join(service->space, row->trust) < 0)
        return mistake("the name of a trust set is [a-z0-9-], at most 15, and not `none`", row->name);
    memory_map(service);
    for (unsigned i = 0; i < service->thread_count; i++)
        if (!(service->threads[i] = thread_create_service(service, row->name)))
            return mistake("more threads than THREADS_MAX", row->name);
    return port_add(service, row->name, row->queue) && lanes_add(service, lanes);
}

/* ---- Wires ---- */

static bool is_interface(const struct service *service)
{
    return !service->row && !strncmp(service->name, "net", 3);
}

static bool service_matches(const struct service *service, const char *pattern)
{
    return !strcmp(pattern, "net*") ? is_interface(service) : !strcmp(pattern, service->name);
}

/* What the receiver sees as message.source. */
static uint32_t source_number(const struct service *from)
{
    if (from->row)
        return BATON_SOURCE_SERVICE + (uint32_t)(from->row - appliance.services);
    uint32_t number = 0;
    for (const struct service *s = services; s != from; s++)
        number += is_interface(s);
    return number;
}

/* A further port ("forward.control") is made by the first wire that names it. */
static bool further_port_add(const char *name)
{
    const char *dot = strchr(name, '.');

    if (!dot || port_find(name))
        return true;
    for (unsigned i = 0; i < service_count; i++) {
        struct service *service = &services[i];
        if (service->row && !strncmp(service->name, name, (size_t)(dot - name)) && !service->name[dot - name])
            return port_add(service, name, service->row->queue);
    }
    return mistake("a wire to a port of a service that there is not", name);
}

/* The right to send to a port; to all lanes, when it is the service's own. */
static bool handles_add(struct service *from, struct port *port)
{
    const struct service *to = port->receiver;

    struct port *const *ports = port == to->port ? to->lanes : &port;
    unsigned count = port == to->port ? to->lane_count : 1;

    while (count--)
        if (!handle_add(from, *ports++, RIGHT_SEND, source_number(from)))
            return false;
    return true;
}

static bool wire_lay(const struct baton_wire *wire)
{
    unsigned laid = 0;
    struct port *port;

    if (!further_port_add(wire->to))
        return false;
    for (unsigned i = 0; i < service_count; i++) {
        struct service *from = &services[i];
        if (!service_matches(from, wire->from))
            continue;
        for (unsigned k = 0; (port = port_at(k)); k++) {
            bool named = !strcmp(port->name, wire->to);
            if (!named && !(port == port->receiver->port && service_matches(port->receiver, wire->to)))
                continue;
            if (!handles_add(from, port))
                return false;
            laid++;
        }
    }
    return laid ? true : mistake("a wire from or to nobody", wire->to);
}

/* While frames are captured every service may tell what it drops. No wire of the table: the operator asked for it. */
static bool capture_wire(void)
{
    struct port *port = port_find(BATON_CAPTURE_PORT);

    for (unsigned i = 0; port && i < service_count; i++)
        if (services[i].row && !handle_add(&services[i], port, RIGHT_SEND, source_number(&services[i])))
            return false;
    return true;
}

bool services_create(unsigned interfaces)
{
    char fact[16];

    log_format_line(fact, sizeof fact, "cpus=%u", cpu_count);
    setting_add(fact); /* for services that put their threads on several */
    for (uint32_t i = 0; i < appliance.service_count; i++)
        if (!service_create(&appliance.services[i]))
            return false;
    for (uint32_t i = 0; i < appliance.wire_count; i++) {
        const struct baton_wire *wire = &appliance.wires[i];
        bool network = !strncmp(wire->from, "net", 3) || !strncmp(wire->to, "net", 3);
        if (network && !interfaces)
            continue; /* the boot lets it run without any */
        if (!wire_lay(wire))
            return false;
    }
    life_create();
    return capture_wire();
}
