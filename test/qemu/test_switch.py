"""The switch forwards real traffic: whole, in place, and the page accounts balance."""
import pytest

from harness import Nic
from naming import named
from traffic import (assert_all_arrived, assert_messages_counted, assert_not_copied, assert_pages_conserved, by_name,
                     drops, grown, through)

FRAMES = 100000


def check_traffic(machine, frames, **options):
    """Traffic both ways between two NICs; then every counter of interface.md must tell the same story."""
    through(machine, frames=256, size=options["size"])  # settles what happens once: learning, first mappings
    before = machine.quiet_stats()
    result = through(machine, frames=frames, **options)
    after = machine.quiet_stats(before)
    assert_all_arrived(result)
    assert_pages_conserved(before, after)
    total = 2 * frames
    assert_not_copied(before, after, total + 100)
    assert_messages_counted(before, after, {"net0": frames, "forward": total, "net1": frames})
    for name in ("net0", "net1"):
        old, new = by_name(before["net"])[name], by_name(after["net"])[name]
        assert new["rx_frames"] - old["rx_frames"] >= frames and new["tx_frames"] - old["tx_frames"] >= frames
        assert new["dropped"] == old["dropped"], f"{name} dropped frames: {new['dropped']}"
    return result, before, after


@named("switch-frames-{size}-{cpus}cpu-gicv3")
@pytest.mark.alone
@pytest.mark.parametrize("size", [60, 512, 1514])
@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_frames(boot, switch, cpus, size):
    machine = boot(switch, cpus=cpus).wait_ready()
    result, before, after = check_traffic(machine, FRAMES, size=size, window=256)
    assert result["reordered"] == 0, f"{result['reordered']} frames overtook others"
    assert after["faults"]["violations"] == 0
    if size > 128:
        assert grown(before, after, "pages", "moved") >= 2 * 2 * FRAMES, "pages did not change hands"
        assert grown(before, after, "pages", "never_mapped") >= 2 * FRAMES, "the trips of pages were not counted"
    print(f"{result['frames_per_second']:.0f} frames/s")
    machine.halt()


@named("switch-frames-mixed-2cpu-gicv2-el2-legacy")
def test_frames_legacy(boot, switch):
    machine = boot(switch, cpus=2, gic=2, virtualization=True, modern=False).wait_ready()
    check_traffic(machine, 20000, size="60,127,128,129,512,1514")


@named("switch-frames-all-trusted-{cpus}cpu")
@pytest.mark.parametrize("cpus", [1, 4])
def test_trusted(boot, switch, cpus):
    machine = boot(switch, cpus=cpus, append="placement=trusted").wait_ready()
    check_traffic(machine, 20000, size="60,512,1514")
    assert by_name(machine.stats()["services"])["forward"]["placement"] == "trusted"


@named("switch-one-frame-at-a-time")
def test_window_one(boot, switch):
    """Nothing waits for a following frame: interrupts and wake-ups do their work."""
    machine = boot(switch, cpus=2).wait_ready()
    check_traffic(machine, 2000, size="60,1514", window=1, stall=2)


@named("switch-bursts-beyond-the-rings")
def test_large_window(boot, switch):
    """More frames under way than all rings and ports hold: what does not fit is dropped and counted, one by one."""
    machine = boot(switch, cpus=2).wait_ready()
    through(machine, frames=256)
    before = machine.quiet_stats()
    result = through(machine, frames=20000, size="60,1514", window=4000, stall=1)
    after = machine.quiet_stats(before)
    assert not result["wrong"] and not result["duplicated"] and not result["foreign"]
    assert_pages_conserved(before, after)
    sent = sum(flow["sent"] - flow["received"] for flow in result["flows"])
    assert drops(after) - drops(before) == sent, f"{sent} frames did not arrive"


@named("switch-frames-{nics}nics-all-pairs")
@pytest.mark.parametrize("nics", [3, 4])
def test_many_nics(boot, switch, nics):
    machine = boot(switch, cpus=4, nics=nics).wait_ready()
    flows = [f"{a}:{b}" for a in range(nics) for b in range(nics) if a != b]
    through(machine, frames=100, flow=flows, size=512)
    before = machine.quiet_stats()
    result = through(machine, frames=5000, flow=flows, size="60,512,1514", window=64)
    assert_all_arrived(result)
    after = machine.quiet_stats(before)
    assert_pages_conserved(before, after)
    assert_not_copied(before, after, len(flows) * 5000 + 500)


@named("switch-slow-port")
def test_slow_port(boot, switch):
    """
    One station takes nothing while it is flooded: its frames are dropped, counted by reason, and nobody else loses
    any. When it listens again, all that waited for it is right, and every page comes back.
    """
    machine = boot(switch, cpus=2, nics=[Nic(), Nic(), Nic("patient")]).wait_ready()
    through(machine, frames=100, flow=["0:1", "1:0", "2:0"])
    before = machine.quiet_stats()
    result = through(machine, frames=60000, flow=["0:1", "1:0"], loose=["0:2"], deaf=2, size="60,1514", stall=10)
    assert_all_arrived(result)
    after = machine.quiet_stats(before)
    assert_pages_conserved(before, after)
    dropped = drops(after) - drops(before)
    missing = result["flows"][2]["sent"] - result["flows"][2]["received"]
    assert dropped > 0, "no frame was dropped: the port was not slow"
    assert dropped == missing, f"{missing} frames did not arrive, {dropped} were counted as dropped"
    others = [name for name in ("net0", "net1")
              if by_name(after["net"])[name]["dropped"] != by_name(before["net"])[name]["dropped"]]
    assert not others, f"{others} dropped frames too"
    assert after["copied"]["payload_bytes"] == 0


@named("switch-soak")
@pytest.mark.long
@pytest.mark.timeout(2400)
def test_soak(boot, switch):
    machine = boot(switch, cpus=4).wait_ready()
    check_traffic(machine, 10_000_000, size="60,512,1514", timeout=2300)
