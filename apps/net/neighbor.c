/* The table of neighbours: see neighbor.h. */
#include <string.h>
#include "apps/net/neighbor.h"

/* What an entry counts as, for invariant 1. Each has a list, the oldest first; of KNOWN, the one that is longest unused. */
enum kind {
    KIND_WAITING,
    KIND_FAILED,
    KIND_HEARD, /* STALE, and never used */
    KIND_KNOWN, /* REACHABLE, STALE, PROBE */
    KIND_STATIC,
};

#define SECOND UINT64_C(1000000000)

const struct neighbor_limits neighbor_limits_usual = {
    .stations = 4096,
    .fixed = 4096,
    .waiting = 192,
    .waiting_each = 4,
    .tries = 3,
    .retry_ns = SECOND,
    .reachable_ns = 30 * SECOND,
    .stale_ns = 600 * SECOND,
    .failed_ns = 2 * SECOND,
    .active_ns = 10 * SECOND,
};

/* ---- Memory ---- */

static uint32_t entries_of(const struct neighbor_limits *limits)
{
    return limits->stations + limits->fixed;
}

/* One more than may wait: a packet may come before the one it replaces has been given back. Number 0 is nobody's. */
static uint32_t slots_of(const struct neighbor_limits *limits)
{
    return limits->waiting + 2;
}

static uint32_t buckets_for(const struct neighbor_limits *limits)
{
    uint32_t buckets = 16;

    while (buckets < entries_of(limits))
        buckets *= 2;
    return buckets;
}

size_t neighbors_bytes(const struct neighbor_limits *limits)
{
    return ((size_t)entries_of(limits) + 1) * sizeof(struct neighbor) +
           slots_of(limits) * sizeof(struct neighbor_slot) + buckets_for(limits) * sizeof(uint32_t);
}

void neighbors_init(struct neighbors *table, void *memory, const struct neighbor_limits *limits,
                    const struct neighbor_calls *calls, void *context, uint64_t seed)
{
    struct neighbor *entries = memory;
    struct neighbor_slot *slots = (struct neighbor_slot *)(entries + entries_of(limits) + 1);
    const uint32_t share[NEIGHBOR_KINDS] = {limits->stations / 8, limits->stations / 8, limits->stations / 4,
                                            limits->stations / 2, limits->fixed};

    memset(memory, 0, neighbors_bytes(limits));
    *table = (struct neighbors){.limits = *limits,
                                .calls = calls,
                                .context = context,
                                .entries = entries,
                                .slots = slots,
                                .buckets = (uint32_t *)(slots + slots_of(limits)),
                                .mask = buckets_for(limits) - 1,
                                .seed = seed};
    for (uint32_t i = entries_of(limits); i > 0; i--) {
        entries[i].chain = table->free;
        table->free = i;
    }
    for (uint32_t i = slots_of(limits) - 1; i > 0; i--) {
        slots[i].next = table->slots_free;
        table->slots_free = i;
    }
    for (unsigned i = 0; i < NEIGHBOR_KINDS; i++)
        table->kind[i].limit = share[i];
}

/* ---- Finding ---- */

/* Seeded, so that nobody can prepare addresses that all share a bucket. */
static uint32_t *bucket_of(const struct neighbors *table, unsigned interface, struct address6 address)
{
    uint64_t hash = (address.high ^ table->seed) * UINT64_C(0x9e3779b97f4a7c15);

    hash = (hash ^ hash >> 32 ^ address.low ^ (uint64_t)interface << 56) * (table->seed << 1 | 1);
    hash = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return &table->buckets[hash >> 32 & table->mask];
}

static struct neighbor *find(const struct neighbors *table, unsigned interface, struct address6 address)
{
    for (uint32_t i = *bucket_of(table, interface, address); i; i = table->entries[i].chain) {
        struct neighbor *entry = &table->entries[i];
        if (entry->interface == interface && address6_equal(entry->address, address))
            return entry;
    }
    return NULL;
}

const struct neighbor *neighbor_find(const struct neighbors *table, unsigned interface,
                                     struct address6 address)
{
    return find(table, interface, address);
}

/* ---- Lists ---- */

static uint32_t index_of(const struct neighbors *table, const struct neighbor *entry)
{
    return (uint32_t)(entry - table->entries);
}

static void list_remove(struct neighbors *table, struct neighbor *entry)
{
    struct neighbor_kind *kind = &table->kind[entry->kind];

    *(entry->older ? &table->entries[entry->older].newer : &kind->oldest) = entry->newer;
    *(entry->newer ? &table->entries[entry->newer].older : &kind->newest) = entry->older;
    kind->count--;
}

static void list_append(struct neighbors *table, struct neighbor *entry, enum kind number)
{
    struct neighbor_kind *kind = &table->kind[number];
    uint32_t index = index_of(table, entry);

    entry->kind = (uint8_t)number;
    entry->older = kind->newest;
    entry->newer = 0;
    *(kind->newest ? &table->entries[kind->newest].newer : &kind->oldest) = index;
    kind->newest = index;
    kind->count++;
}

static void list_move(struct neighbors *table, struct neighbor *entry, enum kind number)
{
    list_remove(table, entry);
    list_append(table, entry, number);
}

/* ---- Packets that wait ---- */

/* Takes the packet behind slot `before` of an entry, or the oldest, out; returns its slot, which is still in use. */
static uint32_t slot_take(struct neighbors *table, struct neighbor *entry, uint32_t before)
{
    uint32_t *link = before ? &table->slots[before].next : &entry->first, index = *link;

    *link = table->slots[index].next;
    if (entry->last == index)
        entry->last = before;
    entry->waiting -= table->slots[index].asker == 0;
    table->waiting--;
    return index;
}

static void slot_free(struct neighbors *table, uint32_t index)
{
    table->slots[index].next = table->slots_free;
    table->slots_free = index;
}

/* The caller hears of it when the table is done: it may call the table again then. */
static void slot_drop(struct neighbors *table, uint32_t index, unsigned interface, enum drop reason)
{
    struct neighbor_slot *slot = &table->slots[index];

    slot->interface = (uint8_t)interface;
    slot->reason = (uint8_t)reason;
    slot->next = table->dropped;
    table->dropped = index;
}

static void queue_drop(struct neighbors *table, struct neighbor *entry, enum drop reason)
{
    while (entry->first)
        slot_drop(table, slot_take(table, entry, 0), entry->interface, reason);
}

static void queue_send(struct neighbors *table, struct neighbor *entry)
{
    while (entry->first) {
        uint32_t index = slot_take(table, entry, 0);
        void *packet = table->slots[index].packet;
        slot_free(table, index);
        table->calls->send(table->context, entry->interface, entry->link, packet);
    }
}

/* At the end of each function that may have dropped something: everything is in order by then. */
static void drops_tell(struct neighbors *table)
{
    while (table->dropped) {
        uint32_t index = table->dropped;
        struct neighbor_slot slot = table->slots[index];
        table->dropped = slot.next;
        slot_free(table, index);
        table->calls->drop(table->context, slot.interface, slot.packet, (enum drop)slot.reason);
    }
}

/* The oldest packet of an entry, or the question of that asker, is dropped. False: there is none. */
static bool oldest_drop(struct neighbors *table, struct neighbor *entry, uint8_t asker)
{
    uint32_t before = 0;

    for (uint32_t index = entry->first; index; before = index, index = table->slots[index].next)
        if (table->slots[index].asker == asker) {
            slot_drop(table, slot_take(table, entry, before), entry->interface, DROP_WAITING_FULL);
            return true;
        }
    return false;
}

/* Of all that wait, what waits longest is dropped. False: those that wait longest have nothing to drop. */
static bool any_drop(struct neighbors *table)
{
    struct neighbor *victim = &table->entries[table->kind[KIND_WAITING].oldest];

    for (unsigned i = 0; i < 8 && !victim->first && victim->newer; i++)
        victim = &table->entries[victim->newer];
    if (!victim->first)
        return false;
    slot_drop(table, slot_take(table, victim, 0), victim->interface, DROP_WAITING_FULL);
    return true;
}

/*
 * A slot for one more packet of an entry, at the cost of the one that waits longest; or for a question, at the cost of the one that
 * its asker has there. 0: none is to be had, which happens only while `drop` is running, or when nothing can be dropped.
 */
static uint32_t slot_get(struct neighbors *table, struct neighbor *entry, uint8_t asker)
{
    bool room = asker || entry->waiting < table->limits.waiting_each;
    bool dropped = (asker || !room) && oldest_drop(table, entry, asker);

    if (!dropped && (!room || (table->waiting == table->limits.waiting && !any_drop(table))))
        return 0;
    uint32_t index = table->slots_free;
    if (index)
        table->slots_free = table->slots[index].next;
    return index;
}

static bool queue_append(struct neighbors *table, struct neighbor *entry, void *packet, uint8_t asker)
{
    uint32_t index = slot_get(table, entry, asker);

    if (!index)
        return false;
    table->slots[index] = (struct neighbor_slot){.packet = packet, .asker = asker};
    *(entry->last ? &table->slots[entry->last].next : &entry->first) = index;
    entry->last = index;
    entry->waiting += asker == 0;
    table->waiting++;
    return true;
}

/* ---- Entries come, go and change ---- */

static void forget(struct neighbors *table, struct neighbor *entry)
{
    uint32_t *link = bucket_of(table, entry->interface, entry->address), index = index_of(table, entry);

    queue_drop(table, entry, DROP_WAITING_FULL);
    table->changes += entry->kind >= KIND_HEARD;
    list_remove(table, entry);
    while (*link != index)
        link = &table->entries[*link].chain;
    *link = entry->chain;
    entry->state = NEIGHBOR_FREE;
    entry->chain = table->free;
    table->free = index;
}

/* Makes room for one more of a kind (invariant 1). */
static bool room_make(struct neighbors *table, enum kind number, uint64_t now)
{
    struct neighbor_kind *kind = &table->kind[number];
    struct neighbor *oldest = &table->entries[kind->oldest];

    if (kind->count < kind->limit)
        return true;
    if (number == KIND_STATIC || (number == KIND_KNOWN && now - oldest->used_ns < table->limits.active_ns)) {
        table->refused++;
        return false;
    }
    forget(table, oldest);
    return true;
}

/* A new entry of a kind that has room: so there is a free one. */
static struct neighbor *entry_make(struct neighbors *table, enum kind number, unsigned interface,
                                   struct address6 address, uint64_t now)
{
    struct neighbor *entry = &table->entries[table->free];
    uint32_t *bucket = bucket_of(table, interface, address);

    table->free = entry->chain;
    *entry = (struct neighbor){
        .address = address, .used_ns = now, .chain = *bucket, .interface = (uint8_t)interface};
    *bucket = index_of(table, entry);
    list_append(table, entry, number);
    return entry;
}

static void ask(struct neighbors *table, struct neighbor *entry, enum neighbor_state state, uint64_t now)
{
    entry->tries = entry->state == state ? (uint8_t)(entry->tries + 1) : 1;
    entry->state = (uint8_t)state;
    entry->until_ns = now + table->limits.retry_ns;
    table->calls->ask(table->context, entry->interface, entry->address,
                      state == NEIGHBOR_PROBE ? entry->link : 0);
}

/* Nothing is believed of the station any more: everyone is asked. The entry is in no list of WAITING or FAILED. */
static void ask_all(struct neighbors *table, struct neighbor *entry, uint64_t now)
{
    room_make(table, KIND_WAITING, now);
    list_move(table, entry, KIND_WAITING);
    table->changes++;
    ask(table, entry, NEIGHBOR_WAITING, now);
}

/* The station has answered from `link`. */
static void reached(struct neighbors *table, struct neighbor *entry, uint64_t link, uint64_t now)
{
    bool room = entry->kind == KIND_KNOWN || room_make(table, KIND_KNOWN, now);

    entry->link = link;
    entry->state = NEIGHBOR_REACHABLE;
    entry->until_ns = now + table->limits.reachable_ns;
    queue_send(table, entry);
    if (!room) {
        forget(table, entry);
        return;
    }
    entry->used_ns = entry->kind == KIND_KNOWN ? entry->used_ns : now;
    list_move(table, entry, KIND_KNOWN);
}

/* The station has been heard of, from `link`: good enough to send to, and to be asked. */
static void heard_of(struct neighbors *table, struct neighbor *entry, uint64_t link, uint64_t now)
{
    room_make(table, KIND_HEARD, now);
    entry->link = link;
    entry->state = NEIGHBOR_STALE;
    entry->used_ns = now;
    queue_send(table, entry);
    list_move(table, entry, KIND_HEARD);
}

/* Nobody has answered. The entry is none of FAILED. */
static void silent(struct neighbors *table, struct neighbor *entry, uint64_t now)
{
    queue_drop(table, entry, DROP_UNREACHABLE);
    room_make(table, KIND_FAILED, now);
    table->changes += entry->kind >= KIND_HEARD;
    list_move(table, entry, KIND_FAILED);
    entry->state = NEIGHBOR_FAILED;
    entry->until_ns = now + table->limits.failed_ns;
}

/* ---- Use ---- */

static void used(struct neighbors *table, struct neighbor *entry, uint64_t now)
{
    entry->used_ns = now;
    if (entry->kind == KIND_HEARD ? room_make(table, KIND_KNOWN, now) : entry->newer != 0)
        list_move(table, entry, KIND_KNOWN);
}

uint64_t neighbor_link(struct neighbors *table, unsigned interface, struct address6 address, uint64_t now_ns)
{
    struct neighbor *entry = find(table, interface, address);

    if (!entry || entry->state == NEIGHBOR_WAITING || entry->state == NEIGHBOR_FAILED)
        return 0;
    if (entry->state == NEIGHBOR_STATIC)
        return entry->link;
    used(table, entry, now_ns);
    if (entry->state == NEIGHBOR_STALE || (entry->state == NEIGHBOR_REACHABLE && now_ns >= entry->until_ns))
        ask(table, entry, NEIGHBOR_PROBE, now_ns);
    return entry->link;
}

void neighbor_question(struct neighbors *table, unsigned interface, struct address6 address, void *packet,
                       uint8_t asker, uint64_t now_ns)
{
    struct neighbor *entry = find(table, interface, address);

    if (entry && entry->state == NEIGHBOR_FAILED) {
        if (now_ns < entry->until_ns) {
            table->calls->drop(table->context, interface, packet, DROP_UNREACHABLE);
            return;
        }
        forget(table, entry);
        entry = NULL;
    }
    if (!entry) {
        room_make(table, KIND_WAITING, now_ns);
        entry = entry_make(table, KIND_WAITING, interface, address, now_ns);
        ask(table, entry, NEIGHBOR_WAITING, now_ns);
    }
    if (entry->state != NEIGHBOR_WAITING)
        table->calls->send(table->context, interface, entry->link, packet);
    else if (!queue_append(table, entry, packet, asker))
        table->calls->drop(table->context, interface, packet, DROP_WAITING_FULL);
    drops_tell(table);
}

void neighbor_wait(struct neighbors *table, unsigned interface, struct address6 address, void *packet,
                   uint64_t now_ns)
{
    neighbor_question(table, interface, address, packet, 0, now_ns);
}

/* ---- What stations say ---- */

/* Somebody names another link-layer address for a station than what is believed (invariant 3). */
static void contradict(struct neighbors *table, struct neighbor *entry, uint64_t now)
{
    table->contradicted++;
    if (entry->kind == KIND_HEARD)
        forget(table, entry); /* nobody knows whom to believe: who needs it asks everyone */
    else if (entry->state == NEIGHBOR_REACHABLE || entry->state == NEIGHBOR_STALE)
        ask(table, entry, NEIGHBOR_PROBE, now);
}

/* A station without a link-layer address yet: asked for, in vain, or never heard of. */
static void first_heard(struct neighbors *table, struct neighbor *entry, uint64_t link,
                        enum neighbor_heard how, uint64_t now)
{
    if (how == NEIGHBOR_GOSSIP) {
        if (entry->state == NEIGHBOR_FAILED)
            entry->until_ns = now; /* it lives: it may be asked again */
    } else if (how == NEIGHBOR_ANSWER && entry->state == NEIGHBOR_WAITING) {
        reached(table, entry, link, now);
    } else {
        heard_of(table, entry, link, now);
    }
}

void neighbor_heard(struct neighbors *table, unsigned interface, struct address6 address, uint64_t link,
                    enum neighbor_heard how, uint64_t now_ns)
{
    struct neighbor *entry = find(table, interface, address);

    if (!entry && how == NEIGHBOR_ASKED) {
        room_make(table, KIND_HEARD, now_ns);
        entry = entry_make(table, KIND_HEARD, interface, address, now_ns);
        entry->state = NEIGHBOR_STALE;
        entry->link = link;
    } else if (entry && (entry->kind == KIND_WAITING || entry->kind == KIND_FAILED)) {
        first_heard(table, entry, link, how, now_ns);
    } else if (entry && entry->link != link) {
        if (entry->state == NEIGHBOR_STATIC)
            table->contradicted++;
        else
            contradict(table, entry, now_ns);
    } else if (entry && entry->state == NEIGHBOR_PROBE && how == NEIGHBOR_ANSWER) {
        reached(table, entry, link, now_ns);
    }
    drops_tell(table);
}

void neighbor_told(struct neighbors *table, unsigned interface, struct address6 address, uint64_t link,
                   uint64_t now_ns)
{
    struct neighbor *entry = find(table, interface, address);

    if (!entry || entry->kind == KIND_STATIC)
        return; /* nobody wants to know any more, or it is known better */
    if (link) {
        table->changes += entry->kind >= KIND_HEARD && entry->link != link;
        reached(table, entry, link, now_ns);
    } else if (entry->kind != KIND_FAILED) {
        silent(table, entry, now_ns);
    }
    drops_tell(table);
}

void neighbors_doubt(struct neighbors *table, uint64_t now_ns)
{
    for (uint32_t i = table->kind[KIND_KNOWN].oldest; i; i = table->entries[i].newer)
        if (table->entries[i].state == NEIGHBOR_REACHABLE)
            table->entries[i].until_ns = now_ns;
}

bool neighbor_set_static(struct neighbors *table, unsigned interface, struct address6 address, uint64_t link)
{
    struct neighbor *entry = find(table, interface, address);

    if (!entry || entry->kind != KIND_STATIC) {
        if (!room_make(table, KIND_STATIC, 0))
            return false;
        if (!entry)
            entry = entry_make(table, KIND_STATIC, interface, address, 0);
    }
    table->changes += entry->link != link;
    entry->link = link;
    entry->state = NEIGHBOR_STATIC;
    queue_send(table, entry);
    list_move(table, entry, KIND_STATIC);
    return true;
}

/* ---- Time ---- */

static void waiting_tick(struct neighbors *table, struct neighbor *entry, uint64_t now)
{
    if (now < entry->until_ns)
        return;
    if (entry->tries < table->limits.tries)
        ask(table, entry, NEIGHBOR_WAITING, now);
    else
        silent(table, entry, now);
}

static void known_tick(struct neighbors *table, struct neighbor *entry, uint64_t now)
{
    if (entry->state == NEIGHBOR_PROBE) {
        if (now < entry->until_ns)
            return;
        if (entry->tries < table->limits.tries)
            ask(table, entry, NEIGHBOR_PROBE, now);
        else
            ask_all(table, entry, now);
    } else if (now - entry->used_ns >= table->limits.stale_ns) {
        forget(table, entry);
    } else if (entry->state == NEIGHBOR_REACHABLE && now >= entry->until_ns) {
        entry->state = NEIGHBOR_STALE;
    }
}

static void failed_tick(struct neighbors *table, struct neighbor *entry, uint64_t now)
{
    if (now >= entry->until_ns)
        forget(table, entry);
}

void neighbors_tick(struct neighbors *table, uint64_t now_ns)
{
    /* An entry may move to a list before its own, which has been looked at, or to the end of one behind it. */
    static void (*const work[])(struct neighbors *, struct neighbor *, uint64_t) = {
        [KIND_FAILED] = failed_tick,
        [KIND_WAITING] = waiting_tick,
        [KIND_HEARD] = known_tick,
        [KIND_KNOWN] = known_tick,
    };
    static const uint8_t order[] = {KIND_FAILED, KIND_WAITING, KIND_HEARD, KIND_KNOWN};

    for (unsigned i = 0; i < sizeof order; i++) {
        for (uint32_t index = table->kind[order[i]].oldest, next; index; index = next) {
            next = table->entries[index].newer;
            work[order[i]](table, &table->entries[index], now_ns);
        }
    }
    drops_tell(table);
}
