"""
./baton run --pcap: the records of frames that the guest sends by its capture interface (ipc/capture.h; their layout is
struct baton_capture in core/abi.h), written as a pcapng file that Wireshark and tcpdump read.

One interface block for each point: net0.in, net0.out, ..., and drops, whose frames carry the reason as a comment. What the
guest could not send it says in its next record: that becomes a comment there, and the sum stands in the statistics.
"""
import collections
import pathlib
import socket
import struct
import threading
import time

from tools.machine import NIC

MAC = "52:54:00:00:00:ca"
HEADER = struct.Struct("<12s2sBBQIIIHBB24s")
TYPE = b"\x88\xb5"
WHOLE, FIRST, SECOND = range(3)
DROPS = 255
BUFFER = 1 << 22
UNFINISHED = 256  # first halves of records that may wait for their second one

Record = collections.namedtuple("Record", "point time length sequence missed sender interface reason data")


class Pcapng:
    """The file's blocks (draft-ietf-opsawg-pcapng)."""

    SECTION, INTERFACE, PACKET, STATISTICS = 0x0A0D0D0A, 1, 6, 5
    COMMENT, NAME, RESOLUTION, RECEIVED, DROPPED = 1, 2, 9, 4, 5

    def __init__(self, path, names):
        self.file, self.names, self.counts = open(path, "wb"), names, [0] * len(names)
        self.block(self.SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        for name in names:
            self.block(self.INTERFACE, struct.pack("<HHI", 1, 0, 0),
                       [(self.NAME, name.encode()), (self.RESOLUTION, b"\x09")])

    def block(self, kind, body, options=()):
        for code, value in options:
            body += struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)
        body += bytes(4) if options else b""
        self.file.write(struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12))

    def packet(self, interface, when, length, data, comments):
        self.counts[interface] += 1
        body = struct.pack("<IIIII", interface, when >> 32, when & 0xFFFFFFFF, len(data), length)
        self.block(self.PACKET, body + data + bytes(-len(data) % 4), [(self.COMMENT, text.encode()) for text in comments])

    def close(self, missed):
        now = time.time_ns()
        for interface, count in enumerate(self.counts):
            options = [(self.RECEIVED, struct.pack("<Q", count))]
            if interface == len(self.counts) - 1:
                options.insert(0, (self.COMMENT, f"{missed} frames were not captured, at all points together".encode()))
            self.block(self.STATISTICS, struct.pack("<III", interface, now >> 32, now & 0xFFFFFFFF), options)
        self.file.close()


class Capture:
    """The capture NIC (as machine.Nic), and a thread that reads records from its far end until close()."""

    setting = f"capture={MAC}"  # tells the guest which NIC it is

    def __init__(self, path, nics):
        pathlib.Path(path).touch()
        self.far, self.near = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.far, self.near):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self.near.settimeout(0.2)
        self.kept = [self.far.fileno()]
        names = [f"net{nic}.{way}" for nic in range(nics) for way in ("in", "out")]
        self.file = Pcapng(path, names + ["drops"])
        self.halves, self.missed, self.offset, self.lost = {}, {}, None, 0
        self.frames, self.drops, self.ending = 0, 0, False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def words(self, number):
        return ["-netdev", f"dgram,id=capture,local.type=fd,local.str={self.far.fileno()}",
                "-device", f"{NIC},netdev=capture,mac={MAC}"]

    def read(self):
        while True:
            try:
                data = self.near.recv(4096)
            except TimeoutError:
                if self.ending:
                    return
                continue
            if len(data) >= HEADER.size and data[12:14] == TYPE:
                self.part(data)

    def part(self, data):
        """One message of the guest's: a record, or half of one."""
        _, _, kind, point, when, length, sequence, missed, sender, interface, _, reason = HEADER.unpack_from(data)
        # A short frame was filled up to 60 bytes by a device on its way, so its length counts.
        frame = data[HEADER.size:][:length]
        record = Record(point, when, length, sequence, missed, sender, interface, reason.split(b"\0")[0].decode("ascii",
                        "replace"), frame)
        if kind == FIRST:
            self.halves[sender, sequence] = record
            while len(self.halves) > UNFINISHED:
                self.write(self.halves.pop(next(iter(self.halves))))
            return
        if kind == SECOND:
            first = self.halves.pop((sender, sequence), None)
            if first is None:
                return
            record = first._replace(data=(first.data + frame)[:length])
        self.write(record)

    def write(self, record):
        index = len(self.file.names) - 1 if record.point == DROPS else record.point
        if index >= len(self.file.names):
            return  # what a service sends to the capture is its own word
        if self.offset is None:
            self.offset = time.time_ns() - record.time
        comments = []
        if record.point == DROPS:
            self.drops += 1
            comments.append(f"dropped at net{record.interface}: {record.reason}")
        more = record.missed - self.missed.get(record.sender, 0)
        if more > 0:
            self.missed[record.sender] = record.missed
            comments.append(f"{more} frames before this one were not captured")
        self.frames += 1
        self.file.packet(index, record.time + self.offset, record.length, record.data, comments)

    def close(self, missed=0):
        """`missed`: what the guest's own statistics say, when they are known."""
        if self.ending:
            return
        self.ending = True
        self.thread.join()
        for record in self.halves.values():
            self.write(record)
        self.lost = max(missed, sum(self.missed.values()))
        self.file.close(self.lost)
        self.far.close()
        self.near.close()

    def text(self):
        return (f"{self.frames:,} frames, {self.drops:,} of them drops"
                + (f"; {self.lost:,} could not be captured" if self.lost else ""))

    def numbers(self):
        return {"frames": self.frames, "drops": self.drops, "missed": self.lost}
