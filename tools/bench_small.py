"""
What an appliance takes: bytes of its image, instructions from the entry until the first frame was forwarded, and the least memory in
which it forwards frames of all sizes without losing one: ./baton bench small.
"""
import socket

from tools import baton_guest, rig, table, trial
from tools.common import Failure, say

NAME, TEXT = "small", "what the switch takes: image, instructions until the first frame, memory"
CPUS = [1, 4]
ENOUGH = 64            # MiB, in which all goes well
FRAMES = 2000


def instructions_until_first(guest):
    """All that is executed until a station has sent one frame to another: the stations' first words are in it."""
    one = rig.Rig(guest, 1, counting=True)
    try:
        trial.check_frames(trial.generate(one.ends, "60", frames=1))
        with socket.socket(socket.AF_UNIX) as counter:
            counter.connect(str(one.counter))
            counter.sendall(b"c")
            return int(counter.makefile().readline())
    finally:
        one.close()


def forwards(guest, cpus, memory):
    """None: it boots with so many MiB and loses no frame; else why not."""
    guest.memory = memory
    try:
        one = rig.Rig(guest, cpus)
    except Failure as why:
        return next((line.strip("| ") for line in str(why).splitlines() if "panic: " in line), rig.brief(why))
    try:
        trial.run(one, "imix", "both", frames=FRAMES, window=256)
        return None
    except trial.Refused as why:
        return str(why)
    finally:
        one.close()


def least(guest, cpus):
    """By halving: (MiB that are enough, why one less is not)."""
    low, high = 0, ENOUGH
    reason = forwards(guest, cpus, ENOUGH)
    if reason:
        raise Failure(f"the switch does not forward with {ENOUGH} MiB: {reason}")
    while high - low > 1:
        middle = (low + high) // 2
        why = forwards(guest, cpus, middle)
        say(f"{middle} MiB, {cpus} CPUs: {why or 'enough'}")
        if why:
            low, reason = middle, why
        else:
            high = middle
    return high, reason


def measure(options, preset):
    guest = baton_guest.Baton("switch", options.placement or "isolated", preset)
    guest.prepare()
    size, instructions = guest.image.stat().st_size, instructions_until_first(guest)
    memory = {cpus: least(guest, cpus) for cpus in options.cpus or CPUS}
    rows = [["image", f"{size:,} bytes"], ["entry to the first forwarded frame", f"{instructions:,} instructions"]]
    rows += [[f"least memory, {cpus} CPU{'s' if cpus > 1 else ''}", f"{mib} MiB"] for cpus, (mib, _) in memory.items()]
    print(*table.rows(["the switch", ""], rows, 1), sep="\n")
    return False, {"image_bytes": size, "instructions_to_first_frame": instructions,
                   "least_memory": [{"cpus": cpus, "mib": mib, "one_less": why} for cpus, (mib, why) in memory.items()]}
