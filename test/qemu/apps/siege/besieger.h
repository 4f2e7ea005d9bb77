/*
 * The row of `besieger` (besieger.c), the same in every appliance that it lies in. What protects its neighbours are its limits; without
 * any one of them frames are lost, or crawl. It is isolated also where the others are trusted.
 */
#ifndef SIEGE_BESIEGER_H
#define SIEGE_BESIEGER_H

#include "apps/baton.h"

#define BESIEGER_THREADS 5 /* one that listens to the console, and four that rage */
#define BESIEGER                                                                                             \
    {                                                                                                        \
        .name = "besieger", .program = "besieger", .placement = BATON_ISOLATED_ALWAYS,                       \
        .on_fault = BATON_RESTART, .threads = BESIEGER_THREADS, .cpu = 1, .queue = 32, .heap = 256 * 1024,   \
        .pages = 64, .messages = 16, .cpu_share = 10,                                                        \
    }

#endif
