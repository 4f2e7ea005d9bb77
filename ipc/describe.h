/*
 * What a panic tells of the service at fault: the thread that ran on the CPU, its service, and where that service was.
 *
 * Owns: nothing. Called once, at the end, with the kernel in any state: follows no pointer but the CPU's own.
 */
#ifndef IPC_DESCRIBE_H
#define IPC_DESCRIBE_H

/* For panic_describer_set (core/log.h). */
void describe_current(void);

#endif
