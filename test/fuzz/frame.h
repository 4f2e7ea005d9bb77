/*
 * A frame from a fuzzer's input: the first two bytes say how many bytes lie in pages, behind what is visible; the rest is
 * visible, in memory that ends where it does.
 */
#ifndef TEST_FUZZ_FRAME_H
#define TEST_FUZZ_FRAME_H

#include <stdlib.h>
#include <string.h>
#include "apps/net/ethernet.h"
#include "apps/net/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* What must hold after a call; the fuzzer reports the input when it does not. */
#define must(condition) ((condition) ? (void)0 : abort())

/* False: the input is no frame. The frame is to be freed. */
static inline bool frame_make(const uint8_t *input, size_t size, struct packet *packet)
{
    if (size < 2 + ETHERNET_HEADER || size > 2 + 128)
        return false;
    uint32_t visible = (uint32_t)size - 2,
             hidden = visible == 128 ? (input[0] | (uint32_t)input[1] << 8) % 1387 : 0;
    uint8_t *frame = malloc(visible);
    must(frame);
    memcpy(frame, input + 2, visible);
    *packet =
        (struct packet){frame, visible, visible + hidden, 0, ethernet_group(ethernet_destination(frame))};
    return true;
}

#endif
