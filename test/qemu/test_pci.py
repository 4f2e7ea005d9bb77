"""
virtio-net over PCI: every way in which an interrupt can come, devices of both kinds, behind bridges too; the order of names;
and machines whose PCI is not as it should be. Most of what a device can get wrong is in test/host/test_pci.c: QEMU's own do
none of it.
"""
import re
import subprocess

import pytest

from building import insn_plugin
from harness import Nic
from naming import named
from test_boot import assert_refused, put, raw_boot, virt_tree
from test_rings import LIES, UsedRing
from traffic import assert_all_arrived, assert_pages_conserved, by_name, through

ROOT_PORTS = ["pcie-root-port,id=a,chassis=1,slot=1,addr=1.0,multifunction=on",
              "pcie-root-port,id=b,chassis=2,slot=2,addr=1.1"]
BEHIND = [Nic(options=",bus=a"), Nic(options=",bus=b")]
SWITCH = ["pcie-root-port,id=a,chassis=1,slot=1", "x3130-upstream,id=up,bus=a",
          "xio3130-downstream,id=b,bus=up,chassis=3,slot=3", "xio3130-downstream,id=c,bus=up,chassis=4,slot=4"]
LINE, MESSAGE = r"INTx interrupt 3[5-8]$", r"MSI-X interrupt (8\d|819\d)$"

# Of each: the machine, and what net0 and net1 must say of themselves.
WAYS = {
    **{f"gicv{gic}-{cpus}cpu": (dict(gic=gic, cpus=cpus), MESSAGE) for gic in (2, 3) for cpus in (1, 2, 4)},
    "gicv3-el2-max": (dict(gic=3, cpus=2, virtualization=True, cpu="max", memory=64), MESSAGE),
    "gicv4-el2": (dict(gic=4, cpus=2, virtualization=True), MESSAGE),
    "gicv2-ecam-low": (dict(gic=2, cpus=2, options=",highmem=off"), MESSAGE),
    "gicv3-ecam-low": (dict(gic=3, options=",highmem=off", memory=64), MESSAGE),
    "gicv3-without-its": (dict(gic=3, cpus=2, options=",its=off"), LINE),
    "gicv2-without-msix": (dict(gic=2, cpus=4, nics=[Nic(options=",vectors=0")] * 2), LINE),
    "gicv3-without-msix": (dict(gic=3, cpus=4, nics=[Nic(options=",vectors=0") for _ in range(2)]), LINE),
    "one-without-msix": (dict(gic=3, cpus=2, nics=[Nic(), Nic(options=",vectors=0")]), ""),
    "modern-only": (dict(cpus=2, nics=[Nic(options=",disable-legacy=on") for _ in range(2)]), MESSAGE),
    "transitional": (dict(cpus=2, nics=[Nic(options=",disable-legacy=off") for _ in range(2)]), MESSAGE),
    "root-ports-gicv2": (dict(gic=2, cpus=2, buses=ROOT_PORTS, nics=BEHIND), MESSAGE),
    "root-ports-gicv3": (dict(gic=3, cpus=2, buses=ROOT_PORTS, nics=BEHIND), MESSAGE),
    "root-ports-without-msix": (dict(gic=3, cpus=2, buses=ROOT_PORTS,
                                     nics=[Nic(options=nic.options + ",vectors=0") for nic in BEHIND]), LINE),
    "behind-a-switch": (dict(gic=3, cpus=2, buses=SWITCH, nics=[Nic(options=",bus=b"), Nic(options=",bus=c")]), MESSAGE),
    "behind-a-conventional-bridge": (dict(gic=3, buses=[*SWITCH, "pcie-pci-bridge,id=old,bus=c"], nics=[
        Nic(options=",bus=old,addr=3"), Nic(options=",bus=old,addr=5")]), LINE),
}


@named("pci-{way}")
@pytest.mark.parametrize("way", WAYS)
def test_ways(boot, switch, way):
    settings, interrupt = WAYS[way]
    nics = [Nic(options=nic.options) for nic in settings["nics"]] if "nics" in settings else 2
    machine = boot(switch, transport="pci", **{**settings, "nics": nics}).wait_ready()
    for number in range(2):
        found = machine.wait_for(rf"^net{number}: virtio-pci \S+, 52:54:00:00:00:0{number + 1}, .*$", 1)
        assert re.search(interrupt, found.group(0)), found.group(0)
    before = machine.quiet_stats()
    assert_all_arrived(through(machine, frames=3000, size="60,512,1514", flow=["0:1", "1:0"]))
    assert_all_arrived(through(machine, frames=300, window=1, flow=["0:1"]))  # an interrupt for each
    assert_pages_conserved(before, machine.quiet_stats(before))
    machine.halt()


def names(machine):
    """{"net0": what it is, ...}, as the console says."""
    return dict(re.findall(r"^(net\d): ([^,]+), ", machine.console_text(), re.MULTILINE))


@named("pci-names-by-slot")
def test_names(boot, switch):
    """The options' order is the slots' where QEMU chooses them; where they are given, the slots count."""
    slots = [7, 2, 30, 4]
    machine = boot(switch, cpus=4, transport="pci", nics=[Nic(options=f",addr={slot:x}") for slot in slots]).wait_ready()
    for number, slot in enumerate(sorted(slots)):
        machine.wait_for(rf"^net{number}: virtio-pci 00:{slot:02x}\.0, 52:54:00:00:00:0{slots.index(slot) + 1}, ", 1)
    assert_all_arrived(through(machine, frames=2000, flow=["0:1", "2:3", "3:0", "1:2"]))
    machine.halt()


@named("pci-names-mmio-first")
def test_mixed(boot, switch):
    nics = [Nic(transport="pci"), Nic(transport="mmio"), Nic(transport="pci"), Nic(transport="mmio")]
    machine = boot(switch, cpus=2, nics=nics).wait_ready()
    assert list(names(machine).values()) == ["virtio-mmio", "virtio-mmio", "virtio-pci 00:01.0", "virtio-pci 00:02.0"]
    for number, nic in enumerate([2, 4, 1, 3]):
        machine.wait_for(rf"^net{number}: .*, 52:54:00:00:00:0{nic}, ", 1)
    assert_all_arrived(through(machine, frames=2000, flow=["0:1", "1:2", "2:3", "3:0"]))
    machine.halt()


@named("pci-lines-shared")
def test_shared_lines(boot, switch):
    """Six interfaces on four lines; one of those that share a line is stopped, and the line goes on for the other."""
    machine = boot(switch, gic=3, cpus=2, transport="pci", shared_memory=True,
                   nics=[Nic(options=",vectors=0") for _ in range(6)]).wait_ready()
    lines = re.findall(r"INTx interrupt (\d+)$", machine.console_text(), re.MULTILINE)
    assert len(lines) == 6 and lines[0] == lines[4] and lines[1] == lines[5] and len(set(lines)) == 4
    assert_all_arrived(through(machine, frames=1000, flow=["0:4", "4:1", "1:5", "5:2", "2:3", "3:0"]))
    machine.quiet_stats()
    start = machine.mark()
    LIES["id"](UsedRing(machine, 0, 0))
    ports = [machine.port(index) for index in (1, 4)]
    for _ in range(3):
        ports[0].send(bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x88, 0xb5]) + bytes(46))
    machine.wait_for(r"^net0: stopped: ", since=start)
    for port in ports:
        port.drain()
    for port in ports:
        port.send(bytes([255] * 6 + [2, 0, 0, 0, 0, 1 + ports.index(port), 0x88, 0xb5]) + bytes(46))
    for port in ports:
        assert port.receive(), "the other on the stopped interface's line is silent"
        port.close()
    stats = machine.quiet_stats()
    assert by_name(stats["services"])["net0"]["state"] != "running"
    machine.halt()


@named("pci-left-alone")
def test_left_alone(boot, switch):
    """What there is no driver for, and a NIC that has no modern registers, are named; the others work."""
    nics = [Nic(options=",disable-modern=on"), Nic(), Nic()]
    machine = boot(switch, transport="pci", nics=nics, buses=["e1000e,romfile=,addr=9", "virtio-rng-pci,addr=8"],
                   extra=["-nic", "none"]).wait_ready()
    machine.wait_for(r"^pci 00:09\.0: no driver for 8086:10d3: left alone$")
    machine.wait_for(r"^virtio-pci 00:08\.0: no driver for device number 4 .*left alone$")
    machine.wait_for(r"^pci 00:01\.0: virtio: .*legacy only.*not used$")
    assert list(names(machine)) == ["net0", "net1"]
    port = machine.port(1)
    port.send(bytes([255] * 6 + [2, 0, 0, 0, 0, 1, 0x88, 0xb5]) + bytes(46))
    assert machine.port(2).receive()
    machine.halt()


def accesses_per_frame(boot, switch, window, options=""):
    machine = boot(switch, transport="pci", nics=[Nic(options=options) for _ in range(2)], append="grace=0",
                   icount="shift=0,sleep=off", plugin=f"{insn_plugin()},accesses=on").wait_ready()
    result = through(machine, flow="0:1", frames=2200, warm=200, window=window, count=machine.folder / "plugin")
    assert_all_arrived(result)
    machine.kill()
    return result["register_accesses"] / 2000


@named("pci-registers-kick-only")
@pytest.mark.alone
def test_registers(boot, switch):
    """With messages, the way of a frame accesses no register of any device but for one kick, and that once a batch."""
    assert accesses_per_frame(boot, switch, 1) <= 1.02
    assert accesses_per_frame(boot, switch, 256) <= 0.1
    assert accesses_per_frame(boot, switch, 1, ",vectors=0") > 1.5  # a line's ISR: the count sees it


# ---- Device trees ----

PCIE = "/pcie@10000000"
REFUSED = {
    "reg-in-memory": (("reg", "0", "48000000", "0", "10000000"), r"reg lies in memory"),
    "reg-small": (("reg", "40", "10000000", "0", "1000"), r"reg is no configuration space"),
    "reg-beyond-all": (("reg", "ffffffff", "fff00000", "0", "10000000"), r"reg is no configuration space"),
    "bus-range-backwards": (("bus-range", "5", "2"), r"bus-range is none"),
    "window-in-memory": (("ranges", "2000000", "0", "50000000", "0", "50000000", "0", "10000000"), r"window for BARs lies in"),
    "window-none": (("ranges", "1000000", "0", "0", "0", "3eff0000", "0", "10000"), r"no window for memory"),
    "window-beyond-4g": (("ranges", "2000000", "1", "0", "0", "10000000", "0", "1000"), r"window for BARs is none"),
    "window-wraps": (("ranges", "2000000", "0", "10000000", "ffffffff", "f0000000", "0", "20000000"), r"window for BARs is none"),
}


@named("pci-refused-device-tree-{what}")
@pytest.mark.parametrize("what", REFUSED)
def test_refused_trees(boot, switch, tmp_path, what):
    values, message = REFUSED[what]
    tree = virt_tree(tmp_path)
    put(tree, PCIE, *values)
    machine = raw_boot(boot, switch, tmp_path, tree.read_bytes(), transport="pci")
    assert_refused(machine, rf"(?s)^pci: device tree: .*{message}.*: not used\n.*no network interface")


# What is wrong with interrupts: the property, what the console says, and with what it then works. Numbers of nodes by name.
LAME = {
    "msi-map-short": (("msi-map", "0", "ITS"), r"msi-map is not one entry", LINE),
    "msi-map-to-nowhere": (("msi-map", "0", "7777", "0", "10000"), r"msi-map is not one entry", LINE),
    "msi-map-to-the-gic": (("msi-map", "0", "GIC", "0", "10000"), r"neither an ITS nor a GICv2m", LINE),
    "msi-map-of-others": (("msi-map", "100", "ITS", "0", "100"), r"no LPIs, or not for 0 devices", LINE),
    "msi-map-of-some": (("msi-map", "9", "ITS", "9", "100"), r"requester 8 is not in .*msi-map", MESSAGE),
    "msi-map-wraps": (("msi-map", "0", "ITS", "fffffff0", "10000"), r"msi-map has 10000 numbers", LINE),
    "interrupt-map-cut": (("interrupt-map", "0", "0", "0", "1", "GIC"), r"interrupt-map: entry 0 is none", MESSAGE),
    "interrupt-map-to-nowhere": (("interrupt-map", "0", "0", "0", "1", "7777", "0", "0", "0", "3", "4"),
                                 r"interrupt-map: entry 0 is none", MESSAGE),
    "interrupt-map-mask-missing": (("interrupt-map-mask", "0"), r"no interrupt-map, or none with a mask", MESSAGE),
}
NODES = {"GIC": "/intc@8000000", "ITS": "/intc@8000000/its@8080000"}


@named("pci-device-tree-{what}")
@pytest.mark.parametrize("what", LAME)
def test_lame_trees(boot, switch, tmp_path, what):
    values, message, works = LAME[what]
    tree = virt_tree(tmp_path)
    numbers = {name: subprocess.run(["fdtget", "-t", "x", str(tree), node, "phandle"], stdout=subprocess.PIPE, text=True,
                                    check=True).stdout.strip() for name, node in NODES.items()}
    put(tree, PCIE, *[numbers.get(value, value) for value in values])
    machine = raw_boot(boot, switch, tmp_path, tree.read_bytes(), transport="pci").wait_ready()
    machine.wait_for(message, 1)
    assert re.search(works, machine.wait_for(r"^net1: .*$", 1).group(0))
    assert_all_arrived(through(machine, frames=1000))
    machine.halt()


@named("pci-device-tree-no-interrupts")
def test_no_interrupt(boot, switch, tmp_path):
    """Neither messages nor a line: the device is not used, and says so."""
    tree = virt_tree(tmp_path)
    for name in ("msi-map", "interrupt-map"):
        subprocess.run(["fdtput", "-d", str(tree), PCIE, name], check=True)
    machine = raw_boot(boot, switch, tmp_path, tree.read_bytes(), transport="pci")
    assert_refused(machine, r"(?s)^pci 00:01\.0: the device tree has no interrupt for its line.*no network interface")
