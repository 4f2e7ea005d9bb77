"""
Packets between packets of one conversation: what the router remembers of the one before (apps/router/recent.h) serves no packet
that is not like it, and spares none a check. Sent in one go, so that most batches have a bad one behind a good one.
"""
import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from harness import wait_until
from naming import named
from routing import HOST, ROUTER, TWO, datagram, shared_bench, undisturbed
from routing6 import TWO6, datagram6

ROUNDS = 40


def changed(packet, at, *values):
    """Bytes of a frame's IP packet as they are not meant to be."""
    data = bytearray(bytes(Ether(src=HOST[0], dst=ROUTER[0]) / packet))
    data[14 + at:14 + at + len(values)] = values
    return bytes(data)


def frame(packet, link=ROUTER[0], behind=b""):
    return bytes(Ether(src=HOST[0], dst=link) / packet) + behind


GOOD4 = datagram("10.0.0.2", "10.0.1.2", size=80)
GOOD6 = datagram6("2001:db8::2", "2001:db8:1::2", size=80)
LONG = datagram("10.0.0.2", "10.0.2.2", size=500, flags="DF")

# name, good packet, to, bad frame, reason for its drop (None: it goes on as it should)
CASES = [
    ("checksum", GOOD4, 1, changed(GOOD4, 10, 0x12, 0x34), "checksum"),
    ("checksum-of-other-bytes", GOOD4, 1, changed(GOOD4, 4, 0x77), "checksum"),
    ("ttl", GOOD4, 1, frame(datagram("10.0.0.2", "10.0.1.2", size=80, ttl=1)), "ttl_exceeded"),
    ("ttl-0", GOOD4, 1, frame(datagram("10.0.0.2", "10.0.1.2", size=80, ttl=0)), "ttl_exceeded"),
    ("longer-than-its-frame", GOOD4, 1, frame(datagram("10.0.0.2", "10.0.1.2", size=80))[:-1], "too_short"),
    ("cut-in-its-header", GOOD4, 1, frame(GOOD4)[:30], "too_short"),
    ("another-station", GOOD4, 1, frame(GOOD4, link="02:00:00:00:77:77"), "other_station"),
    ("martian-source", GOOD4, 1, frame(datagram("127.0.0.1", "10.0.1.2", size=80)), "martian_source"),
    ("too-big", LONG, 2, frame(datagram("10.0.0.2", "10.0.2.2", size=600, flags="DF")), "too_big"),
    ("bytes-behind-it", GOOD4, 1, frame(GOOD4, behind=b"xyz"), None),
    ("hop-limit-6", GOOD6, 1, frame(datagram6("2001:db8::2", "2001:db8:1::2", size=80, hlim=1)), "ttl_exceeded"),
    ("longer-than-its-frame-6", GOOD6, 1, frame(GOOD6)[:-1], "too_short"),
    ("martian-source-6", GOOD6, 1, frame(datagram6("ff02::2", "2001:db8:1::2", size=80)), "martian_source"),
    ("other-destination-6", GOOD6, 1, frame(datagram6("2001:db8::2", "2001:db8:77::2", size=80)), "no_route"),
]


THIRD = f"""\
interface net2 10.0.2.1/24 mtu 576
neighbor 10.0.2.2 {HOST[2]} net2
"""


@pytest.fixture(scope="module")
def shared(build, tmp_path_factory):
    with shared_bench(build.image("router"), tmp_path_factory.mktemp("router"), TWO + TWO6 + THIRD) as bench:
        yield bench


@pytest.fixture
def bench(shared, request):
    yield from undisturbed(shared, request)


def as_sent(packet, to):
    """The frame as it must come out: one hop less."""
    onward = packet.copy()
    if IPv6 in onward:
        onward.hlim -= 1
    else:
        onward.ttl -= 1
        del onward[IP].chksum
    return bytes(Ether(src=ROUTER[to], dst=HOST[to]) / onward)


@named("router-between-others-{name}")
@pytest.mark.parametrize("name, good, to, bad, reason", CASES, ids=[case[0] for case in CASES])
def test_between(bench, name, good, to, bad, reason):
    before, wanted = (bench.drops(0, reason) if reason else 0), as_sent(good, to)
    for _ in range(ROUNDS):
        for data in (frame(good), frame(good), bad):
            bench.ports[0].send(data)
    count = ROUNDS * (2 if reason else 3)
    out = [data for data in bench.ports[to].drain(0.3, count) if data[0] != 0x33]  # no advertisements
    assert all(data == wanted for data in out), "something came out that is not the good packet"
    assert len(out) == count
    if reason:
        assert wait_until(lambda: bench.drops(0, reason) == before + ROUNDS), f"not counted as {reason}"
    bench.ports[0].drain(0.1)
