/* Frames for observers: see mirror.h. */
#include "apps/net/mirror.h"
#include <string.h>

#define SLOT_SHIFT 28 /* each program is linked at addresses of its own: its slot tells services apart */

void mirror_batch(struct mirror *mirror, struct baton_message *const *messages, unsigned count)
{
    unsigned done = 0;

    if (mirror->port < 0)
        return;
    while (done < count) {
        int sent =
            baton_send_batch(mirror->port, messages + done, count - done, BATON_DUPLICATE, BATON_NO_WAIT);
        if (sent <= 0)
            break;
        done += (unsigned)sent;
    }
    mirror->sent += done;
    mirror->missed += count - done;
}

/* Header and inline bytes of one part of a record. */
static void part_fill(struct baton_message *part, const struct baton_capture *header, const uint8_t *data,
                      unsigned length)
{
    baton_message_init(part, 0);
    part->length = (uint32_t)(sizeof *header + length);
    part->inline_length = (uint8_t)part->length;
    memcpy(part->data, header, sizeof *header);
    memcpy(part->data + sizeof *header, data, length);
    baton_count_copied(0, part->length);
}

/* One or two messages, as struct baton_capture says; returns how many. */
static unsigned record_make(struct baton_message *const *parts, struct baton_capture *header,
                            const struct baton_message *frame)
{
    const uint8_t *data = frame->data + frame->inline_offset;
    unsigned first =
        frame->inline_length < BATON_CAPTURE_INLINE ? frame->inline_length : BATON_CAPTURE_INLINE;

    if (frame->inline_length == first && !frame->pieces) {
        part_fill(parts[0], header, data, first);
        return 1;
    }
    header->kind = BATON_CAPTURE_FIRST;
    part_fill(parts[0], header, data, first);
    header->kind = BATON_CAPTURE_SECOND;
    part_fill(parts[1], header, data + first, frame->inline_length - first);
    parts[1]->pieces = frame->pieces;
    memcpy(parts[1]->piece, frame->piece, frame->pieces * sizeof frame->piece[0]);
    parts[1]->length += frame->length - frame->inline_length;
    return 2;
}

static void drop_record(int port, const struct baton_message *frame, unsigned interface, const char *reason)
{
    static uint32_t busy, sequence, missed;
    struct baton_message first, second;
    struct baton_message *const parts[2] = {&first, &second};

    while (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
        baton_yield(); /* another thread of the service drops one too */
    struct baton_capture header = {
        .address = {0x02, 0xba, 0x70, 0, 0, 1, 0x02, 0xba, 0x70, 0, 0, 2},
        .type = {BATON_CAPTURE_TYPE >> 8, BATON_CAPTURE_TYPE & 255},
        .kind = BATON_CAPTURE_WHOLE,
        .point = BATON_CAPTURE_DROPS,
        .time = baton_time_ns(),
        .length = frame->length,
        .sequence = sequence,
        .missed = missed,
        .sender = (uint16_t)(BATON_CAPTURE_SERVICE + ((uintptr_t)&drop_record >> SLOT_SHIFT & 255)),
        .interface = (uint8_t)interface,
    };

    strncpy(header.reason, reason, sizeof header.reason - 1);
    unsigned count = record_make(parts, &header, frame);
    /* The pages stay the caller's as well: only duplicates go. */
    if (baton_call_send(port, parts, count, BATON_DUPLICATE, BATON_NO_WAIT) == (int)count)
        sequence++;
    else
        missed++;
    __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
}

void mirror_drop(struct baton_message *message, unsigned interface, const char *reason)
{
    static int found; /* by any thread: all find the same */
    int port = __atomic_load_n(&found, __ATOMIC_RELAXED);

    if (__builtin_expect(port < 0, 1))
        return;
    if (!port) { /* not yet looked for: a service's own port is number 0 */
        __atomic_store_n(&found, baton_port_find(BATON_CAPTURE_PORT), __ATOMIC_RELAXED);
        mirror_drop(message, interface, reason);
        return;
    }
    drop_record(port, message, interface, reason);
}
