"""
The router and IPv6: RFC 8200 (the protocol), 4291 (addresses), 4443 (ICMPv6), 4861 (neighbour discovery), a test for each clause,
named after it. One machine serves them all; packets are made by scapy, and what comes back is compared byte by byte.
"""
import time

import pytest
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_RS,
                                ICMPv6NDOptDstLLAddr, ICMPv6NDOptMTU, ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr,
                                ICMPv6TimeExceeded, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, HBHOptUnknown, PadN)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from building import insn_plugin
from harness import wait_until
from naming import named
from routing import HOST, ROUTER, shared_bench, start, undisturbed
from routing6 import (ALL_NODES, ALL_NODES_LINK, ALL_ROUTERS, ALL_ROUTERS_LINK, CONFIG6, HOST_LOCAL, LINK_LOCAL, MTU2, TWO6,
                      Bench6, checksum_good, datagram6, group_of, host, own)
from cost import FRAMES as COUNTED
from traffic import assert_all_arrived, assert_not_copied, assert_pages_conserved, by_name, through

FRAMES = 100000
ROUTED = {"routed": 6, "router": ROUTER[:2]}


@pytest.fixture(scope="module")
def image(build):
    return build.image("router")


@pytest.fixture(scope="module")
def shared(image, tmp_path_factory):
    with shared_bench(image, tmp_path_factory.mktemp("router6"), CONFIG6, bench=Bench6) as bench:
        yield bench


@pytest.fixture
def router(shared, request):
    yield from undisturbed(shared, request)


def plain(**fields):
    return datagram6(host(0), host(1), **fields)


def echo(to, size=20, source=None, **fields):
    data = bytes((5 * i) & 255 for i in range(size))
    return IPv6(bytes(IPv6(src=source or host(0), dst=to, **fields) / ICMPv6EchoRequest(id=7, seq=9, data=data)))


# ---- Forwarding ----

@named("router6-rfc8200-3-forwards-{size}")
@pytest.mark.parametrize("size", [0, 1, 66, 67, 100, 1452])
def test_forwards(router, size):
    router.passes(0, plain(size=size, tc=0xb8, fl=0x12345), 1)
    router.passes(1, datagram6(host(1), host(0), size=size), 0)


@named("router6-rfc8200-3-hop-limit-{limit}")
@pytest.mark.parametrize("limit", [0, 1])
def test_hop_limit(router, limit):
    """RFC 8200, 3; RFC 4443, 3.3."""
    before = router.drops(0, "ttl_exceeded")
    router.error(0, plain(hlim=limit), 3, 0)
    assert router.drops(0, "ttl_exceeded") == before + 1


@named("router6-rfc8200-3-version")
def test_version(router):
    frame = bytearray(bytes(Ether(src=HOST[0], dst=ROUTER[0]) / plain()))
    frame[14] = 0x45
    router.dropped(0, Ether(bytes(frame)), "version")


@named("router6-rfc8200-3-payload-length")
def test_payload_length(router):
    """More than the frame has: dropped; less: the rest is padding, and goes."""
    packet = plain(size=100)
    packet.plen += 1
    router.dropped(0, packet, "too_short")
    packet.plen -= 1
    router.send(0, IPv6(bytes(packet) + bytes(30)))
    assert len(router.one(1)) == 14 + len(packet)


@named("router6-rfc8200-4-extension-headers-pass")
def test_extensions_pass(router):
    """Nobody on the way but the destination reads them: not even options that it does not know."""
    unknown = HBHOptUnknown(otype=0xde, optdata=b"1234")
    for headers in (IPv6ExtHdrHopByHop(options=[unknown]), IPv6ExtHdrDestOpt(options=[unknown]),
                    IPv6ExtHdrRouting(type=4, segleft=1, addresses=[host(0, 9)]),
                    IPv6ExtHdrFragment(id=5, offset=0, m=1), IPv6ExtHdrFragment(id=5, offset=9, m=0)):
        router.passes(0, plain(headers=headers), 1)


@named("router6-rfc5095-3-routing-header-0")
def test_routing_header(router):
    """On its way it is dropped (RFC 9288, 3.3.2); who it is for refuses it by a parameter problem (RFC 8200, 4.4)."""
    route = IPv6ExtHdrRouting(type=0, segleft=1, addresses=[host(0, 9)])
    router.dropped(0, plain(headers=route), "source_route")
    router.dropped(0, plain(headers=IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]) / route), "source_route")
    before = router.drops(0, "source_route")
    router.error(0, datagram6(host(0), own(0), headers=route), 4, 0, word=42)
    assert router.drops(0, "source_route") == before + 1


@named("router6-longest-prefix")
def test_longest_prefix(router):
    router.passes(0, datagram6(host(0), "2001:db8:9:7::1"), 1)
    router.passes(0, datagram6(host(0), "2001:db8:9:8::1"), 2)
    router.passes(0, datagram6(host(0), "2001:db8:9:8::8"), 1)  # by a gateway's link-local address


@named("router6-rfc4291-2.5-source-{kind}")
@pytest.mark.parametrize("kind, source", [("unspecified", "::"), ("loopback", "::1"), ("multicast", "ff0e::1")])
def test_martian_sources(router, kind, source):
    router.dropped(0, datagram6(source, host(1)), "martian_source")


@named("router6-rfc4291-2.5-destination-{kind}")
@pytest.mark.parametrize("kind, to", [("unspecified", "::"), ("loopback", "::1"), ("interface-local", "ff01::1")])
def test_martian_destinations(router, kind, to):
    router.dropped(0, datagram6(host(0), to), "martian_target")


@named("router6-rfc4291-2.5.6-link-local")
def test_link_local(router):
    """They do not leave their link; a sender that tried is told, if its own address was the mistake (RFC 4443, 3.1)."""
    router.dropped(0, datagram6(host(0), HOST_LOCAL[1]), "scope")
    before = router.drops(0, "scope")
    router.error(0, datagram6(HOST_LOCAL[0], host(1)), 1, 2, sender=LINK_LOCAL[0])
    assert router.drops(0, "scope") == before + 1
    router.dropped(0, echo(LINK_LOCAL[1]), "scope")  # the router's own, but of another link


@named("router6-rfc4291-2.7-multicast")
def test_multicast(router):
    link = Ether(src=HOST[0], dst="33:33:00:00:00:05")
    router.dropped(0, link / datagram6(host(0), "ff0e::5"), "multicast")
    router.dropped(0, link / datagram6(host(0), "ff02::5", hlim=1), "multicast")
    router.dropped(0, link / datagram6("::", "ff02::16"), "multicast")
    router.dropped(0, link / plain(), "link_broadcast")


@named("router6-own-source")
def test_own_source(router):
    router.dropped(0, datagram6(own(1), host(1)), "own_source")
    router.dropped(0, echo(own(0), source=own(0)), "own_source")


# ---- ICMPv6 errors (RFC 4443) ----

@named("router6-rfc4443-2.4-never-about")
def test_never_about(router):
    """(e): errors, redirects, groups, senders that are not one station; each would have used up its hop limit."""
    inner = plain()
    redirect = Raw(bytes([137, 0, 0, 0]) + bytes(40))
    for packet in (IPv6(src=host(0), dst=host(1), hlim=1) / ICMPv6TimeExceeded() / inner,
                   IPv6(src=host(0), dst=host(1), hlim=1, nh=58) / redirect,
                   IPv6(src=host(0), dst=host(1), hlim=1) / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])
                   / ICMPv6TimeExceeded() / inner):
        router.dropped(0, IPv6(bytes(packet)), "ttl_exceeded")
    router.dropped(0, Ether(src=HOST[0], dst=ALL_NODES_LINK) / plain(hlim=1), "link_broadcast")
    router.dropped(0, Ether(src=HOST[0], dst=ALL_NODES_LINK) / datagram6(host(0), ALL_NODES), "no_protocol")
    router.error(0, IPv6(bytes(IPv6(src=host(0), dst=host(1), hlim=1) / ICMPv6EchoRequest())), 3, 0)


@named("router6-rfc4443-2.4-rate")
def test_rate(router):
    """(f)."""
    begin = time.monotonic()
    for _ in range(300):
        router.send(0, plain(hlim=1))
    answers, seconds = router.out(0, 0.3, 40), time.monotonic() - begin
    assert 40 <= len(answers) <= 50 + 200 * seconds + 2, f"{len(answers)} errors about 300 packets in {seconds:.2f} s"
    assert router.machine.stats()
    router.ports[0].drain(0.6)


@named("router6-rfc4443-3.1-no-route")
def test_no_route(router):
    before = router.drops(0, "no_route")
    router.error(0, datagram6(host(0), "2001:db8:ffff::1"), 1, 0)
    assert router.drops(0, "no_route") == before + 1


@named("router6-rfc4443-3.2-too-big")
def test_too_big(router):
    """Told with the MTU of the next link, which the RFC lets be told even about groups; what just fits goes."""
    before = router.drops(0, "too_big")
    packet = datagram6(host(0), host(2), size=MTU2 - 48 + 1)
    router.error(0, packet, 2, 0, word=MTU2)
    assert router.drops(0, "too_big") == before + 1
    router.passes(0, datagram6(host(0), host(2), size=MTU2 - 48), 2)


@named("router6-rfc4443-3.4-parameter-problem")
def test_parameter_problem(router):
    """RFC 8200, 4 and 4.2: what the router itself is sent and does not know."""
    router.error(0, IPv6(bytes(IPv6(src=host(0), dst=own(0)) / TCP(dport=80))), 4, 1, word=6)
    router.error(0, IPv6(bytes(IPv6(src=host(0), dst=own(1)) / TCP(dport=80))), 4, 1, sender=own(1), word=6)
    for kind, told in ((0x5e, False), (0x9e, True), (0xde, True)):
        packet = echo(own(0))
        packet = IPv6(bytes(IPv6(src=host(0), dst=own(0))
                            / IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=kind, optdata=b"12")]) / packet.payload))
        if told:
            router.error(0, packet, 4, 2, word=42)
        else:
            router.dropped(0, packet, "options")
    late = IPv6(src=host(0), dst=own(0)) / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]) / IPv6ExtHdrHopByHop()
    router.error(0, IPv6(bytes(late / UDP())), 4, 1, word=40)


@named("router6-rfc4443-3.1-port")
def test_port(router):
    router.error(0, datagram6(host(0), own(0)), 1, 4)


# ---- Echo (RFC 4443, 4) ----

@named("router6-rfc4443-4.2-echo-{size}")
@pytest.mark.parametrize("size", [0, 1, 56, 66, 67, 1452])
def test_echo(router, size):
    """Every byte comes back, also from pages, which nobody touches; whatever the hop limit was."""
    for to in (own(0), own(1), LINK_LOCAL[0]):
        request = echo(to, size, hlim=1)
        router.send(0, request)
        frame = router.one(0)
        wanted = IPv6(bytes(IPv6(src=to, dst=host(0), hlim=64)
                            / ICMPv6EchoReply(id=7, seq=9, data=request[ICMPv6EchoRequest].data)))
        assert bytes(frame)[14:14 + len(wanted)] == bytes(wanted)
        assert frame.dst == HOST[0] and frame.src == ROUTER[0]


@named("router6-rfc4443-4.2-echo-of-groups")
def test_echo_groups(router):
    """From the link itself and to a group: the answer comes from an address of the router's there."""
    for group, link in ((ALL_NODES, ALL_NODES_LINK), (ALL_ROUTERS, ALL_ROUTERS_LINK)):
        router.send(0, Ether(src=HOST[0], dst=link) / echo(group, source=HOST_LOCAL[0]))
        answer = router.one(0)[IPv6]
        assert (answer.src, answer.dst, answer.nh) == (LINK_LOCAL[0], HOST_LOCAL[0], 58)
        assert ICMPv6EchoReply in answer and checksum_good(answer)


@named("router6-rfc8200-4-echo-behind-extension-headers")
def test_echo_extended(router):
    inner = echo(own(0), size=30).payload
    headers = IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))]) / IPv6ExtHdrFragment(id=9)  # RFC 6946: of all of it
    router.send(0, IPv6(bytes(IPv6(src=host(0), dst=own(0)) / headers / inner)))
    answer = router.one(0)[IPv6]
    assert answer.nh == 58 and ICMPv6EchoReply in answer and checksum_good(answer)
    assert answer[ICMPv6EchoReply].data == inner.data
    router.dropped(0, IPv6(bytes(IPv6(src=host(0), dst=own(0)) / IPv6ExtHdrFragment(id=9, m=1) / inner)), "fragment")


# ---- Neighbour discovery (RFC 4861) ----

@named("router6-rfc4861-7.2.4-answers-for-{kind}")
@pytest.mark.parametrize("kind, target", [("address", own(0)), ("link-local", LINK_LOCAL[0])])
def test_answers(router, kind, target):
    source = host(0) if kind == "address" else HOST_LOCAL[0]
    for question in (router.solicitation(0, target, source), router.solicitation(0, target, source, to=target),
                     router.solicitation(0, target, source, to=target, link=None)):
        router.send(0, question)
        frame = router.one(0)
        answer = frame[ICMPv6ND_NA]
        assert (frame.dst, frame[IPv6].src, frame[IPv6].dst, frame[IPv6].hlim) == (HOST[0], target, source, 255)
        assert (answer.R, answer.S, answer.O, answer.tgt) == (1, 1, 1, target)
        assert answer[ICMPv6NDOptDstLLAddr].lladdr == frame.src == ROUTER[0]
        assert checksum_good(frame[IPv6])


@named("router6-rfc4862-5.4-somebody-tries-our-address")
def test_address_tried(router):
    router.send(0, router.solicitation(0, own(0), "::", link=None))
    frame = router.one(0)
    assert (frame.dst, frame[IPv6].dst) == (ALL_NODES_LINK, ALL_NODES)
    assert (frame[ICMPv6ND_NA].S, frame[ICMPv6ND_NA].O, frame[ICMPv6ND_NA].tgt) == (0, 1, own(0))


@named("router6-rfc4861-7.1.1-hop-limit")
def test_solicitation_hop_limit(router):
    router.dropped(0, router.solicitation(0, own(0), hop_limit=254), "nd_malformed")


@named("router6-rfc4861-7.1.1-invalid")
def test_solicitation_invalid(router):
    """Checksum, code, length, target, options; and what an unspecified source may not have."""
    ether = Ether(src=HOST[0], dst=ROUTER[0])
    head = IPv6(src=host(0), dst=own(0), hlim=255)
    question = ICMPv6ND_NS(tgt=own(0))
    for packet in (head / ICMPv6ND_NS(tgt=own(0), cksum=1), head / ICMPv6ND_NS(tgt=own(0), code=1),
                   head / ICMPv6ND_NS(tgt="ff02::1"), head / question / Raw(bytes([1, 0]) + bytes(6)),
                   head / question / Raw(bytes([1, 2]) + bytes(6)), head / question / Raw(bytes([1, 1, 2])),
                   IPv6(src=host(0), dst=own(0), hlim=255, nh=58) / Raw(bytes([135, 0, 0, 0]) + bytes(12)),
                   IPv6(src="::", dst=own(0), hlim=255) / question,
                   IPv6(src="::", dst=group_of(own(0))[0], hlim=255) / question / ICMPv6NDOptSrcLLAddr(lladdr=HOST[0])):
        router.dropped(0, Ether(bytes(ether / packet)), "nd_malformed")


@named("router6-rfc4861-7.1.2-invalid")
def test_advertisement_invalid(router):
    ether = Ether(src=HOST[0], dst=ROUTER[0])
    head = IPv6(src=host(0, 0x55), dst=own(0), hlim=255)
    for packet in (IPv6(src=host(0, 0x55), dst=own(0), hlim=64) / ICMPv6ND_NA(tgt=host(0, 0x55)),
                   head / ICMPv6ND_NA(tgt=host(0, 0x55), cksum=1), head / ICMPv6ND_NA(tgt="ff02::1"),
                   head / ICMPv6ND_NA(tgt=host(0, 0x55)) / Raw(bytes([2, 0]) + bytes(6)),
                   IPv6(src=host(0, 0x55), dst=ALL_NODES, hlim=255) / ICMPv6ND_NA(tgt=host(0, 0x55), S=1)):
        router.dropped(0, Ether(bytes(ether / packet)), "nd_malformed")
    router.dropped(0, ether / head / ICMPv6ND_NA(tgt=own(0), S=0), "own_source")
    router.dropped(0, router.solicitation(0, own(0), source="2001:db8:77::1"), "martian_source")


@named("router6-rfc4861-7.2.2-resolves")
def test_resolves(router):
    """Packets wait while the router asks, and go in their order once it is answered; what follows goes at once."""
    target, link = host(1, 0x77), "02:00:00:00:00:77"
    packets = [datagram6(host(0), target, size=size) for size in (20, 1000, 30)]
    begin = time.monotonic()
    for packet in packets:
        router.send(0, packet)
    router.asked(1, target)
    again = router.out(1, 0.3)
    assert len(again) <= time.monotonic() - begin, "it asks once a second"
    router.answer(1, target, link)
    for packet in packets:
        frame = router.one(1, but=ICMPv6ND_NS)
        assert frame.dst == link and len(frame[IPv6]) == len(packet) and frame[IPv6].hlim == 63
    router.passes(0, datagram6(host(0), target), 1, link)


@named("router6-rfc4861-7.2.2-nobody-answers")
def test_unanswered(router):
    """Three tries, a second apart; then the sender is told (RFC 4443, 3.1, code 3)."""
    target = host(1, 0x78)
    packet = datagram6(host(0), target, size=300)
    before = router.drops(0, "unreachable")
    router.send(0, packet)
    for _ in range(3):
        router.asked(1, target)
    frame = router.one(0)
    icmp = bytes(frame[IPv6])[40:]
    assert (icmp[0], icmp[1]) == (1, 3) and frame[IPv6].dst == host(0)
    assert bytes(packet)[8:40] == icmp[16:48], "it quotes the packet"
    assert wait_until(lambda: router.drops(0, "unreachable") == before + 1)


@named("router6-rfc4861-7.2.3-learns-who-asks")
def test_learns_who_asks(router):
    target, link = host(1, 0x79), "02:00:00:00:00:79"
    router.send(1, router.solicitation(1, own(1), target, link=link))
    assert ICMPv6ND_NA in router.one(1)
    router.send(0, datagram6(host(0), target))
    kinds = [router.one(1), router.one(1)]  # the packet at once; and it begins to ask whether the station is there
    assert {frame.dst for frame in kinds} == {link}
    assert sorted(ICMPv6ND_NS in frame for frame in kinds) == [False, True]
    router.answer(1, target, link)


@named("router6-rfc4861-7.2.5-advertisements-nobody-asked-for")
def test_gossip(router):
    """They make no entry, and do not redirect what is known; nor does anything change a static neighbour."""
    target, link, thief = host(1, 0x7a), "02:00:00:00:00:7a", "02:00:00:00:00:66"
    router.answer(1, target, thief, to=ALL_NODES, solicited=0)
    router.send(0, datagram6(host(0), target))
    router.asked(1, target)
    router.answer(1, target, link)
    assert router.one(1, but=ICMPv6ND_NS).dst == link
    router.answer(1, target, thief, solicited=0)
    router.send(0, datagram6(host(0), target))
    frames = router.out(1, count=1)
    assert frames and all(frame.dst == link for frame in frames)
    router.answer(1, target, link)
    router.answer(1, host(1), thief)
    router.passes(0, plain(), 1)


# ---- Router discovery (RFC 4861, 6) ----

def advertisements(router, index):
    """A host asks; returns the advertisements that come."""
    router.send(index, Ether(src=HOST[index], dst=ALL_ROUTERS_LINK) / IPv6(src=HOST_LOCAL[index], dst=ALL_ROUTERS, hlim=255)
                / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=HOST[index]))
    found = []
    assert wait_until(lambda: found.extend(frame for frame in map(Ether, router.ports[index].drain(0.05))
                                           if ICMPv6ND_RA in frame) or found), "no advertisement came"
    return found


@named("router6-rfc4861-6.2.6-advertises-when-asked")
def test_advertises(router):
    frame = advertisements(router, 0)[0]
    head, answer = frame[IPv6], frame[ICMPv6ND_RA]
    assert (frame.dst, head.src, head.dst, head.hlim) == (ALL_NODES_LINK, LINK_LOCAL[0], ALL_NODES, 255)
    assert (answer.code, answer.chlim, answer.M, answer.O, answer.routerlifetime) == (0, 64, 0, 0, 1800)
    assert answer[ICMPv6NDOptSrcLLAddr].lladdr == frame.src == ROUTER[0]
    assert answer[ICMPv6NDOptMTU].mtu == 1500
    prefix = answer[ICMPv6NDOptPrefixInfo]
    assert (prefix.prefix, prefix.prefixlen, prefix.L, prefix.A) == ("2001:db8::", 64, 1, 1)
    assert (prefix.validlifetime, prefix.preferredlifetime) == (2592000, 604800)
    assert checksum_good(head)


@named("router6-rfc4861-6.2.3-every-prefix")
def test_every_prefix(router):
    """Each in an advertisement of its own; hosts make addresses of a /64 only (RFC 4862, 5.5.3)."""
    frames = advertisements(router, 2)
    found = {(frame[ICMPv6NDOptPrefixInfo].prefix, frame[ICMPv6NDOptPrefixInfo].prefixlen, frame[ICMPv6NDOptPrefixInfo].A)
             for frame in frames}
    assert found == {("2001:db8:2::", 64, 1), ("2001:db8:22::", 56, 0)}
    assert all(frame[ICMPv6NDOptMTU].mtu == MTU2 for frame in frames)


@named("router6-rfc4861-6.2.6-advertises-every-3-s")
def test_advertisement_rate(router):
    while True:
        begin = time.monotonic()
        advertisements(router, 1)
        for _ in range(50):
            router.send(1, Ether(src=HOST[1], dst=ALL_ROUTERS_LINK) / IPv6(src="::", dst=ALL_ROUTERS, hlim=255) / ICMPv6ND_RS())
        silent = not any(ICMPv6ND_RA in Ether(data) for data in router.ports[1].drain(2.0))
        if silent or time.monotonic() - begin < 3:  # a busy host may have needed so long that the next one was due
            break
    assert silent


@named("router6-rfc4861-6.1.1-invalid")
def test_router_solicitation_invalid(router):
    ether = Ether(src=HOST[0], dst=ALL_ROUTERS_LINK)
    for packet in (IPv6(src=HOST_LOCAL[0], dst=ALL_ROUTERS, hlim=254) / ICMPv6ND_RS(),
                   IPv6(src=HOST_LOCAL[0], dst=ALL_ROUTERS, hlim=255) / ICMPv6ND_RS(code=1),
                   IPv6(src=HOST_LOCAL[0], dst=ALL_ROUTERS, hlim=255) / ICMPv6ND_RS(cksum=1),
                   IPv6(src=HOST_LOCAL[0], dst=ALL_ROUTERS, hlim=255) / ICMPv6ND_RS() / Raw(bytes(8)),
                   IPv6(src="::", dst=ALL_ROUTERS, hlim=255) / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=HOST[0])):
        router.dropped(0, Ether(bytes(ether / packet)), "nd_malformed")
    router.dropped(0, ether / IPv6(src=HOST_LOCAL[0], dst=ALL_NODES, hlim=255) / ICMPv6ND_RA(), "local_unused")


# ---- Under load ----

@named("router6-nd-flood-bounded")
def test_flood(router):
    """Packets to thousands of stations that are not there, and questions from invented ones; who is there is served."""
    head = bytearray(bytes(Ether(src=HOST[0], dst=ROUTER[0]) / datagram6(host(0), host(1, 0x1234), size=200)))
    before, mark = router.machine.quiet_stats(), router.drops(0, "waiting_full")
    with router.listening() as heard:
        for number in range(4000):
            head[50:54] = (0x70000000 + number).to_bytes(4, "big")
            router.ports[0].send(bytes(head))
            if number % 4 == 0:
                invented = host(0, 0x1000 + number % 0xe000)
                router.send(0, router.solicitation(0, own(0), invented, to=own(0)))
        owned = router.machine.stats()["pages"]["owned"] - before["pages"]["owned"]
        assert owned <= 192, f"{owned} pages of packets that wait"
        router.send(0, plain(size=33))
        assert wait_until(lambda: any(index == 1 and IPv6(data[14:]).dst == host(1) for index, data in list(heard)))
        assert router.drops(0, "waiting_full") - mark > 2000
        assert wait_until(lambda: router.machine.stats()["pages"]["owned"] == before["pages"]["owned"]), \
            "all of them are given up in the end"
    router.passes(0, plain(), 1)


@named("router6-frames-{size}")
@pytest.mark.alone
@pytest.mark.parametrize("size", [78, 1514])
def test_frames(boot, image, tmp_path, size):
    """10^5 frames each way, every byte checked; none lost, none overtaken, no page touched."""
    machine = start(boot, image, tmp_path, TWO6, cpus=2)
    through(machine, frames=256, size=size, **ROUTED)
    before = machine.quiet_stats()
    result = through(machine, frames=FRAMES, size=size, **ROUTED)
    after = machine.quiet_stats(before)
    assert_all_arrived(result)
    assert result["reordered"] == 0
    assert_pages_conserved(before, after)
    assert_not_copied(before, after, 2 * FRAMES + 100)
    for name in ("net0", "net1"):
        assert by_name(after["net"])[name]["dropped"] == by_name(before["net"])[name]["dropped"]
    print(f"{result['frames_per_second']:.0f} frames/s")


@named("router6-instructions-{size}")
@pytest.mark.alone
@pytest.mark.parametrize("size", [78, 1514])
def test_instructions(boot, image, tmp_path, size):
    """As for IPv4: all vCPUs, in the middle of steady traffic one way, on one CPU."""
    machine = start(boot, image, tmp_path, TWO6, cpus=1, icount="shift=0,sleep=off",
                    plugin=insn_plugin(), one_insn_per_tb=True)
    result = through(machine, flow="0:1", frames=COUNTED + 1000, warm=1000, size=size, stall=20,
                     count=machine.folder / "plugin", **ROUTED)
    assert_all_arrived(result)
    print(f"{size} bytes: {result['instructions_per_frame']:.0f} instructions per frame")
    assert result["instructions_per_frame"] <= 1800
