"""Waiting: a CPU polls on for a stated time where that answers sooner, and sleeps when nothing comes (ipc/idle.h)."""
import contextlib
import os
import pathlib
import statistics
import time

import pytest

from building import insn_plugin
from naming import named
from traffic import assert_all_arrived, through

ROUNDS, FRAMES = 5, 1000
ATTEMPTS = 3
TRIES = 5


@contextlib.contextmanager
def ahead_of_others():
    """What begins in here runs before all else on this host, if we may: a processor that polls loses more by other work."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pass
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def processor_seconds(machine):
    """What QEMU has used so far, of all processors."""
    fields = pathlib.Path(f"/proc/{machine.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds_a_frame(machine):
    """With one frame under way at a time: from one to the next, and so there and back."""
    result = through(machine, flow="0:1", frames=FRAMES, warm=100, size=60, window=1, linger=0)
    assert_all_arrived(result)
    return result["measured"]["seconds"] / result["measured"]["frames"]


@named("grace-answers-sooner")
@pytest.mark.alone
def test_answers_sooner(boot, switch):
    """One frame at a time, in turns through a machine that polls and one that does not."""
    ratios = []
    with ahead_of_others():
        machines = [boot(switch, cpus=1, transport="pci", append=append) for append in ("", "grace=0")]
        for machine in machines:
            machine.wait_ready()
            seconds_a_frame(machine)
        while len(ratios) < ATTEMPTS and min(ratios, default=1) >= 0.85:
            rounds = [[seconds_a_frame(machine) for machine in machines] for _ in range(ROUNDS)]
            polls, sleeps = (statistics.median(times) for times in zip(*rounds))
            print(f"one frame at a time: {1e6 * polls:.0f} us with polling, {1e6 * sleeps:.0f} us without")
            ratios.append(polls / sleeps)
    assert min(ratios) < 0.85, f"polling answers no sooner than sleeping: {ratios}"


@named("grace-silent-machine-sleeps-{cpus}cpu")
@pytest.mark.parametrize("cpus", [1, 2])
def test_sleeps(boot, switch, cpus):
    """Also right after traffic for which it polled: QEMU's processors do nothing then, in real time."""
    machine = boot(switch, cpus=cpus, transport="pci", append="grace=2000")
    machine.wait_ready()
    for _ in range(2):
        seconds_a_frame(machine)
        machine.rest(0.2)  # what a busy host has put off is done
        before = processor_seconds(machine)
        time.sleep(1)
        used = processor_seconds(machine) - before
        print(f"{cpus} CPUs: {1000 * used:.0f} ms of processor time in a second without frames")
        assert used <= 0.1, f"{used:.2f} s of processor time in a second without frames"


@named("grace-seldom-frames-are-slept-for")
def test_seldom(boot, switch):
    """
    Frames that come seldom, at times that no grace reaches: it polls for none of them, but for the first, and for one that a
    busy host held up until just before the next.
    """
    machine = boot(switch, cpus=1, transport="pci", append="grace=30000", plugin=insn_plugin())
    machine.wait_ready()
    for _ in range(TRIES):  # a host that holds up two of them makes it poll for both
        result = through(machine, flow="0:1", seconds=4, rate=5, size=60, count=machine.folder / "plugin")
        assert_all_arrived(result)
        figure = result["instructions_per_frame"]
        print(f"{figure:.0f} instructions for each of {result['received']} frames, one in 200 ms")
        if figure < 1000000:
            break
    assert figure < 1000000, f"{figure:.0f} instructions for each frame: it polls in vain, for 30 ms each time"


@named("grace-setting-{setting}")
@pytest.mark.parametrize("setting", ["grace=", "grace=x", "grace=-1", "grace=100001", "grace=99999999999"])
def test_settings(boot, switch, setting):
    boot(switch, append=setting).wait_for(f"^boot: setting {setting}: expected microseconds, from 0 to 100000")
