/* The sockets between the traffic generator and the NICs of a machine: see port.h. */
#define _GNU_SOURCE
#include "tools/native/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tools/native/host.h"

#define LENGTH_LIMIT (128 * 1024)

struct port ports[PORTS];
int port_count;

bool port_put(struct port *port, const void *frame, uint32_t size)
{
    uint32_t length = htonl(size);

    if (port->out_used + 4 + size > OUT_BYTES)
        return false;
    memcpy(port->out + port->out_used, &length, 4);
    memcpy(port->out + port->out_used + 4, frame, size);
    port->out_used += 4 + size;
    port->frames_out++;
    return true;
}

bool port_empty(const struct port *port)
{
    return port->out_used == 0;
}

/* Takes all whole frames out of what has been read; returns whether there was any. */
static bool take_all(int index, taker *take)
{
    struct port *port = &ports[index];
    size_t at = 0;
    uint32_t length;

    while (port->in_used - at >= 4) {
        memcpy(&length, port->in + at, 4);
        length = ntohl(length);
        if (length > LENGTH_LIMIT)
            fail(1, "port %d: a frame of %u bytes", index, length);
        if (port->in_used - at - 4 < length)
            break;
        port->frames_in++;
        take(index, port->in + at + 4, length);
        at += 4 + length;
    }
    memmove(port->in, port->in + at, port->in_used - at);
    port->in_used -= at;
    return at > 0;
}

/* Reads what has come to a port; returns whether there was any frame. */
static bool port_read(int index, taker *take)
{
    struct port *port = &ports[index];
    ssize_t got = read(port->fd, port->in + port->in_used, IN_BYTES - port->in_used);

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        fail(1, "port %d: the machine closed the connection", index);
    if (got < 0)
        return false;
    port->in_used += (size_t)got;
    return take_all(index, take);
}

static void port_write(int index)
{
    struct port *port = &ports[index];
    ssize_t put = write(port->fd, port->out + port->out_done, port->out_used - port->out_done);

    if (put < 0 && errno != EAGAIN && errno != EINTR)
        fail(1, "port %d: the machine closed the connection", index);
    if (put > 0)
        port->out_done += (size_t)put;
    if (port->out_done == port->out_used)
        port->out_done = port->out_used = 0;
}

bool ports_exchange(double seconds, taker *take)
{
    struct pollfd polled[PORTS];
    struct timespec wait = {.tv_sec = (time_t)seconds};
    bool arrived = false;

    wait.tv_nsec = (long)((seconds - (double)wait.tv_sec) * 1e9);
    for (int i = 0; i < port_count; i++) {
        polled[i].fd = ports[i].fd;
        polled[i].events = (short)((ports[i].deaf ? 0 : POLLIN) | (ports[i].out_used ? POLLOUT : 0));
    }
    if (ppoll(polled, (nfds_t)port_count, &wait, NULL) <= 0)
        return false;
    for (int i = 0; i < port_count; i++) {
        if (polled[i].revents & POLLOUT)
            port_write(i);
        if (polled[i].revents & (POLLIN | POLLHUP) && !ports[i].deaf)
            arrived |= port_read(i, take);
    }
    return arrived;
}
