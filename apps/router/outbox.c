/* Frames on their way out, messages of the router's own, drops and their counters: see router.h. */
#include "apps/net/mirror.h"
#include "apps/router/router.h"

#define SLOT_OF(message) ((struct slot *)(void *)(message))

/* A message of the router's own: it made it for this batch, or keeps it until a neighbour has answered. */
struct slot {
    struct baton_message message; /* first: the one is found by the other */
    bool lent, waits;             /* in the list of this batch; kept beyond it */
};

static const char *const drop_name[DROPS] = {
#define DROP_NAME(name, text) [DROP_##name] = text,
    DROP_REASONS(DROP_NAME)
#undef DROP_NAME
};

struct router router;

static struct slot slots[MESSAGES_MAX];
static struct slot *pool[MESSAGES_MAX]; /* those that are free */
static unsigned pool_count;
static struct slot *lent[MESSAGES_MAX]; /* those of this batch; what waits is in neither */
static unsigned lent_count;
static struct baton_message *dropped[BATON_BATCH];
static unsigned dropped_count;

void outbox_init(void)
{
    router_changed(); /* a flow that was never decided has generation 0 */
    for (; pool_count < MESSAGES_MAX; pool_count++)
        pool[pool_count] = &slots[pool_count];
}

/* ---- Drops ---- */

/* Made when it is first needed: the statistics have fewer rows than there are reasons times interfaces. */
static uint64_t *drop_counter(unsigned interface, enum drop reason)
{
    static uint64_t unpublished;
    uint64_t *value = baton_counter(drop_name[reason], (int)interface);

    return value ? value : &unpublished;
}

void router_count(unsigned interface, enum drop reason)
{
    uint64_t **counter = &router.interface[interface].dropped[reason];

    if (!*counter)
        *counter = drop_counter(interface, reason);
    ++**counter;
}

static void dropped_free(void)
{
    if (dropped_count)
        baton_message_free_batch(dropped, dropped_count);
    dropped_count = 0;
}

void router_discard(struct baton_message *message)
{
    if (dropped_count == BATON_BATCH)
        dropped_free();
    dropped[dropped_count++] = message;
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
    struct outbox *outbox = &router.interface[egress].outbox;

    for (unsigned done = 0; done < outbox->count;) {
        int sent = baton_send_batch(router.interface[egress].port, outbox->message + done,
                                    outbox->count - done, 0, BATON_NO_WAIT);
        done += sent > 0 ? (unsigned)sent : outbox_refuse(egress, outbox, done, sent);
    }
    outbox->count = 0;
}

void router_transmit(unsigned interface, struct baton_message *message)
{
    struct outbox *outbox = &router.interface[interface].outbox;

    outbox->message[outbox->count++] = message;
    if (outbox->count == BATON_BATCH)
        outbox_send(interface);
}

void router_outbox_taken(unsigned interface, struct baton_message **place)
{
    struct outbox *outbox = &router.interface[interface].outbox;

    outbox->count = (unsigned)(place - outbox->message);
    if (outbox->count == BATON_BATCH)
        outbox_send(interface);
}

void router_flush(void)
{
    for (unsigned i = 0; i < router.interfaces; i++)
        if (router.interface[i].outbox.count)
            outbox_send(i);
    dropped_free();
    while (lent_count) {
        struct slot *slot = lent[--lent_count];
        slot->lent = false;
        if (!slot->waits)
            pool[pool_count++] = slot;
    }
}

/* ---- Messages of the router's own ---- */

static void slot_lend(struct slot *slot)
{
    slot->waits = false;
    if (!slot->lent)
        lent[lent_count++] = slot;
    slot->lent = true;
}

struct baton_message *router_message(void)
{
    if (!pool_count)
        return NULL;
    struct slot *slot = pool[--pool_count];
    slot_lend(slot);
    baton_message_init(&slot->message, 0);
    return &slot->message;
}

bool router_messages_short(void)
{
    return pool_count < BATON_BATCH;
}

struct baton_message *router_keep(const struct baton_message *message)
{
    struct slot *slot;

    if (message >= &slots[0].message && message <= &slots[MESSAGES_MAX - 1].message) {
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
