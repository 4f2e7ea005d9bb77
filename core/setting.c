/* Boot settings: see setting.h. */
#include "core/setting.h"
#include <stdbool.h>
#include <stddef.h>
#include "core/log.h"
#include "core/string.h"

#define SETTING_BYTES 1024

static char words[SETTING_BYTES]; /* each ended by a 0 */
static bool asked[SETTING_BYTES]; /* (any CPU, only ever set) the word that begins there was asked for */
static size_t used;

static bool word_add(const char *word, size_t length)
{
    if (used + length + 1 > SETTING_BYTES) {
        log_print("boot: settings after the first %d bytes are left out\n", SETTING_BYTES);
        return false;
    }
    memcpy(words + used, word, length);
    words[used + length] = 0;
    used += length + 1;
    return true;
}

void setting_init(const char *command_line)
{
    used = 0;
    while (*command_line) {
        size_t length = 0;
        while (command_line[length] && command_line[length] != ' ')
            length++;
        if (length && !word_add(command_line, length))
            return;
        command_line += length + (command_line[length] == ' ');
    }
}

void setting_add(const char *word)
{
    size_t length = 0, at = used;

    while (word[length] && word[length] != '=')
        length++;
    for (size_t given = 0; given < used; given += strlen(words + given) + 1)
        if (!strncmp(words + given, word, length) && words[given + length] == '=')
            return;
    if (word_add(word, strlen(word)))
        asked[at] = true; /* nobody has to */
}

const char *setting_find(const char *key)
{
    size_t length = strlen(key);
    const char *value = NULL;

    for (size_t at = 0; at < used; at += strlen(words + at) + 1) {
        if (strncmp(words + at, key, length))
            continue;
        if (words[at + length] == '=')
            value = words + at + length + 1;
        else if (!words[at + length])
            value = "";
        else
            continue;
        asked[at] = true;
    }
    return value;
}

void setting_report(void)
{
    for (size_t at = 0; at < used; at += strlen(words + at) + 1)
        if (!asked[at])
            log_print("setting `%s`: nobody has asked for it; is it misspelt?\n", words + at);
}
