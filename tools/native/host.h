/*
 * What the traffic generator's parts share.
 */
#ifndef TOOLS_NATIVE_HOST_H
#define TOOLS_NATIVE_HOST_H

#include <stdint.h>

/* Says what is wrong and ends the program: status 1 for traffic that cannot go on, 2 for bad usage. */
__attribute__((noreturn, format(printf, 2, 3))) void fail(int status, const char *format, ...);

/* Seconds, from some moment on; never back. */
double now(void);

/* Bits from bits, without a pattern: for contents and sizes that differ from frame to frame. */
uint64_t mix(uint64_t x);

/* A connection to a unix socket that may be a moment late; "fd:N" is one that is connected already. */
int connect_to(const char *path);

#endif
