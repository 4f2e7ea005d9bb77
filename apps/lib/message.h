/*
 * What message.c and access.c share.
 */
#ifndef APPS_LIB_MESSAGE_H
#define APPS_LIB_MESSAGE_H

#include <stdint.h>
#include "apps/baton.h"

/* Gets exactly `count` fresh pages, or none: 0 or an error. */
int message_pages_get(uint32_t *pages, unsigned count);

/* Pages to release, a trap for every 64. `result` is the last error met, 0 without one. */
struct release_list {
    unsigned count;
    int result;
    uint32_t pages[BATON_BATCH];
};
void release_list_add(struct release_list *list, uint32_t page);
int release_list_end(struct release_list *list);

#endif
