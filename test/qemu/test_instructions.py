"""
What a forwarded frame costs, in instructions of the guest: in the images in which hostile services lie idle (test_siege.py), and in the
products' own, which have the same code.
"""
import time

import pytest

from building import insn_plugin
from cost import FRAMES
from harness import wait_until
from naming import named
from routing import ROUTER, TWO, start
from tools import bench_stations
from traffic import assert_all_arrived, through

TRIES = 5    # until the limit is kept: a busy host makes smaller batches, which cost more
OFTEN = 0.5  # executed by so many of the frames: by each; what a batch passes once is far below, in one of the tries at least


def counted(machine, size, **options):
    """
    Instructions for each forwarded frame, over FRAMES frames one way in the middle of steady traffic; and the addresses of those that
    each frame passes.
    """
    result = through(machine, flow="0:1", frames=FRAMES + 1000, warm=1000, size=size, window=256, stall=20,
                     count=machine.folder / "plugin", **options)
    assert_all_arrived(result)
    counts = bench_stations.marked(machine.folder / "plugin")
    return result["instructions_per_frame"], {address for address, count in counts.items() if count >= OFTEN * FRAMES}


@named("{appliance}-instructions-{placement}{size}")
@pytest.mark.alone
@pytest.mark.parametrize("appliance, placement, size, limit", [
    ("switch", "", 60, 480), ("switch", "", 1514, 480), ("switch", "trusted-", 60, 350), ("switch", "trusted-", 1514, 350),
    ("router", "", 60, 600), ("router", "", 1514, 600)])
def test_instructions(build, boot, tmp_path, appliance, placement, size, limit):
    """
    On one CPU, in virtual time that follows the instructions. Each instruction is a block of its own for QEMU, so that the guest is slow
    beside the generator, and its batches are full. Nobody polls while a busy host sends nothing (grace=0): that is no frame's. Both images are below the limit, and each frame passes the very same instructions in both: it does not pay for services that are idle.
    """
    settings = {"cpus": 1, "gic": 3, "transport": "pci", "icount": "shift=0,sleep=off", "plugin": f"{insn_plugin()},profile=on",
                "one_insn_per_tb": True, "append": "grace=0 " + ("placement=trusted" if placement else "")}
    options = {"routed": 4, "router": ROUTER[:2]} if appliance == "router" else {}
    figures, passed = [limit, limit], [None, None]
    for _ in range(TRIES):
        for number, name in enumerate((appliance, f"besieged-{appliance}")):
            image = build.image(name)
            machine = start(boot, image, tmp_path, TWO, **settings) if options else boot(image, **settings).wait_ready()
            figure, addresses = counted(machine, size, **options)
            machine.kill()
            figures[number] = min(figures[number], figure)
            passed[number] = addresses & (passed[number] or addresses)
        if max(figures) < limit and passed[0] == passed[1]:
            break
    print(f"{size} bytes: {figures[0]:.1f} instructions a frame, {figures[1]:.1f} beside hostile services; {len(passed[0])} in each frame")
    assert max(figures) < limit, f"{figures} instructions a frame, fewer than {limit} are allowed"
    assert passed[0] == passed[1] and len(passed[0]) > 100, "frames pass other instructions beside hostile services: " + \
        ", ".join(f"{address:x}" for address in sorted(passed[0] ^ passed[1]))


def instructions_while_idle(machine, seconds):
    """What a machine executes in a time in which nothing comes, by its own plugin."""
    counter = machine.connect("plugin").makefile("rw")

    def count():
        counter.write("c")
        counter.flush()
        return int(counter.readline())

    before = count()
    time.sleep(seconds)
    return count() - before


@named("switch-idle-{cpus}")
@pytest.mark.parametrize("cpus", [1, 4])
def test_idle(boot, switch, cpus):
    """
    A machine that waits for frames has no ticks, although its services have a watchdog. In virtual time, which jumps to the next
    deadline whenever all CPUs sleep, a CPU that armed its timer again and again would execute millions here.
    """
    machine = boot(switch, cpus=cpus, gic=3, icount="shift=0,sleep=off", plugin=insn_plugin())
    machine.wait_ready()
    assert_all_arrived(through(machine, flow="0:1", frames=100, size=60, stall=20))
    # The last frames come back, the drivers go to sleep; this machine's QEMU never does (sleep=off), so that rest() says nothing
    wait_until(lambda: instructions_while_idle(machine, 0.2) <= 1000)
    figure = instructions_while_idle(machine, 1)
    print(f"{figure} instructions in a second without traffic")
    assert figure <= 5000, f"{figure} instructions in a second in which nothing happened"
    machine.kill()
