/* Requests whose answers come by a port: see request.h. */
#include <stddef.h>
#include "ipc/request.h"
#include "core/arch.h"
#include "core/log.h"
#include "core/pool.h"
#include "ipc/message.h"
#include "ipc/port.h"
#include "ipc/service.h"
#include "mm/frame.h"
#include "mm/unmap.h"

enum phase {
    FREE,
    QUEUED,
    HELD,
    ENDING
};

#define TOKEN_ENTRY_SHIFT 44 /* token: bit 63, entry in 62:44, sequence in 43:0 */
#define SEQUENCE_MASK     0xfffffffffffull

struct request {
    uint64_t word;     /* (atomic) sequence << 16 | phase << 8 | number of the service that may answer */
    uint64_t tag;      /* (atomic) of the request, and so of what answers it */
    struct port *port; /* (atomic) where that goes */
    uint32_t asked;    /* row of the service that was asked: who is named by the notice */
    uint32_t reserved;
};

static struct request *requests;
static struct pool pool;

static uint64_t word_make(uint64_t sequence, enum phase phase, unsigned service)
{
    return sequence << 16 | (uint64_t)phase << 8 | service;
}

static enum phase word_phase(uint64_t word)
{
    return word >> 8 & 0xff;
}

static bool word_change(struct request *request, uint64_t from, uint64_t to)
{
    return __atomic_compare_exchange_n(&request->word, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

void requests_init(unsigned count)
{
    invariant(count <= 1u << (63 - TOKEN_ENTRY_SHIFT), "request 1");
    requests = frame_alloc_bytes(count * sizeof(*requests), 64, "requests with a reply port");
    pool_init(&pool, frame_alloc_bytes(pool_bytes(count), 8, "the pool of requests"), count, 1);
}

unsigned requests_open(void)
{
    return pool.total - pool_free(&pool);
}

static struct port *port_for(const struct request *request)
{
    return __atomic_load_n(&request->port, __ATOMIC_RELAXED);
}

/* The word is ENDING, by us. */
static void request_end(struct request *request)
{
    uint32_t number = (uint32_t)(request - requests);

    __atomic_fetch_sub(&port_for(request)->requests, 1, __ATOMIC_RELAXED);
    /* release: whoever finds it free has seen all that was done about it (request 3) */
    __atomic_store_n(&request->word, word_make(request->word >> 16, FREE, 0), __ATOMIC_RELEASE);
    pool_give(&pool, &number, 1);
}

int request_begin(struct message *message, struct port *reply_port, uint32_t asked)
{
    uint32_t number;

    bool allowed = __atomic_fetch_add(&reply_port->requests, 1, __ATOMIC_RELAXED) < reply_port->capacity;
    if (!allowed || !pool_take(&pool, &number, 1)) {
        __atomic_fetch_sub(&reply_port->requests, 1, __ATOMIC_RELAXED);
        return BATON_ELIMIT;
    }
    struct request *request = &requests[number];
    uint64_t sequence = ((request->word >> 16) + 1) & SEQUENCE_MASK;
    /* Atomic: whoever looks for requests to end reads them, and then finds that the word is another one */
    __atomic_store_n(&request->tag, message->abi.tag, __ATOMIC_RELAXED);
    __atomic_store_n(&request->port, reply_port, __ATOMIC_RELAXED);
    request->asked = asked;
    message->special |= MESSAGE_REQUEST;
    message->request = number;
    message->reply_sequence = sequence;
    __atomic_store_n(&request->word, word_make(sequence, QUEUED, 0), __ATOMIC_RELEASE);
    return 0;
}

/* Takes the entry over from the phase that a message in a port stands for; NULL when somebody else has. */
static struct request *queued_claim(struct message *message)
{
    struct request *request = &requests[message->request];
    uint64_t sequence = message->reply_sequence;

    message->special &= ~MESSAGE_REQUEST;
    return word_change(request, word_make(sequence, QUEUED, 0), word_make(sequence, ENDING, 0)) ? request
                                                                                                : NULL;
}

void request_unsent(struct message *message)
{
    struct request *request = queued_claim(message);

    if (request)
        request_end(request);
}

uint64_t request_received(struct message *message, const struct service *service)
{
    uint64_t sequence = message->reply_sequence, number = message->request;

    message->special &= ~MESSAGE_REQUEST;
    if (!word_change(&requests[number], word_make(sequence, QUEUED, 0),
                     word_make(sequence, HELD, service->number)))
        return 0;
    return 1ull << 63 | number << TOKEN_ENTRY_SHIFT | sequence;
}

struct request *request_claim(uint64_t token, const struct service *service)
{
    uint64_t number = (token & ~(1ull << 63)) >> TOKEN_ENTRY_SHIFT, sequence = token & SEQUENCE_MASK;

    if (number >= pool.total || !word_change(&requests[number], word_make(sequence, HELD, service->number),
                                             word_make(sequence, ENDING, service->number)))
        return NULL;
    return &requests[number];
}

void request_unclaim(struct request *request, const struct service *service)
{
    __atomic_store_n(&request->word, word_make(request->word >> 16, HELD, service->number), __ATOMIC_RELEASE);
}

struct space *request_asker(const struct request *request)
{
    return port_for(request)->receiver->space;
}

int request_answer(struct request *request, struct message *answer, const struct service *service,
                   uint32_t row)
{
    answer->abi.source = BATON_SOURCE_ANSWER + row;
    answer->abi.tag = request->tag;
    int sent = port_send(request->port, &answer, 1);
    if (sent == BATON_EFULL) {
        request_unclaim(request, service);
        return sent;
    }
    request_end(request);
    return sent < 0 ? sent : 0;
}

/* The word is ENDING, by us: an empty message tells the requester, if its port can take one. */
static void notice_send(struct request *request)
{
    struct message *notice;

    if (message_alloc(&notice, 1)) {
        notice->abi =
            (struct baton_message){.source = BATON_SOURCE_DEAD + request->asked, .tag = request->tag};
        if (port_send(request->port, &notice, 1) < 0)
            message_free(&notice, 1);
    }
    request_end(request);
}

void request_abort(struct message *message)
{
    struct request *request = queued_claim(message);

    if (request)
        notice_send(request);
}

/* From QUEUED or HELD to ENDING, if `word` is still its word. */
static bool claim(struct request *request, uint64_t word)
{
    return (word_phase(word) == QUEUED || word_phase(word) == HELD) &&
           word_change(request, word, word_make(word >> 16, ENDING, 0));
}

/* Its reply port is the stopped service's. Not before this is over may the port open again (request 3). */
static void forget(struct request *request, const struct service *service)
{
    uint64_t word;

    while (word_phase(word = __atomic_load_n(&request->word, __ATOMIC_ACQUIRE)) != FREE) {
        if (port_for(request)->receiver != service)
            return;
        if (claim(request, word)) {
            request_end(request);
            return;
        }
        unmap_poll(); /* else whoever is about to answer, waiting for a pass of this CPU, would wait for ever */
        arch_relax();
    }
}

void request_abort_service(const struct service *service)
{
    for (uint32_t i = 0; i < pool.total; i++) {
        struct request *request = &requests[i];
        uint64_t word = __atomic_load_n(&request->word, __ATOMIC_ACQUIRE);

        if (word_phase(word) == FREE)
            continue;
        if (port_for(request)->receiver == service)
            forget(request, service);
        else if (word_phase(word) == HELD && (word & 0xff) == service->number && claim(request, word))
            notice_send(request);
    }
}

int request_cancel(const struct port *reply_port, uint64_t tag)
{
    int cancelled = 0;

    for (uint32_t i = 0; i < pool.total; i++) {
        struct request *request = &requests[i];
        uint64_t word = __atomic_load_n(&request->word, __ATOMIC_ACQUIRE);

        if (word_phase(word) == FREE || port_for(request) != reply_port ||
            __atomic_load_n(&request->tag, __ATOMIC_RELAXED) != tag || !claim(request, word))
            continue;
        request_end(request);
        cancelled++;
    }
    return cancelled;
}
