/*
 * See forge.h. `distinct` arenas have each pointer at most once; otherwise some are doubled, so that one
 * message is
 * sent twice, or received over another, in the same batch.
 */
#include <string.h>
#include "test/qemu/apps/siege/forge.h"

uint64_t forge_random(struct arena *arena, uint64_t below)
{
    arena->random ^= arena->random << 13;
    arena->random ^= arena->random >> 7;
    arena->random ^= arena->random << 17;
    return (arena->random >> 8) % below;
}

uint64_t forge_address(struct arena *arena)
{
    static const uint64_t addresses[] = {
        0,
        8,
        UINT64_MAX,
        UINT64_MAX - 7,
        UINT64_C(0xffffffc000000000), /* the kernel's image, its linear map, its stacks */
        UINT64_C(0xffffff8040000000),
        UINT64_C(0xffffffd000000000),
        UINT64_C(0x1000000000), /* another service's slot */
        UINT64_C(0x1000004000),
        UINT64_C(0x1010000000), /* its own text, or that of another one beside it */
        UINT64_C(0x1020000000),
        UINT64_C(0x4000000000), /* the IPC region: not a service's own memory */
        UINT64_C(0x4000001000),
        UINT64_C(0x8000000000),
        UINT64_C(0x00ff001010004000), /* a tag, which this kernel does not ignore */
        UINT64_C(0x8000001010004000),
    };
    uint64_t address = addresses[forge_random(arena, sizeof addresses / sizeof addresses[0])];

    if (forge_random(arena, 4) == 0)
        address = forge_random(arena, UINT64_MAX);
    if (forge_random(arena, 8) == 0)
        address = (uint64_t)arena + forge_random(arena, sizeof *arena) +
                  (UINT64_C(1) << (20 + forge_random(arena, 43)));
    return address + (forge_random(arena, 4) == 0 ? forge_random(arena, 4096) : 0);
}

static uint32_t forge_page(struct arena *arena)
{
    uint64_t dice = forge_random(arena, 8);

    if (dice == 0)
        return (uint32_t)forge_random(arena, UINT64_C(1) << forge_random(arena, 33));
    return arena->pages[forge_random(arena, dice == 1 ? ARENA_PAGES : ARENA_PAGES / 4)];
}

void forge_frame(struct arena *arena, struct baton_message *message)
{
    uint32_t page =
        (uint32_t)forge_random(arena, 2) ? forge_page(arena) : (uint32_t)forge_random(arena, 16384);
    uint16_t length = forge_random(arena, 2) ? 512 - BATON_INLINE_BYTES : 1514 - BATON_INLINE_BYTES;

    baton_message_init(message, 0);
    message->inline_length = BATON_INLINE_BYTES;
    message->pieces = 1;
    message->piece[0] = (struct baton_piece){page, 0, length};
    message->length = BATON_INLINE_BYTES + length;
}

static void forge_message(struct arena *arena, struct baton_message *message)
{
    bool lies = forge_random(arena, 8) == 0;

    if (forge_random(arena, 4) == 0) {
        forge_frame(arena, message);
        return;
    }
    baton_message_init(message, (unsigned)forge_random(arena, 64));
    message->inline_length = (uint8_t)forge_random(arena, 64);
    message->pieces = (uint8_t)(forge_random(arena, 2) ? 0 : forge_random(arena, 4));
    message->length = message->inline_length;
    message->source = (uint32_t)forge_random(arena, UINT32_MAX);
    message->reply = forge_random(arena, 2) ? 0 : forge_random(arena, UINT64_MAX);
    for (unsigned i = 0; i < message->pieces; i++) {
        uint16_t offset = (uint16_t)forge_random(arena, 2048),
                 length = (uint16_t)(1 + forge_random(arena, 2048));
        message->piece[i] = (struct baton_piece){forge_page(arena), offset, length};
        message->length += length;
    }
    if (!lies)
        return;
    uint8_t *byte = (uint8_t *)message + forge_random(arena, BATON_HEADER_BYTES);
    *byte = (uint8_t)forge_random(arena, 256);
    message->piece[forge_random(arena, 4)].offset = (uint16_t)forge_random(arena, 65536);
    message->piece[forge_random(arena, 4)].length = (uint16_t)forge_random(arena, 65536);
}

void forge_arena(struct arena *arena, bool distinct)
{
    unsigned start = (unsigned)forge_random(arena, ARENA_MESSAGES);

    for (unsigned i = 0; i < ARENA_MESSAGES; i++) {
        struct baton_message *message = &arena->messages[(start + i) % ARENA_MESSAGES];
        forge_message(arena, message);
        arena->pointers[i] = (uint64_t)message;
        uint64_t dice = forge_random(arena, 24);
        if (dice == 0)
            arena->pointers[i] = forge_address(arena);
        else if (dice == 1)
            arena->pointers[i] += forge_random(arena, 8);
        else if (dice == 2 && !distinct)
            arena->pointers[i] = arena->pointers[forge_random(arena, i + 1)];
    }
    memset(arena->text, 'x', sizeof arena->text);
    memcpy(arena->text, "seed", 4);
}

/* There and back, again and again: so one of two looks at the word sees the other value. */
static void flicker(volatile uint64_t *word, uint64_t difference)
{
    for (unsigned i = 0; i < 256; i++)
        *word ^= difference;
}

void forge_spoil(struct arena *arena, struct arena *victim, unsigned messages)
{
    unsigned i = (unsigned)forge_random(arena, messages);
    struct baton_message *message = &victim->messages[i];
    uint64_t address = forge_address(arena) & ~UINT64_C(7);

    switch (forge_random(arena, 4)) {
    case 0: /* inline_length */
        flicker((volatile uint64_t *)message, forge_random(arena, 256) << 40);
        break;
    case 1: /* pieces */
        flicker((volatile uint64_t *)message, forge_random(arena, 32) << 48);
        break;
    case 2: /* the page, and perhaps its offset */
        flicker((volatile uint64_t *)&message->piece[0],
                forge_page(arena) ^ message->piece[0].page ^
                    (forge_random(arena, 2) << (32 + forge_random(arena, 16))));
        break;
    default:
        flicker(&victim->pointers[i], victim->pointers[i] ^ address);
        break;
    }
}

/* ---- Calls ---- */

static uint64_t forge_port(struct arena *arena)
{
    return forge_random(arena, 4) ? forge_random(arena, 3)
                                  : forge_random(arena, UINT64_C(1) << forge_random(arena, 64));
}

static uint64_t forge_count(struct arena *arena, uint64_t most)
{
    return forge_random(arena, 8) ? 1 + forge_random(arena, most)
                                  : forge_random(arena, UINT64_C(1) << forge_random(arena, 64));
}

static uint64_t forge_flags(struct arena *arena)
{
    uint64_t known = forge_random(arena, 4) ? 16 : 64; /* with BATON_BLOCK_ROOM and BATON_LEND, or without */

    return forge_random(arena, 8) ? forge_random(arena, known) : forge_random(arena, UINT64_MAX);
}

/* Usually `address`; else one that is not the arena's, or not aligned. */
static uint64_t forge_pointer(struct arena *arena, const void *address)
{
    uint64_t dice = forge_random(arena, 16);

    return dice == 0   ? forge_address(arena)
           : dice == 1 ? (uint64_t)address + forge_random(arena, 8)
                       : (uint64_t)address;
}

static uint64_t forge_time(struct arena *arena)
{
    return forge_random(arena, 16) ? 0 : forge_random(arena, 20000);
}

static uint64_t forge_token(struct arena *arena)
{
    uint64_t small = forge_random(arena, 64) << 48 | forge_random(arena, 100);

    return forge_random(arena, 2) ? small : forge_random(arena, UINT64_MAX);
}

static void thread_of_hostile(void *argument)
{
    (void)argument;
}

/* Only with text that is no name of a port, and never a line for the console: that would only be noise. */
static void forge_text_call(struct arena *arena, uint64_t number, uint64_t *args)
{
    args[0] = forge_pointer(arena, arena->text);
    args[1] = forge_random(arena, 2) ? forge_random(arena, 300) : forge_random(arena, UINT64_MAX);
    if (number == BATON_CALL_SETTING && forge_random(arena, 2))
        args[1] = 4; /* one that there is */
    args[2] = forge_pointer(arena, arena->text);
    args[3] = forge_count(arena, sizeof arena->text);
    if (number == BATON_CALL_LOG && args[1] <= sizeof arena->text)
        args[0] = UINT64_C(0xffffffc000000000) + args[1];
}

static void forge_message_call(struct arena *arena, uint64_t number, uint64_t *args)
{
    args[0] = number == BATON_CALL_REPLY ? forge_token(arena) : forge_port(arena);
    args[1] = number == BATON_CALL_REPLY || number == BATON_CALL_RPC
                  ? forge_pointer(arena, &arena->messages[forge_random(arena, ARENA_MESSAGES)])
                  : forge_pointer(arena, arena->pointers);
    args[2] = number == BATON_CALL_RPC
                  ? forge_pointer(arena, &arena->messages[forge_random(arena, ARENA_MESSAGES)])
                  : forge_count(arena, BATON_BATCH);
    args[3] = forge_flags(arena);
    args[4] = forge_time(arena);
    if (number == BATON_CALL_REPLY)
        args[2] = forge_flags(arena);
}

void forge_call(struct arena *arena, uint64_t *number, uint64_t *args)
{
    do {
        *number =
            forge_random(arena, 16) ? forge_random(arena, BATON_CALL_COUNT) : forge_random(arena, UINT64_MAX);
    } while (*number == BATON_CALL_EXIT);
    for (unsigned i = 0; i < 6; i++)
        args[i] = forge_random(arena, UINT64_MAX);
    switch (*number) {
    case BATON_CALL_SEND:
    case BATON_CALL_RECEIVE:
    case BATON_CALL_RPC:
    case BATON_CALL_REPLY:
        forge_message_call(arena, *number, args);
        break;
    case BATON_CALL_PAGE_GET:
    case BATON_CALL_PAGE_DUPLICATE:
    case BATON_CALL_PAGE_RELEASE:
        args[0] = forge_pointer(arena, arena->pages + forge_random(arena, ARENA_PAGES / 2));
        args[1] = forge_count(arena, *number == BATON_CALL_PAGE_GET ? 4 : 64);
        break;
    case BATON_CALL_PORT_FIND:
    case BATON_CALL_LOG:
    case BATON_CALL_SETTING:
        forge_text_call(arena, *number, args);
        break;
    case BATON_CALL_THREAD_START:
        args[0] = forge_random(arena, 2) ? (uint64_t)(uintptr_t)thread_of_hostile : forge_address(arena) | 1;
        args[2] = forge_random(arena, 2) ? 0 : args[2];
        break;
    case BATON_CALL_SLEEP:
        args[0] = forge_random(arena, 1000);
        break;
    case BATON_CALL_THREAD_MOVE:
        args[0] = forge_random(arena, 8);
        break;
    case BATON_CALL_COUNTERS:
        args[0] = forge_pointer(arena, arena->counters);
        args[1] = forge_count(arena, BATON_COUNTERS);
        break;
    default:
        break;
    }
}
