/*
 * What boards share beyond board.h. Of that, common.c itself answers for the console (a PL011) and the generic timer.
 * Owns: which node the console is. Boot only.
 */
#ifndef BOARD_COMMON_H
#define BOARD_COMMON_H

/* Starts the GICv2 at a node of the device tree. NULL, or what is missing. */
const char *board_gic_v2_start(int node);

#endif
