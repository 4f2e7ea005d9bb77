/* Functions by their addresses: see symbols.h. */
#include "core/symbols.h"

#include "core/layout.h"
#include "core/string.h"

static const char *word_at(unsigned number)
{
    const char *word = symbol_words;

    while (number--)
        word += strlen(word) + 1;
    return word;
}

static void name_spell(const uint8_t *numbers, unsigned bytes, char *name, size_t size)
{
    size_t length = 0;

    for (unsigned i = 0; i < bytes; i++) {
        unsigned number = numbers[i];
        if (number & 0x80)
            number = (number & 0x7f) << 8 | numbers[++i];
        if (length && length + 1 < size)
            name[length++] = '_';
        for (const char *word = word_at(number); *word && length + 1 < size; word++)
            name[length++] = *word;
    }
    name[length] = '\0';
}

bool symbol_find(uint64_t address, char *name, size_t size, uint64_t *offset)
{
    const uint8_t *row = symbol_rows;
    uint64_t start = IMAGE_BASE;

    for (uint32_t i = 0; i < symbol_count && address >= start; i++) {
        uint64_t end = start + 4 * (uint64_t)((row[0] & 0xf) << 8 | row[1]);
        unsigned bytes = row[0] >> 4;
        if (address < end) {
            *offset = address - start;
            name_spell(row + 2, bytes, name, size);
            return true;
        }
        start = end;
        row += 2 + bytes;
    }
    return false;
}
