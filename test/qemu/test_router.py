"""The router under load: whole, in place, within its budget of instructions; its configuration, its neighbours, its routes."""
import json
import subprocess
import threading
import time

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import ARP, Ether

from building import ROOT
from harness import wait_until
from naming import named
from routing import HOST, ROUTER, TWO, Bench, datagram, start, tell
from traffic import assert_all_arrived, assert_not_copied, assert_pages_conserved, by_name, through

FRAMES = 100000
ROUTED = {"routed": 4, "router": ROUTER[:2]}


@pytest.fixture(scope="session")
def image(build):
    return build.image("router")


@named("router-frames-{size}-{cpus}cpu")
@pytest.mark.alone
@pytest.mark.parametrize("size", [60, 512, 1514])
@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_frames(boot, image, tmp_path, cpus, size):
    """10^5 frames each way, every byte checked, TTL and checksum included; none lost, none overtaken, no page touched."""
    machine = start(boot, image, tmp_path, TWO, cpus=cpus)
    through(machine, frames=256, size=size, **ROUTED)
    before = machine.quiet_stats()
    result = through(machine, frames=FRAMES if cpus == 2 else FRAMES // 5, size=size, **ROUTED)
    after = machine.quiet_stats(before)
    assert_all_arrived(result)
    assert result["reordered"] == 0
    assert_pages_conserved(before, after)
    assert_not_copied(before, after, 2 * FRAMES + 100)
    for name in ("net0", "net1"):
        assert by_name(after["net"])[name]["dropped"] == by_name(before["net"])[name]["dropped"]
    assert after["faults"]["violations"] == 0
    print(f"{result['frames_per_second']:.0f} frames/s")


@named("router-frames-trusted-mixed-sizes")
def test_trusted(boot, image, tmp_path):
    machine = start(boot, image, tmp_path, TWO, cpus=4, append="placement=trusted")
    before = machine.quiet_stats()
    assert_all_arrived(through(machine, frames=10000, size="60,127,128,129,512,1514", **ROUTED))
    assert_pages_conserved(before, machine.quiet_stats(before))


@named("router-demonstration")
@pytest.mark.alone
def test_demonstration(tmp_path):
    """`./baton run router`: real hosts, ARP, traceroute, path-MTU discovery, TCP, UDP, a file; every step must succeed."""
    report = tmp_path / "report.json"
    done = subprocess.run([ROOT / "baton", "run", "router", "--seconds", "6", "--json", report], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200)
    steps = json.loads(report.read_text())["steps"] if report.exists() and report.stat().st_size else []
    assert done.returncode == 0 and steps and all(step["ok"] for step in steps), done.stdout[-6000:]


# ---- Configuration ----

@named("router-config-missing")
def test_no_config(boot, image):
    """Without a configuration the router says so and ends; the machine stays."""
    machine = boot(image)
    machine.wait_for(r"^router: config: .*(none|no ).*\n")
    assert wait_until(lambda: by_name(machine.stats()["services"])["router"]["state"] != "running")


@named("router-config-mistake-ends-it")
def test_mistake(boot, image, tmp_path):
    """A mistake is named by file, line, and what was expected; then nothing routes."""
    file = tmp_path / "bad.conf"
    file.write_text("interface net0 10.0.0.1/24\n# a comment\ninterface net1 10.0.0.300/24\n")
    machine = boot(image, initrd=file)
    machine.wait_for(r"^router: config:3: .*\n")
    assert wait_until(lambda: by_name(machine.stats()["services"])["router"]["state"] != "running")


@named("router-config-interface-not-there")
def test_no_interface(boot, image, tmp_path):
    file = tmp_path / "bad.conf"
    file.write_text("interface net0 10.0.0.1/24\ninterface net5 10.0.5.1/24\n")
    machine = boot(image, initrd=file)
    machine.wait_for(r"^router: config:2: .*net5.*\n")


@named("router-100000-routes")
def test_many_routes(boot, image, tmp_path):
    """10^5 routes are loaded within seconds; the longest match among them counts; traffic is as fast as ever."""
    lines = [TWO]
    for number in range(100000):
        lines.append(f"route 20.{number >> 16}.{number >> 8 & 255}.{number & 255}/32 via 10.0.{number & 1}.2\n")
    lines.append("route 20.0.0.0/8 via 10.0.1.2\n")
    machine = start(boot, image, tmp_path, "".join(lines), cpus=2)
    bench = Bench(machine)
    for number in (1, 3, 4097, 99999):
        bench.passes(0, datagram("10.0.0.2", f"20.{number >> 16}.{number >> 8 & 255}.{number & 255}"), 1)
    bench.passes(1, datagram("10.0.1.2", "20.0.0.2"), 0)
    bench.passes(0, datagram("10.0.0.2", "20.77.0.2"), 1)


# ---- Routes at run time ----

@named("router-route-changes-under-load")
def test_route_changes(boot, image, tmp_path):
    """Routes come and go 200 times while traffic flows: nothing else is lost; a route works, and no more when it is gone."""
    machine = start(boot, image, tmp_path, TWO + "route 10.9.0.0/16 via 10.0.1.2\n", cpus=2)
    through(machine, frames=256, **ROUTED)
    before, results = machine.quiet_stats(), []
    load = threading.Thread(target=lambda: results.append(through(machine, frames=60000, size="60,1514", **ROUTED)))
    load.start()
    for number in range(100):
        machine.send(f"tell router route add 10.9.{number}.0/24 via 10.0.0.2")
        machine.send(f"tell router route del 10.9.{number}.0/24")
        time.sleep(0.02)  # between the frames
    load.join()
    assert_all_arrived(results[0])
    assert_pages_conserved(before, machine.quiet_stats(before))
    bench = Bench(machine)
    bench.passes(0, datagram("10.0.0.2", "10.9.5.5"), 1)
    assert "10.77.0.0/16" in tell(machine, "route add 10.77.0.0/16 via 10.0.0.2")
    bench.passes(1, datagram("10.0.1.2", "10.77.1.1"), 0)
    tell(machine, "route del 10.77.0.0/16")
    bench.error(1, datagram("10.0.1.2", "10.77.1.1"), 3, 0)


@named("router-route-statements-wrong")
def test_statements(boot, image, tmp_path):
    machine = start(boot, image, tmp_path, TWO)
    for text in ("route", "route add", "route add 10.0.0/8 via 10.0.0.2", "route add 10.5.0.0/16 via 99.0.0.1",
                 "route del 10.5.0.0/16", "route add 10.0.0.0/24 via 10.0.1.2 more", "frobnicate", "interface net0 1.2.3.4/24"):
        answer = tell(machine, text)
        assert "expected" in answer or "no such route" in answer, f"{text}: {answer}"


# ---- Neighbours under attack ----

def learns(bench, address, link):
    """A packet for a neighbour that is unknown, tried again as senders do: asked for, it answers; then packets reach it."""
    bench.send(1, datagram("10.1.1.2", address))
    frame = bench.until(0, address, quiet=1.5)
    if frame and ARP in frame:
        answer = ARP(op=2, hwsrc=link, psrc=address, hwdst=ROUTER[0], pdst="10.0.0.1")
        bench.send(0, Ether(src=link, dst=ROUTER[0]) / answer)
    return frame and IP in frame and frame.dst == link


@named("router-arp-flood-bounded")
def test_arp_flood(boot, image, tmp_path):
    """
    3000 stations that do not exist are asked for, and 3000 introduce themselves: memory stays bounded, static neighbours
    and the traffic between them are untouched, all pages come back, and a real neighbour is still learned.
    """
    config = TWO.replace("/24", "/16", 1).replace("10.0.1.", "10.1.1.")
    machine = start(boot, image, tmp_path, config, cpus=2)
    bench = Bench(machine, settle=[0])
    machine.rest(0.5)
    before = machine.quiet_stats()
    for number in range(3000):
        bench.send(1, datagram("10.1.1.2", f"10.0.{16 + (number >> 8)}.{number & 255}", size=200))
        if number % 50 == 49:
            bench.ports[0].drain(0.005)
            bench.ports[1].drain(0.005)
    liar = "02:66:00:00:00:00"
    for number in range(3000):
        mac = liar[:12] + f"{number >> 8:02x}:{number & 255:02x}"
        bench.send(0, Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=mac, psrc=f"10.0.{64 + (number >> 8)}.{number & 255}",
                                                                   pdst="10.0.0.1"))
        if number % 50 == 49:
            bench.ports[0].drain(0.005)
    static = datagram("10.1.1.2", "10.0.0.2")
    bench.send(1, static)
    frame = bench.until(0, "10.0.0.2")
    assert frame and frame.dst == HOST[0], "a static neighbour is not reached"
    assert wait_until(lambda: learns(bench, "10.0.200.44", "02:00:00:00:00:44")), "nobody is learned any more"

    def settled():
        bench.ports[0].drain(0.2)  # the requests go on: QEMU stops the machine while nobody reads them
        return machine.stats()["pages"]["owned"] == before["pages"]["owned"]

    assert wait_until(settled), "pages are held for neighbours that do not exist"
    bench.ports[0].drain(2)
    assert_pages_conserved(before, machine.quiet_stats(before))


@named("router-arp-poisoning-known-neighbor")
def test_poisoning(boot, image, tmp_path):
    """A learned neighbour that still answers is not taken over by unasked answers, and learning it again works."""
    machine = start(boot, image, tmp_path, TWO, cpus=2)
    bench = Bench(machine)
    real, liar = "02:00:00:00:00:51", "02:00:00:00:66:66"
    bench.send(0, datagram("10.0.0.2", "10.0.1.51"))
    assert bench.one(1)[ARP].pdst == "10.0.1.51"
    answer = ARP(op=2, hwsrc=real, psrc="10.0.1.51", hwdst=ROUTER[1], pdst="10.0.1.1")
    bench.send(1, Ether(src=real, dst=ROUTER[1]) / answer)
    assert bench.one(1, but=ARP).dst == real
    for _ in range(5):
        bench.send(1, Ether(src=liar, dst=ROUTER[1]) / ARP(op=2, hwsrc=liar, psrc="10.0.1.51", hwdst=ROUTER[1],
                                                           pdst="10.0.1.1"))
    bench.send(0, datagram("10.0.0.2", "10.0.1.51"))
    assert [frame.dst for frame in bench.out(1, count=1) if IP in frame] == [real]
