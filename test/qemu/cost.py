"""What a forwarded frame costs, on several CPUs."""
from building import insn_plugin
from traffic import assert_all_arrived, through

BOTH = ["0:1", "1:0"]
FRAMES = 10000  # over which instructions are counted
BOUND = 1.25    # of what a frame costs with one CPU
TRIES = 5       # until the bound is kept: while the host has other work, batches are small, and CPUs wait for each other


def instructions(boot, image, cpus, forwarders, size, flow, parallel, initrd=None, **traffic):
    """
    Instructions of all CPUs for each frame in steady traffic. In virtual time that follows the instructions the CPUs take turns;
    in parallel each has a thread of the host, so that what they do while they wait for each other is counted too. Nobody polls
    while nothing comes (grace=0): that is no frame's. `initrd` and what else the generator is told are for a router.
    """
    machine = boot(image, cpus=cpus, append=f"forwarders={forwarders} grace=0", plugin=insn_plugin(),
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


def assert_bound(boot, image, cpus, lanes, size, **traffic):
    """One way and both, the CPUs by turns and in parallel: at most BOUND times what a frame costs with one CPU and one lane."""
    for flow in (["0:1"], BOTH):
        one = min(instructions(boot, image, 1, 1, size, flow, parallel=False, **traffic) for _ in range(2))
        for parallel in (False, True):
            runs = []
            while len(runs) < TRIES and min(runs, default=9999) > BOUND * one:
                runs.append(instructions(boot, image, cpus, lanes, size, flow, parallel=parallel, **traffic))
            print(f"{len(flow)} ways, {size} bytes: {one:.0f} with one CPU; {cpus} CPUs, {lanes} lanes, "
                  f"{'in parallel' if parallel else 'by turns'}: {', '.join(f'{run:.0f}' for run in runs)}: {min(runs) / one:.3f}")
            assert min(runs) <= BOUND * one
