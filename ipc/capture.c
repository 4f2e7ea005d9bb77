/* Records of frames for the capture interface: see capture.h. */
#include "ipc/capture.h"
#include "core/cpu.h"
#include "core/string.h"
#include "core/timer.h"
#include "ipc/message.h"
#include "ipc/observe.h"
#include "ipc/page.h"
#include "ipc/port.h"

static struct sender {
    uint32_t sequence, missed;
} __attribute__((aligned(64))) senders[CPUS_MAX];
static struct port *recorder;

void capture_start(struct port *port)
{
    recorder = port;
    __atomic_fetch_or(&observers, OBSERVER_CAPTURE, __ATOMIC_RELAXED);
}

void capture_count(uint64_t *sent, uint64_t *missed)
{
    *sent = *missed = 0;
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        *sent += __atomic_load_n(&senders[cpu].sequence, __ATOMIC_RELAXED);
        *missed += __atomic_load_n(&senders[cpu].missed, __ATOMIC_RELAXED);
    }
}

/* A message of the header and some of the frame's inline bytes. */
static void part_fill(struct message *part, const struct baton_capture *header, const uint8_t *data,
                      unsigned length)
{
    part->caller = NULL;
    part->abi = (struct baton_message){.length = (uint32_t)(sizeof *header + length),
                                       .inline_length = (uint8_t)(sizeof *header + length)};
    memcpy(part->abi.data, header, sizeof *header);
    memcpy(part->abi.data + sizeof *header, data, length);
    cpu_self()->counters[COUNT_INLINE_BYTES] += sizeof *header + length;
}

/* The pages of the frame, as far as the kernel may share them: those that a device still writes to are left out. */
static void part_share(struct message *part, const struct baton_message *frame)
{
    for (unsigned i = 0; i < frame->pieces && page_share(frame->piece[i].page); i++) {
        part->abi.piece[part->abi.pieces++] = frame->piece[i];
        part->abi.length += frame->piece[i].length;
    }
}

static bool record_send(struct message **parts, unsigned count)
{
    int sent = port_send(recorder, parts, count);

    for (unsigned i = sent < 0 ? 0 : (unsigned)sent; i < count; i++)
        message_drop(parts[i]);
    return sent == (int)count;
}

void capture_record(unsigned point, unsigned interface, const char *reason, const struct baton_message *frame)
{
    struct sender *sender = &senders[cpu_number()];
    const uint8_t *data = frame->data + frame->inline_offset;
    unsigned first =
        frame->inline_length < BATON_CAPTURE_INLINE ? frame->inline_length : BATON_CAPTURE_INLINE;
    unsigned needed = frame->inline_length > first || frame->pieces ? 2 : 1;
    struct baton_capture header = {
        .address = {0x02, 0xba, 0x70, 0, 0, 1, 0x02, 0xba, 0x70, 0, 0, 2},
        .type = {BATON_CAPTURE_TYPE >> 8, BATON_CAPTURE_TYPE & 255},
        .kind = needed > 1 ? BATON_CAPTURE_FIRST : BATON_CAPTURE_WHOLE,
        .point = (uint8_t)point,
        .time = timer_ns(timer_now()),
        .length = frame->length,
        .sequence = sender->sequence,
        .missed = sender->missed,
        .sender = (uint16_t)cpu_number(),
        .interface = (uint8_t)interface,
    };
    struct message *parts[2];
    unsigned got = message_alloc(parts, needed);

    if (got < needed) {
        message_free(parts, got);
        sender->missed++;
        return;
    }
    for (unsigned i = 0; i < sizeof header.reason - 1 && reason[i]; i++)
        header.reason[i] = reason[i];
    part_fill(parts[0], &header, data, first);
    if (needed > 1) {
        header.kind = BATON_CAPTURE_SECOND;
        part_fill(parts[1], &header, data + first, frame->inline_length - first);
        part_share(parts[1], frame);
    }
    if (record_send(parts, needed))
        sender->sequence++;
    else
        sender->missed++;
}
