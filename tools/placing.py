"""
Who runs where on the host while frames are timed, and who first.

With one frame at a time the generator, QEMU's devices and the guest's CPU wake each other in turns. Left alone, the host's scheduler
puts two of them onto one processor in some boots and not in others, and lets the one that was woken wait: the same guest then has
latencies that differ by half, and they are the scheduler's. So everybody gets a place, all guests the same.
"""
import contextlib
import functools
import os
import pathlib
import subprocess


@functools.cache
def ahead():
    """
    The words before a command that put it in line before all guests; none where this user may not. The generator is the clock of a
    latency: what it waits for a processor itself would count as the guest's.
    """
    words = ["chrt", "--fifo", "1"]
    return words if subprocess.run([*words, "true"], stderr=subprocess.DEVNULL).returncode == 0 else []


def places(cpus, processors):
    """Of these processors one for each of the guest's CPUs, and those for all else; None when nothing would be left for that."""
    processors = sorted(processors)
    return (processors[:cpus], processors[cpus:]) if len(processors) > cpus else None


@contextlib.contextmanager
def apart(rig, wanted):
    """
    Meanwhile each of the guest's CPUs has a processor for itself, QEMU's other threads and who is run with the words that this gives
    have the rest. Unless that is wanted, and on a host with too few processors, everybody runs where he may.
    """
    everywhere = os.sched_getaffinity(0)
    found = places(rig.cpus, everywhere) if wanted else None
    if not found:
        yield []
        return
    own = dict(zip((int(thread.parent.name) for thread in rig.threads), found[0]))
    threads = [int(thread.name) for thread in pathlib.Path(f"/proc/{rig.machine.process.pid}/task").iterdir()]
    try:
        for thread in threads:
            os.sched_setaffinity(thread, [own[thread]] if thread in own else found[1])
        yield ["taskset", "--cpu-list", ",".join(map(str, found[1]))]
    finally:
        for thread in threads:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, everywhere)
