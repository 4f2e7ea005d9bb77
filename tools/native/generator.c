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
 *     --seconds S        instead: send for so long, from the moment at which --warm is over
 *     --size S[,S...]    bytes of a frame, 60 to 9000; several are mixed, one that is named twice comes twice as often (default 60)
 *     --window W         frames of a flow that may be under way at once (default 256)
 *     --rate F           no window, but so many frames a second of each flow, whatever comes back (with --seconds). What the
 *                        socket does not take at its time is sent later; what is later than --late is never sent, but counted:
 *                        not_offered, and blocked when that was because the socket was full
 *     --late MS          how late a frame may be sent (default 10)
 *     --stall SECONDS    give up when nothing has arrived for that long; what is missing is lost (default 5)
 *     --resume MS        a flow of which nothing has come for that long gives up what is under way, and goes on: it is
 *                        lost, but makes room in the window (default: never)
 *     --linger MS        at the end, listen for duplicates until nothing has come for that long (default 200)
 *     --count SOCKET     instruction counter (insn.c): report instructions and register accesses, and those per frame
 *     --timing           report how long frames were under way
 *     --conversations N  each flow is N of them, each in a conversation of its own (frames.h) with its own window and count
 *     --warm N           frames of each flow before counting and timing start (default: 0)
 *     --routed 4|6       what lies between is a router (IPv4 or IPv6), not a switch: see below
 *     --router MAC       its address at the next port (with --routed; one for each port, in order)
 *
 * The result is one JSON object on the standard output. In it, `ports` has all frames that passed the sockets, greetings and
 * probes too: what a machine's own counters must say. `measured` is what came between the end of --warm and the end of
 * sending. A frame's time under way begins when it is queued for the socket, with --rate when it was due, and ends when it
 * has been read.
 *
 * Routed frames have an IP header (protocol 253, "experimentation") between Ethernet's and the tag, from the station
 * 10.0.A.2, or 2001:db8:A::2, to 10.0.B.2, or 2001:db8:B::2. They go to the router's link-layer address at port A and must
 * come from the one at port B, with one hop less and, for IPv4, the checksum that belongs to that. Nobody says where he is:
 * the router has static neighbours.
 *
 * Exit status: 0 whenever there is a result, whatever it says; 1 when the traffic could not begin; 2 for bad
 * usage.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include "tools/native/flow.h"
#include "tools/native/frames.h"
#include "tools/native/host.h"
#include "tools/native/port.h"

#define GATHER_FROM 64          /* frames under way, beyond which */
#define GATHER_FEW  32          /* frames of one look, below which */
#define GATHER_NS   15000       /* so long is waited before the next look */
#define PACED_BYTES (16 * 1024) /* that may wait for a socket with --rate: more would be late unseen */
#define PACED_WAIT  20e-6       /* the least time to sleep for */

static uint64_t frame_count = 10000, window = 256, warm, linger_ms = 200, resume_ms, late_ms = 10;
static double stall = 5, sending_seconds, rate;
static bool timing, sending_over;
static int counter = -1;

/* What is reported of the time between the end of --warm and the end of sending. */
static struct {
    bool begun;
    double begin, seconds;
    uint64_t first, frames, under_way, instructions, accesses, counted;
} measured;

/* ---- Finding the way ---- */

/* Teaches the switch every address: repeats hello and probes each tenth of a second until each flow is seen.
 */
static void learn(void)
{
    double limit = now() + stall + 20, settle = linger_ms < 200 ? (double)linger_ms / 1000 : 0.2;
    bool all = false;

    while (!all) {
        double pause = now() + 0.1;
        all = true;
        for (int i = 0; i < port_count && !frames_routed && !frames_conversations; i++)
            flow_say_hello(i);
        for (int i = 0; i < flow_count; i++) {
            bool need = !flows[i].known && !ports[flows[i].to].deaf;
            all &= !need;
            if (need)
                flow_probe(i);
        }
        while (now() < pause && !all)
            ports_exchange(0.01, flow_take);
        if (now() > limit)
            fail(1, "no frame came through: the switch forwards nothing");
    }
    for (double end = now() + settle; now() < end;)
        ports_exchange(0.01, flow_take); /* probes that are still under way */
}

/* ---- The run ---- */

static uint64_t ask_counter(char what)
{
    char text[32] = "";
    size_t used = 0;

    if (write(counter, &what, 1) != 1)
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
    return flow_send(index, timing ? now() : 0);
}

static void fill(void)
{
    bool any = !sending_over;

    while (any) {
        any = false;
        for (int i = 0; i < flow_count; i++)
            any |= flow_more(i);
    }
}

/* Sends those frames of a flow that are due by now; returns when the next one is. */
static double pace_flow(int index, double start, double time)
{
    struct flow *flow = &flows[index];
    const struct port *port = &ports[flow->from];
    bool full = port->out_used > PACED_BYTES;
    double due = start + (double)(flow->sent + flow->skipped) / rate;

    while (due <= time && flow->sent < frame_count) {
        if (time - due > (double)late_ms / 1000) {
            flow->skipped++;
            flow->blocked += full;
        } else if (port->out_used > PACED_BYTES || flow->sent - flow->received >= STAMPS ||
                   !flow_send(index, due)) {
            break;
        }
        due = start + (double)(flow->sent + flow->skipped) / rate;
    }
    return due;
}

/* Sends what is due by now; returns how long there is nothing to do. */
static double pace(double start)
{
    double time = now(), next = time + 0.1;

    for (int i = 0; i < flow_count && !sending_over; i++) {
        double due = pace_flow(i, start, time);
        next = due < next ? due : next;
    }
    return next - time > PACED_WAIT ? next - time : PACED_WAIT;
}

static bool finished(void)
{
    for (int i = 0; i < flow_count; i++) {
        bool more = !sending_over && flows[i].sent < frame_count;
        if (!flows[i].loose && (more || under_way(&flows[i])))
            return false;
    }
    return true;
}

static void measure_begin(void)
{
    measured.begun = true;
    measured.first = flows_received();
    if (counter >= 0) {
        measured.accesses = ask_counter('i');
        measured.instructions = ask_counter('c');
    }
    measured.begin = now();
    flow_timing = timing;
}

/* The end of sending; what is under way still is waited for, and counted as instructions, but not timed. */
static void measure_stop(void)
{
    flow_timing = false;
    measured.seconds = now() - measured.begin;
    measured.frames = flows_received() - measured.first;
    for (int i = 0; i < flow_count; i++)
        measured.under_way += flows[i].sent - flows[i].received;
}

static void measure_end(double last)
{
    if (!measured.begun)
        return;
    if (counter >= 0) {
        measured.instructions = ask_counter('c') - measured.instructions;
        measured.accesses = ask_counter('i') - measured.accesses;
        measured.counted = flows_received() - measured.first;
    }
    if (!sending_over) {
        measure_stop();
        measured.seconds = last - measured.begin;
    }
}

static void look_at_clock(uint64_t warm_frames)
{
    if (!measured.begun && flows_received() >= warm_frames)
        measure_begin();
    if (sending_seconds > 0 && !sending_over && measured.begun && now() >= measured.begin + sending_seconds) {
        measure_stop();
        sending_over = true;
    }
}

static double rest_of_time(void)
{
    double rest = sending_seconds > 0 && measured.begun && !sending_over
                      ? measured.begin + sending_seconds - now()
                      : 0.1;

    return rest < PACED_WAIT ? PACED_WAIT : rest < 0.1 ? rest : 0.1;
}

/*
 * Lets frames come together while there are many under way of which the last look brought few, so that many are read and written at once.
 * Without, who looks at each frame as it comes sleeps in between, and is woken by QEMU's thread for each: under a guest that leaves a
 * processor idle, that is, and not under one that polls, beside which nobody can run but one after the other.
 */
static void gather(uint64_t brought)
{
    const struct timespec pause = {.tv_nsec = GATHER_NS};
    uint64_t many = 0;

    for (int i = 0; i < flow_count; i++)
        many += flows[i].loose ? 0 : flows[i].sent - flows[i].received;
    if (many > GATHER_FROM && brought < GATHER_FEW)
        nanosleep(&pause, NULL);
}

/* Returns when the last frame came. */
static double run(double start)
{
    uint64_t warm_frames = warm * (uint64_t)flow_count;
    double last = start, wait;
    uint64_t before = flows_received();

    while (!finished()) {
        look_at_clock(warm_frames);
        wait = rest_of_time();
        if (rate > 0) {
            double pause = pace(start);
            wait = pause < wait ? pause : wait;
        } else {
            fill();
            gather(flows_received() - before);
        }
        before = flows_received();
        if (ports_exchange(wait, flow_take))
            last = now();
        if (now() - last > stall)
            break;
    }
    measure_end(last);
    for (int i = 0; i < port_count; i++)
        ports[i].deaf = false;
    for (double end = now() + (double)linger_ms / 1000; now() < end;)
        if (ports_exchange(0.01, flow_take))
            end = now() + (double)linger_ms / 1000;
    return last;
}

/* ---- The result ---- */

static void report_flows(void)
{
    printf("{\"flows\": [");
    for (int i = 0; i < flow_count; i++) {
        struct flow *flow = &flows[i];
        printf("%s{\"from\": %d, \"to\": %d, \"loose\": %s, \"sent\": %" PRIu64 ", \"received\": %" PRIu64
               ", \"lost\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"duplicated\": %" PRIu64
               ", \"reordered\": %" PRIu64 ", \"not_offered\": %" PRIu64 ", \"blocked\": %" PRIu64 "}",
               i ? ", " : "", flow->from, flow->to, flow->loose ? "true" : "false", flow->sent,
               flow->received,
               flow->loose ? 0 : (sending_seconds > 0 ? flow->sent : frame_count) - flow->received,
               flow->wrong, flow->duplicated, flow->reordered, flow->skipped, flow->blocked);
    }
    printf("], \"ports\": [");
    for (int i = 0; i < port_count; i++)
        printf("%s{\"out\": %" PRIu64 ", \"in\": %" PRIu64 ", \"unsent\": %s}", i ? ", " : "",
               ports[i].frames_out, ports[i].frames_in, port_empty(&ports[i]) ? "false" : "true");
    printf("]");
}

static void report_sums(double elapsed)
{
    uint64_t lost = 0, wrong = 0, duplicated = 0, reordered = 0, received = flows_received();

    for (int i = 0; i < flow_count; i++) {
        struct flow *flow = &flows[i];
        /* also what could not even be sent */
        lost += flow->loose ? 0 : (sending_seconds > 0 ? flow->sent : frame_count) - flow->received;
        wrong += flow->wrong;
        duplicated += flow->duplicated;
        reordered += flow->reordered;
    }
    printf(", \"lost\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"duplicated\": %" PRIu64
           ", \"reordered\": %" PRIu64 ", \"misdelivered\": %" PRIu64 ", \"foreign\": %" PRIu64
           ", \"flooded\": %" PRIu64 ", \"received\": %" PRIu64
           ", \"elapsed\": %.6f, \"frames_per_second\": %.0f",
           lost, wrong, duplicated, reordered, misdelivered, foreign, flooded, received, elapsed,
           elapsed > 0 ? (double)received / elapsed : 0);
}

static void report_measured(void)
{
    uint64_t count;
    const float *latencies = flow_latencies(&count);

    printf(", \"measured\": {\"frames\": %" PRIu64 ", \"seconds\": %.6f, \"under_way\": %" PRIu64 "}",
           measured.frames, measured.seconds, measured.under_way);
    if (count)
        printf(", \"latency_us\": {\"frames\": %" PRIu64
               ", \"min\": %.1f, \"median\": %.1f, \"p99\": %.1f, \"max\": %.1f}",
               count, (double)latencies[0], (double)latencies[count / 2],
               (double)latencies[count - 1 - count / 100], (double)latencies[count - 1]);
    if (counter >= 0)
        printf(", \"instructions\": %" PRIu64 ", \"frames_counted\": %" PRIu64
               ", \"instructions_per_frame\": %.1f, \"register_accesses\": %" PRIu64,
               measured.instructions, measured.counted,
               measured.counted ? (double)measured.instructions / (double)measured.counted : 0,
               measured.accesses);
    printf("}\n");
}

/* ---- Setting up ---- */

static void add_flow(const char *text, bool loose)
{
    struct flow *flow = &flows[flow_count];

    if (flow_count == FLOWS || sscanf(text, "%d:%d", &flow->from, &flow->to) != 2)
        fail(2, "a flow is FROM:TO, at most %d of them", FLOWS);
    flow->loose = loose;
    flow_count++;
}

/* Each flow is many, all alike but for their conversation. */
static void multiply_flows(void)
{
    int plain = flow_count;

    if (plain * frames_conversations > FLOWS || frames_conversations > 250)
        fail(2, "too many conversations: %d flows at most", FLOWS);
    for (int number = 1; number < frames_conversations; number++)
        for (int i = 0; i < plain; i++) {
            flows[flow_count] = flows[i];
            flows[flow_count++].conversation = number;
        }
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

static void read_option(int option)
{
    static const struct {
        char letter;
        uint64_t *value;
    } numbers[] = {{'n', &frame_count}, {'w', &window}, {'l', &linger_ms},
                   {'e', &resume_ms},   {'m', &warm},   {'L', &late_ms}};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (numbers[i].letter == option)
            *numbers[i].value = strtoull(optarg, NULL, 10);
    if (option == 'f' || option == 'x')
        add_flow(optarg, option == 'x');
    else if (option == 'd')
        ports[(unsigned)atoi(optarg) % PORTS].deaf = true;
    else if (option == 's')
        add_sizes(optarg);
    else if (option == 'C')
        frames_conversations = atoi(optarg);
    else if (option == 't')
        stall = atof(optarg);
    else if (option == 'S')
        sending_seconds = atof(optarg);
    else if (option == 'R')
        rate = atof(optarg);
    else if (option == 'T')
        timing = true;
    else if (option == 'c')
        counter = connect_to(optarg);
    else if (option == 'r')
        frames_routed = atoi(optarg);
    else if (option == 'a' && !frames_router_add(optarg))
        fail(2, "a router's address is six bytes with colons between, one for each port");
    else if (option == '?')
        exit(2);
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"flow", 1, NULL, 'f'},   {"loose", 1, NULL, 'x'},   {"deaf", 1, NULL, 'd'},
        {"frames", 1, NULL, 'n'}, {"size", 1, NULL, 's'},    {"window", 1, NULL, 'w'},
        {"stall", 1, NULL, 't'},  {"linger", 1, NULL, 'l'},  {"count", 1, NULL, 'c'},
        {"warm", 1, NULL, 'm'},   {"routed", 1, NULL, 'r'},  {"router", 1, NULL, 'a'},
        {"resume", 1, NULL, 'e'}, {"rate", 1, NULL, 'R'},    {"late", 1, NULL, 'L'},
        {"timing", 0, NULL, 'T'}, {"seconds", 1, NULL, 'S'}, {"conversations", 1, NULL, 'C'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        read_option(option);
    if (rate > 0 && sending_seconds <= 0)
        fail(2, "--rate goes with --seconds");
    if (sending_seconds > 0)
        frame_count = 1000000000;
}

static void check_options(int socket_count)
{
    if (socket_count < 2 || socket_count > PORTS)
        fail(2, "2 to %d sockets are needed", PORTS);
    for (int i = 0; i < size_count; i++)
        if (sizes[i] < frames_head_size() + sizeof(struct tag))
            fail(2, "a frame of %u bytes has no room for its headers", sizes[i]);
    if (frames_routed && (frames_routers != socket_count || (frames_routed != 4 && frames_routed != 6)))
        fail(2, "--routed is 4 or 6, with a --router for each port");
    for (int i = 0; i < flow_count; i++)
        if (flows[i].from < 0 || flows[i].to < 0 || flows[i].from >= socket_count ||
            flows[i].to >= socket_count)
            fail(2, "flow %d:%d names a port that is not there", flows[i].from, flows[i].to);
}

int main(int argc, char **argv)
{
    double start, last;

    read_options(argc, argv);
    if (!flow_count) {
        add_flow("0:1", false);
        add_flow("1:0", false);
    }
    if (!size_count)
        sizes[size_count++] = 60;
    check_options(argc - optind);
    multiply_flows();
    for (; optind < argc; optind++, port_count++) {
        ports[port_count].fd = connect_to(argv[optind]);
        fcntl(ports[port_count].fd, F_SETFL, O_NONBLOCK);
    }
    prctl(PR_SET_TIMERSLACK, 1000); /* nanoseconds: else each pause would be 50 us longer */
    flows_ready(frame_count);
    learn();
    start = now();
    last = run(start);
    report_flows();
    report_sums(last - start);
    report_measured();
    return 0;
}
