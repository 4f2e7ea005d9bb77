/*
 * The calls on books, for ipc/syscall.c: arguments as baton.h gives them, in x0 to x5. Owns nothing; what is done is
 * ipc/page_book.h.
 */
#ifndef IPC_SYSCALL_BOOK_H
#define IPC_SYSCALL_BOOK_H

#include <stdint.h>

struct service;

int64_t syscall_book_get(struct service *service, const uint64_t *args);
int64_t syscall_book_bind(struct service *service, const uint64_t *args);
int64_t syscall_book_unbind(struct service *service, const uint64_t *args);
int64_t syscall_book_trim(struct service *service, const uint64_t *args);

#endif
