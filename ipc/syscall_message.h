/* The calls that move messages, for ipc/syscall.c: arguments as baton.h gives them, in x0 to x5. */
#ifndef IPC_SYSCALL_MESSAGE_H
#define IPC_SYSCALL_MESSAGE_H

#include <stdint.h>

struct service;

int64_t syscall_send(struct service *service, const uint64_t *args);
int64_t syscall_receive(struct service *service, const uint64_t *args);
int64_t syscall_rpc(struct service *service, const uint64_t *args);
int64_t syscall_reply(struct service *service, const uint64_t *args);
int64_t syscall_request(struct service *service, const uint64_t *args);
int64_t syscall_request_cancel(struct service *service, const uint64_t *args);

#endif
