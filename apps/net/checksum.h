/*
 * The Internet checksum (RFC 1071) and its change by what changed (RFC 1624).
 *
 * A partial sum is a 64-bit number that stands for its value in one's complement; the bytes are read as little-endian words,
 * which gives the checksum with its bytes in the order of memory (RFC 1071, 2 (B)): checksum_of turns it round. Bytes are
 * added in pieces of an even length, but for the last one.
 */
#ifndef APPS_NET_CHECKSUM_H
#define APPS_NET_CHECKSUM_H

#include <stdint.h>

/* Adds bytes to a partial sum (0 to begin with), at most 2^31 of them in all. */
static inline uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, uint32_t length)
{
    uint32_t word;
    uint16_t half;

    for (; length >= 4; bytes += 4, length -= 4) {
        __builtin_memcpy(&word, bytes, sizeof word);
        sum += word;
    }
    if (length >= 2) {
        __builtin_memcpy(&half, bytes, sizeof half);
        sum += half;
        bytes += 2;
    }
    return length & 1 ? sum + *bytes : sum;
}

/* Adds a 16-bit field that would stand there big-endian, as in a pseudo header. */
static inline uint64_t checksum_add16(uint64_t sum, uint16_t value)
{
    return sum + __builtin_bswap16(value);
}

/* The checksum of a partial sum, as a number to be written big-endian. */
static inline uint16_t checksum_finish(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return __builtin_bswap16((uint16_t)~sum);
}

/* The checksum of some bytes; over bytes that contain their own checksum it is 0 when that is right. */
static inline uint16_t checksum_of(const uint8_t *bytes, uint32_t length)
{
    return checksum_finish(checksum_add(0, bytes, length));
}

/* RFC 1624, equation 3: what `checksum` becomes when a 16-bit field under it changes from `old` to `new`. */
static inline uint16_t checksum_change(uint16_t checksum, uint16_t old, uint16_t new)
{
    uint32_t sum = (uint32_t)(uint16_t)~checksum + (uint16_t)~old + new;

    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

#endif
