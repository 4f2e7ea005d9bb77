"""How little it takes: the size of the image, the instructions of a boot, the memory."""
import json
import subprocess

import pytest

from building import ROOT, insn_plugin
from naming import named
from traffic import assert_all_arrived, assert_pages_conserved, through

IMAGE_LIMIT = 192 * 1024     # bytes
BOOT_LIMIT = 10_000_000      # instructions from the entry until a frame was forwarded

once = pytest.mark.xdist_group("small")  # one worker measures, for all that read it


@named("small-image")
def test_image(switch):
    size = switch.stat().st_size
    print(f"{size} bytes")
    assert size <= IMAGE_LIMIT, f"the image of the switch has {size} bytes, {IMAGE_LIMIT} are allowed"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """What `./baton bench small` says: its output, and its figures."""
    file = tmp_path_factory.mktemp("small") / "small.json"
    done = subprocess.run([ROOT / "baton", "bench", "small", "--cpus", "1", "--json", file], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=250)
    assert done.returncode == 0, done.stdout
    return done.stdout, json.loads(file.read_text())


@named("small-boot-pci")
@once
def test_boot(measured):
    figure = measured[1]["instructions_to_first_frame"]
    print(f"{figure} instructions")
    assert 0 < figure <= BOOT_LIMIT, f"{figure} instructions from the entry to the first frame, at most {BOOT_LIMIT} are allowed"


@named("small-boot-mmio")
def test_boot_mmio(boot, switch):
    """The same without PCI, which the measurement always has."""
    machine = boot(switch, icount="shift=0,sleep=off", plugin=insn_plugin(), transport="mmio")
    machine.wait_ready()
    assert_all_arrived(through(machine, flow="0:1", frames=1, size=60, stall=20))
    counter = machine.connect("plugin").makefile("rw")
    counter.write("c")
    counter.flush()
    figure = int(counter.readline())
    print(f"{figure} instructions")
    assert figure <= BOOT_LIMIT, f"{figure} instructions from the entry to the first frame, at most {BOOT_LIMIT} are allowed"
    machine.kill()


@named("small-memory-{cpus}cpu-{transport}")
@pytest.mark.parametrize("cpus,transport", [(1, "pci"), (4, "pci"), (8, "mmio")])
def test_memory(boot, switch, cpus, transport):
    """The switch in 16 MiB: with fewer pages and a shorter ledger, and no frame lost."""
    machine = boot(switch, cpus=cpus, memory=16, transport=transport).wait_ready()
    before = machine.quiet_stats()
    assert_all_arrived(through(machine, frames=2000, size="60,512,1514"))
    assert_pages_conserved(before, machine.quiet_stats(before))
    machine.halt()


@named("small-bench")
@once
def test_bench(measured, switch):
    """`./baton bench small`: the image and the least memory, within their limits; one MiB less than the least ends with a reason."""
    said, found = measured
    assert "least memory, 1 CPU" in said and found["image_bytes"] == switch.stat().st_size
    (memory,) = found["least_memory"]
    assert memory["mib"] <= 16 and memory["one_less"], memory
