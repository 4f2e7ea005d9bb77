/*
 * The image's own table of functions, for symbol_find (core/log.h). tools/symbols.py makes it from the image linked
 * once with an empty table; the image is then linked again with it. The table lies behind all code, so that no
 * function moves between the two.
 *
 * Owns: nothing; read-only data of the image. Sorted by offset. A function's end is the next one's beginning; the last
 * row has an empty name and marks the end of the text.
 */
#ifndef CORE_SYMBOLS_H
#define CORE_SYMBOLS_H

#include <stdint.h>

struct symbol {
    uint32_t offset; /* from IMAGE_BASE */
    uint32_t name;   /* where its name begins in symbol_names */
};

extern const struct symbol symbol_table[];
extern const uint32_t symbol_count; /* 0 in the first of the two links */
extern const char symbol_names[];

#endif
