/*
 * An independent traffic generator: sends frames into the NICs of a machine under QEMU and checks every byte
 * that comes out. It shares no code with what it tests.
 *
 *     generator [options] SOCKET0 SOCKET1 ...
 *
 * Each SOCKET is the unix socket of a `-netdev stream,server=on`, or fd:N for one that is connected already: 4 bytes of length, big-endian, then the
 * frame. Port i speaks for one station, 02:00:00:00:00:(i+1). A flow A:B is traffic from the station at port
 * A to the one at port B. Before anything is counted, every station says where it is (a broadcast), and each
 * flow repeats a probe frame until one arrives, so that a switch has learned all addresses.
 *
 *     --flow A:B         traffic from port A to port B (repeatable; none given: 0:1 and 1:0)
 *     --loose A:B        the same, but without a window and without any claim that frames arrive
 *     --deaf P           do not read port P (a slow receiver) until all other traffic has ended
 *     --frames N         frames of each flow (default 10000)
 *     --size S[,S...]    bytes of a frame, 60 to 9000; several are mixed (default 60)
 *     --window W         frames of a flow that may be under way at once (default 256)
 *     --stall SECONDS    give up when nothing has arrived for that long; what is missing is lost (default 5)
 *     --resume MS        a flow of which nothing has come for that long gives up what is under way, and goes on: it is
 *                        lost, but makes room in the window (default: never)
 *     --linger MS        at the end, listen for duplicates until nothing has come for that long (default 200)
 *     --count SOCKET     instruction counter (test/bench/insn.c): report instructions per frame
 *     --warm N           frames of each flow before the counting starts (default: 0)
 *     --routed 4|6       what lies between is a router (IPv4 or IPv6), not a switch: see below
 *     --router MAC       its address at the next port (with --routed; one for each port, in order)
 *
 * A frame: 14 bytes Ethernet (type 0x88b5, "local experimental"), then magic, flow and a sequence number,
 * then bytes of a pseudo-random table from a place that depends on flow and sequence number. So a frame that
 * carries any byte of another one, or of no one, is found. The result is one JSON object on the standard
 * output.
 *
 * Routed frames have an IP header (protocol 253, "experimentation") between the two, from the station 10.0.A.2, or
 * 2001:db8:A::2, to 10.0.B.2, or 2001:db8:B::2. They go to the router's link-layer address at port A and must come from the
 * one at port B, with one hop less and, for IPv4, the checksum that belongs to that. Nobody says where he is: the router has
 * static neighbours.
 *
 * Exit status: 0 whenever there is a result, whatever it says; 1 when the traffic could not begin; 2 for bad
 * usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "test/qemu/frames.h"

#define FLOWS       16
#define SIZES       8
#define FRAME_LIMIT 9000
#define OUT_BYTES   (256 * 1024)
#define IN_BYTES    (512 * 1024)
#define TABLE_BYTES (64 * 1024)
#define MAGIC       0x8a704e21u
#define PROBE       UINT64_MAX
#define HELLO       0xffff /* in place of the flow: a broadcast by which a station says where it is */

struct port {
    int fd;
    bool deaf;
    uint8_t out[OUT_BYTES], in[IN_BYTES];
    size_t out_used, out_done, in_used;
};

struct flow {
    int from, to;
    bool loose, known;
    uint64_t sent, received, wrong, duplicated, reordered, next;
    uint64_t given_up; /* of those sent: no longer waited for (--resume) */
    double came;       /* when a frame of it arrived last, or was given up */
    uint8_t *seen;     /* a bit for each sequence number */
};

static struct port ports[PORTS];
static struct flow flows[FLOWS];
static int port_count, flow_count, size_count;
static uint32_t sizes[SIZES];
static uint64_t frame_count = 10000, window = 256, warm, linger_ms = 200, resume_ms;
static double stall = 5;
static uint64_t misdelivered, foreign, flooded;
static uint8_t table[TABLE_BYTES + FRAME_LIMIT];
static int counter = -1;

__attribute__((noreturn, format(printf, 2, 3))) static void fail(int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "generator: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(status);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* ---- What a frame must look like ---- */

static uint32_t frame_size(uint64_t flow, uint64_t sequence)
{
    return sequence == PROBE ? 80 : sizes[mix(flow * 31 + sequence) % (uint64_t)size_count];
}

static const uint8_t *frame_payload(uint64_t flow, uint64_t sequence)
{
    return table + mix((flow << 56) ^ sequence) % TABLE_BYTES;
}

/* Queues one frame on its way out of `port`; false when there is no room now. */
static bool port_put(struct port *port, const void *frame, uint32_t size)
{
    uint32_t length = htonl(size);

    if (port->out_used + 4 + size > OUT_BYTES)
        return false;
    memcpy(port->out + port->out_used, &length, 4);
    memcpy(port->out + port->out_used + 4, frame, size);
    port->out_used += 4 + size;
    return true;
}

static bool flow_put(int index, uint64_t sequence)
{
    struct flow *flow = &flows[index];
    uint32_t size = frame_size((uint64_t)index, sequence),
             start = frames_head_size() + (uint32_t)sizeof(struct tag);
    const struct tag tag = {htons((uint16_t)index), htonl(MAGIC), sequence};
    uint8_t frame[FRAME_LIMIT];

    frames_head(frame, flow->from, flow->to, size, sequence, false);
    memcpy(frame + frames_head_size(), &tag, sizeof(tag));
    memcpy(frame + start, frame_payload((uint64_t)index, sequence), size - start);
    return port_put(&ports[flow->from], frame, size);
}

/* ---- What arrives ---- */

static void flow_take(struct flow *flow, uint64_t sequence, bool good)
{
    uint8_t bit = (uint8_t)(1u << (sequence % 8));

    if (!good) {
        flow->wrong++;
        return;
    }
    if (flow->seen[sequence / 8] & bit) {
        flow->duplicated++;
        return;
    }
    flow->seen[sequence / 8] |= bit;
    flow->received++;
    flow->came = now();
    if (sequence < flow->next)
        flow->reordered++;
    else
        flow->next = sequence + 1;
}

static void take_frame(int port, const uint8_t *frame, uint32_t size)
{
    uint8_t head[HEAD_MAX];
    struct tag tag;
    struct flow *flow;
    uint32_t index, start = frames_head_size() + (uint32_t)sizeof(tag);
    bool good;

    if (size < start) {
        foreign++;
        return;
    }
    memcpy(&tag, frame + frames_head_size(), sizeof(tag));
    index = ntohs(tag.flow);
    if (ntohl(tag.magic) == MAGIC && index == HELLO) {
        flooded++;
        return;
    }
    if (ntohl(tag.magic) != MAGIC || index >= (uint32_t)flow_count) {
        foreign++;
        return;
    }
    flow = &flows[index];
    if (flow->to != port) {
        if (tag.sequence == PROBE || flow->loose)
            flooded++;
        else
            misdelivered++;
        return;
    }
    if (tag.sequence == PROBE) {
        flow->known = true;
        return;
    }
    if (tag.sequence >= flow->sent) {
        foreign++;
        return;
    }
    frames_head(head, flow->from, flow->to, size, tag.sequence, true);
    good = size == frame_size(index, tag.sequence) && !memcmp(frame, head, frames_head_size()) &&
           !memcmp(frame + start, frame_payload(index, tag.sequence), size - start);
    flow_take(flow, tag.sequence, good);
}

/* Reads what has come to a port; returns whether there was any frame. */
static bool port_read(int index)
{
    struct port *port = &ports[index];
    ssize_t got = read(port->fd, port->in + port->in_used, IN_BYTES - port->in_used);
    size_t at = 0;
    uint32_t length;

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        fail(1, "port %d: the machine closed the connection", index);
    if (got < 0)
        return false;
    port->in_used += (size_t)got;
    while (port->in_used - at >= 4) {
        memcpy(&length, port->in + at, 4);
        length = ntohl(length);
        if (length > 128 * 1024)
            fail(1, "port %d: a frame of %u bytes", index, length);
        if (port->in_used - at - 4 < length)
            break;
        take_frame(index, port->in + at + 4, length);
        at += 4 + length;
    }
    memmove(port->in, port->in + at, port->in_used - at);
    port->in_used -= at;
    return at > 0;
}

static bool port_write(int index)
{
    struct port *port = &ports[index];
    ssize_t put = write(port->fd, port->out + port->out_done, port->out_used - port->out_done);

    if (put < 0 && errno != EAGAIN && errno != EINTR)
        fail(1, "port %d: the machine closed the connection", index);
    if (put > 0)
        port->out_done += (size_t)put;
    if (port->out_done == port->out_used)
        port->out_done = port->out_used = 0;
    return put > 0;
}

/* Moves bytes both ways on all ports, waiting at most `ms` for any of them; true when a frame has arrived. */
static bool exchange(int ms)
{
    struct pollfd polled[PORTS];
    bool arrived = false;

    for (int i = 0; i < port_count; i++) {
        polled[i].fd = ports[i].fd;
        polled[i].events = (short)((ports[i].deaf ? 0 : POLLIN) | (ports[i].out_used ? POLLOUT : 0));
    }
    if (poll(polled, (nfds_t)port_count, ms) <= 0)
        return false;
    for (int i = 0; i < port_count; i++) {
        if (polled[i].revents & POLLOUT)
            port_write(i);
        if (polled[i].revents & (POLLIN | POLLHUP) && !ports[i].deaf)
            arrived |= port_read(i);
    }
    return arrived;
}

/* ---- The run ---- */

static void say_hello(int port)
{
    uint8_t frame[60] = {0};
    const struct tag tag = {htons(HELLO), htonl(MAGIC), 0};

    memset(frame, 0xff, 6);
    frames_station(frame + 6, port);
    frames_put16(frame + 12, 0x88b5);
    memcpy(frame + ETHERNET, &tag, sizeof(tag));
    port_put(&ports[port], frame, sizeof(frame));
}

/* Teaches the switch every address: repeats hello and probes each tenth of a second until each flow is seen.
 */
static void learn(void)
{
    double limit = now() + stall + 20;
    bool all = false;

    while (!all) {
        double pause = now() + 0.1;
        all = true;
        for (int i = 0; i < port_count && !frames_routed; i++)
            say_hello(i);
        for (int i = 0; i < flow_count; i++) {
            bool need = !flows[i].known && !ports[flows[i].to].deaf;
            all &= !need;
            if (need)
                flow_put(i, PROBE);
        }
        while (now() < pause && !all)
            exchange(10);
        if (now() > limit)
            fail(1, "no frame came through: the switch forwards nothing");
    }
    for (double end = now() + 0.2; now() < end;)
        exchange(10); /* probes that are still under way */
}

static uint64_t count_instructions(void)
{
    char text[32] = "";
    size_t used = 0;

    if (write(counter, "c", 1) != 1)
        fail(1, "the instruction counter does not answer");
    while (used < sizeof(text) - 1 && !memchr(text, '\n', used)) {
        ssize_t got = read(counter, text + used, sizeof(text) - 1 - used);
        if (got <= 0)
            fail(1, "the instruction counter does not answer");
        used += (size_t)got;
    }
    return strtoull(text, NULL, 10);
}

/* Frames under way that are waited for: not those that were when nothing had come for --resume. They count when they come. */
static uint64_t under_way(struct flow *flow)
{
    uint64_t missing = flow->sent - flow->received;

    if (resume_ms && now() - flow->came > (double)resume_ms / 1000) {
        flow->given_up = missing;
        flow->came = now();
    }
    return missing > flow->given_up ? missing - flow->given_up : 0;
}

static bool flow_more(int index)
{
    struct flow *flow = &flows[index];

    if ((under_way(flow) >= window && !flow->loose) || flow->sent == frame_count)
        return false;
    flow->sent++;
    if (flow_put(index, flow->sent - 1))
        return true;
    flow->sent--;
    return false;
}

static void fill(void)
{
    bool any = true;

    while (any) {
        any = false;
        for (int i = 0; i < flow_count; i++)
            any |= flow_more(i);
    }
}

static bool finished(void)
{
    for (int i = 0; i < flow_count; i++)
        if (!flows[i].loose && (flows[i].sent < frame_count || under_way(&flows[i])))
            return false;
    return true;
}

static uint64_t frames_through(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < flow_count; i++)
        sum += flows[i].received;
    return sum;
}

static void report(double elapsed, uint64_t instructions, uint64_t counted)
{
    uint64_t lost = 0, wrong = 0, duplicated = 0, reordered = 0, received = 0;

    printf("{\"flows\": [");
    for (int i = 0; i < flow_count; i++) {
        struct flow *flow = &flows[i];
        uint64_t missing =
            flow->loose ? 0 : frame_count - flow->received; /* also what could not even be sent */
        printf("%s{\"from\": %d, \"to\": %d, \"loose\": %s, \"sent\": %" PRIu64 ", \"received\": %" PRIu64
               ", \"lost\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"duplicated\": %" PRIu64
               ", \"reordered\": %" PRIu64 "}",
               i ? ", " : "", flow->from, flow->to, flow->loose ? "true" : "false", flow->sent,
               flow->received, missing, flow->wrong, flow->duplicated, flow->reordered);
        lost += missing;
        wrong += flow->wrong;
        duplicated += flow->duplicated;
        reordered += flow->reordered;
        received += flow->received;
    }
    printf("], \"lost\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"duplicated\": %" PRIu64
           ", \"reordered\": %" PRIu64 ", \"misdelivered\": %" PRIu64 ", \"foreign\": %" PRIu64
           ", \"flooded\": %" PRIu64 ", \"received\": %" PRIu64
           ", \"elapsed\": %.6f, \"frames_per_second\": %.0f",
           lost, wrong, duplicated, reordered, misdelivered, foreign, flooded, received, elapsed,
           elapsed > 0 ? (double)received / elapsed : 0);
    if (counter >= 0)
        printf(", \"instructions\": %" PRIu64 ", \"frames_counted\": %" PRIu64
               ", \"instructions_per_frame\": %.1f",
               instructions, counted, counted ? (double)instructions / (double)counted : 0);
    printf("}\n");
}

static void run(void)
{
    double start = now(), last = start;
    uint64_t warm_frames = warm * (uint64_t)flow_count, first = 0, first_frames = 0;
    uint64_t instructions = 0, counted = 0;
    bool counting = false;

    while (!finished()) {
        if (counter >= 0 && !counting && frames_through() >= warm_frames) {
            first_frames = frames_through();
            first = count_instructions();
            counting = true;
        }
        fill();
        if (exchange(100))
            last = now();
        if (now() - last > stall)
            break;
    }
    if (counting) {
        instructions = count_instructions() - first;
        counted = frames_through() - first_frames;
    }
    for (int i = 0; i < port_count; i++)
        ports[i].deaf = false;
    for (double end = now() + (double)linger_ms / 1000; now() < end;)
        if (exchange(10))
            end = now() + (double)linger_ms / 1000;
    report(last - start, instructions, counted);
}

/* ---- Setting up ---- */

/* QEMU makes its sockets beside starting the machine, so they may be a moment late. */
static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    double limit = now() + 5;
    int fd;

    if (sscanf(path, "fd:%d", &fd) == 1)
        return fd;
    if (strlen(path) >= sizeof(address.sun_path))
        fail(2, "%s: too long for a socket's name", path);
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    while (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        if (fd < 0 || now() > limit)
            fail(1, "%s: %s", path, strerror(errno));
        usleep(20000);
    }
    return fd;
}

static void add_flow(const char *text, bool loose)
{
    struct flow *flow = &flows[flow_count];

    if (flow_count == FLOWS || sscanf(text, "%d:%d", &flow->from, &flow->to) != 2)
        fail(2, "a flow is FROM:TO, at most %d of them", FLOWS);
    flow->loose = loose;
    flow_count++;
}

static void add_sizes(char *text)
{
    for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
        uint32_t size = (uint32_t)strtoul(word, NULL, 10);
        if (size_count == SIZES || size < 60 || size > FRAME_LIMIT)
            fail(2, "sizes are 60 to %d, at most %d of them", FRAME_LIMIT, SIZES);
        sizes[size_count++] = size;
    }
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"flow", 1, NULL, 'f'},   {"loose", 1, NULL, 'x'},  {"deaf", 1, NULL, 'd'},
        {"frames", 1, NULL, 'n'}, {"size", 1, NULL, 's'},   {"window", 1, NULL, 'w'},
        {"stall", 1, NULL, 't'},  {"linger", 1, NULL, 'l'}, {"count", 1, NULL, 'c'},
        {"warm", 1, NULL, 'm'},   {"routed", 1, NULL, 'r'}, {"router", 1, NULL, 'a'},
        {"resume", 1, NULL, 'e'}, {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'f':
        case 'x':
            add_flow(optarg, option == 'x');
            break;
        case 'd':
            ports[(unsigned)atoi(optarg) % PORTS].deaf = true;
            break;
        case 'n':
            frame_count = strtoull(optarg, NULL, 10);
            break;
        case 's':
            add_sizes(optarg);
            break;
        case 'w':
            window = strtoull(optarg, NULL, 10);
            break;
        case 't':
            stall = atof(optarg);
            break;
        case 'l':
            linger_ms = strtoull(optarg, NULL, 10);
            break;
        case 'e':
            resume_ms = strtoull(optarg, NULL, 10);
            break;
        case 'c':
            counter = connect_to(optarg);
            break;
        case 'm':
            warm = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            frames_routed = atoi(optarg);
            break;
        case 'a':
            if (!frames_router_add(optarg))
                fail(2, "a router's address is six bytes with colons between, one for each port");
            break;
        default:
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    if (argc - optind < 2 || argc - optind > PORTS)
        fail(2, "2 to %d sockets are needed", PORTS);
    if (!flow_count) {
        add_flow("0:1", false);
        add_flow("1:0", false);
    }
    if (!size_count)
        sizes[size_count++] = 60;
    for (int i = 0; i < size_count; i++)
        if (sizes[i] < frames_head_size() + sizeof(struct tag))
            fail(2, "a frame of %u bytes has no room for its headers", sizes[i]);
    if (frames_routed && (frames_routers != argc - optind || (frames_routed != 4 && frames_routed != 6)))
        fail(2, "--routed is 4 or 6, with a --router for each port");
    for (; optind < argc; optind++, port_count++) {
        ports[port_count].fd = connect_to(argv[optind]);
        fcntl(ports[port_count].fd, F_SETFL, O_NONBLOCK);
    }
    for (int i = 0; i < flow_count; i++) {
        struct flow *flow = &flows[i];
        if (flow->from < 0 || flow->to < 0 || flow->from >= port_count || flow->to >= port_count)
            fail(2, "flow %d:%d names a port that is not there", flow->from, flow->to);
        flow->seen = calloc(1, frame_count / 8 + 1);
        if (!flow->seen)
            fail(1, "out of memory");
    }
    for (size_t i = 0; i < sizeof(table); i++)
        table[i] = (uint8_t)mix(i);
    learn();
    run();
    return 0;
}
