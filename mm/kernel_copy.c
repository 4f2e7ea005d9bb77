/* The copying of pages: see kernel_copy.h. */
#include "mm/kernel_copy.h"
#include "core/string.h"

/* Sixteen words at any address: eight LDP and eight STP. May alias whatever is copied. */
struct line {
    uint64_t words[16];
} __attribute__((packed, may_alias));

void kernel_copy(char *to, const char *from, uint32_t bytes)
{
    for (; bytes >= sizeof(struct line); bytes -= (uint32_t)sizeof(struct line)) {
        *(struct line *)to = *(const struct line *)from;
        to += sizeof(struct line);
        from += sizeof(struct line);
    }
    memcpy(to, from, bytes);
}
