"""What a learning bridge must do, frame by frame: learn, flood, forget, and keep to itself what is reserved."""
import time

import pytest

from harness import LIMIT, wait_until
from naming import named
from traffic import assert_pages_conserved, by_name

BROADCAST = b"\xff" * 6


def station(number):
    return bytes([2, 0, 0, 1, number >> 8, number & 255])


def frame(to, source, size=60, kind=0x88b5, filling=0):
    head = to + source + kind.to_bytes(2, "big")
    return head + bytes((filling + i * 7) & 255 for i in range(size - len(head)))


MARK = bytes(6) + b"\x88\xb6"  # of a marker's head: the address 0 is no station's, so it is never learned


class Bench:
    """A machine and the far ends of its NICs."""

    def __init__(self, machine):
        self.machine = machine.wait_ready()
        self.ports = [machine.port(index) for index in range(len(machine.nics))]
        self.markers = 0
        self.settle()

    def settle(self):
        """Waits until frames go through: the connections to QEMU are up."""
        def passes():
            marker = self.mark(0)
            return all([self.until(index, marker, 0.2) == [] for index in range(1, len(self.ports))])

        assert wait_until(passes), "no frame comes through"

    def mark(self, index):
        """Sends a frame that comes out of all other ports, behind all that went into this one before it."""
        self.markers += 1
        marker = frame(BROADCAST, MARK[:6], kind=0x88b6, filling=self.markers)
        self.ports[index].send(marker)
        return marker

    def until(self, index, marker, limit=LIMIT):
        """What comes out of a port before that marker, as a list of frames; None when the marker does not come."""
        frames = []
        while (data := self.ports[index].receive(limit)) != marker:
            if data is None:
                return None
            if data[6:14] != MARK:
                frames.append(data)
        return frames

    def send(self, index, data):
        """Sends a frame into a port; returns what came out of each, as lists of frames: what was in front of a marker, sent after it."""
        self.ports[index].send(data)
        marker, out = self.mark(index), {}
        for other in range(len(self.ports)):
            if other != index:
                out[other] = self.until(other, marker)
        # By now the frame has been decided on. What comes back out of its own port is in front of another port's marker.
        out[index] = self.until(index, self.mark(index - 1))
        assert None not in out.values(), f"a marker was lost: {out}"
        return [out[number] for number in sorted(out)]

    def ports_reached(self, index, data):
        """Which ports a frame came out of; it must be whole, and come once."""
        out = self.send(index, data)
        for frames in out:
            assert frames in ([], [data]), f"sent {data.hex()}, got {[f.hex() for f in frames]}"
        return [number for number, frames in enumerate(out) if frames]


@pytest.fixture
def bench(boot, switch):
    def start(nics=3, **settings):
        return Bench(boot(switch, nics=nics, **{"cpus": 2, **settings}))
    return start


@named("bridge-floods-and-learns-{nics}nics")
@pytest.mark.parametrize("nics", [3, 4])
def test_learning(bench, nics):
    bench = bench(nics)
    before = bench.machine.quiet_stats()
    others = lambda index: [number for number in range(nics) if number != index]
    for size in (60, 1514):
        assert bench.ports_reached(0, frame(station(200 + size % 7), station(1), size)) == others(0), "unknown: flood"
        assert bench.ports_reached(0, frame(BROADCAST, station(1), size)) == others(0), "broadcast: flood"
        assert bench.ports_reached(2, frame(station(1), station(2), size)) == [0], "station 1 is known by now"
        assert bench.ports_reached(0, frame(station(2), station(1), size)) == [2], "station 2 is known by now"
        assert bench.ports_reached(0, frame(b"\x01\x00\x5e\0\0\1", station(1), size)) == others(0), "multicast: flood"
        assert bench.ports_reached(0, frame(station(1), station(3), size)) == [], "both behind the same port"
    after = bench.machine.quiet_stats(before)
    assert_pages_conserved(before, after)
    assert after["copied"]["payload_bytes"] == 0, "flooding copied payload"
    assert after["pages"]["mapped"] == before["pages"]["mapped"], "flooding mapped pages"


@named("bridge-station-moves")
def test_moving(bench):
    bench = bench()
    bench.send(0, frame(BROADCAST, station(1)))
    assert bench.ports_reached(1, frame(station(1), station(2))) == [0]
    bench.send(2, frame(BROADCAST, station(1)))
    assert bench.ports_reached(1, frame(station(1), station(2))) == [2]


@named("bridge-learns-no-group-address")
def test_group_source(bench):
    """A source that is a group address is a lie: nobody may catch all broadcasts by it."""
    bench = bench()
    bench.send(0, frame(station(7), BROADCAST))
    bench.send(0, frame(station(7), b"\x01\x00\x5e\0\0\1"))
    assert bench.ports_reached(1, frame(BROADCAST, station(2))) == [0, 2]
    assert bench.ports_reached(1, frame(b"\x01\x00\x5e\0\0\1", station(2))) == [0, 2]


@named("bridge-forgets-after-age")
def test_ageing(bench):
    age = 2
    bench = bench(append=f"age={age}")

    def reached_after_hearing():
        """Of a round that was done before its age: a busy host may take longer for one."""
        while True:
            begin = time.monotonic()
            bench.send(0, frame(BROADCAST, station(1)))
            reached = bench.ports_reached(1, frame(station(1), station(2)))
            if time.monotonic() - begin < age:
                return reached

    assert reached_after_hearing() == [0]
    assert wait_until(lambda: bench.ports_reached(1, frame(station(1), station(2))) == [0, 2]), "still known after its age"
    assert reached_after_hearing() == [0], "not learned again"


@named("bridge-table-limit")
def test_table(bench):
    bench = bench(append="table=4")
    for number in range(20, 40):
        bench.send(0, frame(BROADCAST, station(number)))
    known = 0
    for number in range(20, 40):
        reached = bench.ports_reached(1, frame(station(number), station(99)))
        assert reached in ([0], [0, 2]), "a full table may flood, but must not lose"
        known += reached == [0]
    assert 0 < known <= 4, f"{known} stations are known with table=4"


@named("bridge-keeps-reserved-addresses")
def test_reserved(bench):
    bench = bench()
    before = bench.machine.quiet_stats()
    for last in range(16):
        assert bench.ports_reached(0, frame(bytes.fromhex("0180c20000") + bytes([last]), station(1))) == []
    assert bench.ports_reached(0, frame(bytes.fromhex("0180c2000010"), station(1))) == [1, 2]
    after = bench.machine.quiet_stats(before)
    dropped = lambda stats: sum(by_name(stats["net"])["net0"]["dropped"].values())
    assert dropped(after) - dropped(before) == 16, "each is a counted drop"
    assert_pages_conserved(before, after)


@named("bridge-passes-vlan-tags")
def test_vlan(bench):
    bench = bench()
    for size in (64, 1518):
        tagged = station(50) + station(1) + bytes.fromhex("8100a005") + frame(b"", b"", size - 16)
        assert bench.ports_reached(0, tagged) == [1, 2]
    double = station(50) + station(1) + bytes.fromhex("88a80003810000050800") + bytes(1522 - 22)
    assert len(double) == 1522 and bench.ports_reached(0, double) == [1, 2]


@named("bridge-drops-runts")
def test_runts(bench):
    bench = bench()
    before = bench.machine.quiet_stats()
    for size in (1, 5, 6, 12, 13):
        assert bench.ports_reached(0, frame(station(9), station(1))[:size]) == []
    after = bench.machine.quiet_stats(before)
    dropped = lambda stats: sum(by_name(stats["net"])["net0"]["dropped"].values())
    assert dropped(after) - dropped(before) == 5, "each runt is a counted drop"
    assert_pages_conserved(before, after)
    for size in (14, 15, 59):
        assert bench.ports_reached(0, frame(station(9), station(1), 60)[:size]) == [1, 2], "short, but whole"


@named("bridge-drops-giants")
def test_giants(bench):
    bench = bench()
    before = bench.machine.quiet_stats()
    for size in (1523, 2000, 4000, 4096, 5000, 9000, 60000):
        assert bench.ports_reached(0, frame(station(9), station(1), size)) == []
    after = bench.machine.quiet_stats(before)
    dropped = lambda stats: sum(by_name(stats["net"])["net0"]["dropped"].values())
    assert dropped(after) - dropped(before) >= 4, "what the device delivers is a counted drop"
    assert_pages_conserved(before, after)
    assert bench.ports_reached(0, frame(station(9), station(1), 1514)) == [1, 2]
