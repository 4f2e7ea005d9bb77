/*
 * The first C code of every thread: thread-local data, then main() or the thread's entry, then the end.
 *
 * Owns: nothing. The kernel has laid out .data, zeroed .bss and chosen the thread's stack and its TLS block;
 * the block begins with 16 bytes for the thread control block (AArch64 ELF TLS variant 1), .tdata and .tbss
 * follow.
 */
#include <stdlib.h>
#include <string.h>
#include "apps/baton.h"
#include "apps/lib/internal.h"

_Static_assert(offsetof(struct baton_start, tls) == 24, "calls.S loads it from there");
_Static_assert(BATON_CALL_SEND == 0 && BATON_CALL_RECEIVE == 1 && BATON_CALL_RPC == 2 &&
                   BATON_CALL_REPLY == 3 && BATON_CALL_PAGE_GET == 4 && BATON_CALL_PAGE_DUPLICATE == 5 &&
                   BATON_CALL_PAGE_RELEASE == 6 && BATON_CALL_PORT_FIND == 7 &&
                   BATON_CALL_THREAD_START == 8 && BATON_CALL_YIELD == 9 && BATON_CALL_SLEEP == 10 &&
                   BATON_CALL_EXIT == 11 && BATON_CALL_LOG == 12 && BATON_CALL_COUNTERS == 13 &&
                   BATON_CALL_SETTING == 14 && BATON_CALL_THREAD_MOVE == 15 && BATON_CALL_REQUEST == 16 &&
                   BATON_CALL_REQUEST_CANCEL == 17 && BATON_CALL_BOOK_GET == 18 &&
                   BATON_CALL_BOOK_BIND == 19 && BATON_CALL_BOOK_UNBIND == 20 && BATON_CALL_BOOK_TRIM == 21 &&
                   BATON_CALL_SEND_ONE == 22 && BATON_CALL_RECEIVE_ONE == 23 &&
                   BATON_CALL_REPLY_RECEIVE == 24 && BATON_CALL_COUNT == 25,
               "calls.S has these numbers");

#define TCB_BYTES 16

/* service.ld */
extern const char service_tdata_start[], service_tdata_end[], service_tls_end[];

int main(void);
__attribute__((noreturn)) void baton_start(const struct baton_start *start);

static void tls_init(char *block)
{
    size_t data = (size_t)(service_tdata_end - service_tdata_start);
    size_t all = (size_t)(service_tls_end - service_tdata_start);

    memcpy(block + TCB_BYTES, service_tdata_start, data);
    memset(block + TCB_BYTES + data, 0, all - data); /* the block may have been another thread's before */
}

void baton_start(const struct baton_start *start)
{
    tls_init((char *)start->tls);
    library_thread_begin();
    if (start->entry) {
        ((void (*)(void *))start->entry)((void *)start->argument);
        library_thread_end();
        baton_exit();
    }
    library_heap_init(start->heap_start, start->heap_end);
    library_time_init();
    library_counters_init();
    library_config_init((const char *)start->config, start->config_size);
    exit(main());
}
