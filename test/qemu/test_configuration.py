"""
Configuration files: mistakes are found before the boot; and what a long one (10^5 routes, 3.5 MB) costs at the start of
the router, in instructions of the guest.
"""
import random
import socket
import subprocess

import pytest

from building import ROOT, insn_plugin
from naming import named

ROUTES = 100000
NETS = "interface net0 10.0.0.1/24\ninterface net1 10.0.1.1/24\n"


def scattered():
    """As they are in the world: most of 24 bits, all over the address space."""
    chance, found = random.Random(3), {}
    while len(found) < ROUTES:
        length = chance.choice([16, 18, 20, 22, 23, 24, 24, 24, 24, 24])
        address = chance.randrange(11 << 24, 126 << 24) >> (32 - length) << (32 - length)
        found[address, length] = f"10.0.{chance.randrange(2)}.{chance.randrange(2, 40)}"
    return [f"route {a >> 24}.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255}/{length} via {gateway}\n"
            for (a, length), gateway in found.items()]


def crowded():
    """The worst for the table: single addresses, all beside one another."""
    return [f"route 20.{n >> 16}.{n >> 8 & 255}.{n & 255}/32 via 10.0.{n & 1}.2\n" for n in range(ROUTES)]


def instructions(boot, image, file, lines):
    """Of all CPUs until the router is ready, in virtual time that follows the instructions."""
    file.write_text(NETS + "".join(lines))
    machine = boot(image, cpus=1, gic=3, memory=512, icount="shift=0,sleep=off", initrd=file,
                   plugin=insn_plugin())
    machine.wait_for(r"^router: routing between 2 interfaces")
    with socket.socket(socket.AF_UNIX) as counter:
        counter.connect(str(machine.folder / "plugin"))
        counter.sendall(b"c")
        count = int(counter.makefile().readline())
    machine.kill()
    return count


@named("router-load-instructions-{routes}")
@pytest.mark.alone
@pytest.mark.parametrize("routes", ["scattered", "crowded"])
def test_load(boot, build, tmp_path, routes):
    limit = {"scattered": 50 * 10**6, "crowded": 75 * 10**6}[routes]
    image = build.image("router")
    lines = {"scattered": scattered, "crowded": crowded}[routes]()
    none = instructions(boot, image, tmp_path / "none.conf", [])
    all_of_them = instructions(boot, image, tmp_path / "all.conf", lines)
    print(f"{routes}: {(all_of_them - none) / ROUTES:.0f} instructions a route")
    assert all_of_them - none <= limit, f"{all_of_them - none:,} instructions for {ROUTES:,} routes"


@named("config-mistake-before-boot-{command}")
@pytest.mark.parametrize("command", ["build", "run", "debug"])
def test_before_boot(tmp_path, command):
    """A mistake is told with file and line, and nothing is built or booted; exit status 1."""
    file = tmp_path / "router.conf"
    file.write_text(NETS + "route 10.9.0.0/16 via 10.7.0.1\nrout 10.8.0.0/16 via 10.0.0.2\n")
    done = subprocess.run([ROOT / "baton", command, "router", "--config", file], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=120)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"baton: {file}:4: 'rout' is not known, expected interface, route or neighbor\n"


@named("config-good-before-boot")
def test_good(tmp_path):
    file = tmp_path / "router.conf"
    file.write_text(NETS + "route 10.9.0.0/16 via 10.0.0.7\n")
    done = subprocess.run([ROOT / "baton", "build", "router", "--config", file], stdout=subprocess.PIPE, text=True,
                          timeout=280)
    assert done.returncode == 0 and done.stdout.endswith("router.img\n")
