/* The receiver `insider`: see receiver.c. */
#include "test/qemu/apps/probe/receiver.h"

const char receiver_name[] = "insider";
