"""What a forwarded frame costs, on several CPUs."""
from building import insn_plugin
from traffic import assert_all_arrived, through

BOTH = ["0:1", "1:0"]
FRAMES = 10000  # over which instructions are counted


def instructions(boot, image, cpus, forwarders, size, flow, parallel, initrd=None, **traffic):
    """
    Instructions of all CPUs for each frame in steady traffic. In virtual time that follows the instructions the CPUs take turns;
    in parallel each has a thread of the host, so that what they do while they wait for each other is counted too. `initrd` and
    what else the generator is told are for a router.
    """
    machine = boot(image, cpus=cpus, append=f"forwarders={forwarders}", plugin=insn_plugin(),
                   transport="pci", initrd=initrd, icount=None if parallel else "shift=0,sleep=off")
    machine.wait_ready()
    if initrd:
        machine.wait_for(r"routing between")
    result = through(machine, flow=flow, frames=FRAMES + 1000, warm=1000, size=size, window=256, stall=20,
                     count=machine.folder / "plugin", **traffic)
    assert_all_arrived(result)
    assert result["reordered"] == 0
    machine.kill()
    return result["instructions_per_frame"]
