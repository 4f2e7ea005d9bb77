/*
 * ipc/page_book.h against a model of its own: books made, filled, bound, cut, sent, duplicated, dropped and read on four CPUs
 * whose TLBs keep what they may. Checked at every step: who may read and write what is bound (book 2), what is read there
 * (book 4), accounts (book 6) and the conservation of pages (page 5).
 */
#include "core/cpu.h"
#include "ipc/page.h"
#include "ipc/page_book.h"
#include "ipc/page_limbo.h"
#include "mm/space.h"
#include "mm/unmap.h"
#include "test/host/cases.h"
#include "test/host/machine.h"
#include "test/host/ownership.h"

#define PAGES  128u
#define SPACES 3u
#define BOOKS  6u
#define MOST   12u /* pages of a book here */

static struct space *spaces[SPACES + 1]; /* 0: the kernel's, for what is on its way */

struct bound_model {
    uint32_t page, offset, length; /* in grains */
    uint32_t tag[GRAINS];
    uint32_t known[GRAINS]; /* spaces that may know the tag */
    bool readers, writers;  /* an old translation may still read, or write */
};

struct book_model {
    bool used;
    uint32_t page, count, total, owned[SPACES + 1];
    struct bound_model bound[MOST + 2];
};
static struct book_model books[BOOKS];
static uint32_t next_tag;

static unsigned cpu_of(unsigned space)
{
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++)
        if (running[cpu] == spaces[space])
            return cpu;
    return MACHINE_CPUS;
}

static void begin(uint64_t seed)
{
    ownership_init(seed, PAGES, 8);
    machine_scrubbing = NULL; /* that one knows the pages of ownership.h only */
    spaces[0] = space_at(0);
    for (unsigned i = 1; i <= SPACES; i++)
        spaces[i] = ownership_space("s", true, 60);
    memset(books, 0, sizeof(books));
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        machine_run_on(cpu);
        table_switch(spaces[1 + cpu % SPACES]->table);
        running[cpu] = spaces[1 + cpu % SPACES];
    }
}

/* Every CPU makes a pass: no window is left. */
static void passes(void)
{
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        machine_run_on(cpu);
        unmap_pass();
        page_limbo_reap();
    }
    for (unsigned cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        machine_run_on(cpu);
        page_limbo_reap();
    }
    for (unsigned i = 0; i < BOOKS; i++)
        for (unsigned k = 0; k < books[i].count; k++)
            books[i].bound[k].readers = books[i].bound[k].writers = false;
}

/* ---- Accesses ---- */

/* What the space has read of a grain: within the piece what was written last; else zero, or what it may know. */
static void read_check(struct bound_model *bound, unsigned space, uint32_t grain, uint32_t value)
{
    if (grain >= bound->offset && grain < bound->offset + bound->length) {
        assert_int_equal(value, bound->tag[grain]);
        bound->known[grain] |= 1u << space;
    } else if (value) {
        assert_int_equal(value, bound->tag[grain]);
        assert_true(bound->known[grain] & 1u << space);
    } else {
        bound->tag[grain] = 0;
    }
}

/* One access by service code. The result that is due; windows of figure 3 may let it go through all the same. */
static void access_try(struct book_model *book, struct bound_model *bound, unsigned space, bool write)
{
    uint32_t grain = (uint32_t)machine_random(GRAINS);
    uint64_t va = IPC_BASE + (uint64_t)bound->page * PAGE_SIZE + grain * GRAIN, phys;
    enum page_fault_result due = !book->owned[space]        ? PAGE_FAULT_NOT_OWNER
                                 : write && book->total > 1 ? PAGE_FAULT_READ_ONLY
                                                            : PAGE_FAULT_MAPPED;
    unsigned cpu = cpu_of(space);

    machine_run_on(cpu);
    for (unsigned tries = 0; tries < 4; tries++) {
        if (machine_access(cpu, va, write, true, &phys) == MACHINE_DONE) {
            uint32_t *at = (uint32_t *)machine_memory(phys);
            assert_true(due == PAGE_FAULT_MAPPED || bound->writers || (!write && bound->readers));
            if (write) {
                bound->tag[grain] = *at = ++next_tag;
                bound->known[grain] = 1u << space;
            } else if (due == PAGE_FAULT_MAPPED) {
                read_check(bound, space, grain, *at);
            }
            return;
        }
        enum page_fault_result result = page_fault(spaces[space], va, write);
        assert_int_equal(result, due);
        if (due != PAGE_FAULT_MAPPED)
            return;
    }
    fail_msg("an access faults for ever");
}

/* The list, as its owner reads it. */
static void list_check(struct book_model *book, unsigned space)
{
    uint64_t phys, va = IPC_BASE + (uint64_t)book->page * PAGE_SIZE;
    unsigned cpu = cpu_of(space);

    machine_run_on(cpu);
    assert_int_equal(page_fault(spaces[space], va, true), PAGE_FAULT_READ_ONLY);
    for (unsigned tries = 0; machine_access(cpu, va, false, true, &phys) != MACHINE_DONE; tries++) {
        assert_true(tries < 3);
        assert_int_equal(page_fault(spaces[space], va, false), PAGE_FAULT_MAPPED);
    }
    assert_int_not_equal(machine_access(cpu, va, true, true, &phys), MACHINE_DONE);
    const struct baton_book *list = (const void *)machine_memory(page_phys(book->page));
    uint32_t bytes = 0;
    assert_int_equal(list->count, book->count);
    for (uint32_t i = 0; i < book->count; i++) {
        assert_int_equal(list->piece[i].page, book->bound[i].page);
        assert_int_equal(list->piece[i].offset, book->bound[i].offset * GRAIN);
        assert_int_equal(list->piece[i].length, book->bound[i].length * GRAIN);
        bytes += list->piece[i].length;
    }
    assert_int_equal(list->bytes, bytes);
}

/* ---- Operations ---- */

static void do_make(struct book_model *book, unsigned space)
{
    uint32_t count = (uint32_t)machine_random(MOST), page;

    int result = book_get(spaces[space], count * (uint32_t)PAGE_SIZE);
    if (result < 0) {
        assert_true(result == BATON_ELIMIT || result == BATON_ENOMEM);
        return;
    }
    memset(book, 0, sizeof(*book));
    book->used = true;
    book->page = (uint32_t)result;
    book->count = count;
    book->total = book->owned[space] = 1;
    const struct baton_book *list = (const void *)machine_memory(page_phys(book->page));
    for (uint32_t i = 0; i < count; i++)
        book->bound[i] = (struct bound_model){.page = list->piece[i].page, .length = GRAINS};
    if (book->count <= MOST && page_get(spaces[space], &page, 1) == 1) {
        uint32_t offset = (uint32_t)machine_random(GRAINS),
                 length = 1 + (uint32_t)machine_random(GRAINS - offset);
        struct baton_piece piece = {page, (uint16_t)(offset * GRAIN), (uint16_t)(length * GRAIN)};
        assert_int_equal(book_bind(spaces[space], book->page, &piece, 1), 1);
        assert_int_equal(book_bind(spaces[space], book->page, &piece, 1), BATON_EOWNER);
        book->bound[book->count++] = (struct bound_model){.page = page, .offset = offset, .length = length};
    }
}

static void gone(struct book_model *book, unsigned space, unsigned count)
{
    book->owned[space] -= count;
    book->total -= count;
    for (unsigned i = 0; i < book->count; i++)
        book->bound[i].readers = true;
    book->used = book->total;
}

static struct baton_piece book_piece(const struct book_model *book)
{
    return (struct baton_piece){book->page, BATON_PIECE_BOOK, (uint16_t)book->count};
}

static void do_send_book(struct book_model *book, unsigned space)
{
    struct baton_piece piece = book_piece(book);
    unsigned to = 1 + (unsigned)machine_random(SPACES);
    bool duplicate = machine_random(3) == 0;
    unsigned flags = (duplicate ? PAGE_SEND_DUPLICATE : 0) | (machine_random(2) ? PAGE_SEND_TRUSTED : 0);
    uint32_t bytes, pages;
    int due = !book->owned[space] ? BATON_EOWNER : !book->count ? BATON_EINVAL : 0;

    assert_true(book_send(spaces[space], &piece, flags, NULL, &bytes, &pages) < 0); /* to a device */
    assert_int_equal(book_send(spaces[space], &piece, flags, spaces[to], &bytes, &pages), due);
    unmap_flush();
    if (due)
        return;
    assert_int_equal(pages, 1 + book->count);
    if (!duplicate)
        page_account(spaces[space], -(int)pages);
    for (unsigned i = 0; i < book->count; i++) {
        struct bound_model *bound = &book->bound[i];
        bound->readers |= book->total > 1;
        bound->writers |= book->total == 1;
    }
    book->owned[space] -= !duplicate;
    book->total += duplicate;
    book->owned[0]++;
}

static void do_receive_book(struct book_model *book, unsigned space)
{
    struct baton_piece piece = book_piece(book);
    bool trust = machine_random(2);

    if (!book->owned[0])
        return;
    if (machine_random(8) == 0) { /* the message is dropped */
        assert_int_equal(page_release(spaces[0], book->page), 0);
        gone(book, 0, 1);
        return;
    }
    assert_int_equal(book_receive(spaces[space], &piece, trust), 0);
    page_account(spaces[space], 0);
    __atomic_fetch_add(&spaces[space]->pages, 1 + book->count, __ATOMIC_RELAXED);
    book->owned[0]--;
    book->owned[space]++;
    assert_int_equal(!!(piece.offset & BATON_PIECE_READ_ONLY), book->total > 1);
    for (unsigned i = 0; i < book->count && !trust; i++)
        book->bound[i].writers = false;
}

static void do_duplicate_book(struct book_model *book, unsigned space)
{
    int result = page_duplicate(spaces[space], book->page);

    if (!book->owned[space]) {
        assert_true(result == BATON_EOWNER || result == BATON_ELIMIT);
        return;
    }
    assert_true(!result || result == BATON_ELIMIT);
    for (unsigned i = 0; i < book->count && !result; i++)
        book->bound[i].writers = true; /* the downgrade may be on its way */
    book->owned[space] += !result;
    book->total += !result;
}

static void do_release_book(struct book_model *book, unsigned space)
{
    assert_int_equal(page_release(spaces[space], book->page), book->owned[space] ? 0 : BATON_EOWNER);
    if (book->owned[space])
        gone(book, space, 1);
}

static void do_trim_book(struct book_model *book, unsigned space)
{
    uint32_t grains = 0, front, back;

    for (uint32_t i = 0; i < book->count; i++)
        grains += book->bound[i].length;
    front = (uint32_t)machine_random(machine_random(3) ? 70 : grains + 2);
    back = (uint32_t)machine_random(machine_random(3) ? 70 : grains + 2);
    int due = !book->owned[space]     ? BATON_EOWNER
              : book->total > 1       ? BATON_EOWNERS
              : front + back > grains ? BATON_EINVAL
                                      : 0;
    assert_int_equal(book_trim(spaces[space], book->page, front * GRAIN, back * GRAIN), due);
    if (due)
        return;
    /* What is cut off was the space's to read until now */
    for (uint32_t i = 0; i < book->count; i++)
        for (uint32_t grain = 0; grain < book->bound[i].length; grain++)
            book->bound[i].known[book->bound[i].offset + grain] |= 1u << space;
    while (book->count && front >= book->bound[0].length) {
        front -= book->bound[0].length;
        memmove(book->bound, book->bound + 1, --book->count * sizeof(book->bound[0]));
    }
    if (front) {
        book->bound[0].offset += front;
        book->bound[0].length -= front;
    }
    while (book->count && back >= book->bound[book->count - 1].length)
        back -= book->bound[--book->count].length;
    if (back)
        book->bound[book->count - 1].length -= back;
}

static void do_unbind_book(struct book_model *book, unsigned space)
{
    struct baton_piece pieces[3];
    unsigned count = 1 + (unsigned)machine_random(3), taken = count < book->count ? count : book->count;
    int due = !book->owned[space] ? BATON_EOWNER : book->total > 1 ? BATON_EOWNERS : (int)taken;

    assert_int_equal(book_unbind(spaces[space], book->page, pieces, count), due);
    for (int i = 0; i < due; i++) {
        struct bound_model *bound = &book->bound[book->count - taken + (unsigned)i];
        assert_int_equal(pieces[i].page, bound->page);
        /* An ordinary page again: it can be bound again, or given up */
        if (i == 0 && machine_random(2)) {
            assert_int_equal(book_bind(spaces[space], book->page, pieces, 1), 1);
            continue;
        }
        assert_int_equal(page_release(spaces[space], pieces[i].page), 0);
        bound->page = UINT32_MAX;
    }
    if (due > 0) {
        bool again = book->bound[book->count - taken].page != UINT32_MAX;
        book->count -= taken - again;
    }
}

/* ---- All of it ---- */

static void account_check(void)
{
    struct page_counts counts;

    for (unsigned s = 1; s <= SPACES; s++) {
        uint32_t pages = 0;
        for (unsigned i = 0; i < BOOKS; i++)
            pages += books[i].used ? books[i].owned[s] * (1 + books[i].count) : 0;
        assert_int_equal(spaces[s]->pages, pages);
    }
    page_count(&counts);
    assert_int_equal(counts.free + counts.owned + counts.in_flight, PAGES);
    uint32_t in_flight = 0, used = 0;
    for (unsigned i = 0; i < BOOKS; i++) {
        in_flight += books[i].used && books[i].owned[0] ? 1 + books[i].count : 0;
        used += books[i].used ? 1 + books[i].count : 0;
    }
    /* What is in a limbo counts as in flight until its unmaps are complete */
    assert_true(counts.in_flight >= in_flight && counts.in_flight <= in_flight + page_limbo_count());
    assert_int_equal(counts.owned, used - in_flight);
}

static void one_step(void)
{
    static void (*const operations[])(struct book_model *, unsigned) = {
        do_send_book,      do_send_book,    do_receive_book, do_receive_book,
        do_duplicate_book, do_release_book, do_trim_book,    do_unbind_book,
    };
    struct book_model *book = &books[machine_random(BOOKS)];
    unsigned space = 1 + (unsigned)machine_random(SPACES);

    machine_run_on(cpu_of(space));
    if (!book->used) {
        do_make(book, space);
    } else if (machine_random(2) && book->count) {
        for (unsigned i = 0; i < 6; i++)
            access_try(book, &book->bound[machine_random(book->count)], space, machine_random(2));
    } else {
        operations[machine_random(sizeof(operations) / sizeof(operations[0]))](book, space);
    }
    if (book->used && book->owned[space])
        list_check(book, space);
    if (machine_random(20) == 0)
        passes();
    account_check();
}

static void random_books(uint64_t seed)
{
    struct page_counts counts;

    begin(seed);
    for (unsigned step = 0; step < 15000; step++)
        one_step();
    machine_run_on(0);
    for (unsigned s = 1; s <= SPACES; s++)
        page_release_all(spaces[s]); /* the services die, whatever they have */
    for (unsigned i = 0; i < BOOKS; i++)
        while (books[i].used && books[i].owned[0] && books[i].owned[0]--)
            assert_int_equal(page_release(spaces[0], books[i].page), 0);
    passes();
    page_count(&counts);
    assert_int_equal(counts.free, PAGES);
    for (unsigned s = 1; s <= SPACES; s++)
        assert_int_equal(spaces[s]->pages, 0);
}

static void test_random_books(void **state)
{
    (void)state;
    random_books(1);
}

static void test_random_books_again(void **state)
{
    (void)state;
    random_books(2);
}

/* What is no book is not taken for one, nor a book for a page. */
static void test_wrong_books(void **state)
{
    struct baton_piece piece, pieces[3];
    uint32_t page, bytes, pages;

    (void)state;
    begin(1);
    machine_run_on(0);
    int book = book_get(spaces[1], 2 * PAGE_SIZE), other = book_get(spaces[1], 0);
    assert_true(book >= 0 && other >= 0);
    assert_int_equal(page_get(spaces[1], &page, 1), 1);
    piece = (struct baton_piece){page, BATON_PIECE_BOOK, 1};
    assert_int_equal(book_send(spaces[1], &piece, 0, spaces[2], &bytes, &pages), BATON_EINVAL);
    piece = (struct baton_piece){(uint32_t)book, 0, 16};
    assert_int_equal(page_send(spaces[1], &piece, 0, spaces[2]), BATON_EINVAL);
    piece = (struct baton_piece){(uint32_t)book, BATON_PIECE_BOOK, 3};
    assert_int_equal(book_send(spaces[1], &piece, 0, spaces[2], &bytes, &pages), BATON_EINVAL);
    for (uint16_t i = 0; i < 16; i++) {
        pieces[0] = (struct baton_piece){i & 1 ? (uint32_t)book : page, (uint16_t)(0x8000u >> i), 4096};
        assert_true(book_bind(spaces[1], (uint32_t)book, pieces, 1) < 0);
    }
    pieces[0] = (struct baton_piece){(uint32_t)other, 0, 16};
    assert_int_equal(book_bind(spaces[1], (uint32_t)book, pieces, 1), BATON_EINVAL);
    pieces[0] = (struct baton_piece){(uint32_t)book, 0, 16};
    assert_int_equal(book_bind(spaces[1], (uint32_t)other, pieces, 1), BATON_EINVAL);
    assert_int_equal(book_bind(spaces[1], page, pieces, 1), BATON_EINVAL);
    assert_int_equal(book_bind(spaces[1], PAGES, pieces, 1), BATON_EOWNER);
    assert_int_equal(book_trim(spaces[1], page, 0, 0), BATON_EINVAL);
    assert_int_equal(book_unbind(spaces[1], page, pieces, 1), BATON_EINVAL);
    assert_int_equal(book_unbind(spaces[1], (uint32_t)book, pieces, 1), 1);
    assert_int_equal(book_get(spaces[1], 60 * PAGE_SIZE), BATON_ELIMIT);
    assert_int_equal(book_get(spaces[1], UINT32_MAX), BATON_EINVAL);
    assert_int_equal(spaces[1]->pages, 5);
    page_release_all(spaces[1]);
    assert_int_equal(spaces[1]->pages, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_random_books),
    cmocka_unit_test(test_random_books_again),
    cmocka_unit_test(test_wrong_books),
};

CASES_MAIN(tests)
