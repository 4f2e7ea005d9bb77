/*
 * Messages of many pages: books, by themselves and as the library uses them; small blocks; pages in several pieces.
 */
#include <string.h>
#include "test/qemu/apps/ipc-self-test/tester.h"

#define MIB (1024u * 1024)

static void fill(struct baton_message *message, uint32_t seed, uint32_t length)
{
    static uint8_t bytes[BATON_PAGE_BYTES];

    CHECK(baton_message_alloc(message, 0, length) == 0);
    for (uint32_t at = 0; at < length; at += sizeof bytes) {
        uint32_t part = length - at < sizeof bytes ? length - at : sizeof bytes;
        for (uint32_t i = 0; i < part; i++)
            bytes[i] = pattern(seed, at + i);
        CHECK(baton_message_write(message, at, bytes, part) == 0);
    }
}

static void sizes(void)
{
    static const uint32_t lengths[] = {65537, 20 * BATON_PAGE_BYTES, MIB, 511 * BATON_PAGE_BYTES + 1,
                                       4 * MIB};
    struct baton_message message;

    for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        fill(&message, i, lengths[i]);
        CHECK(message.piece[0].offset == BATON_PIECE_BOOK);
        uint32_t book = message.piece[0].page;
        message.type = ECHO;
        CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == 1);
        CHECK(baton_receive(own, &message, i & 1 ? BATON_IMMEDIATE_ACCESS : 0, BATON_FOREVER) == 1);
        CHECK(message.piece[0].page == book && message.piece[0].offset == BATON_PIECE_BOOK);
        CHECK(pattern_holds(&message, i, lengths[i]));
        CHECK(baton_message_write(&message, lengths[i] - 1, "!", 1) == 0);
        CHECK(baton_message_free(&message) == 0 && baton_page_release(&book, 1) == BATON_EOWNER);
    }
    fill(&message, 9, MIB + 7);
    CHECK(ask(&message, SUM) == (int64_t)pattern_sum(9, MIB + 7));
    CHECK(baton_message_alloc(&message, 0, 4 * MIB + 1) == BATON_EINVAL);
    CHECK(baton_message_alloc(&message, 0, 4 * MIB) == 0);
    CHECK(baton_message_prepend(&message, "header", 6) == 0);
    CHECK(baton_message_append(&message, &message, BATON_INLINE_BYTES) == BATON_EINVAL);
    CHECK(baton_message_free(&message) == 0);
}

/* As a reader of a stream does it: a bit at the end, a bit off the front. */
static void stream(void)
{
    static uint8_t bytes[50000];
    struct baton_message message;
    uint32_t front = 0, end = 0;

    baton_message_init(&message, 0);
    while (end + sizeof bytes < 4 * MIB) {
        for (uint32_t i = 0; i < sizeof bytes; i++)
            bytes[i] = pattern(1, end + i);
        CHECK(baton_message_append(&message, bytes, sizeof bytes) == 0);
        end += sizeof bytes;
    }
    for (uint32_t step = 1; end - front > 500; step += 70001) {
        uint32_t cut = step < end - front - 200 ? step : end - front - 200;
        CHECK(baton_message_trim_front(&message, cut) == 0);
        front += cut;
        CHECK(baton_message_read(&message, 0, bytes, 100) == 0 && bytes[99] == pattern(1, front + 99));
        cut = cut / 3 < end - front ? cut / 3 : end - front - 1;
        CHECK(baton_message_trim_back(&message, cut) == 0);
        end -= cut;
        CHECK(message.length == end - front);
        CHECK(baton_message_read(&message, end - front - 1, bytes, 1) == 0 &&
              bytes[0] == pattern(1, end - 1));
        if (step % 3 == 1)
            CHECK(ask_kept(&message, SUM) == (int64_t)(pattern_sum(1, end) - pattern_sum(1, front)));
    }
    CHECK(baton_message_free(&message) == 0);
}

static void duplicates(void)
{
    struct baton_message message, second, third;

    fill(&message, 2, 300000);
    CHECK(baton_message_duplicate(&second, &message) == 0 && baton_message_duplicate(&third, &second) == 0);
    CHECK(third.piece[0].page == message.piece[0].page && third.piece[0].offset & BATON_PIECE_READ_ONLY);
    CHECK(ask(&third, SUM) == (int64_t)pattern_sum(2, 300000));
    CHECK(baton_send(partner, &second, BATON_DUPLICATE, BATON_FOREVER) == 1); /* a duplicate of a duplicate */
    CHECK(baton_message_write(&second, 250000, "changed", 7) == 0);
    CHECK(second.piece[0].page != message.piece[0].page);
    CHECK(pattern_holds(&message, 2, 300000) && !pattern_holds(&second, 2, 300000));
    CHECK(baton_message_trim_front(&message, 123456) == 0 && message.length == 300000 - 123456);
    uint32_t contiguous;
    CHECK(*(const uint8_t *)baton_message_peek(&message, 0, &contiguous) == pattern(2, 123456));
    CHECK(baton_message_free(&message) == 0 && baton_message_free(&second) == 0);
    fill(&message, 3, 200000);
    message.type = SCRIBBLE;
    CHECK(baton_send(partner, &message, BATON_DUPLICATE, BATON_FOREVER) == 1);
    CHECK(baton_receive(own, &second, 0, BATON_FOREVER) == 1 && second.length == 200000);
    CHECK(pattern_holds(&message, 3, 200000));
    CHECK(*(const uint8_t *)baton_message_peek(&second, 199999, &contiguous) == 0xee);
    CHECK(baton_message_free(&message) == 0 && baton_message_free(&second) == 0);
}

/* Books without messages. */
static void explicit_calls(void)
{
    uint32_t pages[4];
    struct baton_piece pieces[4], off[4];
    int book = baton_book_get(2 * BATON_PAGE_BYTES + 10);

    CHECK(book >= 0 && baton_book_list((uint32_t)book)->count == 3);
    CHECK(baton_book_list((uint32_t)book)->bytes == 2 * BATON_PAGE_BYTES + 10);
    CHECK(baton_page_get(pages, 4) == 4);
    for (unsigned i = 0; i < 4; i++) {
        memset(baton_page_address(pages[i]), (int)(i + 1), BATON_PAGE_BYTES);
        pieces[i] = (struct baton_piece){.page = pages[i], .offset = (uint16_t)i, .length = 100};
    }
    CHECK(baton_page_duplicate(&pages[3], 1) == 1);
    CHECK(baton_book_bind((uint32_t)book, pieces, 4) == 3);
    CHECK(baton_book_bind((uint32_t)book, &pieces[3], 1) == BATON_EOWNERS);
    CHECK(baton_book_bind((uint32_t)book, pieces, 1) == BATON_EOWNER); /* bound already */
    CHECK(baton_page_release(pages, 1) == BATON_EOWNER && baton_page_duplicate(pages, 1) == BATON_EOWNER);
    CHECK(*(const uint8_t *)baton_page_address(pages[1]) == 2);
    memset(baton_page_address(pages[1]), 9, BATON_PAGE_BYTES);
    pieces[0] = (struct baton_piece){.page = (uint32_t)book, .length = 1};
    CHECK(baton_book_bind((uint32_t)book, pieces, 1) == BATON_EINVAL); /* itself */
    int other = baton_book_get(0);
    CHECK(other >= 0 && baton_book_bind((uint32_t)other, pieces, 1) == BATON_EINVAL); /* a book in a book */
    CHECK(baton_book_bind(UINT32_MAX, pieces, 1) == BATON_EOWNER && baton_book_bind(pages[3], pieces, 1) < 0);
    CHECK(baton_book_get(511 * BATON_PAGE_BYTES + 1) == BATON_EINVAL);
    CHECK(baton_book_list((uint32_t)book)->count == 6 &&
          baton_book_list((uint32_t)book)->bytes == 2 * BATON_PAGE_BYTES + 310);
    CHECK(baton_book_unbind((uint32_t)book, off, 2) == 2 && off[0].page == pages[1] &&
          off[1].page == pages[2]);
    CHECK(*(const uint8_t *)baton_page_address(pages[1]) == 9 && off[1].offset == 2 && off[1].length == 100);
    CHECK(baton_page_release(&pages[1], 2) == 2);
    CHECK(baton_book_trim((uint32_t)book, BATON_PAGE_BYTES + 1, 105) ==
          0); /* the last page, 5 bytes, half a page */
    CHECK(baton_book_list((uint32_t)book)->count == 2 &&
          baton_book_list((uint32_t)book)->piece[0].offset == 1);
    CHECK(baton_book_list((uint32_t)book)->piece[1].length == 5);
    CHECK(baton_book_trim((uint32_t)book, BATON_PAGE_BYTES, 5) == BATON_EINVAL);
    CHECK(baton_page_duplicate((const uint32_t *)&book, 1) == 1);
    CHECK(baton_book_trim((uint32_t)book, 1, 0) == BATON_EOWNERS &&
          baton_book_unbind((uint32_t)book, off, 1) == BATON_EOWNERS);
    CHECK(baton_page_release((const uint32_t *)&book, 1) == 1 &&
          baton_book_trim((uint32_t)book, 4095, 5) == 0);
    CHECK(baton_book_unbind((uint32_t)book, off, 1) == 0);
    CHECK(baton_page_release((const uint32_t *)&book, 1) == 1 &&
          baton_page_release((const uint32_t *)&other, 1) == 1);
    CHECK(baton_page_release(&pages[3], 1) == 1 && baton_page_release(&pages[3], 1) == 1);
}

static void wrong_messages(void)
{
    struct baton_message message, copy;

    fill(&message, 4, 100000);
    CHECK(message.piece[0].length == 25);
    message.type = HOLD;
    message.piece[0].length = 24;
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == BATON_EINVAL);
    message.piece[0].length = 25;
    message.length++;
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == BATON_EINVAL);
    message.length--;
    message.piece[0].offset |= 1;
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == BATON_EINVAL);
    message.piece[0].offset = 0; /* the list as an ordinary page */
    message.length = message.piece[0].length;
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == BATON_EINVAL);
    message.piece[0].offset = BATON_PIECE_BOOK;
    message.length = 100000;
    uint32_t page = baton_book_list(message.piece[0].page)->piece[3].page;
    baton_message_init(&copy, 0);
    CHECK(baton_message_append_page(&copy, page, 0, 10) == 0); /* a bound page */
    CHECK(baton_send(partner, &copy, 0, BATON_FOREVER) == BATON_EOWNER);
    copy = message;
    copy.piece[1] = copy.piece[0]; /* twice the same book, owned once */
    copy.pieces = 2;
    copy.length = 200000;
    CHECK(baton_send(partner, &copy, 0, BATON_FOREVER) == BATON_EOWNER);
    CHECK(pattern_holds(&message, 4, 100000)); /* nothing has changed */
    copy = message;
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == 1);
    CHECK(baton_send(partner, &copy, 0, BATON_FOREVER) == BATON_EOWNER);
    CHECK(baton_message_free(&copy) == BATON_EOWNER);
    baton_message_init(&message, 0);
    CHECK(ask(&message, HELD_SUM) == (int64_t)pattern_sum(4, 100000));
    int empty = baton_book_get(0);
    CHECK(empty >= 0);
    message.pieces = 1;
    message.piece[0] = (struct baton_piece){.page = (uint32_t)empty, .offset = BATON_PIECE_BOOK};
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == BATON_EINVAL);
    CHECK(baton_message_free(&message) == 0);
}

/* A receiver sees what the list says of a bound page, and nothing that its sender had around it. */
static void scrubbed(void)
{
    struct baton_message message;
    uint32_t pages[20];

    CHECK(baton_page_get(pages, 20) == 20);
    baton_message_init(&message, 0);
    for (unsigned i = 0; i < 20; i++) {
        memset(baton_page_address(pages[i]), 0x77, BATON_PAGE_BYTES);
        CHECK(baton_message_append_page(&message, pages[i], 100 * i, 1 + 50 * i) == 0);
    }
    CHECK(message.pieces < 16 && message.piece[0].offset == BATON_PIECE_BOOK);
    CHECK(ask(&message, OUTSIDE) == 0);
    CHECK(baton_message_alloc(&message, 0, 100000) ==
          0); /* nobody has looked at it: zeros, whoever had the pages */
    CHECK(ask(&message, SUM) == 0);
    /* Pieces of one page: each has an ownership; the receiver, too, sees it all */
    CHECK(baton_page_get(pages, 1) == 1);
    strcpy(baton_page_address(pages[0]), "one, two, three");
    CHECK(baton_page_duplicate(pages, 1) == 1 && baton_page_duplicate(pages, 1) == 1);
    baton_message_init(&message, 0);
    CHECK(baton_message_append_page(&message, pages[0], 10, 5) == 0);
    CHECK(baton_message_append_page(&message, pages[0], 0, 5) == 0);
    CHECK(baton_message_append_page(&message, pages[0], 5, 5) == 0);
    message.type = ECHO;
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == 1);
    CHECK(baton_page_release(pages, 1) == BATON_EOWNER);
    CHECK(baton_receive(own, &message, 0, BATON_FOREVER) == 1);
    CHECK(message.piece[0].offset & message.piece[2].offset & BATON_PIECE_READ_ONLY);
    char text[16] = "";
    CHECK(baton_message_read(&message, 0, text, 15) == 0 && !strcmp(text, "threeone, two, "));
    CHECK(baton_message_write(&message, 5, "ONE", 3) == 0 && baton_message_append(&message, "four", 4) == 0);
    CHECK(baton_message_read(&message, 0, text, 15) == 0 && !strcmp(text, "threeONE, two, "));
    CHECK(baton_message_free(&message) == 0);
}

static void blocks(void)
{
    static uint8_t block[BATON_BLOCK_BYTES], more[100];
    static struct baton_message_room room;
    struct baton_message message, copy;

    for (unsigned i = 0; i < sizeof block; i++)
        block[i] = pattern(7, i);
    for (unsigned i = 0; i < sizeof more; i++)
        more[i] = pattern(7, 1000 + i);
    for (unsigned round = 0; round < 3; round++) {
        baton_message_init(&message, 0);
        CHECK(baton_message_append_block(&message, block, 1000) == 0);
        CHECK(baton_message_append_block(&message, more, 100) == 0);
        CHECK(pattern_holds(&message, 7, 1100));
        message.type = ECHO;
        CHECK(baton_send(partner, &message, round == 2 ? BATON_DUPLICATE : 0, BATON_FOREVER) == 1);
        block[999] ^= 1; /* has been copied */
        CHECK(baton_receive(own, &room.message, round ? BATON_BLOCK_ROOM : 0, BATON_FOREVER) == 1);
        block[999] ^= 1;
        CHECK(pattern_holds(&room.message, 7, 1100));
        /* partner offers no room: it got pages, and sent those back */
        CHECK(!(room.message.piece[0].offset & BATON_PIECE_BLOCK));
        CHECK(baton_message_free(&room.message) == 0);
    }
    baton_message_init(&message, 0);
    CHECK(baton_message_append_block(&message, block, 1024) == 0 &&
          baton_message_append(&message, more, 100) == 0);
    CHECK(baton_message_trim_front(&message, 1000) == 0 && baton_message_trim_back(&message, 90) == 0);
    CHECK(baton_message_duplicate(&copy, &message) == 0 && !(copy.piece[0].offset & BATON_PIECE_BLOCK));
    CHECK(baton_message_write(&message, 0, "block", 5) == 0 && !memcmp(block + 1000, "block", 5));
    CHECK(*(const uint8_t *)baton_piece_address(&copy.piece[0]) == pattern(7, 1000));
    CHECK(baton_message_free(&message) == 0 && baton_message_free(&copy) == 0);
    CHECK(baton_message_append_block(&message, (const void *)0x1000, 10) == BATON_EINVAL);
    CHECK(baton_message_append_block(&message, block, 1025) == BATON_EINVAL);
    CHECK(baton_message_append_block(&message, block, 100) == 0);
    message.piece[0].page = 0xffffff0; /* in its slot, and not its memory */
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == BATON_EFAULT);
    CHECK(baton_message_free(&message) == 0);
}

/* Room for blocks that is not there: the struct is the last of what the service may write to, at the top of its stack. */
static void room_beyond(void)
{
    char here;
    uintptr_t top = ((uintptr_t)&here | 0xffff) + 1;
    struct baton_message *last = (void *)(top - sizeof *last), *list[] = {last};

    CHECK(baton_receive(own, last, 0, BATON_NO_WAIT) == BATON_EEMPTY);
    CHECK(baton_receive(own, last, BATON_BLOCK_ROOM, BATON_NO_WAIT) == BATON_EFAULT);
    CHECK(baton_receive_batch(own, list, 1, BATON_BLOCK_ROOM, BATON_NO_WAIT) == BATON_EFAULT);
}

/* By the short way, from one thread to itself: what comes into the room, and how many blocks may be on their way. */
static void blocks_on_the_way(void)
{
    static uint8_t block[600];
    static struct baton_message_room room;
    struct baton_message message;
    unsigned sent = 0;
    int result;

    memset(block, 5, sizeof block);
    do {
        baton_message_init(&message, 0);
        message.type = BLOCK_BACK;
        message.tag = sent;
        CHECK(baton_message_append_block(&message, block, sizeof block) == 0);
        CHECK(baton_message_append_block(&message, block, sizeof block) == 0);
        message.type = STALL;
        message.tag = sent ? 0 : 50000000;
        result = baton_send(partner, &message, 0, BATON_NO_WAIT);
        sent += result == 1;
    } while (result == 1 && sent < 100);
    CHECK(result == BATON_ENOMEM && sent >= 16);
    baton_message_init(&message, 0);
    message.type = BLOCK_BACK; /* partner sends blocks of its own */
    while ((result = baton_send(partner, &message, 0, BATON_FOREVER)) != 1)
        ;
    CHECK(baton_receive(own, &room.message, BATON_BLOCK_ROOM, BATON_FOREVER) == 1);
    CHECK(room.message.pieces == 2 && room.message.length == 1200);
    CHECK(room.message.piece[0].offset == BATON_PIECE_BLOCK && !room.message.piece[1].offset);
    CHECK(baton_block_address(&room.message.piece[0]) == room.room && room.room[599] == 0x11);
    CHECK(*(const uint8_t *)baton_piece_address(&room.message.piece[1]) == 0x11);
    CHECK(baton_message_free(&room.message) == 0);
}

void test_books(void)
{
    sizes();
    stream();
    duplicates();
    explicit_calls();
    wrong_messages();
    scrubbed();
    blocks();
    room_beyond();
    blocks_on_the_way();
}
