/* Frames on their way out, messages of the router's own, drops and their counters: see router.h. */
#include "apps/net/mirror.h"
#include "apps/router/lane.h"

#define SLOT_OF(message) ((struct slot *)(void *)(message))

static const char *const drop_name[DROPS] = {
#define DROP_NAME(name, text) [DROP_##name] = text,
    DROP_REASONS(DROP_NAME)
#undef DROP_NAME
};

struct router router;

void outbox_init(struct lane *self)
{
    self->generation = 1; /* a flow that was never decided has generation 0 */
    self->recent.ingress = RECENT_NONE;
    for (unsigned i = 0; i < BATON_BATCH; i++)
        self->inbox[i] = &self->frames[i];
    for (; self->pool_count < MESSAGES_MAX; self->pool_count++)
        self->pool[self->pool_count] = &self->slots[self->pool_count];
}

/* ---- Drops ---- */

/* Made when it is first needed: the statistics have fewer rows than there are reasons times interfaces. */
static uint64_t *drop_counter(unsigned interface, enum drop reason)
{
    static uint64_t unpublished;
    static uint32_t busy;
    uint64_t **counter = &router.interface[interface].dropped[reason];

    while (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
        baton_yield(); /* another lane makes one, maybe this one */
    if (!*counter) {
        uint64_t *value = baton_counter(drop_name[reason], (int)interface);
        __atomic_store_n(counter, value ? value : &unpublished, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
    return *counter;
}

void router_count(unsigned interface, enum drop reason)
{
    uint64_t *counter = __atomic_load_n(&router.interface[interface].dropped[reason], __ATOMIC_RELAXED);

    router_tally(counter ? counter : drop_counter(interface, reason));
}

static void dropped_free(void)
{
    if (lane->dropped_count)
        baton_message_free_batch(lane->dropped, lane->dropped_count);
    lane->dropped_count = 0;
}

void router_discard(struct baton_message *message)
{
    if (lane->dropped_count == BATON_BATCH)
        dropped_free();
    lane->dropped[lane->dropped_count++] = message;
}

void router_drop(struct baton_message *message, unsigned interface, enum drop reason)
{
    router_count(interface, reason);
    mirror_drop(message, interface, drop_name[reason]);
    router_discard(message);
}

/* ---- Sending ---- */

/* Frames that the interface did not take; who is full or dead takes none of the others either. Returns how many. */
static unsigned outbox_refuse(unsigned egress, const struct outbox *outbox, unsigned start, int error)
{
    enum drop reason = error == BATON_EFULL   ? DROP_QUEUE_FULL
                       : error == BATON_EDEAD ? DROP_STOPPED
                                              : DROP_REFUSED;
    unsigned count = reason == DROP_REFUSED ? 1 : outbox->count - start;

    for (unsigned i = start; i < start + count; i++)
        router_drop(outbox->message[i], egress, reason);
    return count;
}

static void outbox_send(unsigned egress)
{
    struct outbox *outbox = &lane->outbox[egress];

    for (unsigned done = 0; done < outbox->count;) {
        int sent = baton_send_batch(router.interface[egress].port, outbox->message + done,
                                    outbox->count - done, 0, BATON_NO_WAIT);
        done += sent > 0 ? (unsigned)sent : outbox_refuse(egress, outbox, done, sent);
    }
    outbox->count = 0;
}

void router_transmit(unsigned interface, struct baton_message *message)
{
    struct outbox *outbox = &lane->outbox[interface];

    outbox->message[outbox->count++] = message;
    if (outbox->count == BATON_BATCH)
        outbox_send(interface);
}

void router_outbox_taken(unsigned interface, struct baton_message **place)
{
    struct outbox *outbox = &lane->outbox[interface];

    outbox->count = (unsigned)(place - outbox->message);
    if (outbox->count == BATON_BATCH)
        outbox_send(interface);
}

void router_flush(void)
{
    for (unsigned i = 0; i < router.interfaces; i++)
        if (lane->outbox[i].count)
            outbox_send(i);
    if (lane->speaks)
        lanes_send();
    dropped_free();
    while (lane->lent_count) {
        struct slot *slot = lane->lent[--lane->lent_count];
        slot->lent = false;
        if (!slot->waits)
            lane->pool[lane->pool_count++] = slot;
    }
}

/* ---- Messages of the router's own ---- */

static void slot_lend(struct slot *slot)
{
    slot->waits = false;
    if (!slot->lent)
        lane->lent[lane->lent_count++] = slot;
    slot->lent = true;
}

struct baton_message *router_message(void)
{
    if (!lane->pool_count)
        return NULL;
    struct slot *slot = lane->pool[--lane->pool_count];
    slot_lend(slot);
    baton_message_init(&slot->message, 0);
    return &slot->message;
}

bool router_messages_short(void)
{
    return lane->pool_count < BATON_BATCH;
}

struct baton_message *router_keep(const struct baton_message *message)
{
    struct slot *slot;

    if (message >= &lane->slots[0].message && message <= &lane->slots[MESSAGES_MAX - 1].message) {
        slot = SLOT_OF(message);
    } else {
        struct baton_message *own = router_message();
        if (!own)
            return NULL;
        *own = *message;
        baton_count_copied(0, message->inline_length);
        slot = SLOT_OF(own);
    }
    slot->waits = true;
    return &slot->message;
}

void router_release(struct baton_message *message)
{
    slot_lend(SLOT_OF(message));
}
