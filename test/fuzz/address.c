/* Addresses: what is read from a text is printed and read again as the same, and printed as the same. */
#include "apps/net/address.h"
#include "test/fuzz/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    const char *text = (const char *)input;
    char printed[IPV6_TEXT], again[IPV6_TEXT];
    struct address6 address6, other6;
    uint32_t address4, other4;
    uint64_t link, other;

    if (ipv4_parse(text, size, &address4)) {
        ipv4_print(printed, address4);
        must(strlen(printed) == size && memcmp(printed, text, size) == 0); /* there is one way to write it */
        must(ipv4_parse(printed, strlen(printed), &other4) && other4 == address4);
    }
    if (ipv6_parse(text, size, &address6)) {
        ipv6_print(printed, address6);
        must(ipv6_parse(printed, strlen(printed), &other6) && address6_equal(address6, other6));
        must(strcmp(ipv6_print(again, other6), printed) == 0);
    }
    if (link_parse(text, size, &link)) {
        link_print(printed, link);
        must(link_parse(printed, strlen(printed), &other) && other == link);
    }
    return 0;
}
