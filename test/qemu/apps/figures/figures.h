/* The cases of figure 3 of the paper (DASH 3.4), in the order in which sender and receiver go through them. */
#ifndef TEST_QEMU_APPS_FIGURES_FIGURES_H
#define TEST_QEMU_APPS_FIGURES_FIGURES_H

#include "apps/baton.h"

/* The type of a message. */
enum figure {
    FIGURE_A,       /* mapped on the sender's CPU only */
    FIGURE_B_FIRST, /* a duplicate, so that the page has two owners */
    FIGURE_B,       /* the sender's last ownership of a shared page */
    FIGURE_C,       /* mapped on two CPUs, and the receiver does not trust */
    FIGURE_D,       /* likewise, and it does */
    FIGURES
};

#define ROUNDS_MOST 1000

#endif
