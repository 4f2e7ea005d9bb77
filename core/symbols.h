/*
 * The image's own table of functions. tools/symbols.py makes it from the image linked once with an empty table; the image is
 * then linked again with it. The table lies behind all code, so that no function moves between the two.
 *
 * Owns: nothing; read-only data of the image. The functions stand one after the other, from IMAGE_BASE on without gaps:
 *
 *   12 bits  how long it is, in instructions, with what is between it and the next one: 4 upper bits in the first byte, below the next
 *   4 bits   how many bytes its name takes
 *   ...      its name, as numbers of words, which are put together with `_` between them: below 128 one byte, else two, of
 *            which the first is 128 + the upper bits
 *
 * Names of functions are made of few words, so that this takes a third of what the names themselves would.
 */
#ifndef CORE_SYMBOLS_H
#define CORE_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const uint32_t symbol_count; /* 0 in the first of the two links */
extern const uint8_t symbol_rows[];
extern const char symbol_words[]; /* each ends with a NUL */

/*
 * The function at a kernel address: its name, cut off at `size` bytes with the NUL, and the offset in it. False when the address lies
 * outside of the text. Cost: a walk through the table; for a panic.
 */
bool symbol_find(uint64_t address, char *name, size_t size, uint64_t *offset);

#endif
