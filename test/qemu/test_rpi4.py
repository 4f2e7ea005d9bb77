"""
The second board: the same tree, built for the Raspberry Pi 4, on QEMU's raspi4b: entry at EL2, CPUs in a spin table,
GIC-400, PL011, a device tree whose addresses are translated. It has no network interface yet, so services are tested.
"""
import re
import subprocess
import sys

import pytest

from building import ROOT, locked
from harness import Machine
from naming import named
from test_services import ACTS
from traffic import by_name

sys.path.insert(0, str(ROOT))
from tools import rpi4  # noqa: E402

CPUS = 4
OF_SPACES = ["read-other-data", "write-kernel", "read-nothing", "read-sent-page", "read-unowned-page",
             "write-read-only-page", "overflow-stack", "write-text", "execute-page", "undefined-instruction"]


class Pi(Machine):
    """QEMU's raspi4b: what it has is fixed."""

    def __init__(self, image, tree, append=""):
        super().__init__(image, cpus=CPUS, gic=2, nics=0, append=append, dtb=tree)
        self.title = f"{image.name}, raspi4b"

    def arguments(self):
        line = rpi4.command_line(self.image, self.dtb) + ["-append", self.append]
        return line + ["-chardev", f"socket,id=console,path={self.folder / 'console'},server=on,wait=on",
                       "-serial", "chardev:console", "-qmp", f"unix:{self.folder / 'qmp'},server=on,wait=off"]


@pytest.fixture
def pi(request, build):
    """pi(appliance, append, tree) boots it; all are switched off when the test ends."""
    machines = request.node.machines = []
    with locked("rpi4-tree"):
        board = rpi4.device_tree()

    def start(appliance, append="", tree=None):
        machine = Pi(build.target(appliance, "rpi4") / f"{appliance}.img", tree or board, append)
        machines.append(machine)
        machine.start()
        return machine.wait_ready()

    yield start
    for machine in machines:
        machine.kill()


def assert_all_free(machine):
    pages = machine.quiet_stats()["pages"]
    assert pages["free"] == pages["total"], f"pages leaked: {pages}"


@named("rpi4-boots-4cpu")
def test_boot(pi):
    machine = pi("switch")
    lines = [line for line in machine.console_text().split("\n") if line.strip()]
    assert re.fullmatch(r"Baton \S+ \(\S+\) switch on rpi4, 4 CPUs, 960 MiB", lines[0]), lines[0]
    assert "no network interface" in lines[1] and "later version" in lines[1], "says what is missing"
    stats = machine.stats()
    assert stats["cpus"] == CPUS and stats["board"] == "rpi4" and stats["net"] == []
    assert by_name(stats["services"])["forward"]["state"] == "running"
    assert "forward" in machine.command("services")
    machine.halt()


@named("rpi4-memory-beyond-the-hole")
def test_memory(pi, tmp_path):
    """
    RAM above the part that the VideoCore keeps, and firmware's own in it. QEMU names only what is below in the tree; the
    board's firmware names both, so the rest is added by hand.
    """
    pi_tree = tmp_path / "tree.dtb"
    pi_tree.write_bytes(rpi4.device_tree().read_bytes())

    def put(*words):
        subprocess.run(["fdtput", "-p", *words[:1], str(pi_tree), *words[1:]], check=True)
    put("-ts", "/ram@40000000", "device_type", "memory")
    put("-tx", "/ram@40000000", "reg", "0", "40000000", "40000000")
    put("-tx", "/reserved-memory/kept@7fe00000", "reg", "0", "7fe00000", "200000")
    machine = pi("ipc-self-test", "level=7", pi_tree)
    machine.wait_for(r"^Baton .* on rpi4, 4 CPUs, 1984 MiB\n")
    machine.wait_for(r"^tester: ipc-self-test: \d+ checks passed\n", 200)
    machine.halt()


@named("rpi4-service-calls-{placement}")
@pytest.mark.parametrize("placement", ["isolated", "trusted"])
def test_calls(pi, placement):
    machine = pi("ipc-self-test", f"level=7 placement={placement}")
    result = machine.wait_for(r"^tester: ipc-self-test: (.*)\n", 200).group(1)
    assert re.fullmatch(r"\d+ checks passed", result), result
    machine.wait_for(r"^service tester stopped.*\n")
    assert_all_free(machine)
    assert machine.stats()["faults"]["violations"] == 0
    machine.halt()


@named("rpi4-violations")
def test_violations(pi):
    """All in one test: a boot takes a second. What needs a device's page is for boards with an interface."""
    for act in OF_SPACES:
        machine = pi("violation", f"test={act}")
        machine.send("tell rogue go")
        machine.wait_for(r"^service rogue stopped: \d+ pages given back, \d+ messages dropped\n")
        verdict = machine.wait_for(r"^keeper: (.*), \d+ messages held\n", since=machine.mark()).group(1)
        assert verdict == "all is as it was", act
        assert re.search(rf"^violation: service rogue.*{ACTS[act]}", machine.console_text(), re.MULTILINE), act
        assert "SURVIVED" not in machine.console_text(), act
        states = {name: row["state"] for name, row in by_name(machine.stats()["services"]).items()}
        assert states == {**states, "rogue": "stopped", "forward": "running", "keeper": "running"}, (act, states)
        machine.kill()


@named("rpi4-restart")
def test_restart(pi):
    machine = pi("restart", "lives=30")
    assert machine.wait_for(r"^watcher: (.*)\n", 200).group(1) == "restart: 30 lives, all pristine"
    stats = machine.quiet_stats()
    assert by_name(stats["services"])["phoenix"]["restarts"] == 30 and stats["faults"]["violations"] == 30
    machine.halt()


@named("rpi4-hostile")
def test_hostile(pi):
    machine = pi("besieged-switch", "calls=100000 seed=3 ipc=64")
    found = machine.wait_for(r"^hostile: (\d+) calls: (\d+) errors, (\d+) valid, (\d+) WRONG\n", 200)
    calls, errors, valid, wrong = map(int, found.groups())
    assert wrong == 0 and calls == 100000 and errors > 30000 and valid > 10000, found.group(0)
    assert_all_free(machine)
    machine.halt()


@named("rpi4-run")
def test_run():
    """What a user sees: the console's table, and that there is no traffic yet; what the board lacks is refused."""
    def baton(*words):
        return subprocess.run([ROOT / "baton", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    done = baton("run", "--board", "rpi4", "--seconds", "2")
    assert done.returncode == 0 and "no network traffic: Ethernet on rpi4 comes with a later version" in done.stdout
    assert "switch on rpi4, 4 CPUs" in done.stdout and "powered off" in done.stdout, done.stdout
    built = baton("build", "switch", "--board", "rpi4")
    assert built.stdout.splitlines()[-1].endswith("build/rpi4/switch.img"), built.stdout
    refused = baton("run", "--board", "rpi4", "--net", "user")
    assert refused.returncode == 2 and "Ethernet" in refused.stdout and "Traceback" not in refused.stdout
