/* What the traffic generator's parts share: see host.h. */
#define _GNU_SOURCE
#include "tools/native/host.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void fail(int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "generator: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(status);
}

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* QEMU makes its sockets beside starting the machine, so they may be a moment late. */
int connect_to(const char *path)
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
