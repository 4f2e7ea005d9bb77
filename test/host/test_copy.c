/*
 * ipc/copy.h, rule by rule, on the machine whose TLBs keep whatever they may: what a message by value costs, and what its receiver
 * may see.
 */
#include "test/host/set_cases.h"

static struct message *message_of(struct baton_piece piece)
{
    struct message *message = message_take();

    assert_non_null(message);
    message->abi = (struct baton_message){.length = piece.length, .pieces = 1};
    message->abi.piece[0] = piece;
    return message;
}

static void test_copy(void **state)
{
    (void)state;
    begin_with(POLICY_COPY);
    uint32_t page = got(0, a);
    use(0, a, page);
    memset(machine_memory(page_phys(page)), 0x5a, PAGE_SIZE);
    struct message *message = message_of((struct baton_piece){page, PIECE_START, PIECE_BYTES});
    machine_run_on(0);
    assert_int_equal(copy_send(a, message, false, b), 0);
    uint32_t copy = message->abi.piece[0].page;
    assert_int_not_equal(copy, page);
    assert_int_equal(counter(COUNT_PAYLOAD_BYTES), PIECE_BYTES);
    assert_int_equal(page_release(a, page), BATON_EOWNER); /* it is on its way, as a sent page is */
    copy_settle(a, message->original);
    assert_int_equal(page_set_pooled(a), 1);
    assert_true(reaches(0, page));
    assert_false(reaches(0, copy));
    machine_run_on(1);
    assert_int_equal(page_receive(b, &message->abi.piece[0], false), 0);
    use(1, b, copy);
    assert_false(reaches(1, page));
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(machine_memory(page_phys(copy))[i], i - PIECE_START < PIECE_BYTES ? 0x5a : 0);
    message_give(message);
    assert_int_equal(unmaps(), 0);
    conserved();
}

/* Back and forth: after the first time each side has its pages, mapped, and nothing is done to any table. */
static void test_copy_steady(void **state)
{
    (void)state;
    begin_with(POLICY_COPY);
    uint64_t maps = 0;
    for (unsigned i = 0; i < 20; i++) {
        uint32_t page = got(0, a);
        use(0, a, page);
        struct message *message = message_of(whole(page));
        assert_int_equal(copy_send(a, message, false, b), 0);
        page_account(a, -1); /* as transfer_in does */
        copy_settle(a, message->original);
        machine_run_on(1);
        struct baton_piece piece = message->abi.piece[0];
        message_give(message);
        assert_int_equal(page_receive(b, &piece, false), 0);
        use(1, b, piece.page);
        assert_int_equal(page_release(b, piece.page), 0);
        if (!i)
            maps = counter(COUNT_PAGES_MAPPED);
    }
    assert_int_equal(counter(COUNT_PAGES_MAPPED), maps);
    assert_int_equal(unmaps(), 0);
    assert_int_equal(counter(COUNT_PAYLOAD_BYTES), 20 * PAGE_SIZE);
    conserved();
}

/* A message with a book, as transfer_special.c sends it: taken from its sender as if it stayed there, then copied. */
static struct message *book_sent(struct baton_piece piece)
{
    struct message *message = message_of(piece), *original = message_of(piece);
    uint32_t bytes, pages;

    assert_int_equal(book_send(a, &piece, 0, a, &bytes, &pages), 0);
    page_account(a, -(int)pages);
    assert_int_equal(copy_piece(&message->abi.piece[0], b), 0);
    message->original = original;
    return message;
}

#define ROUNDS 2u /* what a has given up then is not more than a pool takes */

/* Likewise of books: each side's pages stay its own, mapped; of a page that nobody wrote to nothing is copied. */
static void test_copy_books(void **state)
{
    uint32_t leaves[LEAVES];
    uint64_t maps = 0;

    (void)state;
    begin_with(POLICY_COPY);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct baton_piece book = book_made(leaves);
        memset(machine_memory(page_phys(leaves[1])), 0x5a, PAGE_SIZE);
        struct message *message = book_sent(book);
        copy_settle(a, message->original);
        assert_int_equal(page_set_pooled(a), LEAVES * (i + 1));
        assert_true(reaches(0, leaves[1]));
        book = message->abi.piece[0];
        message_give(message);
        const struct baton_book *list = (const void *)machine_memory(page_phys(book.page));
        assert_int_equal(list->bytes, LEAVES * PAGE_SIZE);
        machine_run_on(1);
        assert_int_equal(book_receive(b, &book, false), 0);
        page_account(b, 1 + (int)LEAVES);
        for (unsigned k = 0; k < LEAVES; k++) {
            assert_false(reaches(0, list->piece[k].page));
            assert_int_equal(reaches(1, list->piece[k].page),
                             i > 0); /* once it has pages, they stay mapped */
            use(1, b, list->piece[k].page);
        }
        assert_int_equal(machine_memory(page_phys(list->piece[1].page))[7], 0x5a);
        assert_int_equal(page_release(b, book.page), 0);
        assert_int_equal(page_set_pooled(b), LEAVES);
        maps += LEAVES + (i ? 0 : LEAVES); /* a makes each book of fresh pages */
        assert_int_equal(counter(COUNT_PAGES_MAPPED), maps);
    }
    assert_int_equal(unmaps(), 0);
    assert_int_equal(counter(COUNT_PAYLOAD_BYTES), ROUNDS * LEAVES * PAGE_SIZE);
    conserved();
}

/* What its sender never saw reads as zero also where the copy is in a page that the receiver used before. */
static void test_copy_book_shows_nothing(void **state)
{
    uint32_t page = 0;

    (void)state;
    begin_with(POLICY_COPY);
    uint32_t used = got(1, b);
    use(1, b, used);
    memset(machine_memory(page_phys(used)), 0x77, PAGE_SIZE);
    assert_int_equal(page_release(b, used), 0);
    machine_run_on(0);
    assert_int_equal(page_get_device(&page, 1), 1);
    memset(machine_memory(page_phys(page)), 0x5a, PAGE_SIZE);
    page_filled(page, PIECE_BYTES); /* the rest is from somebody before */
    struct baton_piece part = whole(page);
    assert_int_equal(page_receive(a, &part, true), 0);
    int number = book_get(a, 0);
    assert_int_equal(book_bind(a, (uint32_t)number, &part, 1), 1);
    struct message *message = book_sent((struct baton_piece){(uint32_t)number, BATON_PIECE_BOOK, 1});
    struct baton_piece book = message->abi.piece[0];
    copy_settle(a, message->original);
    message_give(message);
    machine_run_on(1);
    assert_int_equal(book_receive(b, &book, false), 0);
    const struct baton_book *list = (const void *)machine_memory(page_phys(book.page));
    assert_int_equal(list->piece[0].page, used);
    use(1, b, used);
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(machine_memory(page_phys(used))[i], i < PIECE_BYTES ? 0x5a : 0);
    conserved();
}

/* Short of pages: nothing has changed, and what was taken from the pool is there again. */
static void test_copy_book_short(void **state)
{
    uint32_t leaves[LEAVES], pages[PAGES], taken = 0;

    (void)state;
    begin_with(POLICY_COPY);
    struct baton_piece book = book_made(leaves), copy = book;
    uint32_t bytes, count;
    assert_int_equal(book_send(a, &book, 0, a, &bytes, &count), 0);
    while (page_get_device(&pages[taken], 1))
        taken++;
    assert_int_equal(copy_piece(&copy, b), BATON_ENOMEM);
    assert_int_equal(copy.page, book.page);
    assert_int_equal(book_receive(a, &book, true), 0);
    assert_true(reaches(0, leaves[0]));
    assert_int_equal(page_release(a, book.page), 0);
    conserved();
}

/* What could not be sent is the sender's again: the same page, mapped. */
static void test_copy_undo(void **state)
{
    (void)state;
    begin_with(POLICY_COPY);
    uint32_t page = got(0, a);
    use(0, a, page);
    struct message *message = message_of(whole(page));
    assert_int_equal(copy_send(a, message, false, b), 0);
    copy_undo(message, message->original, b);
    assert_int_equal(message->abi.piece[0].page, page);
    assert_int_equal(page_receive(a, &message->abi.piece[0], true), 0);
    message_give(message);
    assert_true(reaches(0, page));
    assert_int_equal(page_release(a, page), 0);
    assert_int_equal(unmaps(), 0);
    conserved();
}

/* Of a page that its sender never looked at, the receiver sees zeros, not what the owner before left there. */
static void test_copy_of_unseen(void **state)
{
    (void)state;
    begin_with(POLICY_COPY);
    uint32_t page = got(0, a);
    memset(machine_memory(page_phys(page)), 0x5a, PAGE_SIZE); /* left by somebody else */
    struct message *message = message_of((struct baton_piece){page, PIECE_START, PIECE_BYTES});
    assert_int_equal(copy_send(a, message, false, b), 0);
    for (unsigned i = 0; i < PIECE_BYTES; i++)
        assert_int_equal(machine_memory(page_phys(message->abi.piece[0].page))[PIECE_START + i], 0);
    copy_settle(a, message->original);
    message_drop(message);
    conserved();
}

static void test_copy_errors(void **state)
{
    uint32_t pages[PAGES], taken = 0;

    (void)state;
    begin_with(POLICY_COPY);
    uint32_t page = got(0, a);
    use(0, a, page);
    struct message *message = message_of(whole(page));
    message->abi.pieces = 2;
    message->abi.piece[1] = (struct baton_piece){page, 0, 1}; /* owned once only */
    assert_int_equal(copy_send(a, message, false, b), BATON_EOWNER);
    message->abi.pieces = 1;
    message->abi.piece[0] = whole(PAGES);
    assert_int_equal(copy_send(a, message, true, b), BATON_EOWNER);
    message->abi.piece[0] = whole(page);
    while (page_get_device(&pages[taken], 1))
        taken++;
    assert_int_equal(copy_send(a, message, false, b), BATON_ENOMEM);
    assert_true(reaches(0, page));
    message_give(message);
    assert_int_equal(page_release(a, page), 0);
    conserved();
}

/* A duplicate goes: the sender keeps its page, for writing too. */
static void test_copy_duplicate(void **state)
{
    (void)state;
    begin_with(POLICY_COPY);
    uint32_t page = got(0, a);
    use(0, a, page);
    struct message *message = message_of(whole(page));
    assert_int_equal(copy_send(a, message, true, b), 0);
    assert_null(message->original);
    use(0, a, page);
    message_drop(message);
    assert_int_equal(page_release(a, page), 0);
    assert_int_equal(counter(COUNT_PAYLOAD_BYTES), PAGE_SIZE);
    conserved();
}

static void test_copy_receive(void **state)
{
    uint32_t page = 0;

    (void)state;
    begin_with(POLICY_COPY);
    assert_int_equal(page_get_device(&page, 1), 1);
    memset(machine_memory(page_phys(page)), 0x5a, PAGE_SIZE);
    page_filled(page, PIECE_BYTES);
    struct message *message = message_of((struct baton_piece){page, 0, PIECE_BYTES});
    assert_int_equal(copy_receive(message, b), 0);
    assert_int_not_equal(message->abi.piece[0].page, page);
    machine_run_on(1);
    assert_int_equal(page_receive(b, &message->abi.piece[0], true), 0);
    use(1, b, message->abi.piece[0].page);
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(machine_memory(page_phys(message->abi.piece[0].page))[i],
                         i < PIECE_BYTES ? 0x5a : 0);
    message_give(message);
    conserved();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_copy),
    cmocka_unit_test(test_copy_steady),
    cmocka_unit_test(test_copy_books),
    cmocka_unit_test(test_copy_book_shows_nothing),
    cmocka_unit_test(test_copy_book_short),
    cmocka_unit_test(test_copy_undo),
    cmocka_unit_test(test_copy_of_unseen),
    cmocka_unit_test(test_copy_errors),
    cmocka_unit_test(test_copy_duplicate),
    cmocka_unit_test(test_copy_receive),
};

CASES_MAIN(tests)
