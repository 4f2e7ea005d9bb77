/*
 * The console: a service of the kernel's with one thread, which reads lines from the UART and answers commands.
 *
 * Owns: the line being typed. Lines are edited with backspace, Ctrl-U (start over) and Ctrl-C (forget it). A line that is longer than
 * 119 characters, or of which the UART has lost some, is not run, and that is said: a part of a command may be another command. There
 * is no prompt: lines of the log always begin at the left.
 * `stats json` and the meaning of its members are fixed by the project's interface (docs name it): members may be
 * added, none may change.
 */
#ifndef DRIVERS_CONSOLE_H
#define DRIVERS_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes the service and its thread, on CPU 0. Boot only, after thread_cpu_init(0), before services_create(). */
void console_create(const char *board);

/* Lets the thread go. With services_start(). */
void console_start(void);

/* The UART has received something. Interrupts masked. */
void console_notify(void);

/*
 * Prints a part of an answer. For commands only, on the console's thread: other lines wait until the command ends.
 * Takes as long as the UART does, with interrupts let in.
 */
__attribute__((format(printf, 1, 2))) void console_print(const char *format, ...);

/* For commands only, before they print, while others still do: lets that much time pass, at most. */
void console_pause(uint64_t ns);

/* Answers one line: command and arguments (commands.c). */
void console_command(char *line, const char *board);

/* The answer to `trace packet [N]` (trace.c): waits for frames, a few seconds at most. */
void command_trace(const char *argument, const char *board);

/* The answers to `trace on`, `off`, `status`, `dump [N]` and `export` (ledger.c); false: it is none of these. */
bool command_ledger(const char *argument);

/* What the ledger knows of one page, for `pages N`; the newest events of it. */
void page_history_print(uint32_t page);

/* A space by its name, as all answers call it: "the kernel" for 0. */
const char *console_space_name(unsigned number);

/* The answers to `services`, `stop`, `start`, `kill` and `move` (lives.c). */
void command_services(const char *argument, const char *board);
void command_stop(const char *argument, const char *board);
void command_start(const char *argument, const char *board);
void command_kill(const char *argument, const char *board);
void command_move(const char *argument, const char *board);

/*
 * Copies the next word of a command's arguments into `word` (cut when it does not fit, which no known word does) and moves on
 * behind it. False when there is none.
 */
bool console_word(const char **arguments, char *word, size_t size);

/* Takes a number below `limit` from the front, behind spaces; false when there is none, and what follows is neither a space nor the end. */
bool console_number(const char **arguments, unsigned limit, unsigned *number);

/* All of it a number from 1 to `most`; else 0. */
unsigned console_count(const char *text, unsigned most);

/* The answers to `policy` and `trust`, and their parts of `stats` and `stats json` (policy.c). */
void command_policy(const char *argument, const char *board);
void command_trust(const char *argument, const char *board);
void stats_print_policy(void);
void stats_print_policy_json(void);

/* The answers to `stats` and `stats json` (stats.c). */
void stats_print(const char *board);
void stats_print_json(const char *board);

#endif
