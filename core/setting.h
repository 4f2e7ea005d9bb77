/*
 * Boot settings: key=value words of the command line.
 *
 * Owns: a copy of the command line. A word without `=` has the value "". The last of several with one key counts.
 */
#ifndef CORE_SETTING_H
#define CORE_SETTING_H

/* Keeps a copy; what does not fit into it is reported and left out, by whole words. */
void setting_init(const char *command_line);

/*
 * Boot: a fact that services may ask for like a setting, as in "net0.mac=52:54:00:00:00:01". What the command line says
 * about the same key counts instead. What does not fit is left out, as in setting_init.
 */
void setting_add(const char *word);

/* The value of a key ("300" for "age" in "age=300"); NULL when it is not given. Valid for ever. */
const char *setting_find(const char *key);

/* Names in the log the settings that nobody has asked for so far: most likely misspelt. */
void setting_report(void);

#endif
