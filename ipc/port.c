/* Ports: see port.h. Station 3 and station 7 of a frame's way are port_send and port_take here. */
#include "ipc/port.h"
#include "core/arch.h"
#include "core/log.h"
#include "core/string.h"
#include "ipc/service.h"
#include "ipc/thread.h"
#include "mm/frame.h"

static struct port ports[PORTS_MAX];
static unsigned port_count;

__attribute__((cold)) struct port *port_create(const char *name, struct service *receiver, uint32_t capacity)
{
    invariant(capacity && !(capacity & (capacity - 1)), "port: the capacity is a power of two");
    if (port_count == PORTS_MAX || strlen(name) >= PORT_NAME)
        return NULL;
    struct port *port = &ports[port_count++];
    memcpy(port->name, name, strlen(name) + 1);
    port->receiver = receiver;
    port->capacity = capacity;
    port->ring = frame_alloc_bytes(capacity * sizeof(*port->ring), 64, "a port's queue");
    return port;
}

__attribute__((cold)) struct port *port_find(const char *name)
{
    for (unsigned i = 0; i < port_count; i++)
        if (!strcmp(ports[i].name, name))
            return &ports[i];
    return NULL;
}

__attribute__((cold)) unsigned port_places(void)
{
    unsigned places = 0;

    for (unsigned i = 0; i < port_count; i++)
        places += ports[i].capacity;
    return places;
}

struct port *port_at(unsigned number)
{
    return number < port_count ? &ports[number] : NULL;
}

/* ---- Waiting ---- */

_Static_assert(THREADS_MAX <= 64, "a bit for each thread");

static inline void waiters_add(uint64_t *waiters, const struct thread *thread)
{
    __atomic_fetch_or(waiters, UINT64_C(1) << thread->number, __ATOMIC_RELAXED);
    /* Else our look at the queue may be done before the other side can see that we wait: both would sleep
     * (port 3) */
    arch_dmb_ish();
}

/* When it is not there, a waker has taken it off: its wake may come later, as one for nothing. */
static inline void waiters_remove(uint64_t *waiters, const struct thread *thread)
{
    uint64_t bit = UINT64_C(1) << thread->number;

    if (__atomic_load_n(waiters, __ATOMIC_RELAXED) & bit)
        __atomic_fetch_and(waiters, ~bit, __ATOMIC_RELAXED);
}

static __attribute__((noinline)) void waiters_wake_all(uint64_t *waiters)
{
    for (uint64_t bits = __atomic_exchange_n(waiters, 0, __ATOMIC_RELAXED); bits; bits &= bits - 1)
        thread_wake(thread_at((unsigned)__builtin_ctzll(bits)));
}

/*
 * After a full barrier. Wakes all: they are the few threads of one service, or senders that look again. They wait no more: who
 * finds nothing makes itself known again before it looks once more, and who sends many messages wakes them once.
 */
static inline void waiters_wake(uint64_t *waiters)
{
    if (__atomic_load_n(waiters, __ATOMIC_RELAXED))
        waiters_wake_all(waiters);
}

void port_receiver_add(struct port *port, struct thread *thread)
{
    __atomic_store_n(&port->receiver_last, thread, __ATOMIC_RELAXED);
    waiters_add(&port->receivers, thread);
}

void port_receiver_remove(struct port *port, struct thread *thread)
{
    waiters_remove(&port->receivers, thread);
}

void port_sender_add(struct port *port, struct thread *thread)
{
    waiters_add(&port->senders, thread);
}

void port_sender_remove(struct port *port, struct thread *thread)
{
    waiters_remove(&port->senders, thread);
}

/* ---- Sending and taking ---- */

uint32_t port_pages_of(struct message *const *messages, unsigned count)
{
    uint32_t pages = 0;

    for (unsigned i = 0; i < count; i++)
        pages += message_pages(messages[i]);
    return pages;
}

/* Places from number `first` on that lie in a row, at most `count`. */
static unsigned row_of(const struct port *port, uint32_t first, unsigned count)
{
    uint32_t behind = port->capacity - (first & (port->capacity - 1));

    return count < behind ? count : behind;
}

/* Messages of places in a row, up to the first that is not published. */
static unsigned row_take(struct message **place, struct message **messages, unsigned count)
{
    struct message **const end = place + count, **const begin = place;

    for (; place < end; place++) {
        struct message *message = __atomic_load_n(place, __ATOMIC_RELAXED);
        if (!message)
            break;
        *messages++ = message;
        __atomic_store_n(place, NULL, __ATOMIC_RELAXED);
    }
    return (unsigned)(place - begin);
}

/* Up to `count` messages from the head on. Under take_lock. */
static unsigned head_take(struct port *port, struct message **messages, unsigned count)
{
    uint32_t mask = port->capacity - 1, taken = 0, row, got, head = port->head;

    do {
        row = row_of(port, head + taken, count - taken);
        got = row_take(&port->ring[(head + taken) & mask], messages + taken, row);
        taken += got;
    } while (got == row && taken < count);
    /* release: the places are NULL before anyone can reserve them again */
    __atomic_store_n(&port->head, head + taken, __ATOMIC_RELEASE);
    return taken;
}

/* Drops what is queued, while the port is closed: once it is open again, what it holds is meant for its new life. */
static __attribute__((cold)) void port_drain(struct port *port)
{
    for (;;) {
        struct message *message = NULL;
        spin_lock(&port->take_lock);
        if (__atomic_load_n(&port->closed, __ATOMIC_RELAXED))
            head_take(port, &message, 1);
        spin_unlock(&port->take_lock);
        if (!message)
            return;
        arch_dmb_ish(); /* else what the message holds may be read before the pointer was */
        service_taken(&message, 1);
        __atomic_fetch_add(&port->dropped, 1, __ATOMIC_RELAXED);
        __atomic_fetch_sub(&port->pages, message_pages(message), __ATOMIC_RELAXED);
        message_drop(message);
    }
}

/* How many of the messages, from the front, may go together: each but the last one within the port's capacity of pages. */
static unsigned pages_within(const struct port *port, struct message *const *messages, unsigned count)
{
    uint32_t pages = 0;
    unsigned fit = 0;

    while (fit < count && pages < port->capacity)
        pages += message_pages(messages[fit++]);
    return fit;
}

/* How many of the messages may be queued as far as their pages go; counts those pages. */
static unsigned pages_reserve(struct port *port, struct message *const *messages, unsigned count,
                              uint32_t pages)
{
    if (pages > port->capacity) {
        count = pages_within(port, messages, count);
        pages = port_pages_of(messages, count);
    }
    if (!pages || __atomic_fetch_add(&port->pages, pages, __ATOMIC_RELAXED) < port->capacity)
        return count;
    __atomic_fetch_sub(&port->pages, pages, __ATOMIC_RELAXED);
    return 0;
}

/* Reserves up to `count` places; returns how many, the first of them in *first. */
static unsigned places_reserve(struct port *port, unsigned count, uint32_t *first)
{
    uint32_t tail;

    do {
        /* The head first: a tail that was read before it may lie behind it, and an empty port would look full to a
           sender that then waits for ever. Acquire: also, the receiver's NULLs in the places that it gave back come
           before our pointers. */
        uint32_t head = __atomic_load_n(&port->head, __ATOMIC_ACQUIRE);
        tail = __atomic_load_n(&port->tail, __ATOMIC_RELAXED);
        uint32_t depth = tail - head; /* more than there is when others took and sent meanwhile, never less */
        if (depth >= port->capacity)
            return 0;
        if (count > port->capacity - depth)
            count = port->capacity - depth;
    } while (!__atomic_compare_exchange_n(&port->tail, &tail, tail + count, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    *first = tail;
    return count;
}

/* Publishes messages in the places from number `first` on, which are the sender's. */
static void places_fill(struct port *port, uint32_t first, struct message *const *messages, unsigned count)
{
    uint32_t mask = port->capacity - 1;

    while (count) {
        unsigned row = row_of(port, first, count);
        struct message **place = &port->ring[first & mask];
        for (struct message **end = place + row; place < end; place++)
            __atomic_store_n(place, *messages++, __ATOMIC_RELAXED);
        first += row;
        count -= row;
    }
}

int port_send(struct port *port, struct message *const *messages, unsigned count)
{
    return port_send_counted(port, messages, count, port_pages_of(messages, count));
}

int port_send_counted(struct port *port, struct message *const *messages, unsigned count, uint32_t pages)
{
    uint32_t first;

    if (__atomic_load_n(&port->closed, __ATOMIC_RELAXED))
        return BATON_EDEAD;
    count = pages_reserve(port, messages, count, pages);
    unsigned sent = count ? places_reserve(port, count, &first) : 0;
    if (sent < count)
        __atomic_fetch_sub(&port->pages, port_pages_of(messages + sent, count - sent), __ATOMIC_RELAXED);
    if (!sent)
        return BATON_EFULL;
    arch_dmb_ishst(); /* else the receiver may see a pointer before what it points to */
    places_fill(port, first, messages, sent);
    arch_dmb_ish(); /* else we may look for waiting receivers before they can see the messages (port 3, 4) */
    waiters_wake(&port->receivers);
    if (__atomic_load_n(&port->closed, __ATOMIC_RELAXED))
        port_drain(port);
    return (int)sent;
}

unsigned port_take_begin(struct port *port, struct message **messages, unsigned count)
{
    if (__atomic_load_n(&port->head, __ATOMIC_RELAXED) == __atomic_load_n(&port->tail, __ATOMIC_RELAXED))
        return 0;
    spin_lock(&port->take_lock);
    unsigned taken = head_take(port, messages, count);
    spin_unlock(&port->take_lock);
    /* Else what the messages hold may be read before the pointers were */
    arch_dmb_ishld();
    service_taken(messages, taken);
    return taken;
}

void port_take_end(struct port *port, uint32_t pages)
{
    if (pages)
        __atomic_fetch_sub(&port->pages, pages, __ATOMIC_RELAXED);
    arch_dmb_ish(); /* else we may look for waiting senders before they can see the room (port 3) */
    waiters_wake(&port->senders);
}

unsigned port_take(struct port *port, struct message **messages, unsigned count)
{
    unsigned taken = port_take_begin(port, messages, count);

    if (taken)
        port_take_end(port, port_pages_of(messages, taken));
    return taken;
}

/* What follows a message into the port, when somebody waits or the port is being closed. */
static __attribute__((noinline)) bool sent_tell(struct port *port)
{
    waiters_wake(&port->receivers);
    if (__atomic_load_n(&port->closed, __ATOMIC_RELAXED))
        port_drain(port);
    return true;
}

/* Says to the port that so many pages were not queued after all; false, for whoever cannot send. */
static __attribute__((noinline, cold)) bool not_sent(struct port *port, uint32_t pages)
{
    __atomic_fetch_sub(&port->pages, pages, __ATOMIC_RELAXED);
    return false;
}

/* As port_send, but for the batch; no calls in the common case. */
bool port_send_one(struct port *port, struct message *message)
{
    uint32_t pages = port_pages_of(&message, 1), capacity = port->capacity, tail;

    if (__atomic_load_n(&port->closed, __ATOMIC_RELAXED))
        return false;
    if (pages && __atomic_fetch_add(&port->pages, pages, __ATOMIC_RELAXED) >= capacity)
        return not_sent(port, pages);
    do {
        /* The head first, with acquire: see places_reserve */
        uint32_t head = __atomic_load_n(&port->head, __ATOMIC_ACQUIRE);
        tail = __atomic_load_n(&port->tail, __ATOMIC_RELAXED);
        if (__builtin_expect(tail - head >= capacity, 0))
            return not_sent(port, pages);
    } while (
        !__atomic_compare_exchange_n(&port->tail, &tail, tail + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    arch_dmb_ishst(); /* else the receiver may see a pointer before what it points to */
    __atomic_store_n(&port->ring[tail & (capacity - 1)], message, __ATOMIC_RELAXED);
    arch_dmb_ish(); /* else we may look for waiting receivers before they can see the message (port 3, 4) */
    if (__builtin_expect(__atomic_load_n(&port->receivers, __ATOMIC_RELAXED) |
                             __atomic_load_n(&port->closed, __ATOMIC_RELAXED),
                         0))
        return sent_tell(port);
    return true;
}

/* What follows a message out of the port, when somebody waits for a place, or has been charged for it. */
static __attribute__((noinline, cold)) struct message *taken_tell(struct port *port, struct message *message)
{
    service_taken(&message, 1);
    waiters_wake(&port->senders);
    return message;
}

struct message *port_take_one(struct port *port)
{
    struct message *message;

    if (__atomic_load_n(&port->head, __ATOMIC_RELAXED) == __atomic_load_n(&port->tail, __ATOMIC_RELAXED))
        return NULL;
    spin_lock(&port->take_lock);
    uint32_t head = port->head;
    struct message **place = &port->ring[head & (port->capacity - 1)];
    message = __atomic_load_n(place, __ATOMIC_RELAXED);
    if (message) {
        __atomic_store_n(place, NULL, __ATOMIC_RELAXED);
        __atomic_store_n(&port->head, head + 1, __ATOMIC_RELEASE); /* see head_take */
    }
    spin_unlock(&port->take_lock);
    if (!message)
        return NULL;
    arch_dmb_ishld(); /* else what the message holds may be read before the pointer was */
    uint32_t pages = port_pages_of(&(struct message *){message}, 1);
    if (pages)
        __atomic_fetch_sub(&port->pages, pages, __ATOMIC_RELAXED);
    arch_dmb_ish(); /* else we may look for waiting senders before they can see the room (port 3) */
    if (__builtin_expect(__atomic_load_n(&port->senders, __ATOMIC_RELAXED) |
                             __atomic_load_n(&service_messages_charged, __ATOMIC_RELAXED),
                         0))
        return taken_tell(port, message);
    return message;
}

unsigned port_depth(const struct port *port)
{
    uint32_t head = __atomic_load_n(&port->head, __ATOMIC_RELAXED);
    uint32_t depth = __atomic_load_n(&port->tail, __ATOMIC_RELAXED) - head;

    return depth <= port->capacity ? depth : 0;
}

__attribute__((cold)) uint32_t port_close(struct port *port)
{
    __atomic_store_n(&port->closed, true, __ATOMIC_RELAXED);
    arch_dmb_ish(); /* else a sender may neither see that we close nor have its message seen by our draining
                     */
    port_drain(port);
    waiters_wake(&port->receivers);
    waiters_wake(&port->senders);
    return __atomic_exchange_n(&port->dropped, 0, __ATOMIC_RELAXED);
}

__attribute__((cold)) void port_open(struct port *port)
{
    spin_lock(&port->take_lock);
    __atomic_store_n(&port->closed, false, __ATOMIC_RELEASE);
    spin_unlock(&port->take_lock);
}
