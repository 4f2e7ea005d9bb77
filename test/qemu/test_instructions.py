"""What a forwarded frame costs, in instructions of the guest."""
import time

import pytest

from building import insn_plugin
from naming import named
from traffic import assert_all_arrived, through

FRAMES = 10000


def instructions_per_frame(boot, image, size, window=256, one_insn_per_tb=False, append=""):
    """
    Instructions of all vCPUs for each forwarded frame, taken over FRAMES frames one way in the middle of steady
    traffic, on one CPU, in virtual time that follows the instructions.
    """
    machine = boot(image, cpus=1, gic=3, memory=512, transport="pci", icount="shift=0,sleep=off", append=append,
                   plugin=insn_plugin(), one_insn_per_tb=one_insn_per_tb)
    machine.wait_ready()
    result = through(machine, flow="0:1", frames=FRAMES + 1000, warm=1000, size=size, window=window, stall=20,
                     count=machine.folder / "plugin")
    assert_all_arrived(result)
    machine.kill()
    return result["instructions_per_frame"]


@named("switch-instructions-{placement}{size}")
@pytest.mark.alone
@pytest.mark.parametrize("placement, size, limit", [("", 60, 480), ("", 1514, 480), ("trusted-", 60, 350), ("trusted-", 1514, 350)])
def test_instructions(boot, switch, placement, size, limit):
    append = "placement=trusted" if placement else ""
    figures = [instructions_per_frame(boot, switch, size, one_insn_per_tb=way, append=append) for way in (False, True)]
    print(f"{size} bytes: {figures[0]:.0f} instructions per frame, {figures[1]:.0f} with one-insn-per-tb")
    assert min(figures) < limit, f"{min(figures):.0f} instructions per frame, less than {limit} are allowed"


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
    instructions_while_idle(machine, 0.5)  # the last frames come back, the drivers go to sleep
    figure = instructions_while_idle(machine, 1)
    print(f"{figure} instructions in a second without traffic")
    assert figure <= 5000, f"{figure} instructions in a second in which nothing happened"
    machine.kill()
