/* The receiver `middle`: see receiver.c. */
#include "test/qemu/apps/probe/receiver.h"

const char receiver_name[] = "middle";
