"""Two real Linux hosts, each a network namespace with a tap, with the switch between them."""
import hashlib
import json
import os
import subprocess
import time

import pytest

from harness import Nic, wait_until
from naming import named
from traffic import assert_pages_conserved, by_name, drops, grown


class Host:
    """A network namespace that owns one tap. QEMU opens the tap first; then it moves in, and takes its address."""

    def __init__(self, number):
        self.name = f"baton-{os.getpid()}-{number}"
        self.tap = f"bt{os.getpid()}n{number}"[:15]
        self.address = f"10.77.0.{number + 1}"
        self.children = []
        self.ip("netns", "add", self.name)
        self.ip("tuntap", "add", "dev", self.tap, "mode", "tap")

    @staticmethod
    def ip(*words, check=True):
        subprocess.run(["ip", *words], check=check, stdout=subprocess.DEVNULL,
                       stderr=None if check else subprocess.DEVNULL)

    def plug(self):
        self.ip("link", "set", self.tap, "netns", self.name)
        self.ip("-n", self.name, "link", "set", "lo", "up")
        self.ip("-n", self.name, "address", "add", f"{self.address}/24", "dev", self.tap)
        self.ip("-n", self.name, "link", "set", self.tap, "up")

    def run(self, *command, limit=250, check=True):
        done = subprocess.run(["ip", "netns", "exec", self.name, *command], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=limit)
        assert not check or done.returncode == 0, f"{' '.join(command)} in {self.name}:\n{done.stdout[-3000:]}"
        return done.stdout

    def serve(self, *command, **settings):
        self.children.append(subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", self.name,
                                               *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                              **settings))

    def listens(self, port):
        return f":{port} " in self.run("ss", "-Hltn")

    def remove(self):
        for child in self.children:
            child.kill()
            child.wait()
        self.ip("-n", self.name, "link", "delete", self.tap, check=False)
        self.ip("link", "delete", self.tap, check=False)
        self.ip("netns", "delete", self.name, check=False)


@pytest.fixture
def hosts():
    if os.geteuid() != 0:
        pytest.skip("network namespaces and taps need root")
    pair = []
    try:
        for number in range(2):
            pair.append(Host(number))
        yield pair
    finally:
        for host in pair:
            host.remove()


def joined(boot, switch, hosts, **settings):
    machine = boot(switch, nics=[Nic("tap", host.tap) for host in hosts], **settings)
    machine.qmp_command("query-status")  # it answers when QEMU has opened the taps: now they can move
    machine.wait_ready()  # so QEMU has opened the taps: moved any sooner, it would make new ones of the same names
    for host in hosts:
        host.plug()
    assert wait_until(lambda: "1 received" in hosts[0].run("ping", "-c1", "-W1", hosts[1].address, check=False))
    return machine


@named("switch-two-hosts-{cpus}cpu")
@pytest.mark.alone
@pytest.mark.parametrize("cpus", [1, 4])
def test_hosts(boot, switch, hosts, tmp_path, cpus):
    machine = joined(boot, switch, hosts, cpus=cpus)
    one, two = hosts
    before = machine.quiet_stats()
    assert " 0% packet loss" in one.run("ping", "-q", "-c", "200", "-i", "0.005", two.address)
    assert " 0% packet loss" in two.run("ping", "-q", "-c", "50", "-i", "0.005", "-s", "1472", "-M", "do", one.address)

    two.serve("iperf3", "-s")
    assert wait_until(lambda: two.listens(5201))
    for direction in ([], ["-R"]):
        done = json.loads(one.run("iperf3", "-c", two.address, "-n", "100M", "-J", *direction))["end"]
        assert done["sum_received"]["bytes"] >= 90 << 20, done  # the last of it may still be under way
    start = machine.quiet_stats()
    datagrams = json.loads(one.run("iperf3", "-c", two.address, "-u", "-b", "20M", "-t", "3", "-J"))["end"]["sum"]
    # A busy machine lets a tap or a socket of its own overflow; the switch itself loses nothing at this rate.
    assert datagrams["lost_percent"] < 20, datagrams
    end = machine.quiet_stats()
    assert drops(end) == drops(start), end["net"]
    for source, sink in (("net0", "net1"), ("net1", "net0")):
        came = grown(by_name(start["net"])[source], by_name(end["net"])[source], "rx_frames")
        went = grown(by_name(start["net"])[sink], by_name(end["net"])[sink], "tx_frames")
        assert came == went, f"{came} frames came in by {source}, {went} went out by {sink}"

    content = os.urandom(20 << 20)
    (tmp_path / "file").write_bytes(content)
    two.serve("python3", "-m", "http.server", "8000", cwd=tmp_path)
    assert wait_until(lambda: two.listens(8000))
    one.run("curl", "-sf", "-o", str(tmp_path / "copy"), f"http://{two.address}:8000/file")
    assert hashlib.sha256((tmp_path / "copy").read_bytes()).digest() == hashlib.sha256(content).digest()

    for host in hosts:  # nothing of them may be under way when the accounts are taken
        host.ip("-n", host.name, "link", "set", host.tap, "down")
    machine.rest(0.5)
    after = machine.quiet_stats(before)
    assert_pages_conserved(before, after)
    assert after["copied"]["payload_bytes"] == 0 and after["faults"]["violations"] == 0
    assert by_name(after["services"])["forward"]["messages_in"] > 10000
    machine.halt()


@named("switch-halt-under-traffic")
def test_halt(boot, switch, hosts):
    machine = joined(boot, switch, hosts, cpus=4)
    hosts[1].serve("iperf3", "-s")
    assert wait_until(lambda: hosts[1].listens(5201))
    hosts[0].serve("iperf3", "-c", hosts[1].address, "-t", "30")
    time.sleep(2)
    assert machine.stats()["cpus"] == 4, "the console answers while traffic runs"
    machine.halt()
