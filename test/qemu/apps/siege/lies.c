#include "test/qemu/apps/siege/lies.h"

#include <stddef.h>
#include <string.h>

#define PATIENCE       UINT64_C(1000000) /* ns between tries */
#define HANDLES        16
#define LEND_MOST      8
#define SHIFTED_INLINE 60 /* bytes of what is changed on its way */
#define SHIFTED_PIECE  100
#define SHIFTED_TRIPS  8

int64_t baton_call_raw(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                       uint64_t a5);

static int own, itself; /* handles of its own port: to receive from it, and to send to it */

/* The wire to itself has a handle of its own, and the name leads to the other: so it is tried out which one it is. */
void lie_begin(const char *name)
{
    struct baton_message message;

    own = baton_port_find(name);
    for (int handle = 0; handle < HANDLES; handle++) {
        baton_message_init(&message, 0);
        if (handle != own && baton_send(handle, &message, 0, BATON_NO_WAIT) == 1 &&
            baton_receive(own, &message, 0, BATON_NO_WAIT) == 1)
            itself = handle;
    }
}

/* ---- To interfaces ---- */

/* Byte `place` of a frame. */
static uint8_t byte_of(unsigned place, unsigned length)
{
    return place < 12    ? LIE_ADDRESS
           : place == 12 ? (uint8_t)length
           : place == 13 ? (uint8_t)(length >> 8)
                         : (uint8_t)(place * 7 + length);
}

/* In the 12 bytes before the inline data: a checksum to be computed and a segmentation, for a device that believes it. */
static void order_write(struct arena *arena, struct baton_message *message)
{
    uint8_t order[12] = {1, (uint8_t)(1 + forge_random(arena, 4)), 14, 0, 1, 0, 0, 0, 16, 0, 0xff, 0xff};

    message->reply = forge_random(arena, UINT64_MAX) | 1;
    message->tag = forge_random(arena, UINT64_MAX) | 1;
    message->type = (uint32_t)forge_random(arena, UINT32_MAX);
    memset(message->data, 0xff, sizeof message->data);
    memcpy((uint8_t *)message + offsetof(struct baton_message, data) + message->inline_offset - sizeof order,
           order, sizeof order);
}

bool lie_frame(struct arena *arena, struct baton_message *message)
{
    unsigned offset = (unsigned)forge_random(arena, BATON_INLINE_BYTES + 1);
    unsigned space = BATON_INLINE_BYTES - offset, pieces = (unsigned)forge_random(arena, 4), place = 0;

    baton_message_init(message, offset);
    order_write(arena, message);
    message->inline_length = (uint8_t)forge_random(arena, space + 1);
    message->length = message->inline_length;
    for (unsigned i = 0; i < pieces; i++) {
        struct baton_piece *piece = &message->piece[i];
        if (baton_page_get(&piece->page, 1) != 1) {
            baton_message_free(message);
            return false;
        }
        piece->offset = (uint16_t)forge_random(arena, 2048);
        piece->length = (uint16_t)(1 + forge_random(arena, 600));
        message->length += piece->length;
        message->pieces++;
    }
    for (unsigned i = 0; i < message->inline_length; i++)
        message->data[offset + i] = byte_of(place++, message->length);
    for (unsigned i = 0; i < pieces; i++) {
        uint8_t *bytes = (uint8_t *)baton_page_address(message->piece[i].page) + message->piece[i].offset;
        for (unsigned k = 0; k < message->piece[i].length; k++)
            bytes[k] = byte_of(place++, message->length);
    }
    return true;
}

unsigned lie_send(struct arena *arena, const char *interface, unsigned count)
{
    struct baton_message *message = &arena->messages[0];
    int port = baton_port_find(interface);
    unsigned taken = 0;

    while (count) {
        if (!lie_frame(arena, message)) {
            baton_sleep(PATIENCE); /* its pages are on their way */
            continue;
        }
        int sent = baton_send(port, message, 0, 100 * PATIENCE);
        if (sent < 0)
            baton_message_free(message);
        if (sent == BATON_ELIMIT || sent == BATON_ETIMEOUT || sent == BATON_ENOMEM)
            continue;
        taken += sent == 1;
        count--;
    }
    return taken;
}

/* ---- To the one who lends ---- */

static void fill_own_port(struct arena *arena)
{
    for (unsigned i = 0; i < LEND_MOST; i++) {
        struct baton_message *message = &arena->messages[i];
        baton_message_init(message, 0);
        message->inline_length = 32;
        message->length = 32;
        baton_send(itself, message, 0, BATON_NO_WAIT);
    }
}

const char *lie_lend(struct arena *arena)
{
    struct baton_message *list[LEND_MOST], *foreign;

    fill_own_port(arena);
    for (unsigned i = 0; i < LEND_MOST; i++)
        list[i] = &arena->messages[i];
    int got = baton_receive_batch(own, list, LEND_MOST, BATON_LEND, BATON_NO_WAIT);
    for (unsigned i = 0; i < LEND_MOST; i++)
        if (list[i] != &arena->messages[i])
            return "a place in the kernel was shown to an isolated service";
    for (int i = 0; i < got; i++)
        baton_message_free(&arena->messages[i]);
    for (unsigned i = 0; i < 64; i++) { /* what could be a message object, wherever it lies */
        uint64_t base = i % 2 ? UINT64_C(0xffffff8040000000) : UINT64_C(0xffffffc000000000);
        foreign = (struct baton_message *)(base + (forge_random(arena, 0x2000000) & ~UINT64_C(63)));
        int sent = baton_send_batch(itself, &foreign, 1, 0, BATON_NO_WAIT);
        if (sent >= 0)
            return "a place in the kernel could be sent";
        if (baton_receive_batch(own, &foreign, 1, BATON_LEND, BATON_NO_WAIT) >= 0)
            return "a message could be received to a place in the kernel";
    }
    return NULL;
}

/* ---- While it looks ---- */

/* A message that adds up; false: there was no page for it. */
static bool shifted_make(struct baton_message *message)
{
    baton_message_init(message, 0);
    message->inline_length = SHIFTED_INLINE;
    message->length = SHIFTED_INLINE + SHIFTED_PIECE;
    message->piece[0].offset = 0;
    message->piece[0].length = SHIFTED_PIECE;
    message->pieces = 1;
    if (baton_page_get(&message->piece[0].page, 1) != 1)
        return false;
    *(volatile char *)baton_page_address(message->piece[0].page) =
        1; /* else it would have no bytes that anybody knows */
    return true;
}

/* What was received may be short of nothing that was checked at the send. */
static bool shifted_good(const struct baton_message *message)
{
    uint32_t sum = message->inline_length;

    for (unsigned i = 0; i < message->pieces && i < BATON_PIECES; i++)
        sum += message->piece[i].length;
    return message->pieces <= BATON_PIECES &&
           message->inline_offset + message->inline_length <= BATON_INLINE_BYTES && sum == message->length;
}

/* Sends what is in `kept` by the arena's list, and receives it into `kept` again. Returns how many came back. */
static unsigned shifted_trip(struct arena *arena, struct baton_message *kept, unsigned count)
{
    struct baton_message *list[LIE_SHIFTED];

    for (unsigned i = 0; i < count; i++) {
        arena->messages[i] = kept[i];
        arena->pointers[i] = (uint64_t)&arena->messages[i];
        list[i] = &kept[i];
    }
    baton_call_raw(BATON_CALL_SEND, (uint64_t)itself, (uint64_t)arena->pointers, count, 0, 0, 0);
    int back = baton_receive_batch(own, list, count, BATON_LEND, BATON_NO_WAIT);
    return back > 0 ? (unsigned)back : 0;
}

const char *lie_shift(struct arena *arena)
{
    struct baton_message kept[LIE_SHIFTED];
    uint32_t pages[LIE_SHIFTED];
    const char *wrong = NULL;
    unsigned made = 0, back = LIE_SHIFTED;

    for (; made < LIE_SHIFTED && shifted_make(&kept[made]); made++)
        pages[made] = kept[made].piece[0].page;
    /* From the second time on the pages are as those of frames that are passed on, and take the same short way. */
    for (unsigned trip = 0; trip < SHIFTED_TRIPS && made && back >= made; trip++) {
        back = shifted_trip(arena, kept, made);
        for (unsigned i = 0; i < back; i++)
            if (!shifted_good(&kept[i]))
                wrong = "a message was changed after it had been checked";
    }
    baton_call_raw(BATON_CALL_RECEIVE, (uint64_t)own, (uint64_t)arena->pointers, LIE_SHIFTED, BATON_LEND, 0,
                   0);
    for (unsigned i = 0; i < made; i++)
        baton_page_release(&pages[i], 1); /* if it is its own still, or again */
    return wrong;
}

/* ---- To the page tables ---- */

void lie_trespass(unsigned number)
{
    static const struct {
        uint64_t address;
        bool write;
    } places[] = {
        {UINT64_C(0xffffffc000001000), false}, /* the kernel's text, its linear map, a stack of its */
        {UINT64_C(0xffffffc000001000), true},
        {UINT64_C(0xffffff8040000000), false},
        {UINT64_C(0xffffff8040000000), true},
        {UINT64_C(0xffffffd000003000), true},
        {UINT64_C(0x1000000000), true},
        {UINT64_C(0x1000008000), false}, /* the first service's slot */
        {UINT64_C(0x1000008000), true},
        {UINT64_C(0x4000000000), false}, /* pages of others, or of nobody */
        {UINT64_C(0x4000040000), true},
        {UINT64_C(0x4000200000), true},
    };
    unsigned i = number % (sizeof places / sizeof places[0]);
    volatile uint64_t *address =
        (volatile uint64_t *)places[i].address; /* NOLINT(performance-no-int-to-ptr) */

    if (places[i].write)
        *address = 0x6666666666666666;
    else
        (void)*address;
}
