/* The calls that move messages, for ipc/syscall.c: arguments as baton.h gives them, in x0 to x5. */
#ifndef IPC_SYSCALL_MESSAGE_H
#define IPC_SYSCALL_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

struct service;

int64_t syscall_send(struct service *service, const uint64_t *args);
int64_t syscall_receive(struct service *service, const uint64_t *args);
int64_t syscall_send_one(struct service *service, const uint64_t *args);
int64_t syscall_receive_one(struct service *service, const uint64_t *args);
int64_t syscall_rpc(struct service *service, const uint64_t *args);
int64_t syscall_reply(struct service *service, const uint64_t *args);
/* The second halves of send, receive and rpc, for ipc/direct.c: of messages that are the kernel's already. */
struct message;
struct port;
int64_t syscall_send_filled(struct service *service, struct port *port, struct message *const *messages,
                            unsigned count, uint32_t pages, bool duplicate, uint64_t timeout);
int64_t syscall_deliver(struct service *service, uint64_t address, struct message *message, uint64_t flags);
int64_t syscall_answered(struct service *service, uint64_t address, struct message *reply, uint64_t flags);

int64_t syscall_request(struct service *service, const uint64_t *args);
int64_t syscall_request_cancel(struct service *service, const uint64_t *args);

#endif
