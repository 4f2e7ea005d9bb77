"""
The router against RFC 1812, "Requirements for IP Version 4 Routers": a test for each clause, named after it. One machine
serves them all; packets are made by scapy, and what comes back is compared byte by byte.
"""
import time

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_RR, IPOption_SSRR, IPOption_Timestamp
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from harness import wait_until
from naming import named
from routing import HOST, MTU2, ROUTER, datagram, shared_bench, undisturbed

BROADCAST = "ff:ff:ff:ff:ff:ff"


@pytest.fixture(scope="module")
def shared(build, tmp_path_factory):
    with shared_bench(build.image("router"), tmp_path_factory.mktemp("router")) as bench:
        yield bench


@pytest.fixture
def router(shared, request):
    yield from undisturbed(shared, request)


def plain(**fields):
    return datagram("10.0.0.2", "10.0.1.2", **fields)


# ---- Forwarding ----

@named("router-rfc1812-5.2.1-forwards-{size}")
@pytest.mark.parametrize("size", [0, 1, 18, 86, 87, 100, 1472])
def test_forwards(router, size):
    """5.2.1: a packet goes on with everything as it was but TTL and checksum."""
    router.passes(0, plain(size=size), 1)
    router.passes(1, datagram("10.0.1.2", "10.0.0.2", size=size), 0)


@named("router-rfc1812-4.2.2.5-checksum-incremental")
def test_checksum(router):
    """4.2.2.5: the checksum may be updated rather than computed anew; it must be right at every carry."""
    for number in [*range(0, 65536, 4099), 0xfffe, 0xffff, 0x00ff, 0xff00]:
        for ttl in (2, 64, 255):
            router.passes(0, plain(id=number, ttl=ttl), 1)


@named("router-rfc1812-5.2.4.3-longest-match")
def test_longest(router):
    """5.2.4.3 (2): of several routes the longest prefix counts."""
    router.passes(0, datagram("10.0.0.2", "10.9.7.1"), 1)
    router.passes(0, datagram("10.0.0.2", "10.9.8.1"), 2)


@named("router-rfc1812-4.2.2.2-fragments-forwarded")
def test_fragments(router):
    """Fragments are forwarded one by one, like any packet."""
    for flags, offset in (("MF", 0), ("MF", 64), (0, 128), ("DF", 0)):
        router.passes(0, plain(flags=flags, frag=offset, size=400), 1)


# ---- 5.2.2: validation, silently ----

def changed(packet, change):
    data = bytearray(bytes(packet))
    change(data)
    return Raw(bytes(data))


def summed(packet, change):
    """The same with a checksum that fits the change."""
    again = changed(packet, change)
    data = bytearray(bytes(again))
    data[10:12] = bytes(2)
    words = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, 20, 2))
    while words >> 16:
        words = (words & 0xffff) + (words >> 16)
    data[10:12] = (~words & 0xffff).to_bytes(2, "big")
    return Raw(bytes(data))


def framed(index, raw):
    return Ether(src=HOST[index], dst=ROUTER[index], type=0x0800) / raw


@named("router-rfc1812-5.2.2-{id}")
@pytest.mark.parametrize("case", [
    pytest.param(("version", lambda p: summed(p, lambda d: d.__setitem__(0, 0x55))), id="version"),
    pytest.param(("version", lambda p: summed(p, lambda d: d.__setitem__(0, 0x65))), id="version-6"),
    pytest.param(("header_length", lambda p: summed(p, lambda d: d.__setitem__(0, 0x44))), id="ihl-below-5"),
    pytest.param(("header_length", lambda p: summed(p, lambda d: d.__setitem__(slice(2, 4), b"\0\x13"))),
                 id="total-below-header"),
    pytest.param(("too_short", lambda p: summed(p, lambda d: d.__setitem__(slice(2, 4), b"\x05\xdc"))),
                 id="total-beyond-frame"),
    pytest.param(("checksum", lambda p: changed(p, lambda d: d.__setitem__(10, d[10] ^ 1))), id="checksum"),
    pytest.param(("checksum", lambda p: changed(p, lambda d: d.__setitem__(19, d[19] ^ 1))), id="address-bit"),
])
def test_validation(router, case):
    """5.2.2: what fails validation is discarded silently, and counted."""
    reason, make = case
    router.dropped(0, framed(0, make(plain())), reason)


@named("router-rfc1812-5.2.2-truncated-frame")
def test_truncated(router):
    """5.2.2 (1): the link layer must have received a whole header."""
    for size in (14, 20, 33):
        before = router.drops(0, "too_short")
        router.ports[0].send(bytes(framed(0, plain()))[:size])
        assert wait_until(lambda: router.drops(0, "too_short") == before + 1)
    router.silent()


# ---- 5.3 ----

@named("router-rfc1812-5.3.1-ttl")
def test_ttl(router):
    """5.3.1: a packet whose TTL is used up is not forwarded; the sender is told."""
    for ttl in (0, 1):
        before = router.drops(0, "ttl_exceeded")
        router.error(0, plain(ttl=ttl), 11, 0)
        assert router.drops(0, "ttl_exceeded") == before + 1
    router.passes(0, plain(ttl=2), 1)


@named("router-rfc1812-5.3.1-ttl-not-for-itself")
def test_ttl_own(router):
    """5.3.1: a packet for the router itself is not discarded for its TTL."""
    for ttl in (0, 1):
        router.send(0, IP(src="10.0.0.2", dst="10.0.0.1", ttl=ttl) / ICMP(type=8, id=1, seq=ttl))
        assert router.one(0)[ICMP].type == 0


@named("router-rfc1812-5.3.2-tos-unchanged")
def test_tos(router):
    for tos in (0, 0x10, 0xb8, 0xff):
        router.passes(0, plain(tos=tos), 1)


@named("router-rfc1812-5.3.4-link-broadcast")
def test_link_broadcast(router):
    """5.3.4: what came as a link-layer broadcast is not forwarded, and nobody is told (4.3.2.7)."""
    router.dropped(0, plain(), "link_broadcast", link=BROADCAST)
    router.dropped(0, plain(ttl=1), "link_broadcast", link="01:00:5e:00:00:01")


@named("router-rfc1812-5.3.5.1-limited-broadcast")
def test_limited(router):
    """5.3.5.1: limited broadcasts must not be forwarded."""
    router.dropped(0, datagram("10.0.0.2", "255.255.255.255"), "broadcast", link=BROADCAST)


@named("router-rfc1812-5.3.5.2-directed-broadcast")
def test_directed(router):
    """5.3.5.2, as RFC 2644 changes it: directed broadcasts are not forwarded, the obsolete ones of zeros neither."""
    for address in ("10.0.1.255", "10.0.1.0", "10.0.0.255"):
        router.dropped(0, datagram("10.0.0.2", address), "broadcast")


@named("router-rfc1812-5.3.6-multicast")
def test_multicast(router):
    router.dropped(0, datagram("10.0.0.2", "224.0.0.5"), "multicast", link="01:00:5e:00:00:05")
    router.dropped(0, datagram("10.0.0.2", "239.1.2.3"), "multicast")


@named("router-rfc1812-5.3.7-martian-source-{source}")
@pytest.mark.parametrize("source", ["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.0.9", "224.0.0.1", "240.0.0.1",
                                    "255.255.255.255", "10.0.0.255", "10.0.1.255", "10.0.0.0"])
def test_martian_source(router, source):
    """5.3.7: no packet with a source that cannot be is forwarded."""
    router.dropped(0, datagram(source, "10.0.1.2"), "martian_source")


@named("router-rfc1812-5.3.7-own-source")
def test_own_source(router):
    """5.3.7: a packet that claims to come from the router itself."""
    for source in ("10.0.0.1", "10.0.1.1"):
        router.dropped(0, datagram(source, "10.0.1.2"), "own_source")


@named("router-rfc1812-5.3.7-martian-destination-{target}")
@pytest.mark.parametrize("target", ["0.0.0.0", "0.0.0.7", "127.0.0.1", "240.0.0.1", "255.255.255.254"])
def test_martian_destination(router, target):
    router.dropped(0, datagram("10.0.0.2", target), "martian_target")


@named("router-rfc1812-5.3.13.4-source-route-{id}")
@pytest.mark.parametrize("option", [pytest.param(IPOption_LSRR, id="loose"), pytest.param(IPOption_SSRR, id="strict")])
def test_source_route(router, option):
    """5.3.13.4: refused here; the sender learns that the source route failed (unreachable, code 5)."""
    packet = IP(bytes(IP(src="10.0.0.2", dst="10.0.1.2", options=[option(routers=["10.0.1.9"])]) / UDP() / Raw(b"x" * 20)))
    before = router.drops(0, "source_route")
    router.error(0, packet, 3, 5)
    assert router.drops(0, "source_route") == before + 1


def with_options(data, source="10.0.0.2", target="10.0.1.2", **fields):
    """An IP packet with these raw bytes as its options."""
    data += bytes(-len(data) % 4)
    packet = IP(bytes(IP(src=source, dst=target, ihl=5 + len(data) // 4, proto=17, len=20 + len(data) + 28, **fields) / Raw(
        data + bytes(28))))
    del packet.chksum
    return IP(bytes(packet))


@named("router-rfc1812-5.3.13.1-unknown-options-unchanged")
def test_unknown_option(router):
    router.passes(0, with_options(b"\x1e\x06abcd\x01\x01"), 1)
    router.passes(0, with_options(b"\x94\x04\0\0"), 1)  # router alert


@named("router-rfc1812-5.3.13.5-record-route")
def test_record_route(router):
    """5.3.13.5: the router writes down the address of the interface that the packet leaves by; a full list stays."""
    packet = with_options(bytes([7, 11, 4]) + bytes(8))
    wanted = bytearray(bytes(packet))
    wanted[8] -= 1
    wanted[22] = 8
    wanted[23:27] = bytes([10, 0, 1, 1])
    wanted = IP(bytes(wanted))
    del wanted.chksum
    router.passes(0, packet, 1, wanted)
    router.passes(0, with_options(bytes([7, 11, 12]) + bytes(8)), 1)


@named("router-rfc1812-5.3.13.6-timestamp")
def test_timestamp(router):
    """5.3.13.6: the router adds its time (with the bit that says: not since midnight); beyond that it counts who could not."""
    router.send(0, with_options(bytes([68, 12, 5, 1]) + bytes(8)))
    data = bytes(router.one(1))[14:]
    assert data[20:24] == bytes([68, 12, 13, 1]) and data[24:28] == bytes([10, 0, 1, 1]) and data[28] & 0x80
    again = IP(data)
    del again.chksum
    assert IP(bytes(again)).chksum == IP(data).chksum
    router.send(0, with_options(bytes([68, 12, 13, 1]) + bytes(8)))
    assert bytes(router.one(1))[14 + 23] == 0x11, "the overflow was not counted"


@named("router-rfc1812-4.3.3.5-parameter-problem-{id}")
@pytest.mark.parametrize("options, pointer", [
    pytest.param(bytes([7, 2, 4]), 21, id="record-length"),
    pytest.param(bytes([7, 7, 3]) + bytes(4), 22, id="record-pointer"),
    pytest.param(bytes([7, 8, 6]) + bytes(5), 22, id="record-no-room"),
    pytest.param(bytes([7, 60, 4]), 21, id="beyond-header"),
    pytest.param(bytes([30, 0, 0, 0]), 21, id="length-0"),
    pytest.param(bytes([68, 12, 4, 0]) + bytes(8), 22, id="timestamp-pointer"),
    pytest.param(bytes([68, 12, 5, 2]) + bytes(8), 23, id="timestamp-flag"),
    pytest.param(bytes([68, 8, 9, 0xf0]) + bytes(4), 23, id="timestamp-overflow"),
])
def test_parameter(router, options, pointer):
    """4.3.3.5: a malformed option is a parameter problem, and the pointer tells where."""
    before = router.drops(0, "options")
    frame = router.error(0, with_options(options), 12, 0)
    assert frame[ICMP].ptr == pointer
    assert router.drops(0, "options") == before + 1


# ---- 4.3: ICMP ----

@named("router-rfc1812-5.2.7.1-net-unreachable")
def test_no_route(router):
    before = router.drops(0, "no_route")
    router.error(0, datagram("10.0.0.2", "192.0.2.1", tos=0x08), 3, 0)
    assert router.drops(0, "no_route") == before + 1


@named("router-rfc1812-5.2.7.1-host-unreachable")
def test_no_neighbor(router):
    """5.2.7.1 and 3.3.2: not before ARP has failed; then the sender of each packet that waited is told."""
    packet = datagram("10.0.0.2", "10.0.1.77")
    before = router.drops(0, "unreachable")
    router.send(0, packet)
    asked = [frame for frame in router.out(1, 1.5, 1) if ARP in frame]
    assert 1 <= len(asked) <= 6 and all(frame.dst == BROADCAST and frame[ARP].pdst == "10.0.1.77" and
                                        frame[ARP].psrc == "10.0.1.1" and frame[ARP].hwsrc == ROUTER[1] for frame in asked)
    frame = router.one(0)
    assert (frame[ICMP].type, frame[ICMP].code) == (3, 1) and frame[IP].dst == "10.0.0.2"
    assert router.drops(0, "unreachable") == before + 1


@named("router-rfc1812-5.2.7.1-port-unreachable")
def test_port(router):
    router.error(0, datagram("10.0.0.2", "10.0.0.1"), 3, 3)
    router.error(0, datagram("10.0.0.2", "10.0.1.1"), 3, 3)


@named("router-rfc1812-5.2.7.1-protocol-unreachable")
def test_protocol(router):
    router.error(0, IP(bytes(IP(src="10.0.0.2", dst="10.0.0.1", proto=132) / Raw(b"z" * 30))), 3, 2)
    router.error(0, IP(bytes(IP(src="10.0.0.2", dst="10.0.0.1") / TCP(dport=22) / Raw(b"z" * 10))), 3, 2)


@named("router-rfc1812-4.3.3.1-fragmentation-needed")
def test_too_big(router):
    """4.3.3.1, code 4, with the MTU of the next link (RFC 1191)."""
    before = router.drops(0, "too_big")
    frame = router.error(0, datagram("10.0.0.2", "10.0.2.2", size=MTU2 - 27, flags="DF"), 3, 4)
    assert int.from_bytes(bytes(frame[ICMP])[4:8], "big") == MTU2
    assert router.drops(0, "too_big") == before + 1
    router.passes(0, datagram("10.0.0.2", "10.0.2.2", size=MTU2 - 28, flags="DF"), 2)


@named("router-rfc1812-4.2.2.7-fragments-{size}")
@pytest.mark.parametrize("size", [MTU2 - 27, 600, 1100, 1471, 1472])
def test_fragmentation(router, size):
    """4.2.2.7: without DF a packet that is too big is cut; each part but the last as large as fits; the bytes are the same."""
    packet = datagram("10.0.0.2", "10.0.2.2", size=size, id=77)
    router.send(0, packet)
    parts = router.out(2, count=-(-(len(bytes(packet)) - 20) // ((MTU2 - 20) // 8 * 8)))
    data = bytearray(len(bytes(packet)) - 20)
    for number, frame in enumerate(parts):
        ip = IP(bytes(frame)[14:])
        body = bytes(frame)[34:14 + ip.len]
        again = IP(bytes(frame)[14:])
        del again.chksum
        assert IP(bytes(again)).chksum == ip.chksum and ip.ttl == packet.ttl - 1 and ip.id == 77
        last = number == len(parts) - 1
        assert bool(ip.flags.MF) != last and (last or len(body) == (MTU2 - 20) // 8 * 8)
        data[ip.frag * 8:ip.frag * 8 + len(body)] = body
    assert len(parts) == -(-(len(bytes(packet)) - 20) // ((MTU2 - 20) // 8 * 8))
    assert bytes(data) == bytes(packet)[20:]


@named("router-rfc1812-4.2.2.7-fragment-of-fragment")
def test_fragment_again(router):
    """A fragment that is cut again keeps its place and its more-fragments bit; options are copied as they ask to be."""
    packet = datagram("10.0.0.2", "10.0.2.2", size=992, flags="MF", frag=100)
    router.send(0, packet)
    parts = [IP(bytes(frame)[14:]) for frame in router.out(2, count=2)]
    assert [(ip.frag, bool(ip.flags.MF)) for ip in parts] == [(100, True), (100 + (MTU2 - 20) // 8, True)]
    option = bytes([30, 4, 1, 2, 0x94, 4, 0, 0])
    packet = IP(bytes(IP(src="10.0.0.2", dst="10.0.2.2", ihl=7, proto=253, len=28 + 800) / Raw(option + bytes(800))))
    del packet.chksum
    router.send(0, IP(bytes(packet)))
    heads = [bytes(frame)[14:] for frame in router.out(2, count=2)]
    assert [head[0] & 15 for head in heads] == [7, 6] and heads[1][20:24] == option[4:]


@named("router-rfc1812-4.3.2.7-no-errors-about-{id}")
@pytest.mark.parametrize("packet", [
    pytest.param(IP(src="10.0.0.2", dst="10.0.1.2", ttl=1) / ICMP(type=3, code=1) / Raw(b"q" * 28), id="unreachable"),
    pytest.param(IP(src="10.0.0.2", dst="10.0.1.2", ttl=1) / ICMP(type=11) / Raw(b"q" * 28), id="time-exceeded"),
    pytest.param(IP(src="10.0.0.2", dst="10.0.1.2", ttl=1) / ICMP(type=5) / Raw(b"q" * 28), id="redirect"),
    pytest.param(IP(src="10.0.0.2", dst="10.0.1.2", ttl=1) / ICMP(type=12) / Raw(b"q" * 28), id="parameter-problem"),
    pytest.param(datagram("10.0.0.2", "10.0.1.2", ttl=1, frag=3), id="later-fragments"),
])
def test_no_errors(router, packet):
    """4.3.2.7: no error about an error, or about a fragment that is not the first."""
    router.dropped(0, packet, "ttl_exceeded")


@named("router-rfc1812-4.3.2.7-errors-about-queries")
def test_errors_about_queries(router):
    """An ICMP query that runs out of hops is reported: traceroute with ICMP lives on it."""
    router.error(0, IP(bytes(IP(src="10.0.0.2", dst="10.0.1.2", ttl=1) / ICMP(type=8) / Raw(b"q" * 28))), 11, 0)


@named("router-rfc1812-4.3.2.8-rate-limit")
def test_rate(router):
    """4.3.2.8: errors are limited in rate; what is forwarded is not."""
    begin = time.monotonic()
    for number in range(1000):
        router.send(0, plain(ttl=1, id=number))
    errors = [frame for frame in router.out(0, 0.5, 40) if ICMP in frame]
    seconds = time.monotonic() - begin
    assert 40 <= len(errors) <= 50 + 200 * seconds + 2, f"{len(errors)} errors about 1000 packets in {seconds:.2f} s"
    router.passes(0, plain(), 1)
    router.machine.rest(0.5)    # and may be told again


@named("router-rfc1812-4.3.3.2-redirect")
def test_redirect(router):
    """5.2.7.2 and 4.3.3.2: the packet goes on, and its sender learns of the better first hop; for a host, never a network."""
    packet = datagram("10.0.0.2", "172.16.5.5")
    router.send(0, packet)
    frames = router.out(0, count=2)
    assert len(frames) == 2
    redirect = next(frame for frame in frames if ICMP in frame)
    onward = next(frame for frame in frames if ICMP not in frame)
    assert (redirect[ICMP].type, redirect[ICMP].code, redirect[ICMP].gw) == (5, 1, "10.0.0.3")
    assert redirect[IP].dst == "10.0.0.2" and onward.dst == "02:00:00:00:00:33" and onward[IP].ttl == packet.ttl - 1


@named("router-rfc1812-4.3.3.6-echo-{size}")
@pytest.mark.parametrize("size", [0, 1, 56, 86, 87, 1472])
def test_echo(router, size):
    """4.3.3.6: the router answers echo requests to each of its addresses, with all of their data."""
    data = bytes(i & 255 for i in range(size))
    for index, address in ((0, "10.0.0.1"), (0, "10.0.1.1"), (1, "10.0.1.1")):
        router.send(index, IP(src=f"10.0.{index}.2", dst=address, tos=0x10) / ICMP(type=8, id=5, seq=size) / Raw(data))
        frame = router.one(index)
        wanted = bytes(Ether(src=ROUTER[index], dst=HOST[index]) / IP(
            src=address, dst=f"10.0.{index}.2", tos=0x10, ttl=64, id=1) / ICMP(type=0, id=5, seq=size) / Raw(data))
        assert bytes(frame)[:len(wanted)] == wanted


@named("router-rfc1812-4.3.3.6-echo-not-to-broadcast")
def test_echo_broadcast(router):
    router.dropped(0, IP(src="10.0.0.2", dst="10.0.0.255") / ICMP(type=8), "broadcast", link=BROADCAST)
    router.dropped(0, IP(src="10.0.0.2", dst="224.0.0.1") / ICMP(type=8), "multicast", link="01:00:5e:00:00:01")


@named("router-rfc1812-4.3.3.6-echo-record-route")
def test_echo_record(router):
    """4.3.3.6: record route in an echo request is updated and goes back in the reply."""
    packet = IP(src="10.0.0.2", dst="10.0.0.1", options=[IPOption_RR(routers=["0.0.0.0"] * 2)]) / ICMP(type=8)
    router.send(0, packet)
    options = router.one(0)[IP].options
    assert options[0].routers[0] == "10.0.0.1" and options[0].pointer == 8


@named("router-rfc1812-5.2.3-fragments-for-itself")
def test_own_fragments(router):
    """The router reassembles nothing: a stated limit, with a counter of its own."""
    packet = IP(src="10.0.0.2", dst="10.0.0.1", flags="MF") / ICMP(type=8) / Raw(b"f" * 64)
    router.dropped(0, packet, "fragment")


@named("router-rfc1812-5.2.3-other-messages-for-itself")
def test_own_unused(router):
    for kind in (0, 3, 13, 17):
        router.dropped(0, IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(type=kind) / Raw(b"f" * 20), "local_unused")


# ---- Links ----

@named("router-drops-vlan")
def test_vlan(router):
    router.dropped(0, Ether(src=HOST[0], dst=ROUTER[0]) / Dot1Q(vlan=5) / plain(), "vlan")
    router.dropped(0, Ether(src=HOST[0], dst=ROUTER[0], type=0x88a8) / Raw(bytes(60)), "vlan")


@named("router-drops-other-stations-frames")
def test_other_station(router):
    router.dropped(0, plain(), "other_station", link="02:00:00:00:00:99")
    router.dropped(0, plain(), "other_station", link=ROUTER[1])


@named("router-drops-group-sources")
def test_group_source(router):
    for source in (BROADCAST, "01:00:5e:00:00:01", "00:00:00:00:00:00", ROUTER[0]):
        router.dropped(0, Ether(src=source, dst=ROUTER[0]) / plain(), "link_source")


@named("router-drops-unknown-ethertypes")
def test_ethertype(router):
    for kind in (0x88b5, 0x0806 + 0x30, 100):
        router.dropped(0, Ether(src=HOST[0], dst=ROUTER[0], type=kind) / Raw(bytes(64)), "ethertype")


@named("router-drops-runts")
def test_runt(router):
    """No whole Ethernet header: the driver or the router counts it."""
    count = lambda: router.drops(0, "runt")
    before = count()
    for size in (1, 6, 13):
        router.ports[0].send(bytes(framed(0, plain()))[:size])
    assert wait_until(lambda: count() == before + 3)


@named("router-trims-padding")
def test_padding(router):
    """What a frame carries beyond its packet goes no further."""
    packet = plain(size=200)
    data = bytes(Ether(src=HOST[0], dst=ROUTER[0]) / packet) + b"secret" * 100
    router.ports[0].send(data)
    frame = router.one(1)
    assert len(bytes(frame)) == 14 + 228 and b"secret" not in bytes(frame)


# ---- ARP (3.3.2) ----

@named("router-rfc1812-3.3.2-arp-reply")
def test_arp(router):
    """The router answers for its own address on that link, and for nobody else's."""
    def ask(target, sender="10.0.0.2"):
        return Ether(src=HOST[0], dst=BROADCAST) / ARP(op=1, hwsrc=HOST[0], psrc=sender, pdst=target)
    router.send(0, ask("10.0.0.1"))
    reply = router.one(0)
    assert (reply.dst, reply.src, reply[ARP].op) == (HOST[0], ROUTER[0], 2)
    assert (reply[ARP].hwsrc, reply[ARP].psrc) == (ROUTER[0], "10.0.0.1")
    assert (reply[ARP].hwdst, reply[ARP].pdst) == (HOST[0], "10.0.0.2")
    assert len(bytes(reply)) == 60 and not any(bytes(reply)[42:])
    for target in ("10.0.1.1", "10.0.0.99", "10.0.1.2"):
        router.send(0, ask(target))
        router.silent()
    router.send(0, ask("10.0.0.1", "0.0.0.0"))  # a probe (RFC 5227)
    assert router.one(0)[ARP].pdst == "0.0.0.0"


@named("router-rfc1812-3.3.2-arp-waits-then-sends")
def test_arp_queue(router):
    """3.3.2: the first packets to an unknown neighbour are kept, and go in their order when it answers."""
    packets = [datagram("10.0.0.2", "10.0.1.50", id=number, size=100 + number) for number in range(3)]
    for packet in packets:
        router.send(0, packet)
    asked = router.one(1)
    assert asked[ARP].op == 1 and asked[ARP].pdst == "10.0.1.50"
    mac = "02:00:00:00:00:50"
    router.send(1, Ether(src=mac, dst=ROUTER[1]) / ARP(op=2, hwsrc=mac, psrc="10.0.1.50", hwdst=ROUTER[1], pdst="10.0.1.1"))
    frames = router.out(1, count=len(packets))
    assert [(frame.dst, frame[IP].id, len(frame)) for frame in frames if IP in frame] == \
        [(mac, number, 14 + 128 + number) for number in range(3)]
    router.silent()


@named("router-rfc1812-3.3.2-arp-group-not-believed")
def test_arp_group(router):
    """3.3.2: an answer that says that a host has a broadcast or multicast address is not believed."""
    for mac in (BROADCAST, "01:00:5e:00:00:01", "00:00:00:00:00:00"):
        router.dropped(1, Ether(src=HOST[1], dst=ROUTER[1]) / ARP(
            op=2, hwsrc=mac, psrc="10.0.1.51", hwdst=ROUTER[1], pdst="10.0.1.1"), "arp_malformed")


@named("router-arp-malformed-{id}")
@pytest.mark.parametrize("fields", [pytest.param({"hwtype": 6}, id="hardware"), pytest.param({"ptype": 0x86dd}, id="protocol"),
                                    pytest.param({"hwlen": 8}, id="hardware-length"),
                                    pytest.param({"plen": 16}, id="protocol-length"),
                                    pytest.param({"op": 3}, id="operation")])
def test_arp_malformed(router, fields):
    good = bytearray(bytes(ARP(op=1, hwsrc=HOST[0], psrc="10.0.0.2", pdst="10.0.0.1")))
    place = {"hwtype": slice(0, 2), "ptype": slice(2, 4), "hwlen": slice(4, 5), "plen": slice(5, 6), "op": slice(6, 8)}
    for name, value in fields.items():
        part = place[name]
        good[part] = value.to_bytes(part.stop - part.start, "big")
    router.dropped(0, Ether(src=HOST[0], dst=BROADCAST, type=0x0806) / Raw(bytes(good)), "arp_malformed")


@named("router-arp-static-never-changes")
def test_arp_static(router):
    """Poisoning: neither an answer, asked for or not, nor a request changes a static neighbour."""
    liar = "02:00:00:00:66:66"
    for operation in (1, 2):
        router.send(1, Ether(src=liar, dst=BROADCAST) / ARP(op=operation, hwsrc=liar, psrc="10.0.1.2", pdst="10.0.1.1"))
        router.out(1, count=operation == 1)  # the request is answered
        router.passes(0, plain(), 1)


@named("router-arp-unsolicited-creates-nothing")
def test_arp_unsolicited(router):
    """An answer that nobody asked for is not learned: the router still asks."""
    liar = "02:00:00:00:66:66"
    router.send(1, Ether(src=liar, dst=ROUTER[1]) / ARP(op=2, hwsrc=liar, psrc="10.0.1.60", hwdst=ROUTER[1], pdst="10.0.1.1"))
    router.send(0, datagram("10.0.0.2", "10.0.1.60"))
    assert router.one(1)[ARP].pdst == "10.0.1.60"
    wait_until(lambda: router.out(0, 0.5))  # its failure is told to the sender


@named("router-arp-not-from-other-networks")
def test_arp_elsewhere(router):
    """Who is not on this link cannot be a neighbour here."""
    mac = "02:00:00:00:77:77"
    router.send(0, Ether(src=mac, dst=BROADCAST) / ARP(op=1, hwsrc=mac, psrc="10.0.1.61", pdst="10.0.0.1"))
    router.out(0)
    router.send(0, datagram("10.0.0.2", "10.0.1.61"))
    assert router.one(1)[ARP].pdst == "10.0.1.61", "10.0.1.61 is behind net1, whatever was said at net0"
    wait_until(lambda: router.out(0, 0.5))


