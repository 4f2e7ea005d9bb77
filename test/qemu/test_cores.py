"""
Several CPUs and several forwarding threads: every flow stays in order, and a frame costs little more than on one CPU.
"""
import re

import pytest

from cost import BOTH, assert_bound
from naming import named
from traffic import assert_all_arrived, through

FRAMES = 200    # of each of 128 flows


@named("cores-order-{cpus}cpus-{forwarders}forwarders-window{window}")
@pytest.mark.parametrize("cpus,forwarders,window", [(1, 3, 4), (2, 2, 4), (4, 2, 4), (4, 4, 4), (4, 8, 4), (4, 4, 256)])
def test_order(boot, switch, cpus, forwarders, window):
    """
    64 conversations, both ways, in four kinds of frames: each of the 128 flows must arrive whole and in its order. All of them
    under way at once take up the rings and a part of the ports; with window 256 it is four conversations, and as much.
    """
    machine = boot(switch, cpus=cpus, append=f"forwarders={forwarders}")
    machine.wait_ready()
    many = 64 if window == 4 else 4
    result = through(machine, flow=BOTH, conversations=many, frames=FRAMES * 64 // many, window=window, size="72,80,400,1514",
                     stall=20)
    assert_all_arrived(result)
    assert result["reordered"] == 0, f"{result['reordered']} frames were overtaken by later ones of their flow"
    assert result["received"] == 2 * 64 * FRAMES
    lanes = taken(machine)
    assert len(lanes) == forwarders and (many < 64 or min(lanes.values())), f"the flows were not spread: {lanes}"
    machine.halt()


def taken(machine):
    """How many messages were taken from each lane's port."""
    return {name: int(count) for name, count in
            re.findall(r"^(forward\S*) .* (\d+) taken$", machine.command("ports"), re.MULTILINE)}


@named("switch-instructions-{cpus}-cpus-{forwarders}-forwarders-{size}")
@pytest.mark.alone
@pytest.mark.parametrize("size", [60, 1514])
@pytest.mark.parametrize("cpus,forwarders", [(2, 1), (2, 2), (4, 1), (4, 2), (4, 4)])
def test_instructions(boot, switch, cpus, forwarders, size):
    assert_bound(boot, switch, cpus, forwarders, size)
