"""What a forwarded frame costs, in instructions of the guest."""
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
    machine = boot(image, cpus=1, gic=3, memory=512, modern=True, icount="shift=0,sleep=off", append=append,
                   plugin=insn_plugin(), one_insn_per_tb=one_insn_per_tb)
    machine.wait_ready()
    result = through(machine, flow="0:1", frames=FRAMES + 1000, warm=1000, size=size, window=window, stall=20,
                     count=machine.folder / "plugin")
    assert_all_arrived(result)
    machine.kill()
    return result["instructions_per_frame"]


@named("switch-instructions-{size}")
@pytest.mark.alone
@pytest.mark.parametrize("size", [60, 1514])
def test_instructions(boot, switch, size):
    figures = [instructions_per_frame(boot, switch, size, one_insn_per_tb=way) for way in (False, True)]
    print(f"{size} bytes: {figures[0]:.0f} instructions per frame, {figures[1]:.0f} with one-insn-per-tb")
    assert min(figures) <= 1500, f"{min(figures):.0f} instructions per frame, at most 1500 are allowed"
