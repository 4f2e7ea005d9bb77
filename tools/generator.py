"""
Traffic without hosts, for where there can be none: stations that are nothing but a socket and these functions. They find each
other by ARP as a host would, the router between them if there is one, and then send each other IPv4 packets, each of which
must arrive once, where it belongs, with every byte right.

A packet: the headers of Ethernet and IPv4 (protocol 253, "experimentation"); magic, flow and sequence number; then bytes of a
pseudo-random table, from a place that depends on those. So a frame with any byte of another one, or of no one, is found.
"""
import random
import select
import socket
import struct
import time

from tools.common import Failure
from tools.machine import Nic
from tools.wire import Wire

ARP, IPV4, IPV6, PROTOCOL, HOPS = 0x0806, 0x0800, 0x86DD, 253, 64
HEADERS = 34         # of Ethernet and IPv4
TAG = struct.Struct("!IHQ")
MAGIC = 0x8A704E21
ARP_HEAD = struct.pack("!HHBB", 1, IPV4, 6, 4)
WINDOW = 128         # packets of a flow that may be under way at once
PATIENCE = 10        # seconds without any arrival, until what is under way counts as lost
ARP_LIMIT, ARP_AGAIN = 60, 0.2
TABLE = random.Random(253).randbytes(65536 + 9000)


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ipv4_header(source, target, size, hops):
    plain = struct.pack("!BBHHHBBH4s4s", 0x45, 0, size, 0, 0x4000, hops, PROTOCOL, 0, source, target)
    return plain[:10] + checksum(plain).to_bytes(2, "big") + plain[12:]


class Station:
    """Has a host's addresses. `neighbour` is the link-layer address of the next hop, as soon as it is known."""

    def __init__(self, name, address, hardware_address, gateway=None, **_):
        self.name, self.address, self.gateway = name, address, gateway
        self.hardware = bytes.fromhex(hardware_address.replace(":", ""))
        self.ip, self.neighbour, self.strange = socket.inet_aton(address), None, 0
        self.wire, self.end = Wire.pair()

    def nic(self):
        return Nic(stream=self.end.fileno())

    def arp(self, operation, target_hardware, target):
        head = (b"\xff" * 6 if operation == 1 else target_hardware) + self.hardware + ARP.to_bytes(2, "big")
        body = ARP_HEAD + struct.pack("!H6s4s6s4s", operation, self.hardware, self.ip, target_hardware, target)
        self.wire.put((head + body).ljust(60, b"\0"))

    def take_arp(self, frame, next_hop):
        operation, hardware, sender, _, target = struct.unpack("!H6s4s6s4s", frame[20:42])
        if operation == 1 and target == self.ip:
            self.arp(2, hardware, sender)
        elif operation == 2 and target == self.ip and sender == next_hop:
            self.neighbour = hardware

    def close(self):
        self.wire.close()
        self.end.close()


class Flow:
    """Packets from one station to another, and what became of them."""

    def __init__(self, number, source, sink, sizes):
        self.number, self.source, self.sink, self.sizes = number, source, sink, sizes
        self.sent, self.received, self.bytes, self.twice, self.wrong, self.under_way = 0, 0, 0, 0, 0, set()
        # The headers as they leave and as they must arrive: through a router, from its address and with one hop less.
        leave = source.neighbour + source.hardware + IPV4.to_bytes(2, "big")
        arrive = sink.hardware + (sink.neighbour if sink.gateway else source.hardware) + IPV4.to_bytes(2, "big")
        self.leaving = {size: leave + ipv4_header(source.ip, sink.ip, size - 14, HOPS) for size in sizes}
        self.arriving = {size: arrive + ipv4_header(source.ip, sink.ip, size - 14, HOPS - bool(sink.gateway))
                         for size in sizes}

    def frame(self, headers, sequence):
        size = self.sizes[sequence % len(self.sizes)]
        start = (sequence * 2654435761 + self.number * 40503) & 0xFFFF
        return (headers[size] + TAG.pack(MAGIC, self.number, sequence)
                + TABLE[start:start + size - HEADERS - TAG.size])

    def fill(self):
        while len(self.under_way) < WINDOW and not self.source.wire.full():
            self.source.wire.put(self.frame(self.leaving, self.sent))
            self.under_way.add(self.sent)
            self.sent += 1

    def take(self, frame, sequence):
        if frame != self.frame(self.arriving, sequence):
            self.wrong += 1
        elif sequence not in self.under_way:
            self.twice += 1
        else:
            self.under_way.remove(sequence)
            self.received += 1
            self.bytes += len(frame)


class Exchange:
    """Moves frames between the stations and the machine."""

    def __init__(self, stations, tick):
        self.stations, self.tick, self.flows, self.arrived = stations, tick, [], time.monotonic()
        for station in stations:
            station.strange = 0

    def next_hop(self, station):
        other = next(one for one in self.stations if one is not station)
        return socket.inet_aton(station.gateway or other.address)

    def move(self):
        wires = [station.wire for station in self.stations]
        for wire in wires:
            wire.send()
        readable, _, _ = select.select(wires, [wire for wire in wires if wire.out], [], 0.05)
        for station in self.stations:
            for frame in (station.wire.receive() if station.wire in readable else []) or []:
                self.take(station, frame)
        self.tick()

    def take(self, station, frame):
        kind = int.from_bytes(frame[12:14], "big")
        if kind == ARP and len(frame) >= 42 and frame[14:20] == ARP_HEAD:
            station.take_arp(frame, self.next_hop(station))
            return
        if kind == IPV6 and station.gateway and frame[0] & 1:
            return  # the router makes itself known
        if kind == IPV4 and len(frame) >= HEADERS + TAG.size:
            magic, number, sequence = TAG.unpack_from(frame, HEADERS)
            if magic == MAGIC and number < len(self.flows) and self.flows[number].sink is station \
                    and sequence < self.flows[number].sent:
                self.flows[number].take(frame, sequence)
                self.arrived = time.monotonic()
                return
        station.strange += 1

    def resolve(self):
        """Every station asks for its next hop until it knows it."""
        end = time.monotonic() + ARP_LIMIT
        while unknown := [station for station in self.stations if station.neighbour is None]:
            if time.monotonic() > end:
                raise Failure(f"nobody answers ARP requests of station {unknown[0].name} for "
                              f"{socket.inet_ntoa(self.next_hop(unknown[0]))}")
            for station in unknown:
                station.arp(1, bytes(6), self.next_hop(station))
            pause = time.monotonic() + ARP_AGAIN
            while time.monotonic() < pause and any(station.neighbour is None for station in unknown):
                self.move()

    def run(self, sizes, seconds):
        """Traffic both ways; returns how long it took, to the last arrival."""
        a, b = self.stations
        self.flows = [Flow(0, a, b, sizes), Flow(1, b, a, sizes)]
        begin = self.arrived = time.monotonic()
        while time.monotonic() < begin + seconds:
            for flow in self.flows:
                flow.fill()
            self.move()
            if time.monotonic() > self.arrived + PATIENCE:
                break
        while any(flow.under_way for flow in self.flows) and time.monotonic() < self.arrived + PATIENCE:
            self.move()
        return self.arrived - begin


def neighbours(a, b, tick):
    Exchange([a, b], tick).resolve()
    found = {station.name: station.neighbour.hex(":") for station in (a, b)}
    return ", ".join(f"next hop of {name} is {address}" for name, address in found.items()), found


def packets(a, b, sizes, seconds, tick):
    exchange = Exchange([a, b], tick)
    exchange.resolve()
    took = exchange.run(sizes, seconds)
    flows = exchange.flows
    total = {name: sum(getattr(flow, name) for flow in flows) for name in ("sent", "received", "bytes", "wrong", "twice")}
    total["lost"] = sum(len(flow.under_way) for flow in flows)
    total["strange"] = a.strange + b.strange
    faults = {name: total[name] for name in ("lost", "wrong", "twice", "strange") if total[name]}
    if faults or not total["received"]:
        raise Failure(f"of {total['sent']:,} frames " + (", ".join(f"{count:,} {name}" for name, count in faults.items())
                                                         or "none arrived"))
    ways = " and ".join(f"{flow.received:,} {flow.source.name} to {flow.sink.name}" for flow in flows)
    return (f"{ways}, every byte checked, none lost, {total['received'] / took:,.0f} frames/s",
            {**total, "frames_per_s": total["received"] / took})


def steps(a, b, seconds, mtu):
    """Like those of traffic.py: (name, function of tick). `seconds` is shared out among the sizes."""
    share = max(1, (seconds - 1) / 3)
    return [
        ("ARP, a and b", lambda tick: neighbours(a, b, tick)),
        *((f"frames of {size} bytes", lambda tick, size=size: packets(a, b, [size], share, tick)) for size in (60, mtu + 14)),
        ("frames of mixed sizes", lambda tick: packets(a, b, [60, 64, 128, 200, 512, 1024, mtu + 14], share, tick)),
    ]
