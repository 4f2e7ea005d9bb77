/*
 * The message library of services against plain arrays of bytes: random calls on a few messages, over pages
 * that are protected as the kernel would protect them, so that a write to a shared page or a touch of a freed
 * one is a crash.
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "apps/baton.h"

#define PAGES    400
#define MESSAGES 5
#define LONGEST  (60 * BATON_PAGE_BYTES) /* of the random messages */

/* ---- The kernel's part: pages with a count of owners ---- */

static unsigned owners[PAGES];  /* of a bound page: those of its book */
static uint32_t book_of[PAGES]; /* + 1; 0: not bound */
static bool is_book[PAGES];
static unsigned pages_most; /* what one call of page_get gives at most: it may give less than was asked for */
static uint64_t payload_bytes, inline_bytes;

static void page_protect(uint32_t page)
{
    int access = owners[page] == 0                     ? PROT_NONE
                 : owners[page] == 1 && !is_book[page] ? PROT_READ | PROT_WRITE
                                                       : PROT_READ;

    assert_int_equal(mprotect(baton_page_address(page), BATON_PAGE_BYTES, access), 0);
}

static unsigned pages_owned(void)
{
    unsigned owned = 0;

    for (unsigned i = 0; i < PAGES; i++)
        owned += owners[i] != 0;
    return owned;
}

int baton_page_get(uint32_t *pages, unsigned count)
{
    unsigned got = 0;

    for (uint32_t i = 0; i < PAGES && got < count && got < pages_most; i++) {
        if (owners[i])
            continue;
        owners[i] = 1;
        page_protect(i);
        memset(baton_page_address(i), 0, BATON_PAGE_BYTES);
        pages[got++] = i;
    }
    return got ? (int)got : BATON_ENOMEM;
}

/* What is done to a book is done to its pages; when the last ownership goes they are free. */
static void count_change(uint32_t page, int change)
{
    owners[page] += (unsigned)change;
    page_protect(page);
    for (uint32_t i = 0; is_book[page] && i < PAGES; i++) {
        if (book_of[i] != page + 1)
            continue;
        owners[i] = owners[page];
        page_protect(i);
        if (!owners[page])
            book_of[i] = 0;
    }
    is_book[page] &= owners[page] != 0;
}

static int page_count_each(const uint32_t *pages, unsigned count, int change)
{
    for (unsigned i = 0; i < count; i++) {
        if (pages[i] >= PAGES || !owners[pages[i]] || book_of[pages[i]])
            return i ? (int)i : BATON_EOWNER;
        count_change(pages[i], change);
    }
    return (int)count;
}

/* Lets the kernel write a list; list_done() takes it away again. */
static struct baton_book *list_of(uint32_t book)
{
    assert_int_equal(mprotect(baton_page_address(book), BATON_PAGE_BYTES, PROT_READ | PROT_WRITE), 0);
    return baton_page_address(book);
}

static void list_done(struct baton_book *list, uint32_t book)
{
    list->bytes = 0;
    for (uint32_t i = 0; i < list->count; i++)
        list->bytes += list->piece[i].length;
    page_protect(book);
}

/* A book that may be changed, or the error. */
static int book_check(uint32_t book)
{
    if (book >= PAGES || !owners[book] || book_of[book])
        return BATON_EOWNER;
    return !is_book[book] ? BATON_EINVAL : owners[book] > 1 ? BATON_EOWNERS : 0;
}

int baton_book_get(uint32_t bytes)
{
    uint32_t pages[BATON_BOOK_PIECES + 1], got = 0, count = (bytes + BATON_PAGE_BYTES - 1) / BATON_PAGE_BYTES;

    if (count > BATON_BOOK_PIECES)
        return BATON_EINVAL;
    for (int result; got <= count; got += (uint32_t)result)
        if ((result = baton_page_get(pages + got, count + 1 - got)) < 0) {
            if (got)
                baton_page_release(pages, got);
            return result;
        }
    is_book[pages[0]] = true;
    struct baton_book *list = list_of(pages[0]);
    list->count = count;
    for (uint32_t i = 0; i < count; i++, bytes -= BATON_PAGE_BYTES) {
        book_of[pages[i + 1]] = pages[0] + 1;
        list->piece[i] = (struct baton_piece){
            .page = pages[i + 1], .length = (uint16_t)(bytes < BATON_PAGE_BYTES ? bytes : BATON_PAGE_BYTES)};
    }
    list_done(list, pages[0]);
    return (int)pages[0];
}

int baton_book_bind(uint32_t book, const struct baton_piece *pieces, unsigned count)
{
    unsigned done = 0;
    int result = book_check(book);

    if (result)
        return result;
    struct baton_book *list = list_of(book);
    for (; done < count && !result; done += !result) {
        uint32_t page = pieces[done].page;
        assert_int_equal(pieces[done].offset & ~BATON_PIECE_OFFSET_MASK, 0);
        if (!owners[page] || book_of[page])
            result = BATON_EOWNER;
        else if (owners[page] > 1)
            result = BATON_EOWNERS;
        else if (list->count == BATON_BOOK_PIECES)
            result = BATON_ELIMIT;
        if (result)
            break;
        book_of[page] = book + 1;
        list->piece[list->count++] = pieces[done];
    }
    list_done(list, book);
    return done ? (int)done : result;
}

int baton_book_trim(uint32_t book, uint32_t front, uint32_t back)
{
    int result = book_check(book);

    if (result)
        return result;
    struct baton_book *list = list_of(book);
    assert_true(front <= list->bytes && back <= list->bytes - front);
    while (front && front >= list->piece[0].length) {
        front -= list->piece[0].length;
        book_of[list->piece[0].page] = 0;
        assert_int_equal(baton_page_release(&list->piece[0].page, 1), 1);
        memmove(list->piece, list->piece + 1, --list->count * sizeof list->piece[0]);
    }
    while (back && back >= list->piece[list->count - 1].length) {
        back -= list->piece[--list->count].length;
        book_of[list->piece[list->count].page] = 0;
        assert_int_equal(baton_page_release(&list->piece[list->count].page, 1), 1);
    }
    if (front) {
        list->piece[0].offset = (uint16_t)(list->piece[0].offset + front);
        list->piece[0].length = (uint16_t)(list->piece[0].length - front);
    }
    if (back)
        list->piece[list->count - 1].length = (uint16_t)(list->piece[list->count - 1].length - back);
    list_done(list, book);
    return 0;
}

int baton_page_duplicate(const uint32_t *pages, unsigned count)
{
    return page_count_each(pages, count, 1);
}

int baton_page_release(const uint32_t *pages, unsigned count)
{
    return page_count_each(pages, count, -1);
}

void baton_count_copied(uint64_t payload, uint64_t header)
{
    payload_bytes += payload;
    inline_bytes += header;
}

/* The service's own memory, where its small blocks are. */
#define SLOT 0x100000u

static int region_make(void **state)
{
    void *region = mmap(baton_page_address(0), PAGES * BATON_PAGE_BYTES, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    void *slot = mmap((void *)BATON_SLOT_START, SLOT, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    (void)state;
    pages_most = 3;
    return region == baton_page_address(0) && slot == (void *)BATON_SLOT_START ? 0 : -1;
}

/* ---- A message and what it should hold ---- */

struct pair {
    struct baton_message message;
    uint8_t bytes[LONGEST];
    uint32_t length;
};

static struct pair pairs[MESSAGES];
static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 11) % limit;
}

static uint8_t *random_bytes(uint32_t length)
{
    static uint8_t bytes[LONGEST];

    for (uint32_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)random_below(256);
    return bytes;
}

static void pair_check(const struct pair *pair)
{
    static uint8_t bytes[LONGEST];
    uint32_t sum = pair->message.inline_length, contiguous = 0;

    assert_int_equal(baton_message_length(&pair->message), pair->length);
    assert_true(pair->message.pieces <= BATON_PIECES);
    for (unsigned i = 0; i < pair->message.pieces; i++) {
        const struct baton_piece *piece = &pair->message.piece[i];
        bool book = piece->offset & BATON_PIECE_BOOK;
        sum += book ? baton_book_list(piece->page)->bytes : piece->length;
        if (book)
            assert_true(piece->length && piece->length == baton_book_list(piece->page)->count);
    }
    assert_int_equal(sum, pair->length);
    assert_true(pair->message.inline_offset + pair->message.inline_length <= BATON_INLINE_BYTES);
    assert_int_equal(baton_message_read(&pair->message, 0, bytes, pair->length), 0);
    assert_memory_equal(bytes, pair->bytes, pair->length);
    for (uint32_t at = 0; at < pair->length; at += contiguous) {
        const void *place = baton_message_peek(&pair->message, at, &contiguous);
        assert_true(contiguous > 0 && at + contiguous <= pair->length);
        assert_memory_equal(place, pair->bytes + at, contiguous);
    }
    assert_null(baton_message_peek(&pair->message, pair->length, &contiguous));
}

/* ---- Random calls; an error must have changed nothing, which pair_check sees ---- */

static bool allowed(int result)
{
    return result == BATON_ENOMEM || result == BATON_ELIMIT || result == BATON_EINVAL;
}

static void do_alloc(struct pair *pair)
{
    uint32_t length = random_below(random_below(3) ? 300 : random_below(4) ? 9000 : 120000);
    uint32_t headroom = random_below(140);

    assert_int_equal(baton_message_free(&pair->message), 0);
    pair->length = 0;
    int result = baton_message_alloc(&pair->message, headroom, length);
    if (result < 0) {
        assert_true(allowed(result));
        return;
    }
    memset(pair->bytes, 0, length);
    pair->length = length;
}

static void do_append(struct pair *pair)
{
    uint32_t length = random_below(random_below(3) ? 60 : random_below(8) ? 6000 : 90000);
    const uint8_t *data = random_bytes(length);

    if (pair->length + length > LONGEST)
        return;
    int result = baton_message_append(&pair->message, data, length);
    if (result < 0) {
        assert_true(allowed(result));
        return;
    }
    memcpy(pair->bytes + pair->length, data, length);
    pair->length += length;
}

static void do_append_page(struct pair *pair)
{
    uint32_t page, offset = random_below(4096), length = 1 + random_below(4096 - offset);
    const uint8_t *data = random_bytes(length);

    if (pair->length + length > LONGEST || baton_page_get(&page, 1) != 1)
        return;
    memcpy((char *)baton_page_address(page) + offset, data, length);
    int result = baton_message_append_page(&pair->message, page, offset, length);
    if (result < 0) {
        assert_true(allowed(result));
        assert_int_equal(baton_page_release(&page, 1), 1);
        return;
    }
    memcpy(pair->bytes + pair->length, data, length);
    pair->length += length;
}

/* In a place of its own, which no other block ever has: a write goes there. */
static void do_append_block(struct pair *pair)
{
    static uint32_t place;
    uint32_t length = 1 + random_below(BATON_BLOCK_BYTES);

    if (pair->length + length > LONGEST || place + length > SLOT)
        return;
    uint8_t *block = (uint8_t *)BATON_SLOT_START + place;
    memcpy(block, random_bytes(length), length);
    int result = baton_message_append_block(&pair->message, block, length);
    if (result < 0) {
        assert_true(allowed(result));
        return;
    }
    memcpy(pair->bytes + pair->length, block, length);
    pair->length += length;
    place += length;
}

static void do_prepend(struct pair *pair)
{
    uint32_t length = random_below(140);
    const uint8_t *data = random_bytes(length);

    if (pair->length + length > LONGEST)
        return;
    int result = baton_message_prepend(&pair->message, data, length);
    if (result < 0) {
        assert_true(allowed(result));
        return;
    }
    memmove(pair->bytes + length, pair->bytes, pair->length);
    memcpy(pair->bytes, data, length);
    pair->length += length;
}

static void do_trim(struct pair *pair)
{
    uint32_t length = random_below(random_below(3) ? 50 : random_below(8) ? 6000 : 90000);
    bool front = random_below(2);
    int result = front ? baton_message_trim_front(&pair->message, length)
                       : baton_message_trim_back(&pair->message, length);

    if (length > pair->length) {
        assert_int_equal(result, BATON_EINVAL);
        return;
    }
    if (result < 0) { /* a shared book was to be cut */
        assert_true(allowed(result));
        return;
    }
    pair->length -= length;
    if (front)
        memmove(pair->bytes, pair->bytes + length, pair->length);
}

static void do_write(struct pair *pair)
{
    uint32_t offset = random_below(pair->length + 10), length = random_below(3000);
    const uint8_t *data = random_bytes(length);
    int result = baton_message_write(&pair->message, offset, data, length);

    if (offset + length > pair->length) {
        assert_int_equal(result, BATON_EINVAL);
    } else if (result < 0) {
        assert_true(allowed(result));
    } else {
        memcpy(pair->bytes + offset, data, length);
    }
}

static void do_duplicate(struct pair *pair)
{
    struct pair *copy = &pairs[random_below(MESSAGES)];

    if (copy == pair)
        return;
    assert_int_equal(baton_message_free(&copy->message), 0);
    copy->length = 0;
    int result = baton_message_duplicate(&copy->message, &pair->message);
    if (result < 0) { /* a small block has found no page */
        assert_int_equal(result, BATON_ENOMEM);
        baton_message_init(&copy->message, 0);
        return;
    }
    copy->length = pair->length;
    memcpy(copy->bytes, pair->bytes, pair->length);
}

static void test_random_calls(void **state)
{
    static void (*const calls[])(struct pair *) = {
        do_alloc,   do_append, do_append, do_append_page, do_append_page, do_append_block, do_prepend,
        do_prepend, do_trim,   do_trim,   do_write,       do_write,       do_duplicate,
    };

    (void)state;
    for (unsigned step = 0; step < 12000; step++) {
        struct pair *pair = &pairs[random_below(MESSAGES)];
        calls[random_below(sizeof calls / sizeof calls[0])](pair);
        for (unsigned i = 0; i < MESSAGES; i++)
            pair_check(&pairs[i]);
    }
    for (unsigned i = 0; i < MESSAGES; i++)
        assert_int_equal(baton_message_free(&pairs[i].message), 0);
    assert_int_equal(pages_owned(), 0);
}

/* ---- What a service relies on, one by one ---- */

static void test_headers_cost_no_page(void **state)
{
    struct baton_message message;

    (void)state;
    baton_message_init(&message, 64);
    assert_int_equal(baton_message_append(&message, "payload", 7), 0);
    assert_int_equal(baton_message_prepend(&message, "header", 6), 0);
    assert_int_equal(message.pieces, 0);
    assert_memory_equal(message.data + 58, "headerpayload", 13);
    assert_int_equal(baton_message_free(&message), 0);
}

static void test_prepend_spills(void **state)
{
    struct baton_message message;
    uint8_t header[20];

    (void)state;
    memset(header, 7, sizeof header);
    assert_int_equal(baton_message_alloc(&message, 0, 120), 0);
    assert_int_equal(baton_message_prepend(&message, header, 8), 0);
    assert_int_equal(message.pieces, 0);
    assert_int_equal(baton_message_prepend(&message, header, 20), 0);
    assert_int_equal(message.pieces, 1);
    assert_int_equal(message.piece[0].length, 128);
    assert_int_equal(message.inline_length, 20);
    assert_int_equal(message.length, 148);
    assert_int_equal(baton_message_free(&message), 0);
    assert_int_equal(baton_message_free(&message), 0);
    assert_int_equal(pages_owned(), 0);
}

static void test_write_copies_only_shared_pieces(void **state)
{
    struct baton_message message, copy;

    (void)state;
    assert_int_equal(baton_message_alloc(&message, 0, 3 * BATON_PAGE_BYTES), 0);
    assert_int_equal(baton_message_duplicate(&copy, &message), 0);
    uint32_t page = copy.piece[1].page;
    payload_bytes = 0;
    assert_int_equal(baton_message_write(&copy, BATON_PAGE_BYTES, "x", 1), 0);
    assert_int_equal(payload_bytes, BATON_PAGE_BYTES + 1);
    assert_int_not_equal(copy.piece[1].page, page);
    assert_int_equal(message.piece[1].page, page);
    assert_int_equal(copy.piece[0].page, message.piece[0].page);
    assert_int_equal(baton_message_write(&copy, BATON_PAGE_BYTES + 5, "x", 1), 0);
    assert_int_equal(payload_bytes, BATON_PAGE_BYTES + 2);
    assert_int_equal(baton_message_free(&message), 0);
    assert_int_equal(baton_message_free(&copy), 0);
    assert_int_equal(pages_owned(), 0);
}

/* 4 MiB, from bits; and no more than that. */
static void test_books_are_made(void **state)
{
    static uint8_t bytes[LONGEST];
    struct baton_message message, copy;
    uint32_t page;

    (void)state;
    baton_message_init(&message, 0);
    for (unsigned i = 0; i < 70; i++) {
        assert_int_equal(baton_page_get(&page, 1), 1);
        *(uint8_t *)baton_page_address(page) = (uint8_t)i;
        assert_int_equal(baton_message_append_page(&message, page, 0, 1), 0);
    }
    assert_true(message.pieces <= BATON_PIECES && message.piece[0].offset == BATON_PIECE_BOOK);
    assert_int_equal(baton_message_read(&message, 0, bytes, 70), 0);
    for (unsigned i = 0; i < 70; i++)
        assert_int_equal(bytes[i], i);
    /* A page in three pieces: shared, so copied when it is bound */
    assert_int_equal(baton_page_get(&page, 1), 1);
    memcpy(baton_page_address(page), "abc", 3);
    assert_int_equal(baton_page_duplicate(&page, 1), 1);
    assert_int_equal(baton_page_duplicate(&page, 1), 1);
    baton_message_init(&copy, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(baton_message_append_page(&copy, page, 2 - i, 1), 0);
    assert_true(copy.piece[0].offset & copy.piece[2].offset & BATON_PIECE_READ_ONLY);
    assert_int_equal(baton_message_append(&copy, bytes, 20 * BATON_PAGE_BYTES), 0);
    assert_int_equal(baton_message_read(&copy, 0, bytes, 3), 0);
    assert_memory_equal(bytes, "cba", 3);
    assert_int_equal(baton_message_append(&copy, bytes, BATON_MESSAGE_MAX), BATON_EINVAL);
    assert_int_equal(baton_message_append_page(&copy, page, 4096, 1), BATON_EINVAL);
    assert_int_equal(baton_message_append_page(&copy, page, 4000, 97), BATON_EINVAL);
    assert_int_equal(baton_message_append_block(&copy, bytes, 1),
                     BATON_EINVAL); /* not in the service's memory */
    assert_int_equal(baton_message_free(&message), 0);
    assert_int_equal(baton_message_free(&copy), 0);
    assert_int_equal(pages_owned(), 0);
}

static void test_write_to_a_shared_book(void **state)
{
    struct baton_message message, copy, third;
    char text[8];

    (void)state;
    assert_int_equal(baton_message_alloc(&message, 0, 30 * BATON_PAGE_BYTES + 5), 0);
    assert_int_equal(message.pieces, 1);
    assert_int_equal(message.piece[0].length, 31);
    assert_int_equal(baton_message_duplicate(&copy, &message), 0);
    assert_int_equal(baton_message_duplicate(&third, &copy), 0);
    payload_bytes = 0;
    assert_int_equal(baton_message_write(&copy, 20 * BATON_PAGE_BYTES - 2, "text", 4), 0);
    assert_int_equal(payload_bytes, 30 * BATON_PAGE_BYTES + 5 + 4);
    assert_int_not_equal(copy.piece[0].page, message.piece[0].page);
    assert_int_equal(copy.piece[0].offset, BATON_PIECE_BOOK);
    assert_int_equal(baton_message_write(&copy, 20 * BATON_PAGE_BYTES + 2, "more", 4), 0);
    assert_int_equal(payload_bytes, 30 * BATON_PAGE_BYTES + 5 + 8);
    assert_int_equal(baton_message_read(&copy, 20 * BATON_PAGE_BYTES - 2, text, 8), 0);
    assert_memory_equal(text, "textmore", 8);
    assert_int_equal(baton_message_read(&third, 20 * BATON_PAGE_BYTES - 2, text, 8), 0);
    assert_memory_equal(text, "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(baton_message_trim_front(&third, 20 * BATON_PAGE_BYTES + 5),
                     0); /* copies what is left */
    assert_int_equal(third.piece[0].length, 10);
    assert_int_equal(baton_book_list(message.piece[0].page)->count, 31);
    assert_int_equal(baton_message_free(&message), 0);
    assert_int_equal(baton_message_free(&copy), 0);
    assert_int_equal(baton_message_free(&third), 0);
    assert_int_equal(pages_owned(), 0);
}

static void test_free_reports_what_was_not_owned(void **state)
{
    struct baton_message message;

    (void)state;
    assert_int_equal(baton_message_alloc(&message, 0, 2 * BATON_PAGE_BYTES), 0);
    assert_int_equal(baton_page_release(&message.piece[0].page, 1), 1);
    assert_int_equal(baton_message_free(&message), BATON_EOWNER);
    assert_int_equal(pages_owned(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_calls),
        cmocka_unit_test(test_headers_cost_no_page),
        cmocka_unit_test(test_prepend_spills),
        cmocka_unit_test(test_write_copies_only_shared_pieces),
        cmocka_unit_test(test_books_are_made),
        cmocka_unit_test(test_write_to_a_shared_book),
        cmocka_unit_test(test_free_reports_what_was_not_owned),
    };
    return cmocka_run_group_tests(tests, region_make, NULL);
}
