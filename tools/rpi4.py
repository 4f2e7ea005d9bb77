"""
The Raspberry Pi 4 as QEMU has it (raspi4b): its device tree, and ./baton run --board rpi4.

QEMU's machine has 4 CPUs, 2 GiB and no Ethernet, and wants the board's device tree by -dtb. Debian has that tree in the
kernel packages of arm64, one of which is fetched for it, once.
"""
import contextlib
import os
import subprocess
import time

from tools import apt, build, setup
from tools.common import CACHE, Failure, say
from tools.machine import Machine
from tools.run import Results, quiet_pages, summary, watch, write_json
from tools.table import Table

TREE = "bcm2711-rpi-4-b.dtb"
CPUS, MEMORY = 4, 2048
SECONDS = 5
# Debian's codename -> package and version that the tree is taken from.
PINS = {"bookworm": ("linux-image-6.1.0-50-arm64", "6.1.176-1")}


def package_with_tree(tool, codename):
    """The pinned package, or, when the mirror has it no more, the one that linux-image-arm64 stands for today."""
    name, version = PINS.get(codename, (None, None))
    if name and version in tool.versions(name):
        return f"{name}={version}"
    found = tool.kernel_image()
    if not found:
        raise Failure("apt knows no linux-image-arm64, from which the Raspberry Pi's device tree is taken")
    if name:
        say(f"{name}: version {version} is gone from the mirror, taking {found}")
    return found


def device_tree():
    """The path of the board's device tree; fetched when it is not there."""
    target = CACHE / "rpi4" / TREE
    if target.exists():
        return target
    codename = setup.release()
    if not codename:
        raise Failure(f"this is no Debian, so nothing can be fetched for you; missing: {TREE}, as {target}")
    say("fetching a linux-image of arm64 (60 to 100 MB) to build/cache for the Raspberry Pi's device tree in it")
    tool = apt.Apt.private(codename, architecture="arm64")
    tool.ready()
    package = tool.download(package_with_tree(tool, codename), CACHE)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(f".{os.getpid()}")
    try:
        with subprocess.Popen(["dpkg", "--fsys-tarfile", package], stdout=subprocess.PIPE) as unpack, \
                open(fresh, "wb") as file:
            status = subprocess.run(["tar", "-xO", "--wildcards", f"*/{TREE}"], stdin=unpack.stdout, stdout=file).returncode
        if status or not fresh.stat().st_size:
            raise Failure(f"{package.name} has no {TREE}")
        fresh.rename(target)
    finally:
        fresh.unlink(missing_ok=True)
        package.unlink()
    return target


def command_line(image, tree, placement=None, config=None):
    words = ["qemu-system-aarch64", "-machine", "raspi4b", "-nodefaults", "-display", "none", "-no-reboot",
             "-kernel", str(image), "-dtb", str(tree)]
    words += ["-append", f"placement={placement}"] if placement else []
    return words + (["-initrd", config] if config else [])


def check(options):
    """What the board has is fixed, and traffic is not among it."""
    if options.net or options.disk or options.hosts or options.pcap:
        raise Failure("--net, --disk, --hosts and --pcap are not there yet on --board rpi4: Ethernet and the SD card come with a "
                      "later version of Baton", status=2)
    if options.cpus != CPUS or options.memory not in (512, MEMORY):
        raise Failure(f"--board rpi4 has {CPUS} CPUs and {MEMORY} MiB: --cpus and --memory are for virt", status=2)


def main(options):
    check(options)
    options.memory = MEMORY
    if options.json:
        open(options.json, "a").close()
    setup.ensure("boot", options.toolchain, options.libc)
    tree = device_tree()
    image = build.image(options.appliance, build.preset_of(options))
    begin = time.monotonic()
    with contextlib.ExitStack() as stack:
        say(f"booting {build.shown(image)} in QEMU's raspi4b, {CPUS} CPUs, {MEMORY} MiB")
        say("no network traffic: Ethernet on rpi4 comes with a later version of Baton")
        machine = Machine(command_line(image, tree, options.placement, options.config))
        stack.callback(machine.kill)
        table = Table(f"{options.appliance} on rpi4, {CPUS} CPUs", machine)
        results = Results(table)
        stats = None
        if results.do("boot", lambda: (machine.wait_ready(), {})):
            watch(table, machine, options.seconds or SECONDS)
            results.do("no page lost", lambda: quiet_pages(machine))
            stats = machine.stats()
            results.do("halt", lambda: (machine.halt(), {}) and ("powered off", {}))
        table.clear()
        if stats:
            summary(results, machine, stats, time.monotonic() - begin)
        if options.json:
            write_json(options, None, results, stats)
        return 0 if results.ok() else 1
