/* The console's thread and its line editor: see console.h. */
#include "drivers/console.h"

#include <stdbool.h>
#include "core/arch.h"
#include "core/log.h"
#include "core/setting.h"
#include "core/string.h"
#include "core/timer.h"
#include "drivers/uart_pl011.h"
#include "ipc/service.h"
#include "ipc/thread.h"

#define LINE_MAX  120
#define PRINT_MAX 256

#define SETTLED_NS UINT64_C(1000000000) /* by then every service has asked for its settings */

#define CTRL_C    0x03
#define CTRL_U    0x15
#define BACKSPACE 0x08
#define ESCAPE    0x1b
#define DELETE    0x7f

static struct thread *thread;
static const char *board_name;

static char line[LINE_MAX];
static size_t length;
static bool incomplete; /* something of it is missing */
static bool in_escape;  /* inside the sequence that an arrow key sends: skipped */
static bool
    answering; /* others' lines wait for the end of the answer: not for that of a command that says nothing */

void console_print(const char *format, ...)
{
    char text[PRINT_MAX];
    va_list args;

    va_start(args, format);
    int needed = log_format(text, sizeof text, format, args);
    va_end(args);
    if (!answering)
        log_hold();
    answering = true;
    log_write_held(text, needed < PRINT_MAX ? (size_t)needed : PRINT_MAX - 1);
}

void console_pause(uint64_t ns)
{
    uint64_t flags = arch_irq_save();

    thread_park(timer_deadline(ns));
    arch_irq_restore(flags);
}

static void erase(size_t count)
{
    for (; count && length; count--, length--)
        log_write("\b \b", 3);
}

static void line_end(void)
{
    log_write("\n", 1);
    line[length] = 0;
    length = 0;
    if (incomplete)
        console_print("console: a line that was too long, or not received whole, is not run\n");
    else
        console_command(line, board_name);
    incomplete = false;
    if (answering)
        log_release();
    answering = false;
}

static void type(char character)
{
    if (in_escape && character >= ' ') {
        in_escape = character == '[' || character < '@';
        return;
    }
    in_escape = false; /* no sequence has a control character in it */
    switch (character) {
    case '\r':
    case '\n':
        line_end();
        return;
    case BACKSPACE:
    case DELETE:
        erase(1);
        return;
    case CTRL_U:
        erase(length);
        incomplete = false;
        return;
    case CTRL_C:
        log_write("^C\n", 3);
        length = 0;
        incomplete = false;
        return;
    case ESCAPE:
        in_escape = true;
        return;
    default:
        if (character == UART_LOST || length == LINE_MAX - 1) {
            incomplete = true;
        } else if (character >= ' ') {
            line[length++] = character;
            log_write(&character, 1);
        }
    }
}

/* Looks, then parks: a character that comes between the two makes the park return at once. */
static void console_run(void *unused)
{
    uint64_t settled = timer_deadline(SETTLED_NS);

    (void)unused;
    for (;;) {
        int character = uart_pl011_read();
        if (character >= 0) {
            type((char)character);
            continue;
        }
        uint64_t flags = arch_irq_save();
        bool woken = thread_park(settled);
        arch_irq_restore(flags);
        if (!woken) {
            settled = UINT64_MAX;
            setting_report();
        }
    }
}

void console_create(const char *board)
{
    board_name = board;
    thread = thread_create_kernel(service_create_driver("console", 0), "console", 0, console_run, NULL);
}

void console_start(void)
{
    thread_wake(thread);
}

void console_notify(void)
{
    thread_wake(thread);
}
