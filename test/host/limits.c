/* What ports and messages ask of services, which are not in the host build: nobody has a limit of messages. */
#include "ipc/service.h"

bool service_messages_limited;
uint32_t service_messages_charged;

void service_taken_count(struct message *const *messages, unsigned count)
{
    (void)messages, (void)count;
}

unsigned service_charge(struct service *service, unsigned count)
{
    (void)service;
    return count;
}

void service_charge_mark(const struct service *service, struct message *const *messages, unsigned count)
{
    (void)service, (void)messages, (void)count;
}

void service_uncharge(struct service *service, unsigned count)
{
    (void)service, (void)count;
}
