/*
 * Arguments for system calls, made up: mostly wrong, sometimes right.
 *
 * Each thread forges in an arena of its own, so that what the kernel writes there is nobody's program.
 */
#ifndef SIEGE_FORGE_H
#define SIEGE_FORGE_H

#include <stdbool.h>
#include "apps/baton.h"

#define ARENA_MESSAGES 80
#define ARENA_PAGES    128

struct arena {
    uint64_t random; /* state of the generator; the same seed gives the same calls */
    struct baton_message messages[ARENA_MESSAGES];
    uint64_t pointers[ARENA_MESSAGES];
    uint32_t pages[ARENA_PAGES]; /* numbers of pages that it has been given, or never was */
    struct baton_counter counters[BATON_COUNTERS];
    char text[256];
};

uint64_t forge_random(struct arena *arena, uint64_t below);

/* An address that is not the arena's: of the kernel, of others, of nobody, of text, on the edge of the stack. */
uint64_t forge_address(struct arena *arena);

/* Fills all that the arena has: messages good and bad, pointers to them and elsewhere, page numbers. */
void forge_arena(struct arena *arena, bool distinct);

/* A message as it lies in the hands of a forwarder of frames of 512 or 1514 bytes, but for the page, which may be anybody's. */
void forge_frame(struct arena *arena, struct baton_message *message);

/*
 * Changes one thing in the arena of another thread, to and fro, while that has the kernel look at it: in one of its first `messages`
 * messages, or where its list says that one of them lies.
 */
void forge_spoil(struct arena *arena, struct arena *victim, unsigned messages);

/* Number and arguments of one call that returns soon, whatever the kernel makes of it. */
void forge_call(struct arena *arena, uint64_t *number, uint64_t *args);

#endif
