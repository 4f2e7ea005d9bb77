#!/usr/bin/env python3
"""
What a host has in the place of a network card; run inside the host's network namespace.

    link.py probe         says which of the two can be made: "tap", or "veth" and why not a tap
    link.py tap NAME FD   makes a tap and hands its descriptor over the unix socket FD to whoever asked, who gives it to QEMU.
                          The tap lives as long as someone holds the descriptor.
    link.py veth NAME FD  where no tap can be had: makes a pair of virtual cards, NAME and `wire`, says so, and from then on
                          carries frames between `wire` and the stream socket FD, whose other end QEMU has

Either gives and takes plain, finished frames: a tap without IFF_VNET_HDR, and a card of a pair that leaves no checksum to
another one.
"""
import array
import fcntl
import os
import pathlib
import select
import socket
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from tools.wire import Wire  # noqa: E402

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17
SOL_PACKET, PACKET_IGNORE_OUTGOING, ETH_P_ALL, SO_RCVBUFFORCE = 263, 23, 3, 33
BUFFER = 4 << 20  # bytes of frames that wait for this program, as far as the kernel lets it have them
BATCH = 64


def make_tap(name):
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def ip(*words):
    try:
        done = subprocess.run(["ip", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        sys.exit("the command ip is not installed")
    if done.returncode:
        sys.exit(f"ip {' '.join(words)}: {done.stdout.strip()}")


def make_pair(name):
    """Two cards, wired to each other; returns a socket for the frames of `wire`. Nobody has an address there."""
    ip("link", "add", name, "type", "veth", "peer", "name", "wire")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        off = array.array("I", [ETHTOOL_STXCSUM, 0])
        fcntl.ioctl(control, SIOCETHTOOL, struct.pack("16sP16x", name.encode(), off.buffer_info()[0]))
    ip("link", "set", "wire", "arp", "off", "addrgenmode", "none", "up")
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    packets.bind(("wire", ETH_P_ALL))
    packets.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    for option in (SO_RCVBUFFORCE, socket.SO_RCVBUF):
        try:
            packets.setsockopt(socket.SOL_SOCKET, option, BUFFER)
            break
        except PermissionError:
            pass
    packets.setblocking(False)
    return packets


def take(packets, wire):
    try:
        for _ in range(BATCH):
            wire.put(packets.recv(65536))
    except OSError:
        pass  # no more now, or the card was set down


def carry(packets, wire):
    """Both ways, until QEMU closes its end."""
    while True:
        reading = [wire] if wire.full() else [wire, packets]
        readable, _, _ = select.select(reading, [wire] if wire.out else [], [])
        if packets in readable:
            take(packets, wire)
        frames = wire.receive() if wire in readable else []
        if frames is None:
            return
        for frame in frames:
            try:
                packets.send(frame)
            except OSError:
                pass  # longer than the card's MTU, or the card is down or full: lost, as on any cable
        wire.send()


def probe():
    try:
        os.close(make_tap("probe"))
        print("tap")
    except OSError as error:
        make_pair("probe").close()
        print(f"veth /dev/net/tun: {error.strerror}")


def main(kind, *rest):
    if kind == "probe":
        probe()
    elif kind == "tap":
        with socket.socket(fileno=int(rest[1])) as asker:
            socket.send_fds(asker, [b"tap"], [make_tap(rest[0])])
    else:
        wire = Wire(socket.socket(fileno=int(rest[1])))
        packets = make_pair(rest[0])
        print("linked", flush=True)
        carry(packets, wire)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.exit(str(error))
