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

#define PAGES    48
#define MESSAGES 5
#define LONGEST  (BATON_PIECES * BATON_PAGE_BYTES + BATON_INLINE_BYTES)

/* ---- The kernel's part: pages with a count of owners ---- */

static unsigned owners[PAGES];
static unsigned pages_most; /* what one call of page_get gives at most: it may give less than was asked for */
static uint64_t payload_bytes, inline_bytes;

static void page_protect(uint32_t page)
{
    int access = owners[page] == 0 ? PROT_NONE : owners[page] == 1 ? PROT_READ | PROT_WRITE : PROT_READ;

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

static int page_count_each(const uint32_t *pages, unsigned count, int change)
{
    for (unsigned i = 0; i < count; i++) {
        if (pages[i] >= PAGES || !owners[pages[i]])
            return i ? (int)i : BATON_EOWNER;
        owners[pages[i]] += (unsigned)change;
        page_protect(pages[i]);
    }
    return (int)count;
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

static int region_make(void **state)
{
    void *region = mmap(baton_page_address(0), PAGES * BATON_PAGE_BYTES, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    (void)state;
    pages_most = 3;
    return region == baton_page_address(0) ? 0 : -1;
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
    for (unsigned i = 0; i < pair->message.pieces; i++)
        sum += pair->message.piece[i].length;
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
    uint32_t length = random_below(random_below(3) ? 300 : 9000), headroom = random_below(140);

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
    uint32_t length = random_below(random_below(3) ? 60 : 6000);
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

    if (pair->message.pieces == BATON_PIECES || baton_page_get(&page, 1) != 1)
        return;
    memcpy((char *)baton_page_address(page) + offset, data, length);
    assert_int_equal(baton_message_append_page(&pair->message, page, offset, length), 0);
    memcpy(pair->bytes + pair->length, data, length);
    pair->length += length;
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
    uint32_t length = random_below(random_below(3) ? 50 : 6000);
    bool front = random_below(2);
    int result = front ? baton_message_trim_front(&pair->message, length)
                       : baton_message_trim_back(&pair->message, length);

    if (length > pair->length) {
        assert_int_equal(result, BATON_EINVAL);
        return;
    }
    assert_int_equal(result, 0);
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
    assert_int_equal(baton_message_duplicate(&copy->message, &pair->message), 0);
    copy->length = pair->length;
    memcpy(copy->bytes, pair->bytes, pair->length);
}

static void test_random_calls(void **state)
{
    static void (*const calls[])(struct pair *) = {
        do_alloc, do_append, do_append, do_append_page, do_prepend,   do_prepend,
        do_trim,  do_trim,   do_write,  do_write,       do_duplicate,
    };

    (void)state;
    for (unsigned step = 0; step < 30000; step++) {
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
        cmocka_unit_test(test_free_reports_what_was_not_owned),
    };
    return cmocka_run_group_tests(tests, region_make, NULL);
}
