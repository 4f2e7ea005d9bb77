"""The router's bench (routing.py) for IPv6: interface n has 2001:db8:n::1/64, its host 2001:db8:n::2, as the generator has them."""
import contextlib
import socket
import threading

from scapy.layers.inet import UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.pton_ntop import inet_ntop, inet_pton
from scapy.utils6 import in6_getnsma, in6_getnsmac

from routing import HOST, ROUTER, Bench

MTU2 = 1280  # of interface 2, for what is too big
LINK_LOCAL = [f"fe80::5054:ff:fe00:{n + 1:x}" for n in range(4)]
HOST_LOCAL = [f"fe80::ff:fe00:{n + 1:x}" for n in range(4)]
ALL_NODES, ALL_NODES_LINK = "ff02::1", "33:33:00:00:00:01"
ALL_ROUTERS, ALL_ROUTERS_LINK = "ff02::2", "33:33:00:00:00:02"

CONFIG6 = f"""\
interface net0 10.0.0.1/24 2001:db8:0::1/64
interface net1 10.0.1.1/24 2001:db8:1::1/64
interface net2 10.0.2.1/24 2001:db8:2::1/64 2001:db8:22::1/56 mtu {MTU2}
route 2001:db8:9::/48 via 2001:db8:1::2
route 2001:db8:9:8::/64 via 2001:db8:2::2
route 2001:db8:9:8::8/128 via fe80::ff:fe00:2 net1
neighbor 10.0.0.2 {HOST[0]} net0
neighbor 10.0.1.2 {HOST[1]} net1
neighbor 10.0.2.2 {HOST[2]} net2
neighbor 2001:db8:0::2 {HOST[0]} net0
neighbor 2001:db8:1::2 {HOST[1]} net1
neighbor 2001:db8:2::2 {HOST[2]} net2
neighbor {HOST_LOCAL[0]} {HOST[0]} net0
neighbor {HOST_LOCAL[1]} {HOST[1]} net1
"""

TWO6 = f"""\
interface net0 2001:db8:0::1/64
interface net1 2001:db8:1::1/64
neighbor 2001:db8:0::2 {HOST[0]} net0
neighbor 2001:db8:1::2 {HOST[1]} net1
"""


def own(index):
    return f"2001:db8:{index:x}::1" if index else "2001:db8::1"


def host(index, number=2):
    return f"2001:db8:{index:x}::{number:x}" if index else f"2001:db8::{number:x}"


def group_of(address):
    """The solicited-node group of an address, and its link-layer address."""
    packed = in6_getnsma(inet_pton(socket.AF_INET6, address))
    return inet_ntop(socket.AF_INET6, packed), in6_getnsmac(packed)


def datagram6(source, destination, size=20, headers=None, **fields):
    """A UDP datagram between two addresses; size is that of its data. `headers` stand between IPv6 and UDP."""
    data = bytes((7 * i + size) & 255 for i in range(size))
    packet = IPv6(src=source, dst=destination, **fields)
    packet = packet / headers if headers is not None else packet
    return IPv6(bytes(packet / UDP(sport=4000, dport=9) / Raw(data)))


def checksum_good(packet):
    """The ICMPv6 checksum of an IPv6 packet as scapy reads it."""
    again = IPv6(bytes(packet)[:40 + packet.plen])
    found = again.payload.cksum
    del again.payload.cksum
    return IPv6(bytes(again)).payload.cksum == found


class Bench6(Bench):
    noise = (ICMPv6ND_RA,)

    @contextlib.contextmanager
    def listening(self):
        """Takes all frames away while something else is done: [(interface, bytes)]. Nobody else may receive meanwhile."""
        heard, stop = [], threading.Event()

        def listen():
            while not stop.is_set():
                for index, port in enumerate(self.ports):
                    heard.extend((index, data) for data in port.come(0.005))

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield heard
        finally:
            stop.set()
            thread.join()

    def passes(self, index, packet, to, link=None):
        """A packet goes through with nothing changed but its hop limit; every byte is compared."""
        self.send(index, packet)
        frame = self.one(to)
        wanted = IPv6(bytes(packet))
        wanted.hlim -= 1
        wanted = bytes(Ether(src=ROUTER[to], dst=link or HOST[to]) / Raw(bytes(wanted)))
        wanted = wanted[:12] + b"\x86\xdd" + wanted[14:]
        assert bytes(frame)[:len(wanted)] == wanted, f"got {bytes(frame).hex()}\nnot {wanted.hex()}"
        assert not any(bytes(frame)[len(wanted):]) and len(frame) <= max(60, len(wanted))

    def error(self, index, packet, kind, code, sender=None, word=0):
        """Sends a packet; the router must answer with this ICMPv6 error, quoting it."""
        self.send(index, packet)
        frame = self.one(index)
        assert frame.src == ROUTER[index] and frame.dst == HOST[index]
        answer, sent = frame[IPv6], bytes(packet)
        icmp = bytes(answer)[40:40 + answer.plen]
        assert answer.nh == 58 and (icmp[0], icmp[1]) == (kind, code), frame.summary()
        assert int.from_bytes(icmp[4:8], "big") == word
        assert (answer.src, answer.dst) == (sender or own(index), packet.src)
        assert checksum_good(answer), "the checksum is wrong"
        assert len(icmp) - 8 >= min(len(sent), 66) and sent.startswith(icmp[8:]), "it quotes the packet as it came"
        return frame

    def solicitation(self, index, target, source=None, hop_limit=255, to=None, **fields):
        """A neighbour's question for an address, as a whole frame; `link` is its option, None for no option."""
        group, group_link = group_of(target)
        link = fields.pop("link", HOST[index])
        option = ICMPv6NDOptSrcLLAddr(lladdr=link) if link else b""
        return (Ether(src=HOST[index], dst=ROUTER[index] if to else group_link)
                / IPv6(src=source or host(index), dst=to or group, hlim=hop_limit)
                / ICMPv6ND_NS(tgt=target, **fields) / option)

    def asked(self, index, target, link=None):
        """The router asks who has an address; returns the frame."""
        frame = self.one(index)
        group, group_link = group_of(target)
        assert ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == target, frame.summary()
        assert (frame.dst, frame[IPv6].dst) == ((link, target) if link else (group_link, group))
        assert frame[IPv6].hlim == 255 and checksum_good(frame[IPv6])
        assert frame[ICMPv6NDOptSrcLLAddr].lladdr == frame.src == ROUTER[index]
        return frame

    def answer(self, index, target, link, to=None, solicited=1, override=1):
        """A neighbour's advertisement."""
        self.send(index, Ether(src=link, dst=ROUTER[index]) / IPv6(src=target, dst=to or own(index), hlim=255)
                  / ICMPv6ND_NA(tgt=target, R=0, S=solicited, O=override) / ICMPv6NDOptDstLLAddr(lladdr=link))
