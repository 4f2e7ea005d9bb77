"""
A router under test, with its configuration file, and the far ends of its interfaces: packets by scapy in, frames out.

Interface n of the router has the link-layer address ROUTER[n] and the addresses 10.0.n.1/24 and 2001:db8:n::1/64; behind it
is the station HOST[n] at 10.0.n.2 and 2001:db8:n::2, as the generator (generator.c, --routed) has them.
"""
import contextlib
import socket
import time

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from harness import LIMIT, Machine, wait_until
from traffic import assert_pages_conserved, by_name

ROUTER = [f"52:54:00:00:00:{n + 1:02x}" for n in range(4)]
HOST = [f"02:00:00:00:00:{n + 1:02x}" for n in range(4)]
MTU2 = 576  # of interface 2, for what is too big

CONFIG = f"""\
interface net0 10.0.0.1/24
interface net1 10.0.1.1/24
interface net2 10.0.2.1/24 mtu {MTU2}
route 10.9.0.0/16 via 10.0.1.2
route 10.9.8.0/24 via 10.0.2.2
route 172.16.0.0/12 via 10.0.0.3
neighbor 10.0.0.2 {HOST[0]} net0
neighbor 10.0.0.3 02:00:00:00:00:33 net0
neighbor 10.0.1.2 {HOST[1]} net1
neighbor 10.0.2.2 {HOST[2]} net2
"""

# What the generator needs: static neighbours and nothing else.
TWO = f"""\
interface net0 10.0.0.1/24
interface net1 10.0.1.1/24
neighbor 10.0.0.2 {HOST[0]} net0
neighbor 10.0.1.2 {HOST[1]} net1
"""


def start(boot, image, folder, text=CONFIG, **settings):
    """Boots a router with a configuration; returns the machine when it routes."""
    file = folder / "router.conf"
    file.write_text(text)
    machine = boot(image, initrd=file, **settings)
    machine.wait_ready()
    machine.wait_for(r"routing between")
    return machine


class Bench:
    noise = ()  # what comes without being asked for

    def __init__(self, machine, settle=None):
        self.machine = machine
        self.ports = [machine.port(index) for index in range(len(machine.nics))]
        for index in range(len(self.ports)) if settle is None else settle:
            self.settle(index)

    def settle(self, index):
        """Waits until the router answers at this interface: the connection to QEMU is up."""
        request = Ether(src=HOST[index], dst=ROUTER[index]) / ARP(hwsrc=HOST[index], psrc=f"10.0.{index}.2",
                                                                  pdst=f"10.0.{index}.1")
        self.ports[index].send(bytes(request))
        self.one(index)
        self.ports[index].drain(0.1)

    def send(self, index, packet, link=None):
        """Sends an IP packet, or a whole frame, from the host at an interface."""
        frame = packet if packet.haslayer(Ether) else Ether(src=HOST[index], dst=link or ROUTER[index]) / packet
        data = bytes(frame)
        self.ports[index].send(data + bytes(max(0, 60 - len(data))))

    def out(self, index, quiet=0.15, count=0):
        """The frames that came out of an interface, as scapy reads them, until the machine has slept for so long (Port.drain)."""
        return [frame for frame in map(Ether, self.ports[index].drain(quiet, count)) if not self.is_noise(frame)]

    def is_noise(self, frame, but=None):
        return any(kind in frame for kind in (*self.noise, but) if kind)

    def one(self, index, but=None):
        """The next frame that comes out of an interface, and is not `but`: what the router sends again until it is answered."""
        end = time.monotonic() + LIMIT
        while True:
            data = self.ports[index].receive(max(0, end - time.monotonic()))
            assert data is not None, f"nothing came out of net{index}"
            frame = Ether(data)
            if not self.is_noise(frame, but):
                return frame

    def until(self, index, address, quiet=2.0):
        """
        The first packet to this IPv4 address, or question for it, whatever else comes out; None when nothing else comes out
        while the machine sleeps so long.
        """
        wanted = socket.inet_aton(address)
        while (data := self.ports[index].next(quiet)) is not None:
            place = {b"\x08\x06": 38, b"\x08\x00": 30}.get(data[12:14], 0)
            if place and data[place:place + 4] == wanted:
                return Ether(data)
        return None

    def silent(self, quiet=0.15):
        """Nothing comes out of any interface, while the machine sleeps so long for each."""
        found = [(index, frame.summary()) for index in range(len(self.ports)) for frame in self.out(index, quiet)]
        assert not found, f"frames came out: {found}"

    def drops(self, index, reason):
        return by_name(self.machine.stats()["net"])[f"net{index}"]["dropped"].get(reason, 0)

    def dropped(self, index, packet, reason, link=None, silent=True):
        """Sends a packet that must be dropped for this reason, and, unless told otherwise, without a word."""
        before = self.drops(index, reason)
        self.send(index, packet, link)
        if silent:
            self.silent(0.05)
        assert wait_until(lambda: self.drops(index, reason) == before + 1), \
            f"not counted as {reason}: {by_name(self.machine.stats()['net'])[f'net{index}']['dropped']}"

    def passes(self, index, packet, to, expected=None):
        """A packet goes through unchanged but for its TTL and checksum, or as `expected`; every byte is compared."""
        self.send(index, packet)
        frame = self.one(to)
        wanted = IP(bytes(expected if expected is not None else packet))
        if expected is None:
            wanted.ttl -= 1
            del wanted.chksum
        wanted = bytes(Ether(src=ROUTER[to], dst=HOST[to]) / wanted)
        assert bytes(frame)[:len(wanted)] == wanted, f"got {bytes(frame).hex()}\nnot {wanted.hex()}"
        assert not any(bytes(frame)[len(wanted):]) and len(frame) <= max(60, len(wanted))
        return frame

    def error(self, index, packet, kind, code, sender=None):
        """Sends a packet; the router must answer with this ICMP error, quoting it. Returns the error."""
        self.send(index, packet)
        frame = self.one(index)
        assert frame.src == ROUTER[index] and frame.dst == HOST[index]
        ip, icmp = frame[IP], frame[ICMP]
        assert (icmp.type, icmp.code) == (kind, code), frame.summary()
        assert (ip.src, ip.dst) == (sender or f"10.0.{index}.1", packet.src)
        assert ip.tos & 0xe0 == 0xc0 and ip.tos & 0x1e == packet.tos & 0x1e, "4.3.2.5: precedence 6, same TOS"
        for layer, checked in ((IP, ip), (ICMP, icmp)):
            again = layer(bytes(checked)[:ip.len - (20 if layer is ICMP else 0)])
            del again.chksum
            assert layer(bytes(again)).chksum == checked.chksum, "a checksum is wrong"
        quote = bytes(frame)[14 + 28:14 + ip.len]
        sent = bytes(packet)
        assert len(quote) >= min(len(sent), packet.ihl * 4 + 8 if packet.ihl else 28) and sent.startswith(quote), \
            "4.3.2.3: at least the header and 8 bytes are quoted, as they came"
        return frame


@contextlib.contextmanager
def shared_bench(image, folder, text=CONFIG, bench=Bench):
    """A router with three interfaces that all tests of a file use, one after the other."""
    machines = []

    def boot(image, **settings):
        machines.append(Machine(image, **settings))
        machines[-1].start()
        return machines[-1]

    try:
        yield bench(start(boot, image, folder, text, nics=3, cpus=2))
    finally:
        for machine in machines:
            machine.kill()



def undisturbed(bench, request):
    """For a fixture of a bench that many tests share: nothing is on its way, and a test must leave no page behind."""
    request.node.machines = [bench.machine]
    for port in bench.ports:
        port.drain(0.02)
    before = bench.machine.quiet_stats()
    yield bench
    after = bench.machine.quiet_stats(before)
    assert_pages_conserved(before, after)
    assert after["pages"]["mapped"] == before["pages"]["mapped"], "a page was mapped"
    assert after["faults"]["violations"] == 0


def datagram(source, destination, size=20, **fields):
    """A UDP datagram between two addresses; size is that of its data."""
    data = bytes((7 * i + size) & 255 for i in range(size))
    return IP(bytes(IP(src=source, dst=destination, **fields) / UDP(sport=4000, dport=9) / Raw(data)))


def tell(machine, text):
    """A statement for the running router; it says when it has done it, or why not."""
    start = machine.mark()
    machine.send(f"tell router {text}")
    return machine.wait_for(r"router: control: (.*)\n", since=start).group(1)
