/*
 * How much room emulated thread-local variables have (emutls.c): in every thread's block, at the top of its stack.
 */
#ifndef APPS_LIB_EMUTLS_H
#define APPS_LIB_EMUTLS_H

#define EMUTLS_VARIABLES 63   /* in one service */
#define EMUTLS_BYTES     8192 /* of a thread's area, all told */

#ifndef __ASSEMBLER__
/* The calling thread's area: emutls.S. */
struct area *emutls_area(void);
#endif

#endif
