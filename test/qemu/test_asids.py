"""
ASIDs that run out: a build with three bits of them, and ten isolated services that hand pages on in a ring, with all flags and
from changing CPUs. (QEMU's TLB has no ASIDs: what a roll-over could leave behind is judged by test/host.)
"""
import pytest

from naming import named

HOPS = 30000


@named("asids-run-out-{cpus}cpu-{tlb}")
@pytest.mark.parametrize("cpus, tlb", [(1, "broadcast"), (4, "broadcast"), (4, "ipi")])
def test_roll_over(build, boot, cpus, tlb):
    image = build.image("asids", {"BATON_ASID_BITS": "3"})
    machine = boot(image, cpus=cpus, nics=[], append=f"hops={HOPS} over={cpus} ipc=16 unmap=dash tlb={tlb}")
    machine.wait_ready()
    machine.wait_for(r"^s0: asids: \d+ hops, every word as written\n", 200)
    stats = machine.quiet_stats()
    pages = stats["pages"]
    assert pages["owned"] == 0 and pages["free"] + pages["in_flight"] == pages["total"], pages
    assert stats["tlb"]["rollovers"] >= 100, stats["tlb"]
    assert "FAILED" not in machine.console_text()
