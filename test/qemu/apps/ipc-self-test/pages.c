/*
 * IPC pages: getting, sharing, giving up; what is not owned; what a receiver may see of a page.
 */
#include <string.h>
#include "test/qemu/apps/ipc-self-test/tester.h"

#define PAGES_ALLOWED 2560 /* this service's row of the appliance's table */

static bool page_is_zero(uint32_t page)
{
    const uint64_t *words = baton_page_address(page);

    for (unsigned i = 0; i < BATON_PAGE_BYTES / 8; i++)
        if (words[i])
            return false;
    return true;
}

static void get_and_release(void)
{
    uint32_t pages[BATON_BATCH];

    CHECK(baton_page_get(pages, 0) == BATON_EINVAL && baton_page_get(pages, 65) == BATON_EINVAL);
    CHECK(baton_page_get(NULL, 1) == BATON_EFAULT);
    for (unsigned round = 0; round < 3; round++) {
        int got = baton_page_get(pages, BATON_BATCH);
        CHECK(got > 0);
        for (int i = 0; i < got; i++) {
            CHECK(page_is_zero(pages[i]));
            memset(baton_page_address(pages[i]), 0xaa, BATON_PAGE_BYTES);
        }
        CHECK(baton_page_release(pages, (unsigned)got) == got);
        CHECK(baton_page_release(pages, 1) == BATON_EOWNER);
    }
    pages[0] = UINT32_MAX;
    CHECK(baton_page_release(pages, 1) == BATON_EOWNER && baton_page_duplicate(pages, 1) == BATON_EOWNER);
}

static void limit(void)
{
    static uint32_t pages[PAGES_ALLOWED + BATON_BATCH];
    unsigned got = 0;
    int result;

    while ((result = baton_page_get(pages + got, BATON_BATCH)) > 0 && got < PAGES_ALLOWED)
        got += (unsigned)result;
    CHECK(result == BATON_ELIMIT && got == PAGES_ALLOWED);
    for (unsigned done = 0; done < got; done += BATON_BATCH) {
        unsigned count = got - done < BATON_BATCH ? got - done : BATON_BATCH;
        CHECK(baton_page_release(pages + done, count) == (int)count);
    }
}

static void share(void)
{
    uint32_t page;

    CHECK(baton_page_get(&page, 1) == 1);
    strcpy(baton_page_address(page), "shared");
    CHECK(baton_page_duplicate(&page, 1) == 1 && baton_page_duplicate(&page, 1) == 1);
    CHECK(!strcmp(baton_page_address(page), "shared"));
    CHECK(baton_page_release(&page, 1) == 1 && baton_page_release(&page, 1) == 1);
    strcpy(baton_page_address(page), "alone again");
    CHECK(!strcmp(baton_page_address(page), "alone again"));
    CHECK(baton_page_release(&page, 1) == 1 && baton_page_release(&page, 1) == BATON_EOWNER);
}

static void not_owned(void)
{
    struct baton_message message, copy;
    uint32_t page;

    CHECK(baton_page_get(&page, 1) == 1);
    baton_message_init(&message, 0);
    CHECK(baton_message_append_page(&message, page, 100, 4000) == BATON_EINVAL);
    CHECK(baton_message_append_page(&message, page, 100, 3996) == 0);
    message.type = HOLD;
    copy = message;
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == 1);
    CHECK(baton_send(partner, &copy, 0, BATON_FOREVER) == BATON_EOWNER); /* doubled */
    CHECK(baton_send(partner, &copy, BATON_DUPLICATE, BATON_FOREVER) == BATON_EOWNER);
    CHECK(baton_message_free(&copy) == BATON_EOWNER);
    CHECK(baton_message_alloc(&message, 0, 3 * BATON_PAGE_BYTES) == 0);
    page = message.piece[2].page;
    message.piece[2].page = message.piece[1].page; /* the same page twice, owned once */
    CHECK(baton_send(partner, &message, 0, BATON_FOREVER) == BATON_EOWNER);
    message.piece[2].page = page;
    CHECK(baton_message_write(&message, 0, "still mine", 10) == 0); /* the failed send changed nothing */
    CHECK(baton_message_free(&message) == 0);
    baton_message_init(&message, 0);
    CHECK(ask(&message, HELD_SUM) == 0);
}

/* A receiver sees the bytes of the message, and nothing that the sender had around them. */
static void scrubbed(void)
{
    struct baton_message message;
    uint32_t page;

    for (unsigned round = 0; round < 8; round++) {
        CHECK(baton_page_get(&page, 1) == 1);
        memset(baton_page_address(page), 0x77, BATON_PAGE_BYTES);
        baton_message_init(&message, 0);
        CHECK(baton_message_append_page(&message, page, 100 * round, 1 + 300 * round) == 0);
        CHECK(ask(&message, OUTSIDE) == 0);
    }
}

static void others_data(void)
{
    struct baton_message message;

    baton_message_init(&message, 0);
    int64_t theirs = ask(&message, OWN_DATA);
    CHECK(theirs > 0 && theirs >> 28 != (int64_t)(uintptr_t)&page_is_zero >> 28);
}

void test_pages(void)
{
    get_and_release();
    limit();
    share();
    not_owned();
    scrubbed();
    others_data();
}
