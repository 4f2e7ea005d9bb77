/*
 * ipc/transfer.h and ipc/rpc.h: what services say is believed only as far as it is true. Random messages, most of them
 * wrong in some way, are judged by a second reading of core/abi.h; after a refusal nothing has changed (page 6), after a
 * success the receiver finds what was sent. Service memory is host memory of exactly its size, under the sanitizers.
 */
#include "core/abi.h"
#include "core/cpu.h"
#include "ipc/message.h"
#include "ipc/page.h"
#include "ipc/request.h"
#include "ipc/rpc.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "ipc/transfer.h"
#include "ipc/user.h"
#include "mm/space.h"
#include "mm/unmap.h"
#include "test/host/cases.h"
#include "test/host/machine.h"
#include "test/host/ownership.h"

#include <stdlib.h>

#define PAGES    64u
#define OBJECTS  64u
#define MESSAGES 4u

static struct baton_service row = {.threads = 1};
static struct program program;
static struct service service[3]; /* 0 and 1 of these tests, 2 a third one for forged tokens */
static struct baton_message *memory[2];
static struct thread threads[2];
static unsigned wakes;
static uint64_t hole; /* a guard page: the copy faults there */
static unsigned accepted, invalid, not_owned;

/* ---- The parts of the kernel below and beside ---- */

static int copy(void *to, const void *from, uint64_t service_address, uint64_t bytes)
{
    if (hole && service_address <= hole && hole < service_address + bytes)
        return -1;
    memcpy(to, from, bytes);
    return 0;
}

int user_read(void *to, uint64_t from, uint64_t words)
{
    return copy(to, (const void *)from, from, words * 8);
}

int user_write(uint64_t to, const void *from, uint64_t words)
{
    return copy((void *)to, from, to, words * 8);
}

int user_read_trusted(void *to, uint64_t from, uint64_t words)
{
    return user_read(to, from, words);
}

int user_write_trusted(uint64_t to, const void *from, uint64_t words)
{
    return user_write(to, from, words);
}

int user_read_bytes(void *to, uint64_t from, uint64_t bytes)
{
    return copy(to, (const void *)from, from, bytes);
}

int user_write_bytes(uint64_t to, const void *from, uint64_t bytes)
{
    return copy((void *)to, from, to, bytes);
}

int user_read_bytes_trusted(void *to, uint64_t from, uint64_t bytes)
{
    return user_read_bytes(to, from, bytes);
}

int user_write_bytes_trusted(uint64_t to, const void *from, uint64_t bytes)
{
    return user_write_bytes(to, from, bytes);
}

struct thread *thread_at(unsigned number)
{
    return number < 2 ? &threads[number] : NULL;
}

void thread_wake(struct thread *thread)
{
    (void)thread;
    wakes++;
}

bool thread_park(uint64_t deadline)
{
    return deadline == UINT64_MAX; /* true: woken for nothing, which is allowed */
}

static void begin(void)
{
    ownership_init(1, PAGES, 8);
    message_pool_init(OBJECTS);
    requests_init(8);
    for (unsigned i = 0; i < 2; i++) {
        memory[i] = calloc(MESSAGES, sizeof(*memory[i]));
        service[i] = (struct service){.number = i + 1, .program = &program, .row = &row};
        service[i].space = ownership_space("s", true, 30);
        service[i].writable_start = (uint64_t)memory[i];
        service[i].writable_end = (uint64_t)(memory[i] + MESSAGES);
        threads[i] = (struct thread){.number = i, .service = &service[i]};
    }
    service[2].number = 3;
    machine_run_on(0);
    cpus[0].current = &threads[0];
    wakes = 0;
    hole = 0;
}

/* ---- What must not change ---- */

struct snapshot {
    struct page_info info[PAGES];
    uint32_t pages[2];
    unsigned objects;
};

/* `hulls`: also what there is to be seen of the pages that have one owner (page 7). */
static void snapshot_take(struct snapshot *snapshot, bool hulls)
{
    memset(snapshot, 0, sizeof(*snapshot));
    for (uint32_t page = 0; page < PAGES; page++) {
        struct page_info info;
        page_describe(page, &info);
        snapshot->info[page].total = info.total;
        snapshot->info[page].owners = info.owners;
        snapshot->info[page].kernel = info.kernel;
        snapshot->info[page].hull_start = hulls && info.total == 1 ? info.hull_start : 0;
        snapshot->info[page].hull_end = hulls && info.total == 1 ? info.hull_end : 0;
        for (unsigned i = 0; i < info.owners && i < 4; i++)
            snapshot->info[page].owner[0] |= (uint8_t)(1 << info.owner[i]); /* in whatever order */
    }
    for (unsigned i = 0; i < 2; i++)
        snapshot->pages[i] = service[i].space->pages;
    snapshot->objects = message_pool_free();
}

static void assert_unchanged(const struct snapshot *before, bool hulls)
{
    struct snapshot now;

    snapshot_take(&now, hulls);
    assert_memory_equal(before, &now, sizeof(now));
}

/* ---- Messages, right and wrong ---- */

static uint32_t owned_page(unsigned who)
{
    struct page_info info;

    for (unsigned tries = 0; tries < 200; tries++) {
        uint32_t page = (uint32_t)machine_random(PAGES);
        page_describe(page, &info);
        for (unsigned i = 0; i < info.owners && i < 4; i++)
            if (info.owner[i] == service[who].space->number)
                return page;
    }
    return 0;
}

static void message_make(unsigned who, struct baton_message *message)
{
    memset(message, 0x5a, sizeof(*message));
    message->inline_offset = (uint8_t)machine_random(BATON_INLINE_BYTES);
    message->inline_length = (uint8_t)machine_random(BATON_INLINE_BYTES - message->inline_offset + 1u);
    message->pieces = (uint8_t)(machine_random(3) ? machine_random(4) : machine_random(BATON_PIECES + 1));
    message->flags = 0;
    message->length = message->inline_length;
    for (unsigned i = 0; i < message->pieces; i++) {
        uint32_t offset = (uint32_t)machine_random(BATON_PAGE_BYTES);
        uint32_t length = 1 + (uint32_t)machine_random(BATON_PAGE_BYTES - offset);
        message->piece[i] = (struct baton_piece){owned_page(who), (uint16_t)offset, (uint16_t)length};
        message->length += length;
    }
}

/* One thing in it is changed, by a bit or for good. */
static void message_spoil(struct baton_message *message)
{
    unsigned i = (unsigned)machine_random(BATON_PIECES);

    switch (machine_random(8)) {
    case 0:
        message->inline_length = (uint8_t)machine_random(256);
        break;
    case 1:
        message->inline_offset = (uint8_t)machine_random(256);
        break;
    case 2:
        message->pieces = (uint8_t)machine_random(256);
        break;
    case 3:
        message->flags = (uint8_t)machine_random(256);
        break;
    case 4:
        message->length ^= 1u << machine_random(32);
        break;
    case 5:
        message->piece[i].page = (uint32_t)machine_random(machine_random(2) ? PAGES + 2 : UINT32_MAX);
        break;
    case 6:
        message->piece[i].offset ^= (uint16_t)(1u << machine_random(16));
        break;
    default:
        message->piece[i].length = (uint16_t)machine_random(65536);
        break;
    }
}

static bool message_right(const struct baton_message *message)
{
    uint64_t length = message->inline_length;

    if (message->inline_offset + message->inline_length > 128 || message->pieces > 16 || message->flags)
        return false;
    for (unsigned i = 0; i < message->pieces; i++) {
        const struct baton_piece *piece = &message->piece[i];
        uint32_t offset = piece->offset & 0xfff;
        if (piece->offset & 0x7000 || !piece->length || offset + piece->length > 4096 || piece->page >= PAGES)
            return false;
        length += piece->length;
    }
    return length == message->length;
}

/* Ownerships of the page that the message would take, and those there are: a page may be named more than once. */
static bool message_owned(unsigned who, const struct baton_message *message, bool duplicate)
{
    for (unsigned i = 0; i < message->pieces; i++) {
        uint32_t wanted = 0, counts = 0;
        struct page_info info;
        page_describe(message->piece[i].page, &info);
        for (unsigned k = 0; k < info.owners && k < 4; k++)
            counts |= info.owner[k] == service[who].space->number;
        for (unsigned k = 0; k < message->pieces; k++)
            wanted += message->piece[k].page == message->piece[i].page;
        /* In these tests a service owns a page once. */
        if (!counts || (!duplicate && wanted > 1))
            return false;
    }
    return true;
}

static void refill(unsigned who)
{
    uint32_t pages[4];

    if (service[who].space->pages < 8)
        page_get(service[who].space, pages, 4);
}

/* What arrives: the header, the inline bytes and no other byte of their words, the pieces, and nothing else. */
static void check_arrival(const struct baton_message *was, const struct baton_message *is)
{
    assert_int_equal(is->length, was->length);
    assert_int_equal(is->type, was->type);
    assert_int_equal(is->tag, was->tag);
    assert_int_equal(is->reply, 0);
    assert_int_equal(is->inline_length, was->inline_length);
    for (unsigned i = 0; i < BATON_INLINE_BYTES; i++) {
        unsigned first = was->inline_offset, end = first + was->inline_length;
        if (i >= first && i < end)
            assert_int_equal(is->data[i], was->data[i]);
        else
            assert_true(is->data[i] == 0 ||
                        is->data[i] == 0xee); /* zeroed in a shared word, or not written */
    }
    for (unsigned i = 0; i < BATON_PIECES; i++) {
        const uint16_t arrived = is->piece[i].offset & BATON_PIECE_OFFSET_MASK;
        if (i >= was->pieces) {
            assert_int_equal(is->piece[i].page, 0xeeeeeeee);
            continue;
        }
        assert_int_equal(is->piece[i].page, was->piece[i].page);
        assert_int_equal(arrived, was->piece[i].offset & BATON_PIECE_OFFSET_MASK);
        assert_int_equal(is->piece[i].length, was->piece[i].length);
    }
}

static void deliver(unsigned to, struct message *message, const struct baton_message *was)
{
    struct baton_message *place = &memory[to][machine_random(MESSAGES)];

    memset(place, 0xee, sizeof(*place));
    assert_int_equal(
        transfer_out(&service[to], (uint64_t)place, message, machine_random(2), machine_random(2)), 0);
    check_arrival(was, place);
    for (unsigned i = 0; i < place->pieces; i++)
        assert_int_equal(page_release(service[to].space, place->piece[i].page), 0);
}

static void round_trip(unsigned who, bool duplicate)
{
    struct baton_message *place = &memory[who][machine_random(MESSAGES)];
    struct snapshot before;
    struct message *message;

    refill(who);
    assert_int_equal(message_alloc(&message, 1), 1);
    message_make(who, place);
    if (machine_random(2))
        message_spoil(place);
    struct baton_message was = *place;
    int expected = !message_right(&was)                  ? BATON_EINVAL
                   : message_owned(who, &was, duplicate) ? 0
                                                         : BATON_EOWNER;
    accepted += !expected;
    invalid += expected == BATON_EINVAL;
    not_owned += expected == BATON_EOWNER;
    /* Of a page that is duplicated what its owner never saw is zeroed, for its next owners too: so all of it may be seen */
    snapshot_take(&before, !duplicate);
    unsigned flags = (duplicate ? PAGE_SEND_DUPLICATE : 0) | (machine_random(2) ? PAGE_SEND_TRUSTED : 0);
    assert_int_equal(transfer_in(&service[who], (uint64_t)place, message, flags, service[1 - who].space),
                     expected);
    unmap_flush();
    assert_memory_equal(place, &was, sizeof(was)); /* the sender's own copy is not touched */
    if (expected) {
        assert_unchanged(&before, !duplicate);
        message_free(&message, 1);
        return;
    }
    memset(place, 0x99, sizeof(*place)); /* too late: the copy counts */
    if (machine_random(4) == 0) {
        transfer_undo(&service[who], message, duplicate);
        assert_unchanged(&before, !duplicate);
    } else {
        deliver(1 - who, message, &was);
    }
    message_free(&message, 1);
}

static void test_random_messages(void **state)
{
    unsigned space_pages;

    (void)state;
    begin();
    for (unsigned i = 0; i < 60000; i++)
        round_trip((unsigned)machine_random(2), machine_random(3) == 0);
    assert_true(accepted > 5000 && invalid > 5000 && not_owned > 5000); /* all of them were tried */
    space_pages = page_release_all(service[0].space) + page_release_all(service[1].space);
    assert_true(space_pages <= 2 * 30);
    struct page_counts counts;
    page_count(&counts);
    assert_int_equal(counts.free, PAGES);
    assert_int_equal(message_pool_free(), OBJECTS);
}

static void test_addresses(void **state)
{
    struct message *message;
    uint64_t word, start;

    (void)state;
    begin();
    start = (uint64_t)memory[0];
    assert_int_equal(message_alloc(&message, 1), 1);
    const uint64_t size = sizeof(struct baton_message), end = start + MESSAGES * size;
    const uint64_t wrong[] = {
        0,          8,        start - 8,          end, end - size + 8, UINT64_MAX - 7, LINEAR_BASE,
        IMAGE_BASE, IPC_BASE, (uint64_t)memory[1]};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(transfer_in(&service[0], wrong[i], message, 0, NULL), BATON_EFAULT);
        assert_int_equal(transfer_read(&service[0], &word, wrong[i], size), BATON_EFAULT);
        assert_int_equal(transfer_write(&service[0], wrong[i], &word, size), BATON_EFAULT);
        assert_int_equal(transfer_read_words(&service[0], &word, wrong[i], size / 8), BATON_EFAULT);
        assert_false(transfer_writable(&service[0], wrong[i], size));
    }
    for (unsigned i = 1; i < 8; i++)
        assert_int_equal(transfer_in(&service[0], start + i, message, 0, NULL), BATON_EINVAL);
    assert_int_equal(transfer_read_words(&service[0], &word, start + 4, 1), BATON_EINVAL);
    assert_false(transfer_writable(&service[0], start, UINT64_MAX));
    assert_false(transfer_writable(&service[0], start + 8, UINT64_MAX - 7));
    assert_true(transfer_writable(&service[0], start, end - start));
    hole = start + 8;
    assert_int_equal(transfer_in(&service[0], start, message, 0, NULL), BATON_EFAULT);
    assert_int_equal(transfer_read(&service[0], &word, start + 8, 8), BATON_EFAULT);
}

/* Stacks lie in the upper halves of their places: a guard below each, and none beyond the service's threads. */
static void test_stack_addresses(void **state)
{
    const uint64_t place = 2 * USER_STACK_SIZE, base = SLOT_BASE;

    (void)state;
    begin();
    service[0].thread_count = 2;
    service[0].stacks_start = base;
    for (uint64_t thread = 0; thread < 3; thread++) {
        uint64_t bottom = base + thread * place + USER_STACK_SIZE;
        bool there = thread < 2;
        assert_int_equal(transfer_writable(&service[0], bottom, USER_STACK_SIZE), there);
        assert_int_equal(transfer_writable(&service[0], bottom + USER_STACK_SIZE - 8, 8), there);
        assert_false(transfer_writable(&service[0], bottom - 8, 8));
        assert_false(transfer_writable(&service[0], bottom - 8, 16));
        assert_false(transfer_writable(&service[0], bottom + USER_STACK_SIZE - 8, 16));
        assert_false(transfer_writable(&service[0], bottom, USER_STACK_SIZE + 1));
    }
    row.threads = 1;
}

/* ---- Replies ---- */

static struct message *request_made(void)
{
    struct message *request;

    assert_int_equal(message_alloc(&request, 1), 1);
    request->abi.pieces = 0;
    rpc_begin(request);
    return request;
}

static void test_reply(void **state)
{
    struct message *answer, *reply = NULL;

    (void)state;
    begin();
    struct message *request = request_made();
    uint64_t token = rpc_received(request, &service[1]);
    assert_true(token);
    struct thread *caller = rpc_claim(token, &service[1]);
    assert_ptr_equal(caller, &threads[0]);
    assert_null(rpc_claim(token, &service[1])); /* doubled */
    rpc_unclaim(caller, &service[1]);
    assert_ptr_equal(rpc_claim(token, &service[1]), caller);
    assert_int_equal(message_alloc(&answer, 1), 1);
    rpc_answer(caller, answer);
    assert_int_equal(wakes, 1);
    assert_int_equal(rpc_wait(&reply, UINT64_MAX), 0);
    assert_ptr_equal(reply, answer);
    assert_null(rpc_claim(token, &service[1])); /* stale */
}

static void test_forged_tokens(void **state)
{
    (void)state;
    begin();
    struct message *request = request_made();
    uint64_t token = rpc_received(request, &service[1]);
    assert_null(rpc_claim(token, &service[2])); /* somebody else's */
    assert_null(rpc_claim(0, &service[1]));
    for (unsigned bit = 0; bit < 64; bit++)
        assert_null(rpc_claim(token ^ UINT64_C(1) << bit, &service[1]));
    for (unsigned i = 0; i < 100000; i++)
        assert_null(rpc_claim(machine_random(UINT64_MAX), &service[1]));
    assert_non_null(rpc_claim(token, &service[1]));
}

static void test_time_out_and_late_reply(void **state)
{
    struct message *reply;

    (void)state;
    begin();
    struct message *request = request_made();
    uint64_t token = rpc_received(request, &service[1]);
    assert_int_equal(rpc_wait(&reply, 1), BATON_ETIMEOUT);
    assert_null(rpc_claim(token, &service[1]));
    request = request_made();
    assert_int_equal(rpc_wait(&reply, 1), BATON_ETIMEOUT); /* while it is queued */
    assert_int_equal(rpc_received(request, &service[1]), 0);
    request = request_made();
    uint64_t second = rpc_received(request, &service[1]);
    assert_true(second && second != token);
    assert_null(rpc_claim(token, &service[1])); /* of the request before */
    assert_non_null(rpc_claim(second, &service[1]));
}

static void test_death_at_the_other_end(void **state)
{
    struct message *reply;

    (void)state;
    begin();
    struct message *request = request_made();
    message_drop(request); /* the port closed */
    assert_int_equal(rpc_wait(&reply, UINT64_MAX), BATON_EDEAD);
    request = request_made();
    uint64_t token = rpc_received(request, &service[1]);
    rpc_abort_service(&service[2]); /* not the one that holds it */
    rpc_abort_service(&service[1]);
    assert_null(rpc_claim(token, &service[1]));
    assert_int_equal(rpc_wait(&reply, UINT64_MAX), BATON_EDEAD);
    service[0].state = SERVICE_STOPPING; /* the caller's own service stops */
    request_made();
    assert_int_equal(rpc_wait(&reply, UINT64_MAX), BATON_EDEAD);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_random_messages),        cmocka_unit_test(test_addresses),
    cmocka_unit_test(test_stack_addresses),        cmocka_unit_test(test_reply),
    cmocka_unit_test(test_forged_tokens),          cmocka_unit_test(test_time_out_and_late_reply),
    cmocka_unit_test(test_death_at_the_other_end),
};

CASES_MAIN(tests)
