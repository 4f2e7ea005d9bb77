/* The console's commands, but for statistics (stats.c): see console.h. */
#include <stdint.h>
#include "core/arch.h"
#include "core/string.h"
#include "core/timer.h"
#include "drivers/console.h"
#include "drivers/power.h"
#include "ipc/message.h"
#include "ipc/page.h"
#include "ipc/port.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "mm/space.h"

#define TELL_NS UINT64_C(2000000000) /* for so long `tell` waits for a place */
#define LOOK_NS UINT64_C(10000000)

struct command {
    const char *name, *arguments, *help;
    void (*run)(const char *argument, const char *board); /* argument: NULL when there is none */
};

static void command_help(const char *argument, const char *board);

static void command_stats(const char *argument, const char *board)
{
    if (!argument)
        stats_print(board);
    else if (!strcmp(argument, "json"))
        stats_print_json(board);
    else
        console_print("stats: `%s` is no format, only json is\n", argument);
}

/* Of a port's words of those who wait. */
static unsigned threads_count(uint64_t bits)
{
    unsigned count = 0;

    for (; bits; bits &= bits - 1)
        count++;
    return count;
}

static void command_ports(const char *argument, const char *board)
{
    const struct port *port;

    (void)argument;
    (void)board;
    console_print("%-16s %-16s %6s %8s %s\n", "port", "receiver", "queued", "capacity", "state");
    for (unsigned i = 0; (port = port_at(i)) != NULL; i++) {
        uint64_t receivers = __atomic_load_n(&port->receivers, __ATOMIC_RELAXED);
        uint64_t senders = __atomic_load_n(&port->senders, __ATOMIC_RELAXED);
        console_print("%-16s %-16s %6u %8u %s, %u receiving, %u waiting to send, %u taken\n", port->name,
                      port->receiver ? port->receiver->name : "-", port_depth(port), port->capacity,
                      __atomic_load_n(&port->closed, __ATOMIC_RELAXED) ? "closed" : "open",
                      threads_count(receivers), threads_count(senders),
                      __atomic_load_n(&port->head, __ATOMIC_RELAXED));
    }
}

/* The services that use a table: one for an isolated service's, else all that are trusted. */
static void print_tables(const char *what, uint64_t tables)
{
    const struct space *space;

    if (!tables)
        return;
    console_print("  %s", what);
    for (unsigned i = 1; (space = space_at(i)) != NULL; i++)
        if (space->table && space->table->user && tables >> space->table->number & 1)
            console_print(" %s", space->name);
    console_print("%s\n", tables & 1 ? " the trusted services" : "");
}

static void print_page(uint32_t page)
{
    struct page_info info;

    page_describe(page, &info);
    console_print("page %u: %u ownerships, %u owners", page, info.total, info.owners);
    for (unsigned i = 0; i < info.owners && i < sizeof info.owner; i++)
        console_print("%s %s", i ? "," : ":", console_space_name(info.owner[i]));
    console_print("\n  before: %s; carries bytes %u to %u; %s\n", console_space_name(info.previous),
                  info.hull_start, info.hull_end,
                  info.cached ? "was mapped" : "not mapped since a device filled it");
    print_tables("mapped now by:", info.mapped);
    print_tables("may still be reached through old translations by:", info.pending);
    for (unsigned i = 0; info.waiting >> i; i++)
        if (info.waiting >> i & 1)
            console_print("    until CPU %u has emptied its unmap queue\n", i);
    page_history_print(page);
}

static void command_pages(const char *argument, const char *board)
{
    struct page_counts counts;
    unsigned page;

    (void)board;
    if (!argument) {
        page_count(&counts);
        console_print("%u pages: %u free, %u owned, %u in flight\n", counts.total, counts.free, counts.owned,
                      counts.in_flight);
        return;
    }
    if (!console_number(&argument, page_region_count(), &page))
        console_print("pages: no such page, there are 0 to %u\n", page_region_count() - 1);
    else
        print_page(page);
}

/* A port that a wire of the appliance leads to from the console: `NAME.control`. */
static const struct handle *control_find(const char *name, size_t length)
{
    const struct service *console = thread_self()->service;

    for (uint32_t i = 0; i < console->handle_count; i++) {
        const char *port = console->handles[i].port->name;
        if (console->handles[i].rights & RIGHT_SEND && !strncmp(port, name, length) &&
            !strcmp(port + length, ".control"))
            return &console->handles[i];
    }
    return NULL;
}

/* A message with the text inline. 1, or what port_send says; when there is no message object, that the port is full. */
static int control_send(const struct handle *handle, const char *text, size_t length)
{
    uint64_t flags = arch_irq_save();
    struct message *message;
    int sent = BATON_EFULL;

    if (message_alloc(&message, 1) == 1) {
        message->abi = (struct baton_message){
            .length = (uint32_t)length, .inline_length = (uint8_t)length, .source = handle->source};
        memcpy(message->abi.data, text, length);
        sent = port_send(handle->port, &message, 1);
        if (sent < 0)
            message_free(&message, 1);
    }
    arch_irq_restore(flags);
    return sent;
}

/* Who takes a line now and then is waited for, so that a file of statements can be typed at once. */
static void control_tell(const struct handle *handle, const char *text, size_t length)
{
    uint64_t end = timer_deadline(TELL_NS);
    int sent;

    while ((sent = control_send(handle, text, length)) == BATON_EFULL && timer_now() < end)
        console_pause(LOOK_NS);
    if (sent < 0)
        console_print("tell: the service is stopped, or has taken none for 2 s: this line is lost\n");
}

static void command_tell(const char *argument, const char *board)
{
    const char *text = argument ? strchr(argument, ' ') : NULL;

    (void)board;
    if (!text || strlen(text + 1) > BATON_INLINE_BYTES) {
        console_print("tell: takes the name of a service and a text of at most %u bytes\n",
                      BATON_INLINE_BYTES);
        return;
    }
    const struct handle *handle = control_find(argument, (size_t)(text - argument));
    if (!handle)
        console_print("tell: no wire leads from the console to such a service\n");
    else
        control_tell(handle, text + 1, strlen(text + 1));
}

static void command_halt(const char *argument, const char *board)
{
    (void)argument;
    (void)board;
    console_print("halt: powering off\n");
    power_off();
}

static const struct command commands[] = {
    {"help", "", "this list", command_help},
    {"stats", "[json]", "counters, as a table or as one line of JSON", command_stats},
    {"services", "", "services, their placement and state", command_services},
    {"ports", "", "ports and what is queued in them", command_ports},
    {"pages", "[NUMBER]", "IPC pages, or the owners of one", command_pages},
    {"tell", "SERVICE TEXT", "sends a line to a service that listens to the console", command_tell},
    {"trace", "packet [N]", "the way of the next N frames, station by station", command_trace},
    {"trace", "on off status export dump [N]", "the ledger: what happened to pages, and when", command_trace},
    {"stop", "SERVICE", "ends a service, and keeps it so", command_stop},
    {"start", "SERVICE", "begins a new life of a stopped service", command_start},
    {"kill", "SERVICE", "ends a service as a fault would: by its policy it starts again", command_kill},
    {"move", "SERVICE THREAD CPU", "lets a thread of a service go on on another CPU", command_move},
    {"policy", "[unmap=U] [tlb=T]", "how pages change hands, and what each way has cost; or changes it",
     command_policy},
    {"trust", "[SERVICE SET]", "trust sets, or puts a service into one, or into `none`", command_trust},
    {"halt", "", "powers off", command_halt},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void command_help(const char *argument, const char *board)
{
    (void)argument;
    (void)board;
    for (unsigned i = 0; i < COMMANDS; i++)
        console_print("%-10s %-12s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
}

bool console_word(const char **arguments, char *word, size_t size)
{
    size_t length = 0;

    while (**arguments == ' ')
        ++*arguments;
    for (; **arguments && **arguments != ' '; ++*arguments)
        if (length + 1 < size)
            word[length++] = **arguments;
    word[length] = 0;
    return length;
}

bool console_number(const char **arguments, unsigned limit, unsigned *number)
{
    const char *at = *arguments;

    while (*at == ' ')
        at++;
    if (*at < '0' || *at > '9')
        return false;
    for (*number = 0; *at >= '0' && *at <= '9' && *number < limit; at++)
        *number = *number * 10 + (unsigned)(*at - '0');
    *arguments = at;
    return *number < limit && (*at == ' ' || !*at);
}

unsigned console_count(const char *text, unsigned most)
{
    unsigned count;

    return console_number(&text, most + 1, &count) && !*text ? count : 0;
}

/* Cuts the next word out of the line; NULL when there is none. */
static char *word_next(char **rest)
{
    char *word = *rest;

    while (*word == ' ')
        word++;
    char *end = word;
    while (*end && *end != ' ')
        end++;
    *rest = *end ? end + 1 : end;
    *end = 0;
    return *word ? word : NULL;
}

void console_command(char *line, const char *board)
{
    const char *name = word_next(&line);

    if (!name)
        return;
    for (unsigned i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name))
            continue;
        if (strchr(commands[i].arguments, ' ')) { /* several: the command reads them itself */
            commands[i].run(*line ? line : NULL, board);
            return;
        }
        const char *argument = word_next(&line), *more = word_next(&line);
        if (more || (argument && !*commands[i].arguments))
            console_print("%s: takes %s\n", name, *commands[i].arguments ? "one argument" : "no argument");
        else
            commands[i].run(argument, board);
        return;
    }
    console_print("%s: no such command; help lists them\n", name);
}
