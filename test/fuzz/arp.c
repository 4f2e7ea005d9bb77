/* ARP: what is read is written again, and read as the same. */
#include "apps/net/arp.h"
#include "test/fuzz/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    struct packet packet;
    struct arp arp, again;
    uint8_t frame[ARP_FRAME];

    if (!frame_make(input, size, &packet))
        return 0;
    if (arp_read(&packet, &arp) == DROP_NONE) {
        must(arp.sender_link && !ethernet_group(arp.sender_link));
        arp_write(frame, ETHERNET_ADDRESS, &arp);
        const struct packet copy = {frame, sizeof frame, sizeof frame, 0, true};
        must(arp_read(&copy, &again) == DROP_NONE);
        must(again.operation == arp.operation && again.sender == arp.sender && again.target == arp.target &&
             again.sender_link == arp.sender_link && again.target_link == arp.target_link);
    }
    free(packet.frame);
    return 0;
}
