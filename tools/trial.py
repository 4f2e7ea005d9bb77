"""
One run of the traffic generator (tools/native/generator.c) through a rig, and all the reasons for which it tells nothing: a frame
that was lost, came twice, was damaged or came where it does not belong; counters of the guest that do not tell the very
frames that passed the sockets; pages that are missing.
"""
import json
import socket
import subprocess
import time

from tools import compiled, placing
from tools.common import Failure

LIMIT = 300          # seconds in which a generator must have ended
LINGER = 50          # ms in which doubled frames may still come
STALL = 5            # seconds without a frame after which those under way are lost
IMIX = [60] * 7 + [590] * 4 + [1514]
ROUTERS = ["52:54:00:00:00:01", "52:54:00:00:00:02"]
FLOWS = {"one": ["0:1"], "both": ["0:1", "1:0"]}


class Refused(Exception):
    """A run of which no figure may be shown."""


def sizes_of(size):
    return ",".join(map(str, IMIX if size == "imix" else [int(size)]))


def generate(ends, size, direction="one", routed=None, count=None, timing=False, stall=STALL, place=(), **options):
    """
    Runs the generator between two connected sockets, with the words of `place` before it; returns what it reports. Options are the
    generator's own. At a rate it is not ahead of the guests: what it is too late for was not offered, and it says so.
    """
    words = [str(compiled.generator()), "--size", sizes_of(size), "--linger", str(LINGER), "--stall", str(stall)]
    for flow in FLOWS[direction]:
        words += ["--flow", flow]
    for name, value in options.items():
        words += [f"--{name}", str(value)]
    words += ["--count", str(count)] if count else []
    words += ["--timing"] if timing else []
    if routed:
        words += ["--routed", str(routed)]
        for address in ROUTERS:
            words += ["--router", address]
    first = [] if "rate" in options else placing.ahead()
    kept = [end.fileno() for end in ends]
    try:
        done = subprocess.run(["setpriv", "--pdeathsig", "KILL", *place, *first, *words, *[f"fd:{fd}" for fd in kept]], pass_fds=kept,
                              text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise Refused(f"the generator did not end within {LIMIT} s") from None
    if done.returncode == 2:
        raise Failure(done.stderr.strip())
    if done.returncode:
        raise Refused(done.stderr.strip())
    return json.loads(done.stdout)


def stuck(result):
    """Frames were left over that no socket took: the guest must be booted anew, since half of one may be on the way."""
    return any(port["unsent"] for port in result["ports"])


def drain(ends):
    """Throws away what came after a generator had given it up."""
    for end in ends:
        try:
            while end.recv(1 << 20, socket.MSG_DONTWAIT):
                pass
        except BlockingIOError:
            pass


def check_frames(result, loss_allowed=False):
    """What the generator saw."""
    names = ["wrong", "duplicated", "reordered", "misdelivered", "foreign", *([] if loss_allowed else ["lost"])]
    faults = [f"{result[name]:,} {name}" for name in names if result[name]]
    if faults:
        raise Refused(f"of {sum(flow['sent'] for flow in result['flows']):,} frames " + ", ".join(faults))
    if stuck(result) and not loss_allowed:
        raise Refused("the guest stopped taking frames")
    if not result["received"]:
        raise Refused("no frame came through")


def check_counters(result, before, after):
    """What the guest says, against what passed the sockets."""
    for port, then, now in zip(result["ports"], before["net"], after["net"]):
        for way, name, count in (("took", "rx_frames", port["out"]), ("sent", "tx_frames", port["in"])):
            if now[name] - then[name] != count:
                raise Refused(f"{now['name']} says that it {way} {now[name] - then[name]:,} frames, and {count:,} passed its "
                              "socket")
    pages = after.get("pages")
    if pages and pages["free"] + pages["owned"] + pages["in_flight"] != pages["total"]:
        raise Refused(f"pages are missing: free {pages['free']:,} + owned {pages['owned']:,} + in flight {pages['in_flight']:,} "
                      f"are not {pages['total']:,}")
    for service in after.get("services", []):
        if service["state"] != "running":
            raise Refused(f"service {service['name']} is {service['state']}")


def run(rig, size, direction, loss_allowed=False, **options):
    """
    One run through a rig, checked: what the generator reports, and the guest's counters before and after it (None when it has
    none); `cpu` is how much of a processor the guest's used meanwhile. Raises Refused.
    """
    before = rig.stats()
    if loss_allowed:
        drain(rig.ends)
    begin, busy = time.monotonic(), rig.cpu_seconds()
    result = generate(rig.ends, size, direction, rig.guest.routed, **options)
    result["cpu"] = None if busy is None else (rig.cpu_seconds() - busy) / (time.monotonic() - begin)
    after = None if stuck(result) else rig.stats()
    check_frames(result, loss_allowed)
    if before is not None and not result["lost"]:
        check_counters(result, before, after)
    return result, before, after
