/* The receiver `taker`: see receiver.c. */
#include "test/qemu/apps/probe/receiver.h"

const char receiver_name[] = "taker";
