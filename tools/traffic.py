"""
The traffic of the built-in demonstration: ping, iperf3 over TCP and UDP both ways, and a file by HTTP whose checksum is
compared. Each step is a function of (hosts, seconds, folder, tick): it calls tick() while it waits, returns a text and
numbers, and raises Failure with the program's own output when it did not come out as it must.
"""
import hashlib
import json
import os
import re
import sys
import time

from tools.common import Failure
from tools.hosts import Process

PINGS = 10
FILE_BYTES = 16 << 20
UDP_RATE = "20M"
UDP_BUFFER = "208K"  # what every Linux lets a program have
UDP_LOSS = 1.0  # percent; the senders of UDP do not wait for anyone
AUTOCONFIGURATION = 30  # seconds until a host has asked for an advertisement, again if need be, and has one
GRACE = 60      # seconds that a program may take beyond its own time


def complete(host, words, limit, tick):
    """Runs a program in a host to its end; returns what it printed."""
    program = Process(host.inside(*words))
    end = time.monotonic() + limit
    try:
        while program.read(0.1):
            tick()
            if time.monotonic() > end:
                raise Failure(f"took longer than {limit:.0f} s: {' '.join(map(str, words))}\n{program.text()}")
        if program.process.wait():
            raise Failure(f"{' '.join(map(str, words))}, status {program.process.returncode}:\n{program.text()}")
        return program.text()
    finally:
        program.stop()


class Six:
    """A host as it is reached by IPv6; its addresses are those that autoconfiguration() found."""

    def __init__(self, host, gateway):
        self.host, self.gateway, self.address = host, gateway, None

    def __getattr__(self, name):
        return getattr(self.host, name)


def autoconfiguration(a, b, tick):
    """Each host has made an address of a prefix that the router told, and knows it as the way to everywhere."""
    for host in (a, b):
        end = time.monotonic() + AUTOCONFIGURATION
        prefix = host.gateway.rpartition("::")[0] + ":"
        while not host.address:
            text = complete(host, ["ip", "-6", "address", "show", "dev", "eth0", "scope", "global", "-tentative"],
                            GRACE, tick)
            routes = complete(host, ["ip", "-6", "route", "show", "default"], GRACE, tick)
            found = re.search(rf"inet6 ({prefix}[0-9a-f:]+)/64", text)
            if found and "via fe80:" in routes:
                host.address = found.group(1)
            elif time.monotonic() > end:
                raise Failure(f"host {host.name} has made no address of {prefix}:/64:\n{text}{routes}")
    return f"a is {a.address}, b is {b.address}", {"a": a.address, "b": b.address}


def ping(a, b, tick):
    """With a deadline, ping asks on for answers that are late: so what counts is who has answered each of the first ones."""
    text = complete(a, ["ping", "-c", PINGS, "-i", "0.2", "-w", GRACE // 2, b.address], GRACE, tick)
    if not set(range(1, PINGS + 1)) <= {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", text)}:
        raise Failure(f"not every ping was answered:\n{text}")
    times = text.rsplit("=", 1)[1].split("/")
    return f"{PINGS} of {PINGS} answered, {times[1]} ms on average", {"sent": PINGS, "average_ms": float(times[1])}


def traceroute(a, b, tick):
    """The way leads through the router, and it says so. One probe at a time: only a few may wait for a neighbour's address."""
    text = complete(a, ["traceroute", "-n", "-w", "2", "-q", "1", "-N", "1", b.address], GRACE, tick)
    hops = [line.split()[1] for line in text.splitlines()[1:]]
    if hops != [a.gateway, b.address]:
        raise Failure(f"the way is not {a.gateway}, {b.address}:\n{text}")
    return " -> ".join(hops), {"hops": hops}


def path_mtu(a, b, wanted, tick):
    text = complete(a, ["tracepath", "-n", "-m", "4", b.address], GRACE, tick)
    found = re.search(r"Resume: pmtu (\d+)", text)
    if not found or int(found.group(1)) != wanted:
        raise Failure(f"the path MTU is not {wanted}:\n{text}")
    return f"{wanted}, found by tracepath", {"mtu": wanted}


def iperf(a, b, seconds, tick, *extra):
    """One iperf3 test from host a to host b; its report as a dictionary."""
    b.serve("iperf3", "-s", "-1", "-B", b.address, "--forceflush", started="listening")
    try:
        text = complete(a, ["iperf3", "-c", b.address, "-t", seconds, "-J", *extra], seconds + GRACE, tick)
    finally:
        b.stop_servers()
    report = json.loads(text[text.find("{"):])  # a warning may stand before it, as of datagrams longer than the path's MTU
    if report.get("error"):
        raise Failure(f"iperf3: {report['error']}")
    return report["end"]


def tcp(a, b, seconds, tick):
    end = iperf(a, b, seconds, tick)
    rate, again = end["sum_received"]["bits_per_second"] / 1e6, end["sum_sent"].get("retransmits", 0)
    if end["sum_received"]["bytes"] == 0:
        raise Failure("iperf3 moved no byte")
    return f"{rate:,.0f} Mbit/s, {again} segments sent again", {"mbit_per_s": rate, "retransmits": again}


def unread(host, tick):
    """Datagrams that reached a host and were dropped there, because the program was too slow to read them."""
    lines = [line.split() for line in complete(host, ["cat", "/proc/net/snmp"], GRACE, tick).splitlines()]
    heads, values = [words for words in lines if words[0] == "Udp:"]
    return int(dict(zip(heads, values))["RcvbufErrors"])


def udp(a, b, seconds, tick):
    before = unread(b, tick)
    end = iperf(a, b, seconds, tick, "-u", "-b", UDP_RATE, "-l", "1400", "-w", UDP_BUFFER)["sum"]
    late = unread(b, tick) - before
    lost, sent = max(0, end["lost_packets"] - late), end["packets"]
    text = f"{end['bits_per_second'] / 1e6:,.0f} Mbit/s, {lost} of {sent:,} datagrams lost"
    text += f" ({late} more by the receiving host itself)" if late else ""
    if not sent or 100 * lost > UDP_LOSS * sent:
        raise Failure(f"{text}; at most {UDP_LOSS} % may be")
    return text, {"mbit_per_s": end["bits_per_second"] / 1e6, "sent": sent, "lost": lost, "unread": late}


def sha256(file):
    digest = hashlib.sha256()
    with open(file, "rb") as data:
        while block := data.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def download(a, b, folder, tick):
    """Host a takes a file from host b."""
    served, taken = folder / "served", folder / "taken"
    served.mkdir(exist_ok=True)
    (served / "file").write_bytes(os.urandom(FILE_BYTES))
    b.serve(sys.executable, "-u", "-m", "http.server", "8000", "--bind", b.address, "--directory", served,
            started="Serving HTTP")
    begin = time.monotonic()
    try:
        complete(a, ["curl", "--silent", "--show-error", "--fail", "--output", taken, f"http://{b.address}:8000/file"],
                 GRACE * 2, tick)
    finally:
        b.stop_servers()
    took, sent, got = time.monotonic() - begin, sha256(served / "file"), sha256(taken)
    if sent != got:
        raise Failure(f"the file arrived with another checksum: sha256 {sent} was sent, {got} came")
    return (f"{FILE_BYTES >> 20} MiB in {took:.1f} s, sha256 {got[:16]}... on both sides",
            {"bytes": FILE_BYTES, "seconds": took, "sha256": got})


def share(seconds):
    """What each of the iperf3 runs has of the time."""
    return max(1, round((seconds - 4) / 4)) if seconds > 8 else 1


def steps(a, b, seconds, folder):
    """The demonstration in order: (name, function of tick). `seconds` is shared out among the iperf3 runs."""
    each = share(seconds)
    return [
        ("ping, a to b", lambda tick: ping(a, b, tick)),
        ("ping, b to a", lambda tick: ping(b, a, tick)),
        ("iperf3 TCP, a to b", lambda tick: tcp(a, b, each, tick)),
        ("iperf3 TCP, b to a", lambda tick: tcp(b, a, each, tick)),
        ("iperf3 UDP, a to b", lambda tick: udp(a, b, each, tick)),
        ("iperf3 UDP, b to a", lambda tick: udp(b, a, each, tick)),
        ("file by curl, b to a", lambda tick: download(a, b, folder, tick)),
    ]
