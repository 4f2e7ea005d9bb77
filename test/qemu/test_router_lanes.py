"""
The router with several lanes (apps/router/lane.h): every flow stays in order, what one lane hears of a neighbour all of them know,
and limits are those of one router, however many lanes it has.
"""
import re
import threading
import time

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from cost import BOTH, assert_bound
from harness import wait_until
from naming import named
from routing import HOST, ROUTER, TWO, Bench, start
from routing6 import TWO6, Bench6, host, own
from traffic import assert_all_arrived, assert_pages_conserved, by_name, drops, through

FRAMES = 200    # of each of 126 flows
ROUTED = {"router": ROUTER[:2], "flow": BOTH, "stall": 20}
STATIONS = 64   # at each interface, as many as conversations have
FLOWS = 12      # by hand

CONFIG = "".join(f"interface net{n} 10.0.{n}.1/24\ninterface net{n} 2001:db8:{n}::1/64\n" +
                 "".join(f"neighbor 10.0.{n}.{2 + k} {HOST[n]} net{n}\nneighbor 2001:db8:{n}::{2 + k:x} {HOST[n]} net{n}\n"
                         for k in range(STATIONS)) for n in range(2))


@pytest.fixture(scope="session")
def image(build):
    return build.image("router")


def taken(machine, lanes):
    """How many messages were taken from each lane's port."""
    mark = machine.mark()
    machine.send("ports")
    machine.wait_for(rf"^router{f'.{lanes - 1}' if lanes > 1 else ''} .* taken$", since=mark)
    return {name: int(count) for name, count in
            re.findall(r"^(router(?:\.\d)?) .* (\d+) taken$", machine.console_text()[mark:], re.MULTILINE)}


# ---- Order ----

@named("router-lanes-order-ipv{version}-{cpus}cpus-{lanes}lanes-window{window}")
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("cpus,lanes,window", [(1, 3, 4), (2, 2, 4), (4, 4, 4), (4, 8, 4), (4, 4, 256)])
def test_order(boot, image, tmp_path, version, cpus, lanes, window):
    """
    63 conversations, both ways, in three kinds: each of the 126 flows must arrive whole and in its order. All of them under way
    at once take up the rings and a part of the ports; with window 256 it is three conversations, and as much.
    """
    machine = start(boot, image, tmp_path, CONFIG, cpus=cpus, append=f"forwarders={lanes}")
    many = 63 if window == 4 else 3
    result = through(machine, conversations=many, frames=FRAMES * 63 // many, window=window, size="72,80,400,1514",
                     routed=version, **ROUTED)
    assert_all_arrived(result)
    assert result["reordered"] == 0, f"{result['reordered']} frames were overtaken by later ones of their flow"
    assert result["received"] == 2 * 63 * FRAMES
    counts = taken(machine, lanes)
    assert len(counts) == lanes and (many < 63 or sum(count > 0 for count in counts.values()) > lanes // 2), \
        f"the flows were not spread: {counts}"
    machine.halt()


@named("router-lanes-order-while-routes-and-neighbors-change")
def test_order_in_change(boot, image, tmp_path):
    """Routes come and go, also the very ones in use, and neighbours are doubted: nothing is lost or overtaken, no page leaks."""
    machine = start(boot, image, tmp_path, CONFIG, cpus=4, append="forwarders=4")
    traffic = {"conversations": 63, "window": 4, "size": "72,1514", "routed": 4, **ROUTED}
    through(machine, frames=10, **traffic)
    before, results = machine.quiet_stats(), []
    load = threading.Thread(target=lambda: results.append(through(machine, frames=600, **traffic)))
    load.start()
    changes = 0
    while load.is_alive():
        for verb in ("add", "del"):     # as if it were the network of the link: the same way, by another route
            machine.send(f"tell router route {verb} 10.0.1.{changes % 64}/32 via 10.0.1.{changes % 64 or 2}")
            machine.send(f"tell router route {verb} 10.0.1.64/26 via 10.0.1.2")
        changes += 1
        load.join(0.05)
    assert_all_arrived(results[0])
    assert results[0]["reordered"] == 0 and changes > 3
    assert_pages_conserved(before, machine.quiet_stats(before))
    machine.halt()


@named("router-lanes-many-statements")
def test_statements(boot, image, tmp_path):
    """
    More routes are deleted at once than what is deleted has room for, unless all lanes are seen to have passed, and than there are
    places for statements: the console waits with its lines. All are done, in their order.
    """
    machine = start(boot, image, tmp_path, CONFIG, cpus=2, append="forwarders=3")
    mark, prefixes = machine.mark(), [f"10.{7 + number // 256}.{number % 256}.0/24" for number in range(1600)]
    machine.serial.sendall("".join(f"tell router route add {prefix} via 10.0.0.2\r" for prefix in prefixes).encode() +
                           "".join(f"tell router route del {prefix}\r" for prefix in prefixes).encode())
    machine.send("tell router route add 10.8.0.0/16 via 10.0.1.9")
    machine.wait_for(r"control: route add 10.8.0.0/16 .*: done", since=mark)
    said = re.findall(r"control: route (add|del) (10\.\S+)/24(?: via \S+)?: (.*?)\r?$", machine.console_text()[mark:], re.MULTILINE)
    assert said == [(verb, prefix[:-3], "done") for verb in ("add", "del") for prefix in prefixes]
    assert "is lost" not in machine.console_text()[mark:]
    bench = Bench(machine)
    bench.send(0, IP(src="10.0.0.2", dst="10.8.1.1") / UDP(sport=1, dport=2))
    assert bench.one(1).dst == HOST[1]


# ---- Neighbours ----

def flows_send(bench, address, first=0, each=1):
    """One datagram of each flow, `each` times; its number is in its id."""
    for number in range(first, first + each):
        for flow in range(FLOWS):
            bench.send(0, IP(src="10.0.0.2", dst=address, id=number) / UDP(sport=2000 + flow, dport=9))


def answer(bench, address, link):
    bench.send(1, Ether(src=link, dst=ROUTER[1]) / ARP(op=2, hwsrc=link, psrc=address, hwdst=ROUTER[1], pdst="10.0.1.1"))


def arrived(frames, link):
    """Of each flow the numbers of its datagrams, in the order in which they came to that station."""
    flows = {}
    for frame in frames:
        if UDP in frame and frame.dst == link:
            flows.setdefault(frame[UDP].sport, []).append(frame[IP].id)
    return flows


@pytest.fixture
def lanes4(boot, image, tmp_path):
    """Four lanes on four CPUs."""
    return start(boot, image, tmp_path, TWO, cpus=4, append="forwarders=4")


@named("router-lanes-arp")
def test_arp(lanes4):
    """
    All lanes have packets for a neighbour that none of them knows: it is asked for once, and what waits goes in its order when he
    answers. What a lane has no room for is dropped, and counted.
    """
    bench, link, begin = Bench(lanes4), "02:00:00:00:00:50", time.monotonic()
    flows_send(bench, "10.0.1.50", each=3)
    asked = [frame[ARP].pdst for frame in bench.out(1, quiet=0.4)]
    assert asked == ["10.0.1.50"] * len(asked) and 1 <= len(asked) <= 1 + (time.monotonic() - begin), "once, and once a second"
    answer(bench, "10.0.1.50", link)
    got = arrived(bench.out(1), link)
    assert not bench.out(1, quiet=0.6), "a lane heard of the answer by asking again"
    assert len(got) >= 2 and all(ids == sorted(ids) for ids in got.values()), got
    lost = by_name(lanes4.stats()["net"])["net0"]["dropped"].get("waiting_full", 0)
    assert sum(map(len, got.values())) + lost == 3 * FLOWS
    flows_send(bench, "10.0.1.50", first=3)
    frames = bench.out(1)
    assert arrived(frames, link) == {2000 + flow: [3] for flow in range(FLOWS)} and len(frames) == FLOWS
    assert sum(count > 0 for count in taken(lanes4, 4).values()) >= 3, "one lane had them all: that proves nothing"


@named("router-lanes-nobody-answers")
def test_silent(lanes4):
    """The senders of what waited in vain in any lane are told, and nothing is left behind."""
    bench = Bench(lanes4)
    before = lanes4.quiet_stats()
    flows_send(bench, "10.0.1.99")
    frames = []

    def all_dropped():
        frames.extend(bench.out(0, 0.2))
        bench.ports[1].drain(0.05)
        return drops(lanes4.stats()) >= drops(before) + FLOWS

    assert wait_until(all_dropped)
    frames += bench.out(0)
    counts = by_name(lanes4.stats()["net"])["net0"]["dropped"]
    told = [frame for frame in frames if ICMP in frame and (frame[ICMP].type, frame[ICMP].code) == (3, 1)]
    assert len(told) == counts["unreachable"] >= 4 and counts["unreachable"] + counts.get("waiting_full", 0) == FLOWS
    assert_pages_conserved(before, lanes4.quiet_stats(before))


@named("router-lanes-neighbor-moves")
def test_moves(lanes4):
    """A neighbour gets another network card: when the old one does not answer any more, all lanes send to the new one."""
    bench, old, new = Bench(lanes4), "02:00:00:00:00:51", "02:00:00:00:00:52"
    flows_send(bench, "10.0.1.51")
    bench.out(1)
    answer(bench, "10.0.1.51", old)
    bench.out(1)
    flows_send(bench, "10.0.1.51", first=1)
    assert len(arrived(bench.out(1), old)) == FLOWS
    begin = time.monotonic()
    answer(bench, "10.0.1.51", new)     # a hint that nobody believes, unless the old one does not answer for 3 s
    flows_send(bench, "10.0.1.51", first=2)
    assert len(arrived(bench.out(1), old)) == FLOWS or time.monotonic() - begin > 3

    def all_there():
        flows_send(bench, "10.0.1.51", first=3)
        frames = bench.out(1)
        if any(ARP in frame and frame.dst == "ff:ff:ff:ff:ff:ff" for frame in frames):
            answer(bench, "10.0.1.51", new)
        return len(arrived(frames, new)) == FLOWS

    assert wait_until(all_there), "some lane still sends to the old one"


@named("router-lanes-heard-by-any")
def test_heard(lanes4):
    """Sixteen hosts ask for the router and ping it, by whichever lanes: each is answered."""
    bench = Bench(lanes4)
    for number in range(16):
        address, link = f"10.0.0.{100 + number}", f"02:00:00:00:01:{number:02x}"
        bench.send(0, Ether(src=link, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=link, psrc=address, pdst="10.0.0.1"))
        reply = bench.one(0)
        assert (reply.dst, reply[ARP].pdst) == (link, address)
        bench.send(0, Ether(src=link, dst=ROUTER[0]) / IP(src=address, dst="10.0.0.1") / ICMP(id=number))
        bench.send(1, IP(src="10.0.1.2", dst=address) / UDP(sport=1, dport=2))
        frames = [frame for frame in bench.out(0) if IP in frame]    # and it may be asked whether it is still there
        assert [(frame.dst, frame[ICMP].id) for frame in frames if ICMP in frame] == [(link, number)]
        assert [frame.dst for frame in frames if UDP in frame] == [link]
    assert sum(count > 0 for count in taken(lanes4, 4).values()) >= 3, "one lane had them all: that proves nothing"


@named("router-lanes-neighbor-discovery")
def test_discovery(boot, image, tmp_path):
    """The same for IPv6: asked for once, then all flows pass, and the router answers for itself by whichever lane."""
    bench = Bench6(start(boot, image, tmp_path, TWO6, cpus=4, append="forwarders=4"), settle=[])
    address, link, begin = host(1, 0x50), "02:00:00:00:00:50", time.monotonic()
    assert wait_until(lambda: not bench.send(0, IPv6(src=host(0), dst=address) / UDP(sport=1, dport=9)) and bench.out(1))
    for flow in range(FLOWS):
        bench.send(0, IPv6(src=host(0), dst=address) / UDP(sport=2000 + flow, dport=9))
    time.sleep(1.2)     # one more question may have been due
    asked = [frame for frame in bench.out(1, 0.3) if ICMPv6ND_NS in frame]
    assert len(asked) <= 1 + (time.monotonic() - begin) and all(frame[ICMPv6ND_NS].tgt == address for frame in asked)
    bench.send(1, Ether(src=link, dst=ROUTER[1]) / IPv6(src=address, dst=own(1), hlim=255) /
               ICMPv6ND_NA(tgt=address, S=1, O=1, R=0) / ICMPv6NDOptDstLLAddr(lladdr=link))
    bench.out(1)
    assert not bench.out(1, 0.6), "a lane heard of the answer by asking again"
    for flow in range(FLOWS):
        bench.send(0, IPv6(src=host(0), dst=address) / UDP(sport=2000 + flow, dport=9))
    frames = bench.out(1, 0.3)
    assert {frame[UDP].sport for frame in frames if UDP in frame and frame.dst == link} == {2000 + flow for flow in range(FLOWS)}


# ---- Limits and lives ----

@named("router-lanes-share-the-limit-on-reports")
def test_limit(lanes4):
    """Errors about what came by one interface: 50 in a row and 200 a second, of all lanes together (RFC 1812, 4.3.2.8)."""
    bench = Bench(lanes4)
    packets = [bytes(Ether(src=HOST[0], dst=ROUTER[0]) / IP(src="10.0.0.2", dst="10.0.1.2", ttl=1) /
                     UDP(sport=2000 + number % 64, dport=9) / bytes(20)) for number in range(600)]
    begin, reports = time.monotonic(), 0
    for number, packet in enumerate(packets):
        bench.ports[0].send(packet)
        if number % 50 == 49:
            reports += len(bench.ports[0].come())
    reports += len(bench.ports[0].drain(0.3))
    seconds = time.monotonic() - begin
    assert 50 <= reports <= 50 + 200 * seconds + 2, f"{reports} reports in {seconds:.2f} s"
    stats = by_name(lanes4.stats()["services"])["router"]["counters"]
    assert stats["icmp_errors"] == reports and stats["icmp_errors"] + stats["icmp_limited"] == 600


@named("router-lanes-killed-under-load")
@pytest.mark.alone
def test_killed(boot, image, tmp_path):
    """All lanes end together and begin again; what they had is given back."""
    machine = start(boot, image, tmp_path, CONFIG, cpus=4, append="forwarders=3")
    traffic = {"conversations": 63, "window": 4, "size": "72,1514", "routed": 4, **ROUTED}
    through(machine, frames=10, **traffic)
    before, results = machine.quiet_stats(), []
    for _ in range(3):
        load = threading.Thread(target=lambda: results.append(through(machine, frames=300, resume=500, **traffic)))
        load.start()
        assert wait_until(lambda: sum(taken(machine, 3).values()) > 2000, pause=0.05)
        machine.send("kill router")
        load.join()
        assert results[-1]["reordered"] == 0 and results[-1]["received"] > 0
    assert by_name(machine.stats()["services"])["router"]["restarts"] == 3
    assert_all_arrived(through(machine, frames=50, **traffic))
    assert_pages_conserved(before, machine.quiet_stats(before))
    machine.halt()


@named("router-lanes-instructions-ipv{version}-{cpus}-cpus-{lanes}-lanes-{size}")
@pytest.mark.alone
@pytest.mark.parametrize("version,cpus,lanes,size", [
    *((4, cpus, lanes, size) for cpus, lanes in [(2, 1), (2, 2), (4, 1), (4, 2), (4, 4)] for size in (60, 1514)),
    (6, 2, 2, 78), (6, 4, 4, 78)])
def test_instructions(boot, image, tmp_path, version, cpus, lanes, size):
    file = tmp_path / "router.conf"
    file.write_text({4: TWO, 6: TWO6}[version])
    assert_bound(boot, image, cpus, lanes, size, initrd=file, routed=version, router=ROUTER[:2])
