#!/usr/bin/env python3
"""
tap.py NAME FD: run inside a host's network namespace. Makes the tap NAME there and hands its descriptor over the unix
socket FD to whoever asked, who gives it to QEMU. The tap lives as long as someone holds the descriptor.

No IFF_VNET_HDR: then the tap takes and gives plain frames, and the host's kernel finishes every checksum itself.
"""
import fcntl
import os
import socket
import struct
import sys

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def main(name, descriptor):
    try:
        tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    except OSError as error:
        sys.exit(f"no tap can be made ({error.strerror}: /dev/net/tun): run as root, as in: sudo ./baton run")
    with socket.socket(fileno=descriptor) as wire:
        socket.send_fds(wire, [b"tap"], [tap])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
