/*
 * host-port-threads: three senders and one receiver on real threads, under the thread sanitizer. Nothing is lost, nothing
 * comes twice, each sender's messages come in their order with what was written into them; whoever waits is woken. In a
 * second part the port closes and opens again while they send: every object comes back (port 4, message 1).
 *
 *   port_threads [messages of each sender]      default 100000
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "core/cpu.h"
#include "core/log.h"
#include "ipc/message.h"
#include "ipc/page.h"
#include "ipc/port.h"
#include "ipc/rpc.h"
#include "ipc/thread.h"
#include "mm/frame.h"
#include "mm/space.h"
#include "test/host/machine_threads.h"

#define SENDERS  3u
#define OBJECTS  400u
#define CAPACITY 16u
#define BATCH    8u

struct actor {
    struct thread thread;
    pthread_t host;
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    bool notified;
    uint64_t random;
};

static struct actor actors[SENDERS + 1]; /* the last one receives */
static struct port *port;
static uint64_t each;
static uint64_t refused, dropped; /* (atomic) */
static uint32_t senders_left;     /* (atomic) */

/* ---- What the kernel's objects call ---- */

struct space *space_at(unsigned number)
{
    (void)number;
    return NULL;
}

/* No message here has pieces or a caller; a drop is counted by its caller's mark. */
int page_release_batch(struct space *space, const uint32_t *pages, unsigned count)
{
    (void)space;
    (void)pages;
    return (int)count;
}

void rpc_abort(struct message *request)
{
    request->special = 0;
    __atomic_fetch_add(&dropped, 1, __ATOMIC_RELAXED);
}

struct thread *thread_at(unsigned number)
{
    return &actors[number].thread;
}

void thread_wake(struct thread *thread)
{
    struct actor *actor = &actors[thread->number];

    pthread_mutex_lock(&actor->mutex);
    actor->notified = true;
    pthread_cond_signal(&actor->woken);
    pthread_mutex_unlock(&actor->mutex);
}

static void park(struct actor *actor)
{
    pthread_mutex_lock(&actor->mutex);
    while (!actor->notified)
        pthread_cond_wait(&actor->woken, &actor->mutex);
    actor->notified = false;
    pthread_mutex_unlock(&actor->mutex);
}

/* ---- Senders ---- */

static unsigned random_below(struct actor *actor, unsigned limit)
{
    actor->random = actor->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(actor->random >> 33) % limit;
}

/* All of the batch, waiting for places as syscall_send does; false when the port is closed. */
static bool batch_send(struct actor *actor, struct message **messages, unsigned count)
{
    for (unsigned sent = 0; sent < count;) {
        int result = port_send(port, &messages[sent], count - sent);
        if (result == BATON_EFULL) {
            port_sender_add(port, &actor->thread);
            result = port_send(port, &messages[sent], count - sent);
            if (result == BATON_EFULL)
                park(actor);
            port_sender_remove(port, &actor->thread);
        }
        if (result == BATON_EDEAD) {
            __atomic_fetch_add(&refused, count - sent, __ATOMIC_RELAXED);
            message_free(&messages[sent], count - sent);
            return false;
        }
        sent += result > 0 ? (unsigned)result : 0;
    }
    return true;
}

static void *sender(void *argument)
{
    struct actor *actor = argument;

    machine_thread_is(actor->thread.number);
    for (uint64_t next = 0; next < each;) {
        struct message *messages[BATCH];
        unsigned want = 1 + random_below(actor, BATCH);
        if (want > each - next)
            want = (unsigned)(each - next);
        unsigned got = message_alloc(messages, want);
        if (!got)
            sched_yield();
        for (unsigned i = 0; i < got; i++) {
            messages[i]->abi.pieces = 0;
            messages[i]->abi.type = actor->thread.number;
            messages[i]->abi.tag = next + i;
            messages[i]->special = MESSAGE_CALL;
        }
        batch_send(actor, messages, got);
        next += got;
    }
    if (!__atomic_sub_fetch(&senders_left, 1, __ATOMIC_ACQ_REL))
        thread_wake(&actors[SENDERS].thread);
    return NULL;
}

/* ---- The receiver ---- */

static unsigned wait_take(struct actor *actor, struct message **messages)
{
    unsigned taken = port_take(port, messages, 1 + random_below(actor, BATCH));

    if (taken)
        return taken;
    port_receiver_add(port, &actor->thread);
    bool over = !__atomic_load_n(&senders_left, __ATOMIC_ACQUIRE);
    taken = port_take(port, messages, BATCH);
    if (!taken && !over)
        park(actor);
    port_receiver_remove(port, &actor->thread);
    return taken;
}

static uint64_t expected[SENDERS], arrived;

static void check_message(const struct message *message, bool gaps)
{
    uint32_t from = message->abi.type;

    if (from >= SENDERS || (gaps ? message->abi.tag < expected[from] : message->abi.tag != expected[from]))
        panic("oracle: message %lu of sender %u comes when %lu was due\n", message->abi.tag, from,
              from < SENDERS ? expected[from] : 0);
    expected[from] = message->abi.tag + 1;
    arrived++;
}

static void receive(struct actor *actor, bool closing)
{
    struct message *messages[BATCH];
    uint64_t rounds = 0;

    for (;;) {
        bool over = !__atomic_load_n(&senders_left, __ATOMIC_ACQUIRE);
        unsigned taken = wait_take(actor, messages);
        for (unsigned i = 0; i < taken; i++)
            check_message(messages[i], closing);
        message_free(messages, taken);
        if (closing && ++rounds % 50 == 0) {
            port_close(port);
            if (port_depth(port) > CAPACITY)
                panic("oracle: a closed port holds %u\n", port_depth(port));
            port_open(port);
        }
        if (over && !taken)
            return;
    }
}

static void play(bool closing)
{
    refused = dropped = arrived = 0;
    senders_left = SENDERS;
    for (unsigned i = 0; i < SENDERS; i++)
        expected[i] = 0;
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_create(&actors[i].host, NULL, sender, &actors[i]);
    receive(&actors[SENDERS], closing);
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(actors[i].host, NULL);
    printf("%s: %lu arrived, %lu refused, %lu dropped\n", closing ? "closing" : "open",
           (unsigned long)arrived, (unsigned long)refused, (unsigned long)dropped);
    if (arrived + refused + dropped != SENDERS * each || (!closing && arrived != SENDERS * each))
        panic("oracle: %lu messages were sent\n", (unsigned long)(SENDERS * each));
    if (message_pool_free() != OBJECTS)
        panic("oracle: %u of %u objects came back\n", message_pool_free(), OBJECTS);
}

int main(int argc, char **argv)
{
    uint64_t size, memory = machine_threads_memory(&size);

    each = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    frame_range_add(memory, size);
    machine_thread_is(SENDERS);
    for (unsigned i = 0; i <= SENDERS; i++) {
        actors[i].thread.number = i;
        actors[i].random = i;
        pthread_mutex_init(&actors[i].mutex, NULL);
        pthread_cond_init(&actors[i].woken, NULL);
    }
    message_pool_init(OBJECTS);
    port = port_create("p", NULL, CAPACITY);
    play(false);
    play(true);
    printf("done\n");
    return 0;
}
