/* The trusted giver, `mate`: see giver.c. */
#include "test/qemu/apps/probe/giver.h"

const char giver_name[] = "mate";
